# SPDX-License-Identifier: MIT
"""A pool without a worker says so to its clients, at once."""

import contextlib

from harness import http, wait


def answer_of(c):
    try:
        return c.get("/", timeout=5)
    except (OSError, http.ConnectionLost):
        return None


def test_scaled_to_nothing_it_answers_503_until_it_has_workers_again(cluster):
    c = cluster(workers=1, routes={"/": "hello"})
    assert c.ctl("scale", "web", "0").code == 0
    answer = c.get("/")
    assert answer.status == 503 and answer.closes
    assert answer.header("Retry-After") == "5"
    assert c.post("/", b"x" * 100000).status == 503, "whatever the client sends"
    assert c.status()["state"] == "ok", "as it was asked for"
    assert c.ctl("scale", "web", "2").code == 0
    wait.until(lambda: (answer_of(c) or answer).status == 200, 10, "200")


def test_no_worker_gets_up(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, start=False, backoff_min="2s",
                plugins={"evil": {"mode": "init_error"}}, backoff_max="4s")
    c.start(ready=False)
    wait.until(lambda: (answer_of(c) or http.Response(0, "", [])).status == 503,
               20, "503")
    assert c.ctl("status").code == 2


def wait_behind_a_blocked_worker(c, stack, pool="web"):
    """Two clients whose connections a worker has, and does not take."""
    blocked = stack.enter_context(c.connect(pool, timeout=20))
    blocked.send(http.head("GET", "/block", blocked.address))
    c.await_state(lambda s: [w for w in s["workers"] if w["pool"] == pool and w["doing"]])
    waiting = [stack.enter_context(c.connect(pool, timeout=20)) for _ in range(2)]
    for client in waiting:
        client.send(http.head("GET", "/", client.address))
    wait.until(lambda: sum(one["accepted"] for one in c.json("listeners")
                           if one["pool"] == pool) >= 3, 5, "both accepted")
    return waiting


def test_who_waited_for_a_worker_that_is_gone_is_told(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, drain_timeout="1s", handler_timeout="20s")
    with contextlib.ExitStack() as stack:
        waiting = wait_behind_a_blocked_worker(c, stack)
        assert c.ctl("scale", "web", "0").code == 0
        assert [client.response().status for client in waiting] == [503, 503]


def test_who_waited_in_a_pool_that_goes_is_told_and_nobody_elses(cluster):
    """Another pool comes to its place in the tables."""
    c = cluster(workers=1, pools={"a": {"workers": 1, "routes": {"/": "evil"},
                                        "drain_timeout": "1s", "handler_timeout": "20s"}})
    with contextlib.ExitStack() as stack:
        waiting = wait_behind_a_blocked_worker(c, stack, "a")
        del c.pools["a"]
        c.write_config()
        assert c.ctl("reload").code == 0
        c.await_state(lambda s: len(s["pools"]) == 1)
        c.add_pool("b", {"workers": 1}, {"/": "hello"})
        c.write_config()
        assert c.ctl("reload").code == 0
        assert [client.response().status for client in waiting] == [503, 503]
        assert c.get("/", pool="b").status == 200
