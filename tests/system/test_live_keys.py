# SPDX-License-Identifier: MIT
"""A live key holds for the workers there are."""

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
