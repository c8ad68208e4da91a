# SPDX-License-Identifier: MIT
"""How a connection goes on and ends: 100 Continue, half-closed clients, what is
sent behind the last answer, deadlines, Date."""

import calendar
import socket
import time

import pytest

from harness import http, netfault, wait
from harness.http import read_all
from harness.wire import case as cases
from harness.wire import client

TYPED = b"Content-Length: 5\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = b"POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture
def web(cluster):
    return cluster(workers=1, routes={"/": "wire", "/sleep": "evil", "/flood": "evil"},
                   **cases.LIMITS)


def read_until(sock, end):
    received = b""
    while not received.endswith(end):
        data = sock.recv(65536)
        assert data, "closed behind %r" % received
        received += data
    return received


def statuses(received, *heads):
    return [status for status, _, _ in client.answers(received, heads)]


# ---- 100 Continue -----------------------------------------------------------------


def test_100_is_said_where_the_body_is_awaited(web):
    for framing, body in ((b"Content-Length: 5\r\n\r\n", b"hello"),
                          (b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n")):
        with http.connect(web.address()) as sock:
            sock.sendall(EXPECT + framing)
            assert read_until(sock, CONTINUE) == CONTINUE
            sock.sendall(body + NEXT)
            assert statuses(read_all(sock)) == [200, 200]


def test_100_is_not_said_to_a_client_that_did_not_wait(web):
    for sent in (EXPECT + TYPED + b"hello", EXPECT + TYPED + b"h",
                 EXPECT + b"Transfer-Encoding: chunked\r\n\r\n5"):
        with http.connect(web.address()) as sock:
            sock.sendall(sent)
            if not sent.endswith(b"hello"):
                assert not wait.readable(sock, 0.1), "nothing is said yet"
                sock.sendall(b"ello" if b"Length" in sent else b"\r\nhello\r\n0\r\n\r\n")
            sock.sendall(NEXT)
            received = read_all(sock)
        assert b" 100 " not in received and statuses(received) == [200, 200]


def test_100_is_not_said_in_vain(web):
    """Who is refused, speaks HTTP/1.0 or has no body."""
    for sent, expect in ((EXPECT + b"Content-Length: 99999\r\n\r\n", 413),
                         (EXPECT + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400),
                         (EXPECT.replace(b"100-", b"200-") + TYPED, 417),
                         (EXPECT + b"Connection: close\r\n\r\n", 200),
                         (EXPECT + b"Connection: close\r\nContent-Length: 0\r\n\r\n", 200)):
        with http.connect(web.address()) as sock:
            sock.sendall(sent)
            received = read_all(sock)
        assert b" 100 " not in received and statuses(received) == [expect]
    with http.connect(web.address()) as sock:
        sock.sendall(EXPECT.replace(b"1.1", b"1.0") + TYPED)
        assert not wait.readable(sock, 0.1)
        sock.sendall(b"hello")
        assert statuses(read_all(sock)) == [200]


def test_100_comes_behind_the_answers_before(web):
    with http.connect(web.address()) as sock:
        sock.sendall(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n" + EXPECT + TYPED)
        received = read_until(sock, CONTINUE)
        assert statuses(received[:-len(CONTINUE)]) == [200]
        sock.sendall(b"hello" + NEXT)
        assert statuses(read_all(sock)) == [200, 200]


def test_who_gives_up_after_100_is_let_go(web):
    with http.connect(web.address()) as sock:
        sock.sendall(EXPECT + TYPED)
        read_until(sock, CONTINUE)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


# ---- behind the last answer -------------------------------------------------------


def test_what_is_sent_behind_the_last_answer_is_no_reset(web):
    """The answer is there for who reads only when all is sent."""
    for sent, expect in ((b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
                         (b"GET / HTTP/1.0\r\n\r\n", 200), (b"\0", 400),
                         (b"GET /stream HTTP/1.0\r\n\r\n", 200),
                         (EXPECT + b"Content-Length: 99999\r\n\r\n", 413)):
        with http.connect(web.address()) as sock:
            sock.sendall(sent + b"x" * 100000)
            sock.shutdown(socket.SHUT_WR)
            assert statuses(read_all(sock)) == [expect]


def test_a_refused_client_may_send_a_megabyte_and_no_more(web):
    with http.connect(web.address()) as sock:
        sock.sendall(b"\0")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10000):
                sock.sendall(b"x" * 65536)
    with http.connect(web.address()) as sock:
        sock.sendall(b"\0" + b"x" * (1 << 19))
        sock.shutdown(socket.SHUT_WR)
        assert statuses(read_all(sock)) == [400]


def test_a_refused_client_that_says_nothing_more_is_not_kept(cluster):
    c = cluster(workers=1, routes={"/": "wire"}, idle_timeout="20s", header_timeout="20s")
    with http.connect(c.address()) as sock:
        sock.sendall(b"\0")
        assert statuses(read_all(sock)) == [400], "our end comes at once"
        # the other direction is open still, and closed by the worker in time
        wait.until(lambda: c.worker("web/0")["connections"] == 0, 8, "the end")


def test_nothing_behind_close_is_handled(web):
    with http.connect(web.address()) as sock:
        sock.sendall(NEXT + b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
        assert statuses(read_all(sock)) == [200]
    requests = web.metric("requests_total")
    assert requests == 1


def test_a_client_that_leaves_while_answers_wait(web):
    """It has asked for more than fits on the way."""
    for leave in (lambda sock: sock.shutdown(socket.SHUT_WR), netfault.reset, socket.socket.close):
        with http.connect(web.address()) as sock:
            sock.sendall(b"GET /flood?1 HTTP/1.1\r\nHost: a\r\n\r\n" * 30)
            sock.recv(1000)
            leave(sock)
            if leave is not netfault.reset and sock.fileno() >= 0:
                assert b"200 OK" in read_all(sock)
    wait.until(lambda: web.worker("web/0")["connections"] == 0, 10, "the end of all")
    assert web.worker("web/0")["restarts"] == 0


# ---- deadlines --------------------------------------------------------------------


@pytest.fixture
def hasty(cluster):
    return cluster(workers=1, routes={"/": "wire"}, header_timeout="300ms", body_timeout="300ms",
                   idle_timeout="400ms", **cases.LIMITS)


HALVES = {
    "a method": b"GE", "a target": b"GET /a", "a line": b"GET / HTTP/1.1\r\n",
    "an empty line": b"\r\n", "a field": b"GET / HTTP/1.1\r\nHost: a\r\nX",
    "no empty line": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "no body": cases.post(b"Content-Length: 5"), "a body": cases.post(b"Content-Length: 5", b"he"),
    "a size": cases.chunked(b"5"), "a chunk": cases.chunked(b"5\r\nhe"),
    "a last chunk": cases.chunked(b"0\r\n"), "a trailer": cases.chunked(b"0\r\nX: y\r\n"),
    "no body after 100": EXPECT + TYPED,
}


def test_half_a_request_is_408_in_time(hasty):
    jobs = [([sent], False) for sent in HALVES.values()]
    jobs += [([cases.line(b"GET / HTTP/1.1") + sent], False) for sent in HALVES.values()]
    begun = time.monotonic()
    done = client.run(hasty.address(), jobs)
    assert 0.25 < time.monotonic() - begun < 6
    for number, exchange in enumerate(done):
        received = exchange.received.replace(CONTINUE, b"")
        first = [] if number < len(HALVES) else [200]
        assert statuses(received) == first + [408], jobs[number]
        assert not exchange.reset and received.count(b"Connection: close\r\n") == 1


def test_a_head_has_its_time_as_a_whole(hasty):
    answer, took = http.trickle(hasty.address(), b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200,
                                0.05)
    assert statuses(answer) == [408] and 0.25 < took < 6


def test_nothing_at_all_is_no_408(hasty):
    jobs = [([], False), ([cases.line(b"GET / HTTP/1.1")], False)]
    begun = time.monotonic()
    nothing, one = client.run(hasty.address(), jobs)
    assert nothing.received == b"" and statuses(one.received) == [200]
    assert 0.25 < time.monotonic() - begun < 6


# ---- Date -------------------------------------------------------------------------


def said(answer):
    return calendar.timegm(time.strptime(answer.header("Date"), "%a, %d %b %Y %H:%M:%S GMT"))


def test_date_goes_with_the_time(web):
    with web.connect() as conn:
        before = int(time.time())
        first = said(conn.request("GET", "/"))
        assert before - 1 <= first <= time.time()
        def later_than(second):
            now = said(conn.request("GET", "/"))
            return now if now > second else None
        second = wait.until(lambda: later_than(first), 5, "the next second")
        wait.until(lambda: later_than(second), 5, "and the next")
        assert abs(said(conn.request("GET", "/")) - time.time()) < 2
