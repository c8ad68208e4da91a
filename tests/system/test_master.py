# SPDX-License-Identifier: MIT
"""The master dies: workers, counters and clients do not notice."""

import collections
import contextlib
import itertools
import os
import signal
import sqlite3

import pytest

import test_reload
from harness import http, processes, shows, wait
from harness.config import LOAD

EVIL = {"/": "evil"}


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


class Store:
    """What is done to the database while masters die, and undone afterwards."""

    def __init__(self, c, how):
        self.lock = None
        if how == "locked":
            self.lock = sqlite3.connect(c.dir + "/state/state.db", isolation_level=None)
            self.lock.execute("BEGIN EXCLUSIVE")
        elif how == "deleted":
            for part in ("", "-wal", "-shm"):
                os.unlink(c.dir + "/state/state.db" + part)

    def release(self):
        if self.lock is not None:
            self.lock.execute("ROLLBACK")
            self.lock.close()


def works_afterwards(c, size):
    """Commands, history and verdict of the master that is there now."""
    seen = c.last_event()
    assert c.ctl("scale", "web", size).code == 0
    c.await_event("pool.scaled", after=seen)
    status = c.await_state(lambda s: s["pools"][0]["ready"] == size)
    assert status["pools"][0]["desired"] == size
    assert "pool.scaled" in c.ctl("events", "--since", seen)
    assert c.ctl("status").code == (0 if status["state"] == "ok" else 1)


@shows("P5")
@shows("D1")
@pytest.mark.parametrize("store", ["healthy", "locked", "deleted"])
def test_killed_ten_times_under_load(cluster, store):
    c = cluster(workers=4, routes=EVIL)
    # a size that is not the file's and a counter that is not 0
    assert c.ctl("scale", "web", "3").code == 0
    seen = c.last_event()
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/1")
    keeper, before = c.pid(), c.status()
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        held = Store(c, store)
        for n in range(1, 11):
            status = adopted(c, kill_master(c), n)
            assert identity(status) == identity(before)
            ledger.await_more(20)
        ledger.await_each()
    # the one connection between accept and send, at most once: a kill that is
    # not aimed hits those microseconds, if ever, once in very many
    assert len(ledger.failures()) <= 1, ledger.failures()
    assert not [e for e in ledger.failures() if e.owner is not None]
    works_afterwards(c, 4)
    held.release()
    works_afterwards(c, 3)
    status = c.status()
    assert status["pid"] == keeper and status["master"]["restarts"] == 10
    assert identity(status) == identity(before)
    assert status["pools"][0]["restarts"] == 1
    # ten early deaths in a row: the store stays closed, and status says so
    assert [r["reason"] for r in status["reasons"]] == ["safe_mode"]


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


# ---- at each failpoint ----------------------------------------------------------

def nothing(_c):
    """The load alone comes by."""


def resize(c):
    """Sizes, until the master has died of one."""
    for size in itertools.chain.from_iterable(itertools.repeat((5, 4), 30)):
        # what a master began its successor ends; clusterctl waits for that
        assert c.ctl("scale", "web", size).code == 0
        if c.status()["master"]["restarts"] > 0:
            return


def check(c):
    """Asked of the next master when the first one is gone."""
    assert c.ctl("config", "check").code == 0


def reload(c):
    """Another plugin, whose file is the fourth that a master writes."""
    c.plugins["evil"] = {"module": "evil.so", "mode": ""}
    c.plugins["hello"] = {"module": "hello_v2.so"}
    c.write_config()
    assert c.ctl("reload").code == 1, "taken back with the master"


def kill_the_first(c):
    """The one that dies there is the second, which adopts."""
    kill_master(c)


def stall(c):
    """A worker stands still, so what it had not taken is taken back."""
    process = processes.Process(c.worker("web/0")["pid"])
    process.send(signal.SIGSTOP)
    try:
        c.await_state(lambda s: s["master"]["restarts"] == 1)
    finally:
        process.send(signal.SIGCONT)
        process.close()


def hang(c):
    """A handler blocks, and the worker is to be ended."""
    c.get("/block", expect="connection lost")


# Each failpoint of the master: which master dies there, when, and what makes it
# come by.  More are in GIVEN_AWAY and, those of a reload, in test_reload.py.
KILLED = {
    "master.loop": ("kill@300/1", nothing),
    "master.before_flip": ("kill@50/1", resize),
    "master.after_flip": ("kill@50/1", resize),
    "master.after_inventory": ("kill/2", kill_the_first),
    "master.adopt": ("kill/2", kill_the_first),
    "dispatch.after_accept": ("kill@120/1", nothing),
    "dispatch.send": ("kill@120/1", nothing),
    "dispatch.after_send": ("kill@120/1", nothing),
    "dispatch.outq": ("kill@600/1", nothing),
    "dispatch.read_back": ("kill@1/1", stall),
    "ladder.k1": ("kill@1/1", hang),
    "scale.roll": ("kill@1/1", resize),
    "scale.after_store": ("kill@1/1", resize),
    "check.asked": ("kill@1/1", check),
    "disk.before_write": ("kill@4/1", reload),
    "store.open": ("kill/2", kill_the_first),
    "store.before_commit": ("kill@20/1", resize),
    "store.after_commit": ("kill@20/1", resize),
    "store.before_sync": ("kill@5/1", resize),
}


# Of a thread, or of a reload that changes listeners: rows of tests/fault.
ELSEWHERE = {"log.open", "log.write", "reload.flipped"}


def test_no_failpoint_is_forgotten(cluster):
    listed = cluster(start=False).run_program(
        "clusterd-master", "--list-failpoints").out.split()
    # the compiler may have made two of one
    assert sorted(set(listed)) == sorted(
        {*KILLED, *GIVEN_AWAY, *test_reload.STEPS, *ELSEWHERE})


@shows("D3")
@pytest.mark.parametrize("point", KILLED)
def test_killed_once_at_each_failpoint_under_load(cluster, point):
    rule, cause = KILLED[point]
    c = cluster(workers=4, routes=EVIL, dispatch_window=8, start=False,
                handler_timeout="1s" if cause is hang else "30s")
    c.env["CLUSTERD_FP"] = "%s:%s" % (point, rule)
    c.start()
    keeper, before = c.pid(), c.status()
    assert before["master"]["restarts"] == 0, "it is to die under load"
    deaths = 2 if cause is kill_the_first else 1
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        cause(c)
        c.await_state(lambda s: s["master"]["restarts"] == deaths)
        c.await_event("master.adopted")
        ledger.await_each(2)
        works_afterwards(c, 3)
        works_afterwards(c, 4)
    status = c.status()
    assert status["pid"] == keeper and status["master"]["restarts"] == deaths
    if cause is hang:
        only_the_hung_one(c, ledger, before)
        return
    # What it has in its hand is with nobody else: accepted and not yet sent, or
    # read from a worker that may wake up and read, too.
    in_hand = 1 if point in ("dispatch.after_accept", "dispatch.send",
                             "dispatch.read_back") else 0
    assert len(ledger.failures()) <= in_hand, ledger.failures()
    kept = [row for row in before["workers"] if row["slot"] < 3]
    for row in kept:
        assert identity(status)[row["worker"]] == (row["pid"], row["id"], 0)
    assert status["pools"][0]["restarts"] == 0


def only_the_hung_one(c, ledger, before):
    """The next master ended the worker that its predecessor was about to."""
    # its slot may be one of those that were taken away and given again
    ids = {row["id"] for row in before["workers"]}
    hung, = [e for e in c.events() if e["event"] == "worker.exited" and e["id"] in ids
             and not e["asked"]]
    record = c.death(hung["id"])
    assert record["cause"] == "hang" and record["path"] == "/block", record
    failed = ledger.failures()
    assert not [e for e in failed if e.owner not in (None, str(hung["id"]))]
    assert len(failed) < record["connections_lost"], "and the one that asked for it"
    assert c.pool()["restarts"] == 1


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


@shows("K3")
def test_stopped_master_is_replaced(cluster):
    c = cluster(workers=4, routes=EVIL)
    before, pid = c.status(), c.master_pid()
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        os.kill(pid, signal.SIGSTOP)
        ledger.await_each(2)            # workers accept for themselves
        status = c.await_state(lambda s: s["master"]["pid"] != pid, timeout=20)
        ledger.await_each()
    ledger.assert_nothing_lost()
    assert identity(status) == identity(before)
    assert status["master"]["restarts"] == 1
    works_afterwards(c, 3)


# Where the memo is whole, it is made anew after the fifth early death in a row.
@pytest.mark.parametrize("memo, deaths", [("whole", 6), ("poisoned", 2)])
def test_numbers_do_not_repeat_while_the_database_is_locked(cluster, memo, deaths):
    c = cluster(workers=1, routes=EVIL)
    held, seen, ids = Store(c, "locked"), [c.last_event()], [c.worker("web/0")["id"]]
    for n in range(1, deaths + 1):
        pid = c.master_pid()
        os.kill(pid, signal.SIGSTOP)
        if memo == "poisoned":
            poison(c)
        os.kill(pid, signal.SIGKILL)
        c.await_state(lambda s, n=n: s["master"]["restarts"] == n)
        new = c.await_event("master.adopted", after=seen[-1])
        seen.append(c.last_event())
        assert seen[-2] < new["seq"] <= seen[-1]
        os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
        c.await_event("worker.ready", after=seen[-1])
        ids.append(c.worker("web/0")["id"])
    assert ids == sorted(set(ids))
    held.release()


def poison(c):
    """Both copies of the memo, and its head, under the hands of its owner."""
    for number in os.listdir("/proc/%d/fd" % c.pid()):
        path = "/proc/%d/fd/%s" % (c.pid(), number)
        if "clusterd-memo" in os.readlink(path):
            with open(path, "r+b") as memo:
                size = os.fstat(memo.fileno()).st_size
                memo.write(b"\xff" * 4096)
                memo.seek(size // 2)
                memo.write(b"\xff" * 4096)
            return
    raise AssertionError("the keeper holds no memo")


@shows("D14")
def test_a_poisoned_memo_is_made_anew(cluster):
    c = cluster(workers=4, routes=EVIL)
    seen = c.last_event()
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/1")
    before, pid = c.status(), c.master_pid()
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        os.kill(pid, signal.SIGSTOP)    # it must not write over it
        poison(c)
        os.kill(pid, signal.SIGKILL)
        event = c.await_event("master.adopted")
        after = c.await_state(lambda s: s["pools"][0]["ready"] == 4)
        ledger.await_each(2)
    ledger.assert_nothing_lost()
    assert "rebuilt" in event["text"], event
    assert identity(after) == identity(before), "counters too"
    works_afterwards(c, 3)


@shows("D14")
@shows("P2")
def test_a_memo_made_anew_knows_who_drains_and_who_died(cluster):
    """web/0 has a predecessor that still serves a request, and web/1 dies, when
    the master and all it knew are lost."""
    c = cluster(workers=2, routes=EVIL, drain_timeout="10s", request_timeout="20s")
    dead = c.worker("web/1")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(c.connect(timeout=20)) for _ in range(2)]
        for connection in held:
            connection.send(http.head("GET", "/sleep?2000", connection.address))
        c.await_state(lambda s: all(w["connections"] == 1 for w in s["workers"]))
        assert c.ctl("restart", "web/0").code == 0
        pid, seen = c.master_pid(), c.last_event()
        os.kill(pid, signal.SIGSTOP)
        os.kill(dead["pid"], signal.SIGKILL)
        poison(c)
        os.kill(pid, signal.SIGKILL)
        event = c.await_event("master.adopted", after=seen)
        assert "rebuilt" in event["text"], event
        record = c.death(dead["id"])
        assert (record["signal"], record["worker"]) == ("SIGKILL", "web/1")
        answers = []
        for connection in held:
            try:
                answers.append(connection.response().status)
            except http.ConnectionLost:
                answers.append("lost")
        assert sorted(map(str, answers)) == ["200", "lost"]
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2
                           and len(s["workers"]) == 2)
    assert {w["worker"]: w["restarts"] for w in status["workers"]} == {
        "web/0": 0, "web/1": 1}


def test_a_command_gets_its_verdict_across_a_death(cluster):
    c = cluster(workers=1, routes=EVIL, env={"CLUSTERD_FP":
                                             "worker.before_ready:sleep=400/web/1"})
    seen = c.last_event()
    command = c.ctl_start("scale", "web", "2")
    c.await_event("pool.scaled", after=seen)
    os.kill(c.master_pid(), signal.SIGKILL)
    out, err = command.communicate(timeout=15)
    assert command.returncode == 0, (out, err)
    assert c.pool()["desired"] == 2


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


@shows("K5")
@shows("P3")
def test_what_a_stopped_worker_had_not_taken_is_given_to_the_other(cluster):
    # unscaled: the master must not see within a second that it has stopped
    c = cluster(workers=2, routes=EVIL, dispatch_window=64, handler_timeout="60s",
                scale=1)
    victim, other = c.worker("web/0"), c.worker("web/1")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = waiting(c.address(), 128)
    # every second one waits in its window, which is full
    wait.until(lambda: len(answered(clients)) >= 64, 10, "answers of the other")
    assert len(answered(clients)) == 64
    os.kill(victim["pid"], signal.SIGKILL)
    assert answers(clients) == {("web/1", other["id"]): 128}
    record = c.death(victim["id"])
    assert (record["connections_recovered"], record["connections_lost"]) == (64, 0)


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


@shows("K5")
def test_a_queue_outlives_its_only_worker(cluster):
    c = cluster(workers=1, routes=EVIL, dispatch_window=64, handler_timeout="60s")
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = waiting(c.address(), 198)
    assert not answered(clients)
    os.kill(victim["pid"], signal.SIGKILL)
    counts = answers(clients)
    successor = c.worker("web/0")
    assert successor["id"] != victim["id"]
    assert counts == {("web/0", successor["id"]): 198}
    record = c.death(victim["id"])
    assert (record["connections_recovered"], record["connections_lost"]) == (64, 0)


@shows("K8")
def test_taken_back_after_the_master_died_too(cluster):
    c = cluster(workers=1, routes=EVIL, dispatch_window=8, handler_timeout="60s")
    address = c.address()
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = [http.Connection(address, 20) for _ in range(20)]
    for client in clients:
        client.send(http.head("GET", "/", address))
    c.await_event("worker.stalled", worker="web/0")
    adopted(c, kill_master(c), 1)
    os.kill(victim["pid"], signal.SIGKILL)
    for client in clients:
        assert client.response().status == 200
        client.close()


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


def test_adopted_while_the_database_is_locked(cluster):
    c = cluster(workers=2, routes=EVIL)
    assert c.ctl("scale", "web", "3").code == 0
    before = identity(c.status())
    lock = sqlite3.connect(c.dir + "/state/state.db", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    pid = c.master_pid()
    os.kill(pid, signal.SIGKILL)
    c.await_state(lambda s: s["master"]["pid"] != pid, timeout=3)
    assert identity(c.status()) == before
    assert c.pool()["desired"] == 3
    lock.execute("ROLLBACK")
    lock.close()
    c.await_state(lambda s: s["state"] == "ok")
    assert c.ctl("scale", "web", "2").code == 0
