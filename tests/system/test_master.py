# SPDX-License-Identifier: MIT
"""The master dies: workers, counters and clients do not notice."""

import collections
import contextlib
import os
import signal
import time

import pytest

from harness import database, http, memo, processes, shows, wait
from harness.held import PATIENT, STREAMED, half_sent, rest_of

EVIL = {"/": "evil"}
HOLDS = dict(STREAMED, **EVIL)          # and what half_sent() asks for


def identity(status):
    """Who serves; not one that drains after a change of size."""
    return {row["worker"]: (row["pid"], row["id"], row["restarts"])
            for row in status["workers"] if row["wanted"]}


def adopted(c, seen, number):
    c.await_event("master.adopted", after=seen)
    return c.await_state(lambda s: s["master"]["restarts"] == number)


def kill_master(c):
    pid = c.master_pid()
    seen = c.last_event()
    os.kill(pid, signal.SIGKILL)
    return seen


@contextlib.contextmanager
def locked_store(c):
    """Nobody writes the database."""
    lock = database.Lock(c)
    yield
    lock.release()


@shows("K4")
def test_safe_mode_ends_when_a_master_lives(cluster):
    c = cluster(workers=2, routes=EVIL, scale=10)
    seen, before = c.last_event(), c.status()
    with c.load(keepalive=2, new=1, pause=0.02) as ledger:
        for n in range(1, 11):
            adopted(c, kill_master(c), n)
        assert [r["reason"] for r in c.status()["reasons"]] == ["safe_mode"]
        c.await_state(lambda s: s["state"] == "ok", timeout=30)
        ledger.await_each()
    ledger.assert_nothing_lost()
    status = c.status()
    assert status["master"]["restarts"] == 11 and identity(status) == identity(before)
    # what happened meanwhile is in the database
    assert c.ctl("scale", "web", "3").code == 0
    c.restart_daemon()
    assert c.pool()["desired"] == 3
    assert [e for e in c.events(seen) if e["event"] == "pool.scaled"]


def test_a_verdict_outlives_its_master(cluster):
    """It is given when it is on disk; what ended before that is known, too."""
    c = cluster(workers=1, routes=EVIL, scale=1,
                env={"CLUSTERD_FP": "store.before_commit:sleep=300"})
    seen = c.last_event()
    command = c.ctl_start("--json", "scale", "web", "2")
    c.await_event("command.done", after=seen)
    os.kill(c.master_pid(), signal.SIGKILL)
    out, err = command.communicate(timeout=15)
    assert command.returncode == 0, (out, err)
    assert '"to":2' in out, out
    assert c.status()["master"]["restarts"] == 1 and c.pool()["desired"] == 2


@pytest.mark.parametrize("point", ["master.loop:kill@40", "master.before_flip:kill@30",
                                   "master.after_flip:kill@30",
                                   "dispatch.after_send:kill@20"])
def test_all_masters_die_there(cluster, point):
    """Each successor too, so that none of them gets far."""
    c = cluster(workers=2, routes=EVIL, env={"CLUSTERD_FP": point})
    with c.load(keepalive=2, new=2, pause=0.005) as ledger:
        ledger.await_more(150)
        if "flip" in point:             # these need something to decide
            for size in ("3", "2", "3", "2"):
                # masters that die one after the other are started ever
                # later: clusterctl may give up waiting, and says so
                assert c.ctl("scale", "web", size).code in (0, 3)
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    ledger.assert_nothing_lost()
    assert status["pools"][0]["restarts"] == 0


# Where the memo is whole, it is made anew after the fifth early death in a row.
@shows("node-W1")
@pytest.mark.parametrize("memo_is, deaths", [("whole", 6), ("poisoned", 2)])
def test_numbers_do_not_repeat_while_the_database_is_locked(cluster, memo_is, deaths):
    c = cluster(workers=1, routes=EVIL)
    seen, ids = [c.last_event()], [c.worker("web/0")["id"]]
    with locked_store(c):
        for n in range(1, deaths + 1):
            pid = c.master_pid()
            os.kill(pid, signal.SIGSTOP)
            if memo_is == "poisoned":
                with memo.Memo(c.pid()) as held:
                    held.flip("current", "idle")
            os.kill(pid, signal.SIGKILL)
            c.await_state(lambda s, n=n: s["master"]["restarts"] == n)
            new = c.await_event("master.adopted", after=seen[-1])
            seen.append(c.last_event())
            assert seen[-2] < new["seq"] <= seen[-1]
            os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
            c.await_event("worker.ready", after=seen[-1])
            ids.append(c.worker("web/0")["id"])
        assert ids == sorted(set(ids))


@shows("P5")
def test_a_death_that_no_master_saw_has_the_time_of_its_end(cluster):
    c = cluster(workers=2, routes=EVIL)
    dead, master, seen = c.worker("web/1"), c.master_pid(), c.last_event()
    os.kill(master, signal.SIGSTOP)
    end = processes.Process(dead["pid"])
    before = time.time()
    os.kill(dead["pid"], signal.SIGKILL)
    end.await_end()
    after = time.time()
    # until it is taken for silent
    adopted = c.await_event("master.adopted", after=seen, timeout=20)
    assert adopted["time"] / 1000 > after
    record = c.death(dead["id"])
    assert before - 0.01 <= record["time"] / 1000 <= after + 0.01
    event = c.await_event("worker.exited", after=seen, worker="web/1")
    assert event["ended"] == record["time"] < event["time"]
    assert record["beat_age_ms"] < 1000


@shows("D14")
@shows("P2")
def test_a_memo_made_anew_knows_who_drains_and_who_died(cluster):
    """web/0 has a predecessor that still serves a request, and web/1 dies, when
    the master and all it knew are lost."""
    c = cluster(workers=2, routes=HOLDS, drain_timeout="30s", **PATIENT)
    dead = c.worker("web/1")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(half_sent(c.address())) for _ in range(2)]
        c.await_state(lambda s: all(w["connections"] == 1 for w in s["workers"]))
        assert c.ctl("restart", "web/0").code == 0
        pid, seen = c.master_pid(), c.last_event()
        os.kill(pid, signal.SIGSTOP)
        os.kill(dead["pid"], signal.SIGKILL)
        with memo.Memo(c.pid()) as held_memo:
            held_memo.flip("current", "idle")
        os.kill(pid, signal.SIGKILL)
        event = c.await_event("master.adopted", after=seen)
        assert "rebuilt" in event["text"], event
        record = c.death(dead["id"])
        assert (record["signal"], record["worker"]) == ("SIGKILL", "web/1")
        answers = []
        for connection in held:
            try:
                answers.append(rest_of(connection).status)
            except http.ConnectionLost:
                answers.append("lost")
        assert sorted(map(str, answers)) == ["200", "lost"]
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2
                           and len(s["workers"]) == 2)
    assert {w["worker"]: w["restarts"] for w in status["workers"]} == {
        "web/0": 0, "web/1": 1}


def lose_master_and_memo(c):
    """Both, at once; the next one makes its memo anew."""
    pid, seen = c.master_pid(), c.last_event()
    os.kill(pid, signal.SIGSTOP)
    with memo.Memo(c.pid()) as held:
        held.flip("current", "idle")
    os.kill(pid, signal.SIGKILL)
    event = c.await_event("master.adopted", after=seen)
    assert "rebuilt" in event["text"], event


@shows("D14")
@shows("P2")
@pytest.mark.parametrize("command", [("scale", "web", "1"), ("drain", "web/1")], ids=" ".join)
def test_who_was_asked_to_go_has_its_time_under_a_memo_made_anew(cluster, command):
    c = cluster(workers=2, routes=HOLDS, drain_timeout="30s", **PATIENT)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(half_sent(c.address())) for _ in range(2)]
        c.await_state(lambda s: all(w["connections"] == 1 for w in s["workers"]))
        seen = c.last_event()
        with c.ctl_start(*command) as running:
            c.await_event("worker.draining", after=seen, worker="web/1")
            lose_master_and_memo(c)
            assert [rest_of(connection).status for connection in held] == [200, 200]
            running.communicate(timeout=10)
    c.await_event("worker.exited", after=seen, worker="web/1")
    status = c.status()
    assert status["pools"][0]["ready"] == 1 and status["pools"][0]["restarts"] == 0


@shows("D14")
def test_a_stop_goes_on_under_a_memo_made_anew(cluster):
    c = cluster(workers=2, routes=HOLDS, drain_timeout="30s", **PATIENT)
    with half_sent(c.address()) as held:
        c.await_state(lambda s: sum(w["connections"] for w in s["workers"]) == 1)
        seen = c.last_event()
        running = c.ctl_start("stop")
        c.await_event("master.stopping", after=seen)
        lose_master_and_memo(c)
        assert rest_of(held).status == 200
    c.keeper.wait(10)
    running.communicate(timeout=10)


@shows("D14")
def test_what_was_on_trial_does_not_stay_under_a_memo_made_anew(cluster):
    c = cluster(workers=2, canary_hold="30s")
    before, seen = {w["id"] for w in c.workers()}, c.last_event()
    c.write_config(idle_timeout="61s")
    with c.ctl_start("reload") as running:
        c.await_event("worker.ready", after=seen, worker="web/0")
        lose_master_and_memo(c)
        running.communicate(timeout=10)
    status = c.await_state(lambda s: len(s["workers"]) == 2 and s["pools"][0]["ready"] == 2)
    assert {w["id"] for w in status["workers"]} == before
    assert len({w["generation"] for w in status["workers"]}) == 1


def in_its_loop(pid):
    """It sleeps for events, and not in a failpoint."""
    with open("/proc/%d/syscall" % pid, encoding="ascii") as f:
        return f.read().split()[0] in ("232", "281", "22", "441")     # epoll_wait and kin


@shows("D14")
def test_a_memo_made_anew_hears_who_has_just_begun(cluster):
    """web/1 says that it serves when nobody is there to hear it."""
    c = cluster(workers=2, routes=EVIL, scale=2,
                env={"CLUSTERD_FP": "worker.before_ready:sleep=500/web/1"})
    pid, seen = c.master_pid(), c.last_event()
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    forked = c.await_event("worker.forked", after=seen, worker="web/1")
    os.kill(pid, signal.SIGSTOP)
    wait.until(lambda: in_its_loop(forked["pid"]), 5, "the new one in its loop")
    with memo.Memo(c.pid()) as held:
        held.flip("current", "idle")
    os.kill(pid, signal.SIGKILL)
    event = c.await_event("master.adopted", after=seen)
    assert "rebuilt" in event["text"], event
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    assert [w["id"] for w in status["workers"] if w["worker"] == "web/1"] == [forked["id"]]
    assert not [d for d in c.json("deaths") if d["cause"] == "protocol"]


def waiting(address, count):
    """So many clients, each with its request sent."""
    clients = [http.Connection(address, 20) for _ in range(count)]
    for client in clients:
        client.send(http.head("GET", "/", address))
    return clients


def answered(clients):
    return [client for client in clients if wait.readable(client.sock, 0)]


def answers(clients):
    """Who answered how many: {(worker, id): count}; all of them well."""
    counts = collections.Counter()
    for client in clients:
        response = client.response()
        assert response.status == 200, response
        counts[response.header("X-Worker"), int(response.header("X-Worker-Id"))] += 1
        client.close()
    return counts


# In hand and not yet sent; sent and still in the dead worker's queue.
GIVEN_AWAY = ["dispatch.take_back", "dispatch.taken_back"]


@shows("P3")
@pytest.mark.parametrize("point", GIVEN_AWAY)
def test_what_a_dead_worker_had_not_taken_outlives_the_master(cluster, point):
    """It dies when it has given away 20 of 64; none is lost, none given twice."""
    c = cluster(workers=2, routes=EVIL, dispatch_window=64, handler_timeout="60s",
                scale=1, env={"CLUSTERD_FP": point + ":kill@20/1"})
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = waiting(c.address(), 128)
    wait.until(lambda: len(answered(clients)) >= 64, 10, "answers of the other")
    os.kill(victim["pid"], signal.SIGKILL)
    counts = answers(clients)
    assert sum(counts.values()) == 128
    assert ("web/0", victim["id"]) not in counts
    status = c.await_state(lambda s: s["master"]["restarts"] == 1
                           and s["pools"][0]["ready"] == 2)
    assert status["pools"][0]["connections"] == 128, "each was taken once"


def test_what_is_in_force_is_known_to_the_next_master(cluster):
    c = cluster(workers=2, routes=EVIL)
    c.write_config(workers=3)
    assert c.ctl("reload").code == 0
    text = c.ctl("config", "show")
    assert text.code == 0 and "workers" in text, text
    adopted(c, kill_master(c), 1)
    assert c.ctl("config", "show").out == text.out
    assert c.ctl("rollback").code == 0
    assert c.pool()["desired"] == 2
    assert c.ctl("config", "show").out != text.out
