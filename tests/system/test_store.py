# SPDX-License-Identifier: MIT
"""The state database locked, gone, garbage or unwritable under a daemon that
runs: requests, supervision and status go on, the state says so and recovers."""

import contextlib
import os
import shutil
import signal
import sqlite3
import time

import pytest

from harness import processes, wait

shows = pytest.mark.shows
pytestmark = [pytest.mark.threads, pytest.mark.sanitized]


def database(c):
    return c.dir + "/state/state.db"


def number(c, sql):
    """One number out of the database, None while it cannot be read."""
    try:
        db = sqlite3.connect("file:%s?mode=ro" % database(c), uri=True, timeout=1)
    except sqlite3.Error:
        return None
    try:
        return db.execute(sql).fetchone()[0]
    except (sqlite3.Error, TypeError):
        return None
    finally:
        db.close()


def await_number(c, sql, value):
    wait.until(lambda: number(c, sql) == value, 15, "%s = %r" % (sql, value))


def reasons(status):
    return [reason["reason"] for reason in status["reasons"]]


EVIL = {"/": "evil"}


@contextlib.contextmanager
def served(c):
    """A few clients all the while; only workers that were killed cost one of
    them a request."""
    c.killed = []
    with c.load(keepalive=4, new=2, path="/sleep?20", pause=0.05) as c.clients:
        c.clients.await_each()
        yield
        c.clients.await_each()
    bad = [e for e in c.clients.failures() if not any(
        e.owner == str(one) or (e.owner is None and e.began <= ended and e.ended >= began)
        for one, began, ended in c.killed)]
    assert not bad, bad


def kill_worker(c, name="web/0"):
    """A death, and its slot ready again with another process."""
    before = c.worker(name)
    process = processes.Process(before["pid"])
    began = time.monotonic()
    process.send(signal.SIGKILL)
    process.await_end()
    if hasattr(c, "killed"):
        c.killed.append((before["id"], began, time.monotonic()))
    process.close()
    c.await_state(lambda status: any(
        row["worker"] == name and row["state"] == "ready" and row["id"] != before["id"]
        for row in status["workers"]))


def still_works(c, deaths):
    """Requests, supervision and status, whatever the disk does."""
    c.clients.await_each()
    began = time.monotonic()
    status = c.ask("status")[-1]["result"]
    assert time.monotonic() - began < 1
    assert status["state"] in ("ok", "degraded")
    assert [pool["ready"] for pool in status["pools"]] == [c.pool()["desired"]]
    kill_worker(c)
    assert c.worker("web/0")["restarts"] == deaths
    c.clients.await_each()


class Lock:
    """Another process that holds the database."""

    def __init__(self, c):
        self.db = sqlite3.connect(database(c), isolation_level=None, timeout=5)
        self.db.execute("BEGIN IMMEDIATE")

    def release(self):
        self.db.execute("ROLLBACK")
        self.db.close()


@shows("G1")
def test_locked(cluster):
    c = cluster(workers=2, routes=EVIL)
    since = c.last_event()
    with served(c):
        lock = Lock(c)
        still_works(c, deaths=1)
        behind = c.await_event("store.behind", after=since)
        assert "locked" in behind["reason"]
        status = c.await_state(lambda status: "store_behind" in reasons(status))
        assert status["state"] == "degraded" and c.ctl("status").code == 1
        still_works(c, deaths=2)
        result = c.json("scale", "web", "3")
        assert result.get("stored") is False, result
        lock.release()
        recovered = c.await_event("store.recovered", after=behind)
        assert recovered["lost"] == 0
        c.await_state(lambda status: status["state"] == "ok")
    await_number(c, "SELECT count(*) FROM deaths", 2)
    await_number(c, "SELECT restarts FROM workers WHERE pool = 'web' AND slot = 0", 2)
    await_number(c, "SELECT desired FROM pools", 3)
    assert number(c, "SELECT count(*) FROM events WHERE event = 'store.behind'") == 1


@shows("G4")
def test_full(cluster):
    failing = ",".join("store.before_commit:err=ENOSPC@%d" % n for n in range(3, 12))
    c = cluster(workers=2, routes=EVIL, env={"CLUSTERD_FP": failing})
    with served(c):
        still_works(c, deaths=1)
        behind = c.await_event("store.behind")
        c.await_event("store.recovered", after=behind)
        await_number(c, "SELECT count(*) FROM deaths", 1)
        still_works(c, deaths=2)
        c.await_state(lambda status: status["state"] == "ok")
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 2)


@shows("G4")
def test_full_from_the_start(cluster):
    """The file may not grow at all."""
    c = cluster(workers=2, routes=EVIL, env={"CLUSTERD_TEST_PRAGMA": "max_page_count=1"})
    with served(c):
        for count in range(1, 4):
            still_works(c, deaths=count)
        status = c.await_state(lambda status: "store_behind" in reasons(status))
        assert status["state"] == "degraded" and c.ctl("status").code == 1
        still_works(c, deaths=4)


@shows("G12")
@pytest.mark.parametrize("parts", [[""], ["", "-wal", "-shm"]])
def test_deleted(cluster, parts):
    c = cluster(workers=2, routes=EVIL)
    kill_worker(c)
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)
    since = c.last_event()
    with served(c):
        for part in parts:
            os.unlink(database(c) + part)
        still_works(c, deaths=2)        # noticed or not yet
        c.await_event("store.recovered", after=since)
        await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 2)
        still_works(c, deaths=3)
        await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 3)
        c.await_state(lambda status: status["state"] == "ok")


@shows("G12")
@pytest.mark.parametrize("how", ["renamed over", "overwritten"])
def test_replaced_by_garbage(cluster, how):
    c = cluster(workers=2, routes=EVIL)
    kill_worker(c)
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)
    since = c.last_event()
    with served(c):
        target = database(c) if how == "overwritten" else c.dir + "/garbage"
        with open(target, "wb") as f:
            f.write(b"this is no database\n" * 1000)
        if how == "renamed over":
            os.rename(target, database(c))
        still_works(c, deaths=2)        # noticed or not yet
        c.await_event("store.recovered", after=since)
        await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 2)
        still_works(c, deaths=3)
        await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 3)
        c.await_state(lambda status: status["state"] == "ok")
    assert any(".corrupt-" in name for name in os.listdir(c.dir + "/state"))


@shows("G2")
@pytest.mark.parametrize("content", [
    pytest.param(b"this is no database\n" * 1000, id="garbage"),
    pytest.param(b"", id="empty"),
    pytest.param(b"SQLite format 3\0cut", id="cut")])
def test_garbage_at_start(cluster, content):
    c = cluster(workers=2, routes=EVIL)
    assert c.stop() == 0
    with open(database(c), "wb") as f:
        f.write(content)
    c.start()
    with served(c):
        assert any(".corrupt-" in name for name in os.listdir(c.dir + "/state"))
        c.await_event("store.recovered", text=lambda text: ".corrupt-" in text)
        status = c.await_state(lambda status: "store_replaced" in reasons(status))
        assert status["state"] == "ok" and c.ctl("status").code == 0
        still_works(c, deaths=1)
        await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)


@pytest.mark.parametrize("where", ["before_commit", "before_sync"])
def test_a_disk_that_stands_still(cluster, where):
    """No call fails, none returns: verdicts do not wait for it."""
    c = cluster(workers=1, routes=EVIL,
                env={"CLUSTERD_FP": "store.%s:sleep=30000" % where})
    with served(c):
        result = c.json("scale", "web", "2", timeout=10)
        assert result["to"] == 2, result
        c.await_state(lambda status: "store_behind" in reasons(status))
        assert c.ctl("reload", timeout=10).code == 0
        c.plugins["evil"] = {"module": "no_such.so"}
        c.write_config()
        assert c.ctl("reload", timeout=10).code == 1
        still_works(c, deaths=1)


def test_newer_schema(cluster):
    c = cluster(workers=1)
    assert c.stop() == 0
    db = sqlite3.connect(database(c))
    db.execute("PRAGMA user_version = 99")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with open(database(c), "rb") as f:
        before = f.read()
    c.expect_exit(5)
    c.start(ready=False)
    assert c.await_exit() == 5
    with open(database(c), "rb") as f:
        assert f.read() == before
    assert "99" in c.log()


def test_locked_at_start(cluster):
    c = cluster(workers=2, routes=EVIL)
    assert c.stop() == 0
    lock = Lock(c)
    c.start()
    with served(c):
        still_works(c, deaths=1)
        c.await_state(lambda status: "store_behind" in reasons(status))
        lock.release()
        c.await_state(lambda status: status["state"] == "ok")
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)


@shows("P5")
def test_survives_the_daemon(cluster):
    """Counters, sizes and history of one life are there in the next."""
    c = cluster(workers=2)
    kill_worker(c)
    assert c.ctl("scale", "web", "3").code == 0
    last = c.last_event()
    c.restart_daemon()
    assert c.worker("web/0")["restarts"] == 1
    assert c.pool()["desired"] == 3
    assert c.pool()["restarts"] == 1
    rows = c.events()
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
    assert rows[0]["seq"] <= last < rows[-1]["seq"]
    deaths = [row["signal"] for row in c.json("deaths")]
    assert deaths == ["SIGKILL"]


@shows("P5")
def test_survives_kill(cluster):
    """kill -9 of keeper and master: what was stored a second ago is there."""
    c = cluster(workers=2)
    kill_worker(c)
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)
    await_number(c, "SELECT count(*) FROM deaths", 1)
    c.expect_exit(-signal.SIGKILL)
    c.signal(signal.SIGKILL)
    c.await_exit()
    c.start()
    assert c.worker("web/0")["restarts"] == 1
    assert number(c, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1


def test_master_adopts_without_the_disk(cluster):
    c = cluster(workers=2)
    kill_worker(c)
    before = c.master_pid()
    lock = Lock(c)
    os.kill(before, signal.SIGKILL)
    status = c.await_state(lambda status: status["master"]["pid"] != before)
    assert [row["restarts"] for row in status["workers"] if row["worker"] == "web/0"] == [1]
    lock.release()
    c.await_state(lambda status: status["state"] == "ok")
    await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)


def test_readable_by_others(cluster):
    """While it runs and after it stopped, and as a copy."""
    c = cluster(workers=2)
    await_number(c, "SELECT count(*) FROM workers WHERE state = 'ready'", 2)
    copy = c.dir + "/state/copy.db"
    assert c.ctl("db", "backup", copy).code == 0
    db = sqlite3.connect("file:%s?mode=ro" % copy, uri=True)
    assert db.execute("SELECT count(*) FROM workers").fetchone() == (2,)
    db.close()
    assert c.stop() == 0
    shutil.copy(database(c), c.dir + "/alone.db")
    assert number(c, "SELECT count(*) FROM workers") == 2
    db = sqlite3.connect(c.dir + "/alone.db")       # nothing is left in the log
    assert db.execute("SELECT count(*) FROM workers").fetchone() == (2,)
    db.close()
