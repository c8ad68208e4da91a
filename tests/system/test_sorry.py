# SPDX-License-Identifier: MIT
"""A pool without a worker says so to its clients, at once."""

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
