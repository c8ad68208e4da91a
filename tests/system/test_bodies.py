# SPDX-License-Identifier: MIT
"""Bodies of requests: as a whole, in memory or in a file, and streamed; how fast,
how large, and how they end."""

import contextlib
import errno
import random
import select
import socket
import zlib

import pytest

from harness import http, inject, netfault, not_sanitized, processes, sanitized, wait
from harness.disks import own_mounts, small_disk     # noqa: F401 pylint: disable=unused-import

pytestmark = sanitized

KB, MB = 1024, 1024 * 1024
BUFFER = 64 * KB
BIG = 32 * MB
BYTES = random.Random(5).randbytes(20 * MB)


def bodies(cluster, plugin="bodies", **keys):
    keys = dict({"max_body_size": "64M", "body_buffer": "64k", "workers": 1}, **keys)
    return cluster(routes={"/": plugin}, **keys)


@pytest.fixture
def web(cluster):
    return bodies(cluster)


def total(how, body):
    return "%s %d %d\n" % (how, len(body), zlib.crc32(body))


def chunked(body, size):
    for at in range(0, len(body), size):
        piece = body[at:at + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def unchunked(raw, at):
    body = bytearray()
    while True:
        line = raw.index(b"\r\n", at)
        size = int(raw[at:line], 16)
        if size == 0:
            return body
        body += raw[line + 2:line + 2 + size]
        at = line + size + 4


def send_chunked(conn, path, body, size, trailers=b""):
    conn.send(http.head("POST", path, "a", {"Transfer-Encoding": "chunked"}))
    conn.send(b"".join(chunked(body, size))[:-2] + trailers + b"\r\n")
    return conn.response()


def ends(c):
    """What each end() since the worker's start was told."""
    return [int(word) for word in c.get("/ends").text.split()]


def await_end(c, error):
    wait.until(lambda: ends(c)[-1:] == [error], 10, "the end of the body")


def descriptors(c):
    return len(processes.fds_of_worker(c.worker("web/0")["pid"]))


def files_in(c, folder):
    """How many of it the worker has open, those without a name too."""
    fds = processes.fds(c.worker("web/0")["pid"])
    return sum(what.startswith(folder) for what in fds.values())


# ---- whole ---------------------------------------------------------------------

SIZES = [0, 1, BUFFER - 1, BUFFER, BUFFER + 1, MB]


@pytest.mark.parametrize("plugin", ["bodies", "bodies_whole"])
def test_a_body_is_whole_in_memory_or_in_a_file(cluster, plugin):
    c = bodies(cluster, plugin)
    with c.connect() as conn:
        assert conn.request("GET", "/").text == total("memory", b"")
        before = descriptors(c)
        for size in SIZES:
            body = BYTES[:size]
            how = "file" if size > BUFFER else "memory"
            assert conn.request("POST", "/", (), body).text == total(how, body)
            for piece in (1000, 65536, 100000):
                assert send_chunked(conn, "/", body, piece).text == total(how, body)
        assert conn.request("POST", "/", (), BYTES).text == total("file", BYTES)
        assert send_chunked(conn, "/", BYTES, 16000).text == total("file", BYTES)
        wait.until(lambda: descriptors(c) == before, 5, "descriptors as before")
    assert c.worker("web/0")["restarts"] == 0


def test_a_body_is_streamed(web):
    with web.connect() as conn:
        for size in SIZES[1:]:
            body = BYTES[:size]
            assert conn.request("POST", "/stream", (), body).text == total("stream", body)
            for piece in (1000, 65536, 100000):
                assert send_chunked(conn, "/stream", body, piece).text == \
                    total("stream", body)
        assert conn.request("POST", "/stream", (), BYTES).text == total("stream", BYTES)
        assert send_chunked(conn, "/stream", BYTES, 16000).text == total("stream", BYTES)
    assert set(ends(web)) == {0}


def test_a_body_may_come_in_pieces(web):
    """Each byte of the framing for itself, and trailers that are thrown away."""
    body = BYTES[:40]
    raw = b"".join(chunked(body, 7))[:-2] + b"X-Sum: 1\r\nX-Last: yes\r\n\r\n"
    for path, how in (("/", "memory"), ("/stream", "stream")):
        request = http.head("POST", path, "a", {"Transfer-Encoding": "chunked",
                                                "Connection": "close"}) + raw
        answer = http.exchange(web.address(), *[bytes([byte]) for byte in request])
        assert answer.endswith(total(how, body).encode()), answer


def test_requests_behind_a_body_are_answered_in_order(web):
    with web.connect() as conn:
        raw = b""
        for path in ("/", "/stream", "/", "/stream"):
            raw += http.head("POST", path, "a", (), BYTES[:30000]) + BYTES[:30000]
            raw += http.head("POST", path, "a", {"Transfer-Encoding": "chunked"})
            raw += b"".join(chunked(BYTES[:30000], 999))
        conn.send(raw)
        for how in ("memory", "stream") * 2:
            for _ in range(2):
                assert conn.response().text == total(how, BYTES[:30000])


BAD_ENDS = {
    "chunk": (b"zz\r\n", 400),
    "size": (b"fffffffffffffffff\r\n", 400),
    "extension": (b"1;" + b"x" * 300 + b"\r\n", 400),
    "too long": (b"%x\r\n" % (65 * MB), 413),
    "trailers": (b"0\r\nX: " + b"y" * 20000 + b"\r\n\r\n", 431),
    "fields": (b"0\r\n" + b"X: y\r\n" * 17 + b"\r\n", 431),
    "trailer": (b"0\r\nX Y: z\r\n\r\n", 400),
    "framing in trailers": (b"0\r\nContent-Length: 3\r\n\r\n", 400),
}


@pytest.mark.parametrize("case", BAD_ENDS)
def test_broken_framing_ends_a_body(web, case):
    raw, status = BAD_ENDS[case]
    for path in ("/", "/stream"):
        for parts in ([b"3\r\nabc\r\n" + raw], [b"3\r\nabc\r\n", raw]):
            head = http.head("POST", path, "a", {"Transfer-Encoding": "chunked"})
            answer = http.exchange(web.address(), head + parts[0], *parts[1:])
            assert answer.startswith(b"HTTP/1.1 %d " % status), (path, answer)
            assert b"\r\nConnection: close\r\n" in answer
    assert set(ends(web)) <= {-errno.EPROTO, -errno.EMSGSIZE}
    assert web.worker("web/0")["restarts"] == 0


# ---- back-pressure -------------------------------------------------------------

def test_a_pause_keeps_the_client_waiting(web):
    with web.connect() as conn:
        conn.send(http.head("POST", "/held", "a", (), BYTES))
        conn.sock.settimeout(0.3)
        sent = 0
        with pytest.raises(socket.timeout):
            while True:
                sent += conn.sock.send(BYTES[sent:sent + 65536])
        assert sent < 16 * MB
        wait.until(lambda: web.get("/go").text == "went 1 0\n", 5, "the request")
        conn.sock.settimeout(20)
        conn.send(BYTES[sent:])
        assert conn.response().text == total("stream", BYTES)


def test_a_slow_handler_gets_all_of_it(web):
    with web.connect() as conn:
        body = BYTES[:MB]
        assert conn.request("POST", "/slow?2", (), body).text == total("stream", body)
        assert send_chunked(conn, "/slow?2", body, 5000).text == total("stream", body)
        small = BYTES[:10]
        assert conn.request("POST", "/slow?1", (), small).text == total("stream", small)


def test_a_body_comes_back_while_it_comes(web):
    """Both directions at once: what cannot be written holds up what is read."""
    with web.connect() as conn:
        conn.send(http.head("POST", "/echo", "a", {"Transfer-Encoding": "chunked"}))
        for at in range(0, 100, 10):
            conn.send(b"a\r\n" + BYTES[at:at + 10] + b"\r\n")
            wait.until(lambda: wait.readable(conn.sock, 5), 5, "the echo")
        conn.send(b"0\r\n\r\n")
        assert conn.response().body == BYTES[:100]
    with web.connect() as conn:
        conn.send(http.head("POST", "/echo", "a", (), BYTES))
        conn.sock.settimeout(0.3)
        sent = 0
        with pytest.raises(socket.timeout):
            while True:
                sent += conn.sock.send(BYTES[sent:sent + 65536])
        assert sent < len(BYTES), "nobody takes the echo"
        conn.sock.setblocking(False)
        received = bytearray()
        while not received.endswith(b"\r\n0\r\n\r\n"):
            writes = [conn.sock] if sent < len(BYTES) else []
            readable, writable, _ = select.select([conn.sock], writes, [], 10)
            if writable:
                sent += conn.sock.send(BYTES[sent:sent + 65536])
            if readable:
                received += conn.sock.recv(MB)
        assert unchunked(received, received.index(b"\r\n\r\n") + 4) == BYTES


def test_the_end_of_a_body_comes_while_its_answer_waits(web):
    """It was paused at the last piece, and goes on while the client reads nothing."""
    with web.connect() as conn:
        conn.send(http.head("POST", "/duplex?50", "a", (), b"abc") + b"abc")
        conn.await_head()
        await_end(web, 0)


def test_there_is_room_again_while_a_body_comes(web):
    """Both directions at once: each turn of the body may be the one that sends all
    that waited."""
    with web.connect() as conn:
        conn.send(http.head("POST", "/duplex", "a", {"Content-Length": "1000000"}))
        got = 0
        while got < 2 * BIG:
            got += len(conn.sock.recv(MB))
            conn.send(b"x")


# ---- answers before the end -----------------------------------------------------

def test_an_answer_at_the_head(web):
    """The rest is not read, and the connection ends; a body that is there already
    is no reason to."""
    with web.connect() as conn:
        answer = conn.request("POST", "/answer?401", (), b"x" * 100)
        assert answer.status == 401 and answer.text == "at head\n" and not answer.closes
        head = http.head("POST", "/answer?403", "a", {"Transfer-Encoding": "chunked"})
        conn.send(head + b"".join(chunked(b"abc", 3)))
        answer = conn.response()
        assert answer.status == 403 and not answer.closes
        conn.send(http.head("POST", "/answer?413", "a", {"Content-Length": "1000000"}))
        answer = conn.response()
        assert answer.status == 413 and answer.closes
        conn.send(b"x" * 500000)
        conn.sock.shutdown(socket.SHUT_WR)
        assert conn.sock.recv(100) == b"", "an end, no reset"
    assert not ends(web)


def test_an_answer_in_the_middle(web):
    with web.connect() as conn:
        conn.send(http.head("POST", "/early?100000", "a", (), BYTES[:MB]))
        conn.send(BYTES[:MB])
        answer = conn.response()
        assert answer.text == "early\n" and answer.closes
        conn.sock.shutdown(socket.SHUT_WR)
        assert conn.sock.recv(100) == b"", "an end, no reset"
    with web.connect() as conn:
        conn.send(http.head("POST", "/early?100000", "a", (), BYTES[:100000]))
        conn.send(BYTES[:100000])
        answer = conn.response()
        assert answer.text == "early\n" and not answer.closes, "it was the last piece"
        assert conn.request("GET", "/ends").text == "", "who has answered knows"


def test_a_body_may_wait_unread(web):
    with web.connect() as conn:
        conn.send(http.head("POST", "/unread", "a", (), b"x" * 100))
        conn.send(b"x" * 50)
        wait.until(lambda: web.get("/go").text == "went 1 0\n", 5, "the request")
        answer = conn.response()
        assert answer.text == "unread\n" and answer.closes


def test_a_verdict_against_its_word(web):
    for _ in range(2):
        assert web.request("POST", "/both", (), b"abc").status == 500
    assert web.get("/").text == total("memory", b"")
    web.allow_in_log("passed on, and its body streamed")


AT_HEAD, AT_PIECE, AT_END, AT_GONE = range(4)
HELD = 10


def through_a_filter(cluster, **keys):
    return bodies(cluster, filter="/ a", plugins={"a": {"module": "filters.so", "name": "a"}},
                  **keys)


def answer_big(c, at, length=1000):
    """A request whose answer waits for a filter, and 500 bytes of its body."""
    conn = c.connect(timeout=20)
    conn.send(http.head("POST", "/big?%d&a.plain" % at, "a",
                        {"Content-Length": str(length)}) + b"x" * 500)
    return conn


def check_big(conn):
    """All of it comes, and nothing behind it."""
    raw = bytearray(conn.rest)
    while not raw.endswith(b"\r\n0\r\n\r\n"):
        piece = conn.sock.recv(MB)
        assert piece, "the answer is cut"
        raw += piece
    assert raw.startswith(b"HTTP/1.1 200 ")
    assert len(unchunked(raw, raw.index(b"\r\n\r\n") + 4)) == BIG
    conn.rest = b""


def was_said(c):
    return [int(word) for word in c.get("/said").text.split()]


@pytest.mark.parametrize("at", [AT_HEAD, AT_PIECE])
def test_who_has_answered_through_a_filter_hears_no_more(cluster, at):
    """What it has of the request is freed: no piece, no end, and not that the client
    is gone."""
    c = through_a_filter(cluster)
    with answer_big(c, at) as conn:
        conn.await_head()
    wait.until(lambda: c.metric("requests_aborted_total") == 1, 10, "the end of it")
    assert was_said(c) == [0]
    with answer_big(c, at) as conn:
        conn.await_head()
        conn.send(b"x" * 500)
        assert c.get("/").status == 200
        check_big(conn)
    assert was_said(c) == [0]
    with answer_big(c, at, 500) as conn:
        check_big(conn)
        assert conn.request("GET", "/said").text == "0\n", "all of it was there"


def test_the_end_of_a_body_may_answer_through_a_filter(cluster):
    """Broken framing, and a request whose time is over."""
    c = through_a_filter(cluster, request_timeout="300ms")
    with c.connect(timeout=20) as conn:
        conn.send(http.head("POST", "/big?%d&a.plain" % AT_END, "a",
                            {"Transfer-Encoding": "chunked", "Expect": "100-continue"}))
        conn.await_head()
        conn.rest = b""
        conn.send(b"3\r\nabc\r\nzz\r\n")
        check_big(conn)
    assert was_said(c) == [0]
    with answer_big(c, HELD + AT_END) as conn:
        check_big(conn)
    assert was_said(c) == [0]


def test_the_last_moment_may_answer_through_a_filter(cluster):
    """It has its whole answer then, and the client its time to take it."""
    c = through_a_filter(cluster, request_timeout="300ms", send_timeout="1s")
    with answer_big(c, AT_GONE, 500) as conn:
        check_big(conn)
    assert was_said(c) == [0] and c.metric("requests_abandoned_total") == 0
    with answer_big(c, AT_GONE, 500) as conn:
        conn.await_head()
        wait.until(lambda: c.metric("send_timeouts_total") == 1, 10, "its end")
    assert was_said(c) == [0]


# ---- limits and expectations -------------------------------------------------------

def test_a_limit_of_its_own(web):
    for path in ("/limit?1000", "/narrow?1000"):
        with web.connect() as conn:
            assert conn.request("POST", path, (), b"x" * 1000).status == 200
            assert send_chunked(conn, path, b"x" * 1000, 400).status == 200
            assert send_chunked(conn, path, b"x" * 1001, 400).status == 413
        with web.connect() as conn:
            conn.send(http.head("POST", path, "a", {"Content-Length": "1001"}))
            answer = conn.response()
            assert answer.status == 413 and answer.closes
    assert ends(web) == [0, 0, -errno.EMSGSIZE, -errno.EMSGSIZE]


def test_no_limit(cluster):
    """off is no limit: refused is only what is no number."""
    c = bodies(cluster, max_body_size="off")
    with c.connect() as conn:
        conn.send(http.head("POST", "/answer?200", "a", {"Content-Length": str(1 << 50)}))
        assert conn.response().text == "at head\n"


EXPECT = {"Expect": "100-continue", "Content-Length": "5"}


def test_the_body_is_asked_for_when_it_is_wanted(web):
    with web.connect() as conn:
        for path, how in (("/", "memory"), ("/stream", "stream")):
            conn.send(http.head("POST", path, "a", EXPECT))
            conn.await_head()
            assert conn.rest == b"HTTP/1.1 100 Continue\r\n\r\n"
            conn.send(b"hello")
            assert conn.response().text == total(how, b"hello")
        conn.send(http.head("POST", "/stream", "a", EXPECT) + b"hello")
        conn.await_head()
        assert conn.rest.startswith(b"HTTP/1.1 200 "), "nothing to ask for"
        assert conn.response().text == total("stream", b"hello")
        conn.send(http.head("POST", "/held", "a", EXPECT))
        wait.until(lambda: web.get("/go").text == "went 1 0\n", 5, "the request")
        conn.await_head()
        assert conn.rest == b"HTTP/1.1 100 Continue\r\n\r\n", "only now"
        conn.send(b"hello")
        assert conn.response().text == total("stream", b"hello")
        conn.send(http.head("POST", "/answer?401", "a", EXPECT))
        conn.await_head()
        assert conn.rest.startswith(b"HTTP/1.1 401 ")
        assert conn.response().closes


# ---- deadlines ------------------------------------------------------------------

def test_a_body_that_does_not_come(cluster):
    c = bodies(cluster, body_timeout="300ms", request_timeout="500ms")
    for path in ("/", "/stream"):
        with c.connect() as conn:
            conn.send(http.head("POST", path, "a", (), b"x" * 100000) + b"x" * 50000)
            answer = conn.response()
            assert answer.status == 408 and answer.closes
    assert ends(c) == [-errno.ETIMEDOUT]
    with c.connect() as conn:
        conn.send(http.head("POST", "/held", "a", (), b"x" * 100000) + b"x" * 50000)
        assert conn.response().status == 504, "it is the plugin that is waited for"
    assert ends(c) == [-errno.ETIMEDOUT, -errno.ECANCELED]


def test_a_stream_has_the_time_it_takes(cluster):
    """request_timeout does not count while the body comes."""
    c = bodies(cluster, request_timeout="400ms", body_timeout="5s")
    with c.connect() as conn:
        conn.send(http.head("POST", "/slow?100", "a", (), b"x" * 10))
        for _ in range(10):
            assert not wait.readable(conn.sock, 0.1)
            conn.send(b"x")
        assert conn.response().text == total("stream", b"x" * 10)


def test_a_body_that_trickles(cluster):
    c = bodies(cluster, min_rate="1k", body_timeout="10s")
    with c.connect() as whole, c.connect() as stream:
        whole.send(http.head("POST", "/", "a", (), b"x" * 5000))
        stream.send(http.head("POST", "/stream", "a", (), b"x" * 5000))
        slow = [whole, stream]
        while slow:
            slow = [conn for conn in slow if not wait.readable(conn.sock, 0.05)]
            for conn in slow:
                conn.send(b"x")
        for conn in (whole, stream):
            answer = conn.response()
            assert answer.status == 408 and answer.closes
    assert ends(c) == [-errno.ETIMEDOUT]


def trickle(conn):
    """Send a byte now and then until there is an answer."""
    while not wait.readable(conn.sock, 0.05):
        conn.send(b"x")
    return conn.response()


@pytest.mark.parametrize("path", ["/deadline", "/deadline/whole"])
def test_the_plugins_deadline_holds_while_a_body_comes(cluster, path):
    """From when it is set on: what comes moves it no more than the handler's work."""
    c = bodies(cluster, request_timeout="60s", body_timeout="60s")
    with c.connect() as conn:
        conn.send(http.head("POST", path + "?400", "a", (), b"x" * 5000))
        answer = trickle(conn)
        assert answer.status == 504 and answer.closes
    assert ends(c) == ([-errno.ECANCELED] if path == "/deadline" else [])
    with c.connect() as conn:
        conn.send(http.head("POST", path + "?30000", "a", (), b"x" * 9) + b"x" * 4)
        assert not wait.readable(conn.sock, 0.2)
        conn.send(b"x" * 5)
        assert conn.response().status == 200, "in time"
    assert c.metric("body_timeouts_total") == 0


def test_a_pause_that_is_over_at_once(web):
    """It takes nothing off the time in which the client is to send."""
    with web.connect() as conn:
        conn.send(http.head("POST", "/blink", "a", (), b"xx") + b"x")
        wait.until(lambda: web.get("/move?0").text == "moved 1 0\n", 5, "the job")
        conn.send(b"x")
        assert conn.response().text == total("stream", b"xx")


def test_a_deadline_that_is_moved_while_a_body_comes(cluster):
    c = bodies(cluster, request_timeout="60s", body_timeout="60s")
    with c.connect() as conn:
        conn.send(http.head("POST", "/stream", "a", (), b"x" * 5000) + b"x")
        wait.until(lambda: c.get("/move?30000").text == "moved 1 0\n", 5, "the job")
        assert c.get("/move?100").text == "moved 1 0\n"
        assert conn.response().status == 504
    assert ends(c) == [-errno.ECANCELED]
    with c.connect() as conn:
        conn.send(http.head("POST", "/deadline?3000", "a", (), b"x" * 2) + b"x")
        wait.until(lambda: c.get("/move?0").text == "moved 1 0\n", 5, "the job")
        assert not wait.readable(conn.sock, 3.2), "it has none any more"
        conn.send(b"x")
        assert conn.response().text == total("stream", b"xx")


def test_the_pace_of_a_body_holds_beside_the_plugins_deadline(cluster):
    c = bodies(cluster, request_timeout="60s", body_timeout="300ms")
    for ms in (0, 60000):
        with c.connect() as conn:
            conn.send(http.head("POST", "/deadline?%d" % ms, "a", (), b"x" * 5000) + b"x")
            assert conn.response().status == 408
    assert ends(c) == [-errno.ETIMEDOUT] * 2


# ---- clients that leave ------------------------------------------------------------

def test_a_client_that_leaves_in_the_middle(web):
    for path in ("/", "/stream"):
        conn = web.connect()
        conn.send(http.head("POST", path, "a", (), b"x" * 1000) + b"x" * 500)
        conn.close()
    await_end(web, -errno.EPIPE)
    with web.connect() as conn:
        conn.send(http.head("POST", "/stream", "a", (), b"x" * 1000) + b"x" * 500)
        conn.sock.shutdown(socket.SHUT_WR)
        assert conn.sock.recv(100) == b"", "half a request has no answer"
    await_end(web, -errno.EPIPE)
    assert ends(web) == [-errno.EPIPE] * 2


@pytest.mark.parametrize("unread", [0, MB])
def test_a_client_that_leaves_in_a_pause(cluster, unread):
    """It is seen at once, but where there is more of it to be read: then the time of
    the plugin is over, or it goes on."""
    c = bodies(cluster, request_timeout="60s")
    conn = c.connect()
    conn.send(http.head("POST", "/held", "a", (), b"x" * 9 * MB) + b"x" * 500)
    wait.until(lambda: c.get("/move?60000" if unread == 0 else "/move?2000").text ==
               "moved 1 0\n", 5, "the job")
    conn.send(b"x" * unread)
    netfault.reset(conn.sock)
    await_end(c, -errno.EPIPE if unread == 0 else -errno.ECANCELED)
    if unread > 0:
        conn = c.connect()
        conn.send(http.head("POST", "/held", "a", (), b"x" * 9 * MB) + b"x" * 500)
        wait.until(lambda: c.get("/move?60000").text == "moved 1 0\n", 5, "the job")
        conn.send(b"x" * unread)
        netfault.reset(conn.sock)
        c.get("/go")
        await_end(c, -errno.EPIPE)


def test_a_client_that_has_said_all_gets_its_answer(web):
    for path, how in (("/", "memory"), ("/stream", "stream"), ("/slow?1", "stream")):
        request = http.head("POST", path, "a", (), BYTES[:MB]) + BYTES[:MB]
        answer = http.exchange(web.address(), request, shut=True)
        how = "file" if how == "memory" else how
        assert answer.endswith(total(how, BYTES[:MB]).encode())


def test_a_crash_at_the_head_names_its_request(web):
    web.request("POST", "/crash", (), b"x" * 10, expect="connection lost")
    death = web.await_event("worker.exited")
    assert death["signal"] == "SIGABRT"
    assert "POST /crash" in web.ctl("why", death["worker"])


# ---- misuse --------------------------------------------------------------------------

def test_misuse_is_an_error_and_no_harm(web):
    with web.connect() as conn:
        assert conn.request("POST", "/late", (), b"abc").text == "late\n"
        assert [int(word) for word in conn.request("GET", "/said").text.split()] == \
            [-errno.EINVAL] * 4
        assert conn.request("POST", "/misuse", (), b"abc").text == total("stream", b"abc")
        assert [int(word) for word in conn.request("GET", "/said").text.split()] == \
            [-errno.EINVAL] * 6 + [-errno.ENOENT, 0] + [-errno.ERANGE, 0, -errno.ERANGE] + \
            [-errno.ESTALE] * 5 + [0, -errno.EALREADY] + [0] * 4
    assert web.worker("web/0")["restarts"] == 0




# ---- what cannot be kept -------------------------------------------------------------

def test_a_file_that_may_not_grow(cluster):
    """The limit of the process: an error of write(), no SIGXFSZ."""
    c = bodies(cluster, start=False)
    c.through = ["prlimit", "--fsize=%d" % (4 * MB)]
    c.start()
    for path in ("/", "/limit?20000000"):
        with c.connect() as conn:
            conn.send(http.head("POST", path, "a", (), BYTES[:5 * MB]))
            conn.send(BYTES[:4 * MB + 1])
            answer = conn.response()
            assert answer.status == 507 and answer.closes
    assert c.request("POST", "/", (), BYTES[:MB]).text == total("file", BYTES[:MB])
    assert c.request("POST", "/stream", (), BYTES).text == total("stream", BYTES)
    assert c.worker("web/0")["restarts"] == 0
    assert c.metric("bodies_lost_total") == 2 and c.metric("bodies_spilled_total") == 3
    c.await_log("a body cannot be kept in a file: File too large")
    assert c.log().count("a body cannot be kept in a file: File too large") == 1


def test_a_disk_that_is_full(small_disk, cluster):
    c = bodies(cluster, start=False)
    small_disk(c.dir + "/tmp", 200, "clusterd-worker")
    c.write_config(env="TMPDIR=%s/tmp" % c.dir)
    c.start()
    with c.connect() as held:
        held.send(http.head("POST", "/", "a", (), BYTES[:150000]) + BYTES[:120000])
        wait.until(lambda: c.metric("bodies_spilled_total") == 1, 5, "its file")
        with c.connect() as conn:
            conn.send(http.head("POST", "/", "a", (), BYTES[:200000]) + BYTES[:200000])
            assert conn.response().status == 507
        assert c.get("/").status == 200
        c.await_state(lambda s: s["workers"][0]["connections"] == 1)
        wait.until(lambda: files_in(c, c.dir + "/tmp/") == 1, 5, "the end of the other's")
        before = descriptors(c)
        held.send(BYTES[120000:150000])
        assert held.response().text == total("file", BYTES[:150000])
        wait.until(lambda: files_in(c, c.dir + "/tmp/") == 0 and descriptors(c) <= before - 1,
                   5, "the end of its file")
    assert c.request("POST", "/", (), BYTES[:150000]).status == 200, "it is free again"


# ---- memory --------------------------------------------------------------------------

def rss_kb(c):
    with open("/proc/%d/status" % c.worker("web/0")["pid"], encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


@not_sanitized("sanitizers keep what was freed")
@pytest.mark.parametrize("path, most", [("/slow?1", 40 * MB), ("/", 150 * MB)],
                         ids=["streamed", "in a file"])
def test_ten_gigabytes_take_no_memory(cluster, path, most):
    """An upload of 10 GB, cut short once it is plain what it takes."""
    c = bodies(cluster, max_body_size="off", body_buffer="256k")
    with c.connect() as conn:
        assert conn.request("POST", "/", (), BYTES[:200000]).status == 200
    before = rss_kb(c)
    taken = []
    with c.connect(timeout=30) as conn:
        conn.send(http.head("POST", path, "a", {"Content-Length": str(10 * 1024 * MB)}))
        for at in range(0, most, 10 * MB):
            conn.send(BYTES[:10 * MB])
            if at >= 10 * MB:
                taken.append(rss_kb(c) - before)
        # the kernel keeps up to tcp_rmem's 32 MiB for who has not come to read
        wait.until(lambda: c.metric("bytes_in_total") > most - 20 * MB, 20, "most of it read")
        taken.append(rss_kb(c) - before)
    assert max(taken) < 2 * KB, taken
    if path == "/slow?1":
        await_end(c, -errno.EPIPE)


@not_sanitized("sanitizers keep what was freed")
def test_clients_that_wait_take_no_memory(cluster):
    c = bodies(cluster, max_body_size="off", body_buffer="256k")
    with c.connect() as conn:
        assert conn.request("POST", "/", (), BYTES[:200000]).status == 200
    before = rss_kb(c)
    held = [c.connect() for _ in range(20)]
    for conn in held:
        # head and body at once, or nothing of the body is read before the pause
        first = http.head("POST", "/held", "a", {"Transfer-Encoding": "chunked"})
        conn.sock.setblocking(False)
        try:
            for piece in chunked(BYTES[:5 * MB], 100000):
                conn.sock.sendall(first + piece)
                first = b""
        except BlockingIOError:
            pass
    wait.until(lambda: c.metric("bytes_in_total") > 20 * 10 * KB, 10, "their bytes")
    assert rss_kb(c) - before < 20 * 200, "200 kB each"
    assert c.get("/").status == 200
    for conn in held:
        conn.close()


def test_a_filter_sees_a_request_before_its_body_is_streamed(cluster):
    c = bodies(cluster, filter="/ bodies_filter", plugins={"bodies_filter": {}})
    with c.connect() as conn:
        answer = conn.request("POST", "/stream", (), b"abc")
        assert answer.text == total("stream", b"abc") and answer.header("X-Filter") == "1"
        answer = conn.request("POST", "/", (), b"abc")
        assert answer.text == total("memory", b"abc") and answer.header("X-Filter") == "1"
        conn.send(http.head("POST", "/stream", "a", {"Content-Length": "100000",
                                                     "X-Stop": "yes"}))
        answer = conn.response()
        assert answer.status == 403 and answer.closes
    assert ends(c) == [0]
    assert c.metric("misused_total") >= 3, "a filter gets no body"


# ---- deaths and failures ---------------------------------------------------------------

@pytest.fixture
def shut(cluster):
    """Whose route /crash is shut, as it kills at the head."""
    c = cluster(workers=2, routes={"/": "bodies", "/crash": "bodies"}, quarantine="on",
                restart_burst=100, restart_rate=600)
    c.seen = c.last_event()
    while not any(e["event"] == "quarantine.began" for e in c.events(c.seen)):
        try:
            c.request("POST", "/crash", (), b"x" * 10)
        except (http.ConnectionLost, OSError):
            pass

    def is_shut():
        with contextlib.suppress(http.ConnectionLost):      # it is yet to be told
            return c.request("POST", "/crash", (), b"x").status == 503
    wait.until(is_shut, 10, "the gate")
    return c


def await_lifted(c):
    wait.until(lambda: c.request("POST", "/crash", {"X-Spare": "1"}, b"x").status == 200, 20,
               "the leave for a probe")
    c.await_event("quarantine.lifted", after=c.seen)


def test_a_route_that_kills_at_the_head_is_shut(shut):
    """As one whose handler does; and one request that passes on_head and handle is
    enough to open it."""
    assert shut.request("POST", "/stream", (), b"abc").text == total("stream", b"abc")
    deaths = sum(row["restarts"] for row in shut.workers())
    await_lifted(shut)
    assert sum(row["restarts"] for row in shut.workers()) == deaths


def test_a_probe_whose_body_cannot_be_had_opens_nothing(shut):
    """Its handler was never asked."""
    def probe():
        with shut.connect() as conn:
            conn.send(http.head("POST", "/crash", "a", {
                "X-Spare": "1", "Transfer-Encoding": "chunked", "Expect": "100-continue"}))
            conn.await_head()
            if conn.rest.startswith(b"HTTP/1.1 503 "):
                return False
            assert conn.rest == b"HTTP/1.1 100 Continue\r\n\r\n"
            conn.send(b"zz\r\n")
            assert conn.response().status == 400
            return True
    for _ in range(2):
        wait.until(probe, 20, "the leave for a probe")
    assert not any(e["event"] == "quarantine.lifted" for e in shut.events(shut.seen))
    await_lifted(shut)


@pytest.fixture
def injected(cluster):
    c = bodies(cluster, start=False)
    c.fi = inject.injected_into(c)
    c.start()
    with c.connect() as conn:
        assert conn.request("POST", "/", (), BYTES[:MB]).status == 200
        c.before = descriptors(c)
    yield c
    wait.until(lambda: descriptors(c) <= c.before, 5, "descriptors as before")
    assert c.worker("web/0")["restarts"] == 0


@inject.needs_preload
@pytest.mark.parametrize("rule, status", [
    ("pwrite64:ENOSPC", 507), ("pwrite64:EIO", 503), ("pwrite64:EINTR@1", 200),
    ("mmap:ENOMEM", 500)])
def test_calls_that_fail(injected, rule, status):
    for number, path in enumerate(("/", "/limit?20000000"), 2):
        with injected.connect() as conn:
            conn.send(http.head("POST", path, "a", (), BYTES[:300000]))
            conn.send(BYTES[:200000])
            wait.until(lambda n=number: injected.metric("bodies_spilled_total") == n, 5,
                       "its file")
            injected.fi.arm("worker", rule)
            conn.send(BYTES[200000:300000])
            assert conn.response().status == status
            injected.fi.disarm()


@inject.needs_preload
def test_a_directory_that_takes_no_nameless_files(injected):
    injected.fi.arm("worker", "open:EACCES")
    body = BYTES[:MB]
    assert injected.request("POST", "/", (), body).text == total("file", body)
    assert injected.fi.injected("worker") > 0


def begin_others(cluster, count):
    """Requests whose heads are not whole: what the worker had spare is theirs."""
    had = cluster.metric("bytes_in_total")
    begun = [cluster.connect() for _ in range(count)]
    for conn in begun:
        conn.send(b"GET / HT")
    wait.until(lambda: cluster.metric("bytes_in_total") == had + count * 8, 5,
               "their begin")
    return begun


@inject.needs_preload
@pytest.mark.parametrize("others", [0, 2])
@pytest.mark.parametrize("path", ["/", "/limit?20000000", "/stream", "/echo"])
def test_each_allocation_fails_once(injected, path, others):
    """Answered, or its connection is closed at once."""
    raw = http.head("POST", path, "a", {"Transfer-Encoding": "chunked"}) + \
        b"".join(chunked(BYTES[:150000], 20000))
    failed, k, held = 1, 0, []
    while failed:
        k += 1
        held += begin_others(injected, others)
        injected.fi.arm("worker", "malloc:NULL@%d" % k)
        try:
            with injected.connect(timeout=5) as conn:
                conn.send(raw)
                assert conn.response().status in (200, 500, 503)
        except (http.ConnectionLost, ConnectionResetError):
            pass
        failed = injected.fi.injected("worker")
        injected.fi.disarm()
        assert k < 200
    assert k > 1
