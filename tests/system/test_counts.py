# SPDX-License-Identifier: MIT
"""Restart counts, whatever becomes of the slots."""

import os
import sqlite3
from signal import SIGKILL

from harness import http


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


def test_of_one_that_cannot_be_ended_has_its_record(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, handler_timeout="500ms",
                stable_after="1s", env={"CLUSTERD_FP": "keeper.kill9:skip@1"})
    victim = c.worker("web/0")
    c.await_event("worker.ready")
    c.await_state(lambda status: status["workers"][0]["uptime_ms"] > 1500)
    c.request("GET", "/blocksigs", expect=200)
    with http.connect(c.address()) as sock:
        sock.sendall(b"GET /block HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_event("worker.unkillable", id=victim["id"], timeout=20)
        death = c.death(victim["id"])
        assert (death["cause"], death["state"]) == ("hang", "killing")
        assert (death["code"], death["signal"]) == (None, None)
        assert "cannot be ended" in death["text"] and "/block" in death["text"]
        assert death["n"] == 0, "it had lived long enough"
        assert c.pool()["restarts"] == 1
        os.kill(victim["pid"], SIGKILL)
        sock.recv(1)
    c.await_state(lambda status: status["pools"][0]["ready"] == 1 and
                  status["state"] == "ok")
    assert c.pool()["restarts"] == 1 and len(c.json("deaths")) == 1
