# SPDX-License-Identifier: MIT
"""A worker dies: clients notice as little as physics allows, and the operator
is told why."""

import os
import signal
import sqlite3
import time

import pytest

from harness import processes, shows, wait
from harness.config import LOAD

EVIL = {"/": "evil"}


def assert_only_the_victims(ledger, victim, ended, record):
    """The failures of the ledger are those of one worker's connections, and
    as many as its death record says."""
    kept, closed = ledger.failed_with(victim["id"])
    fresh = [e for e in ledger.failures() if e not in kept]
    assert kept, "requests were in its hands"
    assert not [e for e in fresh if e.owner is not None], "another's connection"
    assert not [e for e in fresh if e.action == "connect"], "listeners never close"
    # a connection that it had not taken has another owner, and is not lost
    assert not [e for e in fresh if e.began > ended], fresh
    cut = len(kept) + len(fresh) + len(closed)
    # answered and left by the client, which the victim was yet to notice
    leaving = [e for e in ledger.requests() if e.ok and e.owner is None
               and e.worker_id == str(victim["id"])
               and e.client.startswith("paced") and e.ended > ended - 0.5]
    assert cut <= record["connections_lost"] <= cut + len(leaving), \
        (cut, record, leaving, ledger.failures())


@shows("A1")
@shows("P4")
@shows("P2")
@shows("node-E7")
def test_a_killed_worker_under_load_costs_only_what_it_had(cluster):
    c = cluster(workers=4, routes=EVIL)
    victim = c.worker("web/1")
    process = processes.Process(victim["pid"])
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        seen = c.last_event()
        wait.until(lambda: len(ledger.open_with(victim["id"])) >= 3, 5,
                   "requests in its hands")
        process.send(signal.SIGKILL)
        process.await_end()
        ended = time.monotonic()
        death = c.await_event("worker.exited", after=seen, worker="web/1")
        ready = c.await_event("worker.ready", after=death, worker="web/1")
        ledger.await_each(2)
    process.close()
    assert death["signal"] == "SIGKILL" and death["code"] is None
    assert death["pid"] == victim["pid"] and death["id"] == victim["id"]
    assert death["cause"] == "signal" and death["asked"] is False
    assert ready["id"] != victim["id"] and c.get("/").status == 200
    assert_only_the_victims(ledger, victim, ended, c.death(victim["id"]))
    restarts = {"web/0": 0, "web/1": 1, "web/2": 0, "web/3": 0}
    assert {w["worker"]: w["restarts"] for w in c.workers()} == restarts
    assert c.pool()["restarts"] == 1
    wait.until(lambda: stored_restarts(c) == 1, 5, "the counter in the database")
    c.restart_daemon()
    assert {w["worker"]: w["restarts"] for w in c.workers()} == restarts
    assert c.pool()["restarts"] == 1 and stored_restarts(c) == 1


def stored_restarts(c):
    with sqlite3.connect("file:%s/state/state.db?mode=ro" % c.dir, uri=True) as db:
        return db.execute("SELECT restarts FROM workers WHERE pool = 'web'"
                          " AND slot = 1").fetchone()[0]


@shows("node-E7")
def test_exit_0_is_a_death_too(cluster):
    c = cluster(workers=1, routes=EVIL)
    seen = c.last_event()
    c.get("/exit", expect="connection lost")
    death = c.await_event("worker.exited", after=seen)
    assert death["signal"] is None and death["code"] is not None
    c.await_event("worker.ready", after=death)
    assert c.worker("web/0")["restarts"] == 1


@shows("node-E7")
@shows("node-W3")
def test_kill_by_command_is_asked_for(cluster):
    c = cluster(workers=1)
    seen = c.last_event()
    assert c.ctl("kill", "web/0").code == 0
    death = c.await_event("worker.exited", after=seen)
    assert death["cause"] == "operator" and death["asked"] is True
    c.await_event("worker.ready", after=death)
    assert c.worker("web/0")["restarts"] == 0


# What the n-th early death in a row is followed by, in ms, for backoff_min = 20
# and backoff_max = 320: at once, then between half of d and d.
DELAYS = {1: (0, 0), 2: (10, 20), 3: (20, 40), 4: (40, 80), 5: (80, 160)}
LONGEST = (160, 320)


def sick(cluster, how="die_while", **keys):
    """A cluster whose plugin dies right after READY as long as c.cause exists."""
    keys = dict({"workers": 2, "backoff_min": "20ms", "backoff_max": "320ms",
                 "restart_burst": 1000, "restart_rate": 6000, "stable_after": "1s"},
                **keys)
    c = cluster(routes=EVIL, daemon={"log_level": "notice"}, start=False, **keys)
    c.allow_in_log("abort")
    c.cause = c.dir + "/sick"
    with open(c.cause, "w", encoding="ascii"):
        pass
    c.plugins["evil"] = {"mode": "%s=%s" % (how, c.cause)}
    c.write_config()
    c.start(ready=False)
    return c


def crash_loops(status):
    return {r["worker"] for r in status["reasons"] if r["reason"] == "crash_loop"}


def await_deaths(c, count, after=0):
    """So many more deaths of each slot."""
    for name in ("web/0", "web/1")[:c.pools["web"][0]["workers"]]:
        seen = after
        for _ in range(count):
            seen = c.await_event("worker.exited", after=seen, worker=name)


@shows("A7")
@shows("P7")
@shows("node-B10")
def test_a_crash_loop_backs_off_and_recovers_by_itself(cluster):
    c = sick(cluster)
    c.await_state(lambda s: crash_loops(s) == {"web/0", "web/1"})
    status = c.ctl("--json", "status")
    assert status.code in (1, 2) and '"crash_loop"' in status, status
    assert c.ctl("status").code in (1, 2)
    await_deaths(c, 12)                 # it never gives up
    assert c.status()["state"] in ("degraded", "failed")
    os.unlink(c.cause)                  # nobody tells the daemon
    c.await_state(lambda s: s["state"] == "ok" and not crash_loops(s))
    assert c.ctl("status").code == 0 and c.get("/").status == 200
    events = c.events()
    for name in ("web/0", "web/1"):
        mine = [e for e in events if e.get("worker") == name]
        assert [e["event"] for e in mine].count("worker.recovered") == 1
        deaths = [e for e in mine if e["event"] == "worker.exited"]
        assert {e["signal"] for e in deaths} == {"SIGABRT"}
        assert c.worker(name)["restarts"] == len(deaths) >= 12
    # a lone death is followed by a start at once again
    seen = c.last_event()
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    death = c.await_event("worker.exited", after=seen, worker="web/0")
    assert c.death(death["id"])["next_ms"] == 0
    assert not [e for e in c.events(seen) if e["event"] == "worker.backoff"]


def test_a_good_reload_ends_a_crash_loop(cluster):
    c = sick(cluster, backoff_min="10s", backoff_max="10s")
    c.await_state(lambda s: any(w["state"] == "waiting" for w in s["workers"]))
    c.plugins["evil"] = {}
    c.write_config()
    assert c.ctl("reload").code == 0, c.log()[-3000:]
    c.await_state(lambda s: s["state"] == "ok" and s["pools"][0]["ready"] == 2)
    assert c.get("/").status == 200


@shows("A7")
def test_the_delays_of_a_crash_loop(cluster):
    c = sick(cluster)
    await_deaths(c, 9)
    wait.until(lambda: len(c.json("deaths", "web/1")) >= 9, 5, "their records")
    records = c.json("deaths", "web/1")
    events = c.events()
    began = [e for e in events if e["event"] == "worker.forked" and e["worker"] == "web/1"]
    delays = []
    for number, (record, following) in enumerate(zip(records, began[1:]), 1):
        least, most = DELAYS.get(number, LONGEST)
        assert record["n"] == number and record["state"] == "ready", record
        assert least <= record["next_ms"] <= most, record
        # and that is how long it does wait, and some more on a busy machine
        waited = following["time"] - record["time"]
        assert record["next_ms"] - 2 <= waited <= record["next_ms"] + 3000, \
            (record, following)
        delays.append(record["next_ms"])
    assert len(delays) >= 8
    assert len(set(delays[5:])) > 1, "not all slots at the same moment"
    backoffs = [e["next_ms"] for e in events
                if e["event"] == "worker.backoff" and e["worker"] == "web/1"]
    assert delays[0] == 0 and backoffs[:len(delays) - 1] == delays[1:]


def lines_so_far(c):
    """How many the log has, with that of each change of state until now."""
    changes = [e for e in c.events() if e["event"] == "state.changed"]
    wait.until(lambda: c.log().count(": state.changed") >= len(changes), 5, "their lines")
    return len(c.log().splitlines())


@shows("A7")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_crash_loop_is_told_once(cluster, workers):
    """A line says that it began; each further death is in `events' alone.  The
    master looks often enough to see each of the short lives, and waits are
    longer than what makes a pool without a worker `failed'."""
    c = sick(cluster, workers=workers, scale=20)
    c.await_state(lambda s: len(crash_loops(s)) == workers)
    wait.until(lambda: [e["state"] for e in c.events()
                        if e["event"] == "state.changed"][-1:] == ["failed"],
               10, "word that nothing is served")
    seen, said = c.last_event(), lines_so_far(c)
    await_deaths(c, 10, after=seen)
    lines = c.log().splitlines()[said:]
    # what goes on is said again, in one line, every 30 s
    assert not [line for line in lines if "still failed: " not in line], lines
    assert not [e for e in c.events(seen) if e["event"] == "state.changed"]
    # who asks is told about each, with its last words
    assert "worker web/0" in c.json("deaths", "web/0")[-1]["output_tail"]


@shows("A7")
def test_a_crash_loop_of_those_who_stall_is_told_once(cluster):
    """Whoever dies slowly, or has no CPU for it, stalls before."""
    c = sick(cluster, "die_slowly_while", workers=1, scale=20)
    c.await_state(lambda s: len(crash_loops(s)) == 1)
    seen, said = c.last_event(), lines_so_far(c)
    for _ in range(3):
        seen = c.await_event("worker.exited", after=c.await_event("worker.stalled", after=seen))
    lines = [line for line in c.log().splitlines()[said:] if ": worker." in line]
    assert not lines, lines


def kill(c, name):
    seen = c.last_event()
    os.kill(c.worker(name)["pid"], signal.SIGKILL)
    return seen


def test_retry_by_command_takes_no_token(cluster):
    c = cluster(workers=1, restart_burst=1, restart_rate=1)
    seen = c.last_event()
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    seen = c.await_event("worker.ready", after=seen, worker="web/0")
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    waits = c.await_event("worker.backoff", after=seen, worker="web/0")
    c.await_state(lambda s: s["workers"][0]["next"] is not None
                  and s["workers"][0]["next"] - waits["time"] > 20000)
    assert c.ctl("retry", "web/0").code == 0
    c.await_event("worker.ready", after=waits, worker="web/0")


def test_tries_after_failed_spawns_take_no_token(cluster):
    c = cluster(workers=1, restart_burst=1, restart_rate=1, scale=50, start=False,
                env={"CLUSTERD_FP": "keeper.before_exec:err=EAGAIN/web/0"})
    c.start(ready=False)
    seen = 0
    for _ in range(7):
        seen = c.await_event("worker.backoff", after=seen, worker="web/0")
        assert seen["next_ms"] <= 600 and seen["n"] == 0, seen
    assert "spawn_failing" in {r["reason"] for r in c.status()["reasons"]}


def test_what_cannot_start_is_failed_and_no_crash_loop(cluster):
    """Its file in the plugin store is broken: it says so, and is tried again
    each minute (here: a fiftieth of one)."""
    c = cluster(workers=1, scale=50)
    kept, = os.listdir(c.dir + "/state/store")
    kept = os.path.join(c.dir, "state/store", kept)
    with open(kept + ".bad", "wb") as f:
        f.write(b"no plugin at all")
    os.rename(kept + ".bad", kept)
    seen = c.last_event()
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    told = []
    for _ in range(6):
        told.append(c.await_event("worker.failed", after=seen, worker="web/0"))
        seen = told[-1]
    assert len({e["n"] for e in told}) == 1, told
    reasons = {r["reason"] for r in c.status()["reasons"]}
    assert "failed" in reasons and "crash_loop" not in reasons, reasons
    assert c.worker("web/0")["restarts"] >= 7, "each is a death all the same"


@pytest.mark.slow
def test_a_worker_that_is_forked_too_late_is_ended(cluster):
    """The keeper answers when the master has given it up: its process is nobody's,
    and the slot starts another, of another id."""
    # the checker, the master, the worker, its first successor; the next one late
    c = cluster(workers=1, start_timeout="1s", backoff_min="3s", backoff_max="20s",
                env={"CLUSTERD_FP": "keeper.after_clone:sleep=6000@5"})
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    death = c.await_event("worker.exited")
    c.await_event("worker.ready", after=death)
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    late = c.await_event("worker.unkillable", after=death, timeout=20)
    c.await_log("belongs to no row", timeout=20)
    c.await_state(lambda s: s["pools"][0]["ready"] == 1, timeout=20)
    assert c.worker("web/0")["id"] > late["id"]
    wait.until(lambda: sorted(processes.children(c.pid())) ==
               sorted([c.master_pid(), c.worker("web/0")["pid"]]), 10, "no other process")


def test_last_words_are_not_for_a_client(cluster):
    """A plugin has closed stderr, and the number is a client's since."""
    c = cluster(workers=1, routes=EVIL)
    pid = c.worker("web/0")["pid"]
    assert c.get("/closefd?2").text == "0\n"
    with c.connect() as client:
        client.request("GET", "/said")
        assert os.readlink("/proc/%d/fd/2" % pid).startswith("socket:")
        c.get("/segv", expect="connection lost")
        try:
            heard = client.sock.recv(4096)
        except ConnectionResetError:
            heard = b""
    assert heard == b""
    c.await_log("web/0[%d]: worker web/0: SIGSEGV" % pid)
