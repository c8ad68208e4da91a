# SPDX-License-Identifier: MIT
"""The SDK: what plugins may do, and that misuse is an error and nothing else."""

import errno

import pytest

from harness import http, wait

PATHS = ["sleep", "double", "late", "forget", "fail", "pass", "status", "busy", "log",
         "listener", "e", "page", "closefd", "said", "twofold", "toolate", "type", "length"]


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


# ---- misuse: each call says what is wrong with it, and nobody else notices ------

def said(conn):
    """What each call of the last misuse returned."""
    return [int(word) for word in conn.request("GET", "/said").text.split()]


@pytest.fixture
def bystanders(evil):
    """Other clients of the same worker lose nothing by what the test does, and
    the worker lives on."""
    with evil.load(keepalive=2, new=2, think=2, think_time=0.01) as ledger:
        ledger.await_more(10)
        yield ledger
        ledger.await_more(10)
    ledger.assert_nothing_lost()
    row = evil.worker("web/0")
    assert row["restarts"] == 0 and row["state"] == "ready"


@pytest.mark.usefixtures("bystanders")
def test_a_second_answer_is_refused(evil):
    with evil.connect() as conn:
        answer = conn.request("GET", "/double")
        assert answer.text == "first\n" and answer.header("X-Second") is None
        assert said(conn) == [-errno.EALREADY] * 6
        assert conn.request("GET", "/").text.startswith("Hello"), "in step"


@pytest.mark.usefixtures("bystanders")
def test_an_answer_in_pieces_is_begun_and_ended_once(evil):
    with evil.connect() as conn:
        answer = conn.request("GET", "/twofold")
        assert answer.text == "first\n" and answer.header("X-Second") is None
        assert said(conn) == [-errno.EINVAL] * 2 + [0] + [-errno.EALREADY] * 3 + \
            [0, 0] + [-errno.EALREADY] * 2
        assert conn.request("GET", "/").text.startswith("Hello"), "in step"


@pytest.mark.usefixtures("bystanders")
def test_a_late_answer_is_refused(evil):
    """The request is answered and its connection goes on with the next one."""
    with evil.connect() as conn:
        assert conn.request("GET", "/toolate").text == "in time\n"
        wait.until(lambda: len(said(conn)) == 8, 5, "the calls that came too late")
        assert said(conn) == [-errno.ESTALE] * 7 + [0]
        assert conn.request("GET", "/").text.startswith("Hello")


@pytest.mark.usefixtures("bystanders")
def test_a_handle_that_is_over_is_stale(evil):
    with evil.connect() as conn:
        assert conn.request("GET", "/late").text == "0\n"
        assert conn.request("GET", "/late").text == "%d\n" % -errno.ESTALE


@pytest.mark.usefixtures("bystanders")
def test_a_body_shorter_than_announced_is_a_broken_answer(evil):
    """The client sees that it is cut short, on its own connection alone."""
    evil.request("GET", "/length?short", expect="connection lost")
    with evil.connect() as conn:
        assert said(conn) == [0, 0, -errno.ERANGE]


@pytest.mark.usefixtures("bystanders")
def test_a_body_longer_than_announced_is_not_taken(evil):
    with evil.connect() as conn:
        answer = conn.request("GET", "/length?long")
        assert answer.header("Content-Length") == "10" and answer.body == b"1234567890"
        assert said(conn) == [0, 0, -errno.ERANGE, 0, -errno.ERANGE, 0]
        assert conn.request("GET", "/").text.startswith("Hello"), "in step"


@pytest.mark.usefixtures("bystanders")
def test_a_type_of_two_lines_is_refused(evil):
    with evil.connect() as conn:
        answer = conn.request("GET", "/type")
        assert answer.header("X-Evil") is None
        assert [int(word) for word in answer.text.split()] == [-errno.EINVAL] * 10
        assert conn.request("GET", "/").text.startswith("Hello"), "in step"


def test_a_status_that_is_none_is_refused(evil):
    assert evil.get("/status?999").text == "refused\n"
    assert evil.get("/status?204").status == 204
    assert evil.get("/status?418").status == 418


def test_busy_has_a_limit(evil):
    assert evil.get("/busy?10").text == "0\n"
    assert evil.get("/busy?99999999").text == "%d\n" % -errno.ERANGE


def test_a_line_of_a_plugin_is_in_the_log(evil):
    evil.get("/log?hello-from-the-plugin")
    assert "web/0" in evil.await_log("said: hello-from-the-plugin")
