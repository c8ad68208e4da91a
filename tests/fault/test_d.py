# SPDX-License-Identifier: MIT
"""Keeper and master die; starts and stops that meet something in their way."""

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time

import pytest

from harness import database, http, memo, processes, shows, slow, wait


def identity(status):
    """Who serves, with what was counted of him."""
    return {row["worker"]: (row["pid"], row["id"], row["restarts"])
            for row in status["workers"] if row["slot"] < 4}


# ---- D1: the master is killed ----------------------------------------------------

def verdict(command, size):
    """What clusterctl said across the death: done, or an error with words."""
    out, err = command.communicate(timeout=30)
    assert command.returncode in (0, 1, 3), (command.returncode, out, err)
    if command.returncode != 0:
        assert err.strip(), "never silence"
        return None
    assert json.loads(out)["to"] == size, out
    return size


@shows("D1")
@shows("P1")
@pytest.mark.parametrize("times", [5, pytest.param(20, marks=slow)])
def test_master_killed(row, repetition, times):
    r = row()
    chance = random.Random(repetition)
    before = identity(r.status())
    for n in range(times):
        size = 5 - n % 2
        command = r.ctl_start("--json", "scale", "web", size)
        # the fault itself: at any moment of what it does
        wait.readable(r.process.pidfd, chance.random() * 0.1)
        killed = time.monotonic()
        seen = r.end_master()
        r.await_event("master.adopted", after=seen)
        # ten times what is promised, back-off of those that die early left out
        assert n > 0 or time.monotonic() - killed < 5
        told = verdict(command, size)
        status = r.await_state(lambda s: s["pools"][0]["ready"] == s["pools"][0]["desired"])
        assert identity(status) == before
        if told is not None:
            assert status["pools"][0]["desired"] == told
        r.served(1)
    assert r.ctl("scale", "web", 4).code == 0
    r.await_state(lambda s: len(s["workers"]) == 4)
    if times > 9:
        # ten early deaths in a row: the store stays closed, and status says so
        r.ends_as("degraded")
        assert [w["reason"] for w in r.status()["reasons"]] == ["safe_mode"]


# ---- D2: the keeper dies with a child in its hand ------------------------------------

@shows("D2")
@shows("P9")
def test_keeper_dies_after_clone(row):
    r = row(start=False, daemon={"orphan_grace": "1s"})
    r.arm("keeper.after_clone:kill/web/4")
    r.start()
    r.served()
    scale = r.ctl_start("scale", "web", 5)
    r.keeper_killed()
    assert scale.wait(20) == 3
    r.arm()
    r.start()
    assert r.pool()["desired"] in (4, 5), "nobody was promised the one or the other"
    r.served()


# ---- D4, D5, D6: something is in the way of a start -----------------------------------

@shows("D4")
def test_leftovers(row):
    r = row(start=False)
    os.mkdir(r.dir + "/run", 0o755)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        for name, text in (("clusterd.pid", "%d\n" % stranger.pid),
                           ("lock", "%d %d\n" % (stranger.pid, time.time())),
                           ("workers.lock", "")):
            with open(r.dir + "/run/" + name, "w", encoding="ascii") as f:
                f.write(text)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(r.socket)
        r.start()
        r.served()
        with open(r.dir + "/run/clusterd.pid", encoding="ascii") as f:
            assert f.read() == "%d\n" % r.pid()
        assert stranger.poll() is None, "nobody touched it"
        stranger.communicate(b"\n")


@shows("D5")
@pytest.mark.parametrize("how", [[], ["-d"]])
def test_second_instance(row, how):
    r = row()
    before = identity(r.status())
    began = time.time()
    done = r.clusterd(*how)
    assert done.code == 3, done
    assert "already running: pid %d since %s" % (
        r.pid(), time.strftime("%Y-%m-%d", time.localtime(began))) in done
    assert identity(r.status()) == before
    assert r.ctl("ping").code == 0
    r.served()


@shows("D6")
@shows("node-B18")
def test_port_in_use_at_start(cluster):
    """No load can run: nothing is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        c = cluster(start=False, listen=address)
        done = c.clusterd()
    assert done.code == 4 and address in done and "in use" in done
    assert sorted(os.listdir(c.dir + "/run")) == ["lock", "workers.lock"]
    c.start()                           # free now


@shows("D6")
@shows("P8")
@shows("node-B18")
def test_port_in_use_at_reload(row):
    r = row()
    before, seen = r.status(), r.last_event()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        r.write_config(listen=["127.0.0.1:0", address])
        done = r.ctl("reload")
        assert done.code == 1 and address in done and "in use" in done, done
    after = r.status()
    assert after["generation"] == before["generation"]
    assert after["pools"][0]["listen"] == before["pools"][0]["listen"]
    assert identity(after) == identity(before)
    r.await_event("config.rejected", after=seen)
    r.served()


# ---- D7: a worker of a dead instance --------------------------------------------------

def stop_it(r, worker):
    worker.send(signal.SIGSTOP)


def hold_it(r, worker):
    """It ignores SIGTERM (the plugin's mode), and its loop is held."""
    row_ = next(w for w in r.workers() if w["pid"] == worker.pid)
    with r.connection_to(row_) as client:
        client.send(http.head("GET", "/block", "a"))
        r.await_state(lambda s: s["workers"][row_["slot"]]["doing"])


@shows("D7")
@pytest.mark.parametrize("how", [stop_it, hold_it])
def test_a_worker_that_outlives_its_keeper(row, how):
    r = row(daemon={"orphan_grace": "1s"}, handler_timeout="1h", request_timeout="1h",
            plugins={"evil": {"mode": "ignore_lifeline"}})
    r.served()
    left = processes.Process(r.worker("web/2")["pid"])
    how(r, left)
    r.signal(signal.SIGKILL)
    r.keeper_killed(but=[left.pid])
    began = time.monotonic()
    done = r.clusterd()
    assert done.code == 3 and "workers.lock" in done, done
    # orphan_grace and two seconds more (scaled), never sooner
    assert time.monotonic() - began > 1 + 2 / r.scale
    assert left.alive(), "a start signals nobody of another instance"
    r.start(ready=False)                # it waits, and is in time
    left.send(signal.SIGKILL)
    left.await_end()
    left.close()
    r.await_ready()
    r.begin()
    r.served()


# ---- D10: signals ----------------------------------------------------------------------

HELLO = {"/": "evil", "/hello": "hello"}


def hello(r, module):
    r.plugins["hello"] = {"module": module}
    r.write_config()


def versions(r, count=8):
    """Which versions of hello answer; None is the one of the box."""
    return {r.get("/hello").header("X-Version") for _ in range(count)}


@shows("D10")
def test_signal_storm(row):
    r = row(routes=HELLO)
    r.write_config(max_headers=99)
    assert r.ctl("reload").code == 0
    r.await_state(lambda s: len(s["workers"]) == 4)
    r.note_means()
    seen = r.last_event()
    hello(r, "hello_v2.so")
    storm = [signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD]
    for n in range(100000):
        r.signal(storm[n % 3])
        if n == 50000:
            hello(r, "hello_v3.so")
    r.signal(signal.SIGHUP)
    wait.until(lambda: versions(r) == {"3"}, 20, "the last file in force")
    r.await_state(lambda s: len(s["workers"]) == 4)
    # what waited was one at any time: each began when the one before had ended
    running = 0
    for row_ in r.events(seen):
        if row_["event"] in ("command.started", "command.done", "command.failed") \
                and row_["command"] == "reload":
            running += 1 if row_["event"] == "command.started" else -1
            assert running <= 2, "one runs, one waits"
    r.served()


# ---- D11: stop meets something ---------------------------------------------------------

HELD = {"request_timeout": "30s", "drain_timeout": "5s"}


def hold_requests(r, ms, count=4):
    """So many clients, each with a request under way."""
    def are_held(number):
        r.await_state(lambda s: sum(w["connections"] or 0 for w in s["workers"]) == number)
    are_held(0)                         # the load has left
    clients = [http.connect(r.address()) for _ in range(count)]
    for client in clients:
        client.sendall(http.head("GET", "/sleep?%d" % ms, "a"))
    are_held(count)
    return clients


def answers(clients):
    """Their status lines; b"" for a connection that was closed."""
    found = []
    for client in clients:
        client.settimeout(20)
        with client:
            try:
                found.append(client.recv(100)[:12])
            except ConnectionResetError:
                found.append(b"")
    return found


@shows("D11")
def test_term_during_start(row):
    """Two workers serve, the others are not there yet."""
    r = row(start=False, start_timeout="5m", **HELD)
    r.arm("worker.before_ready:sleep=60000/web/2", "worker.before_ready:sleep=60000/web/3")
    r.start(ready=False)
    status = r.await_state(lambda s: s["pools"] and s["pools"][0]["ready"] == 2)
    r.begin()
    r.served()
    r.ends_as(status["state"])
    r.last_look()
    clients = hold_requests(r, 500)
    assert r.stop() == 0
    assert answers(clients) == [b"HTTP/1.1 200"] * 4


@shows("D11")
def test_term_during_reload(row):
    r = row(start=False, start_timeout="5m", **HELD)
    r.arm()
    r.start()
    r.served()
    r.last_look()
    r.arm("worker.before_ready:sleep=60000")
    seen = r.last_event()
    r.write_config(max_headers=99)
    reload = r.ctl_start("reload")
    r.await_event("reload.canary", after=seen)
    clients = hold_requests(r, 500)
    assert r.stop() == 0
    assert answers(clients) == [b"HTTP/1.1 200"] * 4
    out, err = reload.communicate(timeout=5)
    assert reload.returncode == 1 and "stopping" in err, (out, err)


@shows("D11")
def test_term_twice(row):
    r = row(**dict(HELD, drain_timeout="60s"))
    r.served()
    r.last_look()
    seen = r.last_event()
    clients = hold_requests(r, 30000)
    r.signal(signal.SIGTERM)
    r.await_event("master.stopping", after=seen)
    r.await_state(lambda s: {w["state"] for w in s["workers"]} == {"draining"})
    began = time.monotonic()
    r.signal(signal.SIGTERM)
    assert r.await_exit() == 0
    assert time.monotonic() - began < 30, "ten times what is promised"
    assert answers(clients) == [b""] * 4


@shows("D11")
def test_quit_waits(row):
    """Longer than drain_timeout, which is not its limit."""
    r = row(**dict(HELD, drain_timeout="300ms"))
    r.served()
    r.last_look()
    began = time.monotonic()
    clients = hold_requests(r, 2000)
    assert r.stop(signal.SIGQUIT) == 0
    assert time.monotonic() - began >= 2.0 - 0.001, "its timers count in whole ms"
    assert answers(clients) == [b"HTTP/1.1 200"] * 4


# ---- D13: no store --------------------------------------------------------------------

# Two early deaths in a row, and the next start waits that long.
WAITING = {"stable_after": "60s", "backoff_min": "40s", "backoff_max": "60s"}

KEPT = {
    "globals": ["generation", "previous", "last_generation", "next_id"],
    "pools": ["name", "desired", "desired_by_operator", "file_workers", "generation"],
    "slots": ["number", "early", "next_try_boot_ms", "restarts", "replacements",
              "generation", "wanted"],
    "workers": ["id", "pid", "state", "generation"],
}


def memory(r):
    """What the memo has of all that a master's death may not change; the tokens of
    the bucket apart, which come back with time."""
    with memo.Memo(r.pid()) as held:
        plain = held.plain()
    tokens = plain["pools"][0]["tokens_milli"], plain["pools"][0]["tokens_ns"]
    rows = {part: plain[part] if isinstance(plain[part], list) else [plain[part]]
            for part in KEPT}
    return tokens, {part: [{name: one[name] for name in KEPT[part]} for one in rows[part]]
                    for part in KEPT}


def lose_the_store(r, how):
    """Nobody can write it, or it is no longer there."""
    path = r.dir + "/state/state.db"
    if how == "locked":
        return database.Lock(r)
    for part in ("", "-wal", "-shm"):
        os.unlink(path + part)
    return None


def stored(r):
    """(size, {slot: restarts}) in the database; None while there is no such row."""
    try:
        with sqlite3.connect("file:%s/state/state.db?mode=ro" % r.dir, uri=True) as db:
            size = db.execute("SELECT desired FROM pools WHERE pool = 'web'").fetchone()
            return size and (size[0], dict(db.execute(
                "SELECT slot, restarts FROM workers WHERE pool = 'web'")))
    except sqlite3.OperationalError:
        return None
    finally:
        db.close()


def kill_twice(r, name):
    for n in range(2):
        seen = r.last_event()
        victim = r.blame(r.worker(name))
        os.kill(victim["pid"], signal.SIGKILL)
        r.await_event("worker.backoff" if n else "worker.ready", after=seen, worker=name)
        r.death(victim["id"])           # its record is on the disk


@shows("D13")
@shows("P5")
@pytest.mark.parametrize("store", ["locked", "deleted"])
def test_master_dies_without_a_store(row, store):
    r = row(start=False, **WAITING)
    r.arm()
    r.start()
    r.served()
    kill_twice(r, "web/1")
    kill_twice(r, "web/2")
    r.lose_records()
    lock = lose_the_store(r, store)
    r.arm("worker.before_ready:sleep=300/web/4")
    seen, pid = r.last_event(), r.master_pid()
    command = r.ctl_start("--json", "scale", "web", 5)
    # it is decided, and what has begun for it is in the memo
    new = r.await_event("worker.forked", after=seen, worker="web/4")
    wait.until(lambda: new["id"] in {w["id"] for w in memory(r)[1]["workers"]}, 10,
               "it in the memo")
    processes.halt(pid)                 # what is compared stands still
    tokens, before = memory(r)
    r.master_ends()
    os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    r.await_event("master.adopted", after=seen)
    assert time.monotonic() - killed < 5, "the disk is not asked"
    assert verdict(command, 5) == 5
    after_tokens, after = memory(r)
    new = {row_["number"]: row_ for row_ in after["slots"]}
    for slot in before["slots"]:
        assert new[slot["number"]] == slot, "counters and back-off"
    assert after["globals"] == before["globals"] and after["pools"] == before["pools"]
    for worker in before["workers"]:
        if worker["state"] != "starting":
            assert worker in after["workers"], (worker, after["workers"])
    assert after_tokens[0] <= tokens[0] + 1000, "the bucket is not full again"
    assert [s["early"] for s in after["slots"][1:3]] == [2, 2]
    r.served()
    if lock is not None:
        lock.release()
    wait.until(lambda: stored(r) == (5, {0: 0, 1: 2, 2: 2, 3: 0, 4: 0}), 15,
               "the present state in the database")
    for name in ("web/1", "web/2"):
        assert r.ctl("retry", name).code == 0
    assert r.ctl("scale", "web", 4).code == 0


# ---- D14: the memo ---------------------------------------------------------------------

# Nobody has recovered, which would be told, before all of it is over.
FOR_GOOD = {"stable_after": "1h"}


def change_version(held):
    held.set_version(memo.VERSION + 1)


@shows("D14")
@pytest.mark.parametrize("poison, rebuilt", [
    (lambda held: held.flip("idle"), False),
    (lambda held: held.flip("current"), True),
    (lambda held: held.flip("current", "idle"), True),
    (change_version, True)], ids=["idle", "current", "both", "version"])
def test_poisoned_memo(row, poison, rebuilt):
    r = row(**FOR_GOOD)
    r.served()
    # a counter that is not 0, a size that is not the file's
    victim = r.blame(r.worker("web/1"))
    seen = r.last_event()
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.ready", after=seen, worker="web/1")
    assert r.ctl("scale", "web", 5).code == 0
    r.death(victim["id"])               # and in the store
    before, pid, seen = r.status(), r.master_pid(), r.last_event()
    processes.halt(pid)                 # it would write over it
    with memo.Memo(r.pid()) as held:
        poison(held)
    r.master_ends()
    os.kill(pid, signal.SIGKILL)
    assert_adopted_as(r, seen, before, rebuilt)


@shows("D14")
def test_a_memo_made_anew_knows_what_to_go_back_to(row):
    """That is in the database alone, when both copies are lost."""
    r = row(routes=HELLO)
    hello(r, "hello_v2.so")
    assert r.ctl("reload").code == 0
    before = r.await_state(lambda s: len(s["workers"]) == 4)
    r.note_means()
    pid, seen = r.master_pid(), r.last_event()
    processes.halt(pid)
    with memo.Memo(r.pid()) as held:
        held.flip("current", "idle")
    r.master_ends()
    os.kill(pid, signal.SIGKILL)
    assert "rebuilt" in r.await_event("master.adopted", after=seen)["text"]
    assert r.status()["generation"] == before["generation"] and versions(r) == {"2"}
    assert r.ctl("rollback").code == 0
    assert versions(r) == {None}
    assert r.status()["generation"] == before["previous_generation"]
    r.await_state(lambda s: len(s["workers"]) == 4)


@shows("D14")
def test_a_memo_that_ends_every_master(row):
    """It is whole; the fifth early death in a row is the last of it."""
    r = row(start=False, **FOR_GOOD)
    r.arm(*("master.adopt:abort/%d" % number for number in range(2, 6)))
    r.start()
    r.served()
    victim = r.blame(r.worker("web/1"))
    seen = r.last_event()
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.ready", after=seen, worker="web/1")
    r.death(victim["id"])
    before, seen = r.status(), r.last_event()
    r.master_ends(4)
    r.end_master()
    assert_adopted_as(r, seen, before, True)


def assert_adopted_as(r, seen, before, rebuilt):
    event = r.await_event("master.adopted", after=seen)
    assert ("rebuilt" in event["text"]) == rebuilt, event
    after = r.await_state(lambda s: s["pools"][0]["ready"] == s["pools"][0]["desired"])
    assert identity(after) == identity(before)
    assert after["pools"][0]["desired"] == before["pools"][0]["desired"]
    assert after["pools"][0]["restarts"] == before["pools"][0]["restarts"] == 1
    assert after["generation"] == before["generation"]
    r.served()
    # no worker was started, stopped or told; it may have had to wait for the CPU
    told = {e["event"] for e in r.events(seen) if e["event"].startswith("worker.")}
    assert told <= {"worker.stalled"}, told
    with memo.Memo(r.pid()) as held:
        assert held.is_whole(held.copy())
    assert r.ctl("scale", "web", 4).code == 0
    r.await_state(lambda s: len(s["workers"]) == 4)


# ---- D15: between deciding and doing -------------------------------------------------------

def restart(r, arm):
    """Spawn, then drain."""
    arm()
    assert r.ctl("restart", "web/0").code in (0, 1)


def resize(r, arm):
    """Spawn, commit; drain, retire."""
    arm()
    for size in (5, 4):
        before = r.pool()["desired"]
        done = r.ctl("scale", "web", size)
        if done.code != 0:              # as if it had never been decided
            assert "its end was not recorded" in done.err, done
            assert r.pool()["desired"] == before
            assert r.ctl("scale", "web", size).code == 0


def reload(r, arm):
    """Canary, roll, commit."""
    arm()
    assert change_and_reload(r) in (0, 1)


def pause(r, arm):
    """Done at once; said to be done only when it is."""
    arm()
    done = r.ctl("pause", "web/3")
    if done.code == 0:
        assert r.worker("web/3")["paused"]
    else:                               # it may be so, or not; never silence
        assert done.err.strip(), done
    assert r.ctl("resume", "web").code == 0


def death(r, arm):
    """Record, then spawn."""
    victim = r.blame(r.worker("web/1"))
    arm()
    os.kill(victim["pid"], signal.SIGKILL)
    return victim["id"], "signal"


def hang(r, arm):
    """The ladder, its record, then spawn."""
    victim = r.blame(r.worker("web/2"))
    with r.connection_to(victim) as client:
        client.send(http.head("GET", "/block", "a"))
        r.await_state(lambda s: s["workers"][2]["doing"])
        arm()
        r.await_state(lambda s: victim["id"] not in {w["id"] for w in s["workers"]})
    return victim["id"], "hang"


def change_and_reload(r):
    r.write_config(max_headers=r.pools["web"][0].get("max_headers", 100) + 1)
    return r.ctl("reload").code


def arm_flip(r, point, count, base):
    """Let the master that is there now die at its count-th flip from now; base is the
    memo's number when it began.  Returns that flip's number."""
    status = r.status()["master"]
    processes.halt(status["pid"])       # no flip between look and rule
    with memo.Memo(r.pid()) as held:
        number = held.copy().number + count
    r.arm("master.%s:kill@%d/%d" % (point, number - base, status["restarts"] + 1))
    os.kill(status["pid"], signal.SIGCONT)
    return number


FLIPS = [(1, 2, 3, 4)] + [pytest.param(tuple(range(n, n + 4)), marks=slow)
                          for n in range(5, 25, 4)]


@shows("D15")
@pytest.mark.parametrize("flips", FLIPS, ids=lambda flips: "from %d" % flips[0])
@pytest.mark.parametrize("work", [restart, resize, reload, pause, death, hang])
@pytest.mark.parametrize("point", ["before_flip", "after_flip"])
def test_master_dies_between_deciding_and_doing(row, point, work, flips):
    """Four masters, each at another flip of the same work: a fifth early death would
    make the memo anew."""
    r = row(start=False, handler_timeout="300ms", backoff_min="10ms", restart_burst=100)
    r.may_miss_records(4)               # each master takes what is not yet on the disk
    r.arm()
    r.start()
    if work is reload:
        assert change_and_reload(r) == 0
        r.await_state(lambda s: len(s["workers"]) == 4)
        r.note_means()
    r.served()
    base = ended = 0
    expected = []

    def is_done(status):
        return (status["pools"][0]["ready"] == len(status["workers"]) == 4
                and status["pools"][0]["restarts"] >= len(expected))
    for count in flips:
        armed = []
        gone = work(r, lambda: armed.append(arm_flip(r, point, count, base)))
        expected += [gone] if gone else []
        status = r.await_state(is_done)
        if status["master"]["restarts"] == ended:
            break                       # its flips are fewer
        ended += 1
        assert status["master"]["restarts"] == ended
        base = armed[0] - (point == "before_flip")
    r.master_ends(ended)
    r.arm()
    assert ended > 0 or flips[0] > 1, "it died at least of the first"
    # done once: neither twice nor never
    assert r.pool()["restarts"] == len(expected)
    recorded = [(d["id"], d["cause"]) for d in r.deaths()]
    assert len(set(recorded)) == len(recorded) and set(recorded) <= set(expected)
    workers = {w["pid"] for w in r.workers()}
    # a checker whose master died ends by itself
    wait.until(lambda: set(processes.children(r.pid())) == workers | {r.master_pid()}, 10,
               "nobody else below the keeper")
    r.served()


@shows("D15")
@pytest.mark.parametrize("rebuilt", [False, True], ids=["memo kept", "memo made anew"])
def test_ready_is_heard_though_the_one_who_heard_it_died(row, rebuilt):
    """The word is gone with him, and the worker has not come to write it on its page
    when the next one looks there."""
    r = row(start=False)
    r.arm()
    r.start()
    between = "worker.said_ready:sleep=400/web/1"
    r.arm(between)
    seen, master = r.last_event(), r.master_pid()
    victim = r.blame(r.worker("web/1"))
    os.kill(victim["pid"], signal.SIGKILL)
    worker = r.await_event("worker.forked", after=seen, worker="web/1")
    processes.halt(master)
    wait.until(lambda: processes.is_asleep(worker["pid"]), 10, "it has said that it is ready")
    if rebuilt:
        with memo.Memo(r.pid()) as held:
            change_version(held)
    r.arm("master.before_flip:kill/1", between)
    r.may_miss_records(1)
    os.kill(master, signal.SIGCONT)
    r.master_ends()
    adopted = r.await_event("master.adopted", after=seen)
    assert ("rebuilt" in adopted["text"]) == rebuilt
    r.await_ready()
    assert r.worker("web/1")["id"] == worker["id"] and r.pool()["restarts"] <= 1
    r.note_means()
    r.served()


@shows("D15")
@shows("P1")
@pytest.mark.parametrize("number", range(4, 13))
def test_master_dies_before_a_flip_of_the_start(row, number):
    """Nearly each event of a start is lost once; no worker pays for it."""
    r = row(start=False)
    r.arm("master.before_flip:kill@%d/1" % number)
    r.start()
    r.master_ends(1 - r.before["master"]["restarts"])
    for _ in range(20):                 # a start may be done in fewer flips
        if r.status()["master"]["restarts"] > 0:
            break
        r.ctl("pause", "web/0")
        r.ctl("resume", "web/0")
    status = r.await_state(lambda s: s["master"]["restarts"] == 1)
    r.await_ready()
    r.served()
    assert identity(r.status()) == identity(status)
    assert [w["restarts"] for w in status["workers"]] == [0] * 4
    assert "worker.exited" not in [e["event"] for e in r.events()]
