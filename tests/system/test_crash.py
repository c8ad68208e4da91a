# SPDX-License-Identifier: MIT
"""A worker dies: clients notice as little as physics allows, and the operator
is told why."""

import os
import signal
import sqlite3

import pytest

from harness import http, shows, wait

EVIL = {"/": "evil"}


@shows("A1")
@shows("P4")
@shows("P2")
def test_a_killed_worker_under_load_costs_only_what_it_had(cluster):
    c = cluster(workers=4, routes=EVIL)
    victim = c.worker("web/1")
    with c.load(keepalive=20, new=4, pause=0.02) as ledger:
        ledger.await_more(100)
        seen = c.last_event()
        os.kill(victim["pid"], signal.SIGKILL)
        death = c.await_event("worker.exited", after=seen, worker="web/1")
        c.await_event("worker.ready", after=death, worker="web/1")
        ledger.await_more(100)
    assert death["signal"] == "SIGKILL" and death["code"] is None
    assert death["pid"] == victim["pid"] and death["id"] == victim["id"]
    assert death["cause"] == "signal" and death["asked"] is False
    # a client of the dead worker loses at most the request it had there
    assert len(ledger.failures()) <= 6, ledger.failures()
    assert c.worker("web/1")["restarts"] == 1
    assert c.pool()["restarts"] == 1
    c.restart_daemon()
    assert c.worker("web/1")["restarts"] == 1, "survives the daemon"
    with sqlite3.connect("file:%s/state/state.db?mode=ro" % c.dir, uri=True) as db:
        assert db.execute("SELECT restarts FROM workers WHERE pool = 'web'"
                          " AND slot = 1").fetchone() == (1,)


def test_a_death_tells_its_story(cluster):
    c = cluster(workers=1, routes=EVIL)
    seen = c.last_event()
    c.get("/segv", expect="connection lost")
    death = c.await_event("worker.exited", after=seen)
    if os.environ.get("SANITIZED") == "yes":
        c.allow_in_log("runtime error")     # it leaves with a status then
        return
    assert death["signal"] == "SIGSEGV"
    c.await_event("worker.ready", after=death)
    why = c.ctl("why", "web/0")
    assert "SIGSEGV" in why and "GET /segv" in why and "evil" in why, why

    def stored():
        rows = c.json("deaths")
        rows = rows if isinstance(rows, list) else [rows]
        return rows and rows[-1]
    row = wait.until(stored, 5, "death record")
    assert row["signal"] == "SIGSEGV" and row["path"] == "/segv"
    assert row["plugin"] == "evil" and row["method"] == "GET"


def test_exit_0_is_a_death_too(cluster):
    c = cluster(workers=1, routes=EVIL)
    seen = c.last_event()
    c.get("/exit", expect="connection lost")
    death = c.await_event("worker.exited", after=seen)
    assert death["signal"] is None and death["code"] is not None
    c.await_event("worker.ready", after=death)
    assert c.worker("web/0")["restarts"] == 1


def test_kill_by_command_is_asked_for(cluster):
    c = cluster(workers=1)
    seen = c.last_event()
    assert c.ctl("kill", "web/0").code == 0
    death = c.await_event("worker.exited", after=seen)
    assert death["cause"] == "operator" and death["asked"] is True
    c.await_event("worker.ready", after=death)
    assert c.worker("web/0")["restarts"] == 0


@shows("B7")
def test_a_hung_worker_is_ended_and_named(cluster):
    c = cluster(workers=2, routes=EVIL, handler_timeout="300ms")
    seen = c.last_event()
    c.get("/spin", expect="connection lost")
    hung = c.await_event("worker.hung", after=seen)
    assert "/spin" in hung["text"], hung
    death = c.await_event("worker.exited", after=hung, worker=hung["worker"])
    assert death["cause"] == "hang"
    c.await_event("worker.ready", after=death, worker=hung["worker"])
    assert c.get("/").status == 200


@shows("A7")
@shows("P7")
def test_a_crash_loop_backs_off_and_recovers(cluster):
    c = cluster(workers=2, routes={"/": "hello"}, plugins={
        "hello": {"module": "hello_dies.so"}}, backoff_min="50ms",
        backoff_max="400ms", restart_burst=1000, restart_rate=6000, start=False)
    c.allow_in_log("abort")
    c.start(ready=False)
    status = c.await_state(lambda s: any(
        r["reason"] == "crash_loop" if isinstance(r, dict) else "crash_loop" in r
        for r in s["reasons"]))
    assert c.ctl("status").code in (1, 2)
    assert status["state"] in ("degraded", "failed")
    backoff = [e for e in c.events() if e["event"] == "worker.backoff"]
    assert backoff, "it waits"
    delays = [e["next_ms"] for e in backoff if e["worker"] == "web/0"]
    assert delays[0] <= 50 and max(delays) <= 400, delays
    c.plugins["hello"] = {}
    c.write_config()
    assert c.ctl("reload").code == 0, c.log()[-3000:]
    c.await_ready()
    assert c.get("/").text.startswith("Hello")
    c.await_state(lambda s: s["state"] == "ok")


@pytest.mark.parametrize("path", [pytest.param("/block", marks=shows("B8")),
                                  pytest.param("/deadlock", marks=shows("B9"))])
def test_a_blocked_worker_is_ended(cluster, path):
    c = cluster(workers=2, routes=EVIL, handler_timeout="300ms")
    seen = c.last_event()
    c.get(path, expect="connection lost")
    death = c.await_event("worker.exited", after=seen)
    assert death["cause"] == "hang"
    c.await_event("worker.ready", after=death, worker=death["worker"])


@shows("A5")
@pytest.mark.parametrize("mode", ["init_error", "init_segv", "init_hang"])
def test_a_first_start_that_fails_does_not_end_the_daemon(cluster, mode):
    c = cluster(workers=1, routes=EVIL, plugins={"evil": {"mode": mode}},
                start_timeout="300ms", start=False)
    c.allow_in_log("runtime error")
    c.start(ready=False)
    c.await_state(lambda s: s["state"] == "failed")
    assert c.ctl("status").code == 2
    assert c.ctl("why", "web/0").code == 0
    c.plugins["evil"] = {}
    c.write_config()
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: s["state"] == "ok")


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def test_thirty_deaths_leave_nothing_behind(cluster):
    c = cluster(workers=2, routes=EVIL, restart_burst=1000, stable_after="1s",
                backoff_min="10ms", backoff_max="10ms")
    address, before = c.address(), None
    for n in range(30):
        seen = c.last_event()
        name = "web/%d" % (n % 2)
        os.kill(c.worker(name)["pid"], signal.SIGKILL)
        death = c.await_event("worker.exited", after=seen, worker=name)
        c.await_event("worker.ready", after=death, worker=name)
        with http.connect(address):
            pass
        if n == 9:
            before = descriptors(c.master_pid()), descriptors(c.pid())

    def same():
        return (descriptors(c.master_pid()), descriptors(c.pid())) == before
    wait.until(same, 5, "descriptors as before")
    assert c.pool()["restarts"] == 30


@pytest.mark.parametrize("path", ["/spin", "/block", "/deadlock"])
def test_a_hang_is_seen_at_once_and_explained(cluster, path):
    c = cluster(workers=2, routes=EVIL, handler_timeout="1s")
    seen = c.last_event()
    c.get(path + "?secret", expect="connection lost")
    stalled = c.await_event("worker.stalled", after=seen)
    hung = c.await_event("worker.hung", after=stalled, worker=stalled["worker"])
    death = c.await_event("worker.exited", after=hung, worker=stalled["worker"])
    assert stalled["time"] < hung["time"] <= death["time"]
    c.await_event("worker.ready", after=death, worker=stalled["worker"])
    why = c.ctl("why", stalled["worker"])
    assert "GET " + path in why and "evil" in why and "hang" in why, why
    assert "secret" not in why
