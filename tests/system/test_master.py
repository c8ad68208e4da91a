# SPDX-License-Identifier: MIT
"""The master dies: workers, counters and clients do not notice."""

import os
import signal
import sqlite3

import pytest

from harness import http, shows

EVIL = {"/": "evil"}


def identity(status):
    return {row["worker"]: (row["pid"], row["id"], row["restarts"])
            for row in status["workers"]}


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


@shows("P5")
def test_killed_ten_times_under_load(cluster):
    c = cluster(workers=2, routes=EVIL)
    assert c.ctl("scale", "web", "3").code == 0
    seen = c.last_event()
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/1")
    before = c.status()
    with c.load(keepalive=8, new=4, pause=0.005) as ledger:
        ledger.await_more(50)
        for n in range(1, 11):
            status = adopted(c, kill_master(c), n)
            ledger.await_more(20)
    # at most the one connection between accept and send, each time
    assert len(ledger.failures()) <= 1, ledger.failures()
    assert identity(status) == identity(before)
    assert c.ctl("scale", "web", "4").code == 0
    # ten early deaths in a row: the store stays closed, and status says so
    assert [r["reason"] for r in c.status()["reasons"]] == ["safe_mode"]


@pytest.mark.parametrize("point", [
    "master.loop:kill@40", "master.before_flip:kill@30",
    "master.after_flip:kill@30", "dispatch.after_accept:kill@20",
    "dispatch.after_send:kill@20"])
def test_killed_at_a_failpoint_under_load(cluster, point):
    c = cluster(workers=2, routes=EVIL, env={"CLUSTERD_FP": point})
    with c.load(keepalive=2, new=2, pause=0.005) as ledger:
        ledger.await_more(150)
        if "flip" in point:             # these need something to decide
            for size in ("3", "2", "3", "2"):
                # masters that die one after the other are started ever
                # later: clusterctl may give up waiting, and says so
                assert c.ctl("scale", "web", size).code in (0, 3)
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    # every successor dies there too: the one connection in its hand, each time
    at_most = status["master"]["restarts"] if "after_accept" in point else 0
    assert len(ledger.failures()) <= at_most, ledger.failures()
    assert status["pools"][0]["restarts"] == 0


def test_killed_while_it_adopts(cluster):
    c = cluster(workers=2, routes=EVIL, start=False)
    c.env["CLUSTERD_FP"] = "master.after_inventory:kill@2"
    c.start()
    before = identity(c.status())
    seen = kill_master(c)
    c.await_event("master.adopted", after=seen)
    assert identity(c.status()) == before


def test_stopped_master_is_replaced(cluster):
    c = cluster(workers=2, routes=EVIL)
    before = identity(c.status())
    pid = c.master_pid()
    with c.load(keepalive=2, new=2, pause=0.02) as ledger:
        os.kill(pid, signal.SIGSTOP)
        c.await_state(lambda s: s["master"]["pid"] != pid, timeout=20)
        ledger.await_more(20)
    ledger.assert_nothing_lost()
    assert identity(c.status()) == before


@shows("D4")
def test_a_poisoned_memo_is_made_anew(cluster):
    c = cluster(workers=2, routes=EVIL)
    before = c.status()
    pid = c.master_pid()
    os.kill(pid, signal.SIGSTOP)
    for name in os.listdir("/proc/%d/map_files" % pid):
        path = "/proc/%d/map_files/%s" % (pid, name)
        if "clusterd-memo" in os.readlink(path):
            with open(path, "r+b") as memo:
                size = os.fstat(memo.fileno()).st_size
                memo.write(b"\xff" * 4096)
                memo.seek(size // 2)
                memo.write(b"\xff" * 4096)
            break
    else:
        pytest.skip("the memo has another name")
    os.kill(pid, signal.SIGKILL)
    event = c.await_event("master.adopted")
    assert "rebuilt" in event["text"], event
    after = c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    assert [r["pid"] for r in after["workers"]] == \
        [r["pid"] for r in before["workers"]]
    assert c.get("/").status == 200


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


@shows("K5")
@shows("P3")
def test_what_a_stopped_worker_had_not_taken_is_given_to_the_other(cluster):
    c = cluster(workers=2, routes=EVIL, dispatch_window=64, handler_timeout="60s")
    address = c.address()
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = [http.Connection(address, 20) for _ in range(128)]
    for client in clients:
        client.send(http.head("GET", "/", address))
    os.kill(victim["pid"], signal.SIGKILL)
    owners = {client.response().header("X-Worker") for client in clients}
    for client in clients:
        client.close()
    assert "web/1" in owners


@shows("K6")
def test_a_queue_outlives_its_only_worker(cluster):
    c = cluster(workers=1, routes=EVIL, dispatch_window=64, handler_timeout="60s")
    address = c.address()
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGSTOP)
    clients = [http.Connection(address, 20) for _ in range(198)]
    for client in clients:
        client.send(http.head("GET", "/", address))
    os.kill(victim["pid"], signal.SIGKILL)
    ids = {client.response().header("X-Worker-Id") for client in clients}
    for client in clients:
        client.close()
    assert ids == {str(c.worker("web/0")["id"])}


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


@pytest.mark.parametrize("how", ["locked", "deleted"])
def test_a_master_is_replaced_without_its_store(cluster, how):
    c = cluster(workers=2, routes=EVIL)
    before = identity(c.status())
    database = c.dir + "/state/state.db"
    lock = sqlite3.connect(database, isolation_level=None)
    if how == "locked":
        lock.execute("BEGIN EXCLUSIVE")
    else:
        os.unlink(database)
    with c.load(keepalive=4, new=2, pause=0.01) as ledger:
        for number in range(1, 4):
            adopted_pid = c.master_pid()
            os.kill(adopted_pid, signal.SIGKILL)
            status = c.await_state(lambda s, n=number: s["master"]["restarts"] == n)
            ledger.await_more(20)
        assert c.ctl("scale", "web", "3").code == 0
        assert c.ctl("scale", "web", "2").code == 0
    lock.close()
    ledger.assert_nothing_lost()
    assert identity(status) == before
