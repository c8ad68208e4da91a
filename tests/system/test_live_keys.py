# SPDX-License-Identifier: MIT
"""A live key holds for the workers there are."""

import os
import signal

from harness import http

SLEEP = {"/": "hello", "/sleep": "evil"}


def reload_live(c, **keys):
    before = c.worker("web/0")["id"]
    c.write_config(**keys)
    assert c.ctl("reload").code == 0
    assert c.worker("web/0")["id"] == before, "no worker is replaced"
    return before


def test_drain_timeout(cluster):
    c = cluster(workers=1, routes=SLEEP, drain_timeout="200ms")
    reload_live(c, drain_timeout="20s")
    with http.connect(c.address(), 20) as sock:
        sock.sendall(b"GET /sleep?1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda status: status["workers"][0]["connections"] == 1)
        assert c.ctl("restart", "web/0").code == 0
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_handler_timeout(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/block": "evil"},
                handler_timeout="1h")
    before = reload_live(c, handler_timeout="500ms")
    c.request("GET", "/block", expect="connection lost")
    c.await_state(lambda status: status["workers"][0]["id"] != before)
    assert c.json("deaths")[-1]["cause"] == "hang"


def said(c, word):
    assert c.get("/log?" + word).status == 200
    return c.await_log("said: " + word, timeout=3)


def test_log_level(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/log": "evil"},
                daemon={"log_level": "error"})
    assert c.get("/log?unheard").status == 200
    assert c.ctl("log", "level", "notice").code == 0
    said(c, "by-command")
    pid = c.worker("web/0")["pid"]
    os.kill(pid, signal.SIGKILL)
    c.await_state(lambda status: status["pools"][0]["ready"] == 1 and
                  status["workers"][0]["pid"] != pid)
    said(c, "by-the-next-worker")
    assert "unheard" not in c.log()
    c.daemon_keys["log_level"] = "error"
    c.restart_daemon()
    c.daemon_keys["log_level"] = "notice"
    reload_live(c)
    said(c, "by-reload")
