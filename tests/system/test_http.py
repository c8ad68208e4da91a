# SPDX-License-Identifier: MIT
"""HTTP/1.1 as a client sees it, over the whole path: listener, worker, plugin."""

import calendar
import contextlib
import time

import pytest

from harness import http, netfault, shows, wait

ROUTES = {"/": "hello", "/echo": "echo", "/sleep": "evil", "/stream": "evil",
          "/flood": "evil", "/length": "evil", "/forget": "evil",
          "/deadline": "evil"}
HOST = b"Host: a\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.fixture
def web(cluster):
    """One worker with hello, echo and evil."""
    return cluster(workers=1, routes=ROUTES)


def status_of(answer):
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer[9:12])


def test_an_answer_has_its_fields(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/")
        assert (answer.status, answer.reason) == (200, "OK")
        assert answer.text.startswith("Hello, World!")
        assert answer.header("Server") == "clusterd"
        assert answer.header("Content-Type") == "text/plain; charset=utf-8"
        assert int(answer.header("Content-Length")) == len(answer.body)
        assert not answer.closes
        said = time.strptime(answer.header("Date"), "%a, %d %b %Y %H:%M:%S GMT")
        assert abs(time.time() - calendar.timegm(said)) < 60


def test_head_is_get_without_the_body(web):
    with web.connect() as conn:
        get = conn.request("GET", "/")
        head = conn.request("HEAD", "/")
        assert head.header("Content-Length") == get.header("Content-Length")
        assert head.body == b""
        assert conn.request("GET", "/").status == 200, "the connection goes on"


def test_without_a_route_it_is_404(cluster):
    c = cluster(workers=1, routes={"/api/": "echo"})
    with c.connect() as conn:
        assert conn.request("GET", "/").status == 404
        assert conn.request("GET", "/api").status == 404
        assert conn.request("GET", "/api/x").status == 200


def test_the_longest_route_answers(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/a/": "echo", "/a/b": "hello",
                                   "*.txt": "echo"})
    with c.connect() as conn:
        assert conn.request("GET", "/a/x").text.startswith("GET /a/x")
        assert conn.request("GET", "/a/b").text.startswith("Hello")
        assert conn.request("GET", "/a/b/c").text.startswith("GET /a/b/c")
        assert conn.request("GET", "/x.txt").text.startswith("GET /x.txt")
        assert conn.request("GET", "/x.txt?q=.html").text.startswith("GET /x.txt?q")


REFUSED = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "both framings": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n"
                      b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "bad chunk": (b"POST /echo HTTP/1.1\r\n" + HOST +
                  b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
    "long target": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    "long head": (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 40000 + b"\r\n\r\n",
                  431),
    "many fields": (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 101 + b"\r\n", 431),
    "large body": (b"POST /echo HTTP/1.1\r\n" + HOST +
                   b"Content-Length: 1048577\r\n\r\n", 413),
    "expectation": (b"POST /echo HTTP/1.1\r\n" + HOST + b"Expect: miracles\r\n"
                    b"Content-Length: 3\r\n\r\nabc", 417),
    "method": (b"BREW / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
    "version": (b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505),
}


def test_what_is_refused_is_answered_and_closed(web):
    address = web.address()
    for name, (request, expect) in REFUSED.items():
        answer = http.exchange(address, request)
        assert status_of(answer) == expect, name
        assert b"Connection: close\r\n" in answer, name
    assert web.get("/").status == 200


def test_a_refused_client_that_goes_on_sending_sees_the_answer(web):
    answer = http.exchange(web.address(), b"POST /echo HTTP/1.1\r\n" + HOST +
                           b"Content-Length: 900000000\r\n\r\n" + b"x" * 300000)
    assert status_of(answer) == 413


def test_bodies_come_back_byte_for_byte(web):
    body = bytes(range(256)) * 2000
    with web.connect() as conn:
        answer = conn.request("POST", "/echo", {"Content-Type": "x/y"}, body)
        assert answer.body == body
        assert answer.header("Content-Type") == "x/y"
        for size in (1, 7, 4096, 70000):
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at:at + size]),
                                                body[at:at + size])
                              for at in range(0, 140000, size))
            conn.send(http.head("POST", "/echo", "a",
                                {"Transfer-Encoding": "chunked"}))
            conn.send(chunks + b"0\r\nX-Trailer: yes\r\n\r\n")
            sent = b"".join(body[at:at + size] for at in range(0, 140000, size))
            assert conn.response().body == sent, size


def test_a_request_may_come_byte_by_byte(web):
    request = b"POST /echo HTTP/1.1\r\n" + HOST + CLOSE + \
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    answer = http.exchange(web.address(), *[bytes([byte]) for byte in request])
    assert answer.endswith(b"\r\n\r\nabcde")


def test_100_continue(web):
    with web.connect() as conn:
        conn.send(b"POST /echo HTTP/1.1\r\n" + HOST +
                  b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        head = conn.sock.recv(1000)
        assert head == b"HTTP/1.1 100 Continue\r\n\r\n"
        conn.send(b"abc")
        assert conn.response().body == b"abc"


def test_pipelined_requests_are_answered_in_order(web):
    requests = b"".join(b"GET /echo?%d HTTP/1.1\r\n" % n + HOST + b"\r\n"
                        for n in range(100))
    with web.connect() as conn:
        conn.send(requests)
        for n in range(100):
            assert conn.response().text.startswith("GET /echo?%d\n" % n)
        conn.send(b"GET /sleep?50 HTTP/1.1\r\n" + HOST + b"\r\n" + requests[:200])
        assert conn.response().text == "slept\n", "the slow one first"
        assert conn.response().text.startswith("GET /echo?0\n")


def test_http_1_0(web):
    answer = http.exchange(web.address(), b"GET / HTTP/1.0\r\n\r\n")
    assert status_of(answer) == 200 and b"Connection: close\r\n" in answer
    with web.connect() as conn:
        conn.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert conn.response().header("Connection") == "keep-alive"
        conn.send(b"GET /stream?3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = conn.response()
        assert answer.closes and answer.header("Transfer-Encoding") is None
        assert answer.text == "piece\n" * 3


def test_a_stream_is_chunked_or_counted(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/stream?5")
        assert answer.header("Transfer-Encoding") == "chunked"
        assert answer.text == "piece\n" * 5
        assert conn.request("GET", "/").status == 200
        assert len(conn.request("GET", "/flood?8").body) == 8 << 20, "held back"


def test_a_stream_cut_short_is_seen_by_the_client(web):
    web.request("GET", "/length?short", expect="connection lost")
    assert web.get("/length?long").body == b"1234567890"


@shows("B10")
def test_deadlines(cluster):
    c = cluster(workers=1, routes=ROUTES, header_timeout="300ms",
                body_timeout="300ms", idle_timeout="400ms", request_timeout="500ms")
    address = c.address()
    cases = {
        "half a head": (b"GET / HT", 408),
        "half a body": (b"POST /echo HTTP/1.1\r\n" + HOST +
                        b"Content-Length: 9\r\n\r\nabc", 408),
        "a handler that forgets": (b"GET /forget?later HTTP/1.1\r\n" + HOST +
                                   b"\r\n", 504),
    }
    for name, (request, expect) in cases.items():
        begun = time.monotonic()
        assert status_of(http.exchange(address, request)) == expect, name
        assert 0.2 < time.monotonic() - begun < 5, name
    answer = http.exchange(address, b"GET /sleep?20 HTTP/1.1\r\n" + HOST + b"\r\n" +
                           b"GET /forget?later HTTP/1.1\r\n" + HOST + b"\r\n")
    assert b" 200 OK" in answer and b" 504 " in answer, "each has its own time"
    assert http.exchange(address) == b"", "nothing sent: closed without a word"
    answer = http.exchange(address, b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 1, "idle: closed"
    assert c.get("/deadline?900").text == "slept\n", "switched off for a request"
    assert c.get("/").status == 200, "the worker lives"
    assert c.worker("web/0")["restarts"] == 0


def test_idle_timeout_0_is_no_keep_alive(cluster):
    c = cluster(workers=1, routes=ROUTES, idle_timeout="0")
    answer = http.exchange(c.address(), b"GET / HTTP/1.1\r\n" + HOST + b"\r\n")
    assert status_of(answer) == 200 and b"Connection: close\r\n" in answer


def test_a_client_that_leaves_harms_nobody(web):
    for _ in range(20):
        with web.connect() as conn:
            conn.send(b"GET /sleep?30 HTTP/1.1\r\n" + HOST + b"\r\n")
            netfault.reset(conn.sock)
    with web.connect() as conn:
        conn.send(b"GET /flood?50 HTTP/1.1\r\n" + HOST + b"\r\n")
        conn.sock.recv(1000)
    assert web.get("/sleep?60").text == "slept\n"
    wait.until(lambda: web.get("/").status == 200, 5, "an answer")


def test_at_max_connections_idle_ones_make_way(cluster):
    c = cluster(workers=1, routes=ROUTES, max_connections=8)
    address = c.address()
    idle = [http.Connection(address) for _ in range(8)]
    for conn in idle:
        assert conn.request("GET", "/").status == 200
    # the longest idle one, after it has been idle for a second (scaled)
    assert http.Connection(address, timeout=10).request("GET", "/").status == 200
    with pytest.raises(http.ConnectionLost):
        idle[0].request("GET", "/")
    assert idle[7].request("GET", "/").status == 200


@shows("I9")
def test_as_many_make_way_as_have_come(cluster):
    """Nobody does before there is somebody who wants his place."""
    c = cluster(workers=1, routes=ROUTES, max_connections=8)
    with contextlib.ExitStack() as stack:
        for _ in range(8 + 20):
            conn = stack.enter_context(c.connect())
            assert conn.request("GET", "/").status == 200
        assert c.metric("made_way_total") == 20
        assert c.worker("web/0")["connections"] == 8
