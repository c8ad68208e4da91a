# SPDX-License-Identifier: MIT
"""The SDK: what plugins may do, and that misuse is an error and nothing else."""

import errno

import pytest

from harness import http

PATHS = ["sleep", "double", "late", "forget", "fail", "pass", "status", "header",
         "busy", "attack", "log", "listener", "e", "page", "closefd"]


@pytest.fixture
def evil(cluster):
    """One worker with evil on all its paths, hello elsewhere."""
    routes = {"/": "hello"}
    routes.update({"/" + path: "evil" for path in PATHS})
    return cluster(workers=1, routes=routes)


def test_an_answer_names_its_worker(evil):
    answer = evil.request("GET", "/e", {"X-Request-Id": "r17"})
    assert answer.header("X-Worker") == "web/0"
    assert int(answer.header("X-Worker-Id")) == evil.worker("web/0")["id"]
    assert answer.header("X-Request-Id") == "r17"


def test_a_later_answer(evil):
    with evil.connect() as slow, evil.connect() as fast:
        slow.send(http.head("GET", "/sleep?300", "a"))
        assert fast.request("GET", "/").status == 200, "nobody waits for it"
        assert slow.response().text == "slept\n"


def test_verdicts(evil):
    with evil.connect() as conn:
        assert conn.request("GET", "/pass").text.startswith("Hello")
        assert conn.request("GET", "/fail").status == 500
        assert conn.request("GET", "/forget").status == 500
        assert conn.request("GET", "/").status == 200, "the connection goes on"


def test_a_second_answer_is_refused(evil):
    with evil.connect() as conn:
        assert conn.request("GET", "/double").text == "first\n"
        assert conn.request("GET", "/").text.startswith("Hello")


def test_a_handle_that_is_over_is_stale(evil):
    with evil.connect() as conn:
        assert conn.request("GET", "/late").text == "0\n"
        assert conn.request("GET", "/late").text == "%d\n" % -errno.ESTALE


def test_headers_that_are_none_are_refused(evil):
    answer = evil.get("/header")
    assert answer.text.split() == ["%d" % -errno.EINVAL] * 8 + ["0"]
    assert answer.header("X-Good") == "yes"
    assert answer.header("X-Evil") is None
    assert answer.header("X-Split") is None


def test_a_status_that_is_none_is_refused(evil):
    assert evil.get("/status?999").text == "refused\n"
    assert evil.get("/status?204").status == 204
    assert evil.get("/status?418").status == 418


def test_busy_has_a_limit(evil):
    assert evil.get("/busy?10").text == "0\n"
    assert evil.get("/busy?99999999").text == "%d\n" % -errno.ERANGE


def test_keeper_and_init_are_out_of_reach(evil):
    assert evil.get("/attack").text.split() == ["%d" % -errno.EPERM] * 4


def test_a_line_of_a_plugin_is_in_the_log(evil):
    evil.get("/log?hello-from-the-plugin")
    assert "web/0" in evil.await_log("said: hello-from-the-plugin")
