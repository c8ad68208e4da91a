# SPDX-License-Identifier: MIT
"""Restart counts, whatever becomes of the slots."""

import os
import sqlite3
from signal import SIGKILL


def kill_last(c):
    """A death of web/1."""
    pid = c.worker("web/1")["pid"]
    os.kill(pid, SIGKILL)
    c.await_state(lambda status: status["pools"][0]["ready"] == 2 and
                  status["workers"][1]["pid"] != pid)


def slots_in(c):
    with sqlite3.connect("file:%s/state/state.db?mode=ro" % c.dir, uri=True) as db:
        return [row[0] for row in db.execute("SELECT slot FROM workers ORDER BY slot")]


def scale(c, size):
    assert c.ctl("scale", "web", str(size)).code == 0
    c.await_state(lambda status: len(status["workers"]) == size)


def test_of_a_slot_that_goes_and_comes_again(cluster):
    c = cluster(workers=2)
    kill_last(c)
    scale(c, 1)
    assert c.pool()["restarts"] == 1
    scale(c, 2)
    kill_last(c)
    assert c.pool()["restarts"] == 2
    c.restart_daemon()
    assert c.pool()["restarts"] == 2
    scale(c, 1)
    assert c.stop() == 0
    assert slots_in(c) == [0], "what is not there has no row"


def test_of_a_slot_that_the_next_start_lacks(cluster):
    c = cluster(workers=2)
    kill_last(c)
    assert c.stop() == 0
    c.write_config(workers=1)
    c.start()
    assert c.pool()["restarts"] == 1
    assert c.stop() == 0
    assert slots_in(c) == [0]
    c.write_config(workers=2)
    c.start()
    assert c.pool()["restarts"] == 1
