# SPDX-License-Identifier: MIT
"""What the state database keeps from one life to the next, and for the tools of
others.  Its faults are in tests/fault/test_g.py."""

import os
import shutil
import signal
import sqlite3

from harness import database, sanitized, shows, threads

pytestmark = [threads, sanitized]


def kill_worker(c, name="web/0"):
    """A death, and its slot ready again with another process."""
    before = c.worker(name)
    os.kill(before["pid"], signal.SIGKILL)
    c.await_event("worker.ready", worker=name, id=lambda number: number > before["id"])


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
    database.await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)
    database.await_number(c, "SELECT count(*) FROM deaths", 1)
    c.expect_exit(-signal.SIGKILL)
    c.signal(signal.SIGKILL)
    c.await_exit()
    c.start()
    assert c.worker("web/0")["restarts"] == 1
    assert database.number(c, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1


def test_master_adopts_without_the_disk(cluster):
    c = cluster(workers=2)
    kill_worker(c)
    before = c.master_pid()
    lock = database.Lock(c)
    os.kill(before, signal.SIGKILL)
    status = c.await_state(lambda status: status["master"]["pid"] != before)
    assert [row["restarts"] for row in status["workers"] if row["worker"] == "web/0"] == [1]
    lock.release()
    c.await_state(lambda status: status["state"] == "ok")
    database.await_number(c, "SELECT restarts FROM workers WHERE slot = 0", 1)


def test_readable_by_others(cluster):
    """While it runs and after it stopped, and as a copy."""
    c = cluster(workers=2)
    database.await_number(c, "SELECT count(*) FROM workers WHERE state = 'ready'", 2)
    copy = c.dir + "/state/copy.db"
    assert c.ctl("db", "backup", copy).code == 0
    db = sqlite3.connect("file:%s?mode=ro" % copy, uri=True)
    assert db.execute("SELECT count(*) FROM workers").fetchone() == (2,)
    db.close()
    assert c.stop() == 0
    shutil.copy(database.path(c), c.dir + "/alone.db")
    assert database.number(c, "SELECT count(*) FROM workers") == 2
    db = sqlite3.connect(c.dir + "/alone.db")       # nothing is left in the log
    assert db.execute("SELECT count(*) FROM workers").fetchone() == (2,)
    db.close()
