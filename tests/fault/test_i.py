# SPDX-License-Identifier: MIT
"""The network and HTTP."""

import concurrent.futures
import os
import pathlib
import re
import socket
import time

import pytest

from harness import SANITIZED, http, netfault, parsers, shows, slow, wait
from harness.messages import LIMITS, NEXT, ROWS

HOST = b"Host: a\r\n"
GET = b"GET / HTTP/1.1\r\n" + HOST
POST = b"POST / HTTP/1.1\r\n" + HOST

# Ten ticks of a scaled test, by which a limit of ours may be late.
LATE_S = 1.0


def memory_kb(r):
    """What all workers hold."""
    pages = 0
    for worker in r.workers():
        with open("/proc/%d/statm" % worker["pid"], encoding="ascii") as f:
            pages += int(f.read().split()[1])
    return pages * (os.sysconf("SC_PAGESIZE") // 1024)


def await_connections(r, count):
    """The workers have so many, those of the load not counted."""
    mine = len(r.book.clients())
    return r.await_state(lambda s: abs(sum(w["connections"] for w in s["workers"])
                                       - count) <= mine)


def in_time(seconds, limit_s):
    """Never early, and late by no more than we allow ourselves."""
    assert limit_s - 0.005 <= seconds <= limit_s + LATE_S


def get(path):
    return b"GET %s HTTP/1.1\r\n" % path.encode() + HOST + b"\r\n"


# ---- too slow --------------------------------------------------------------------

@shows("I1")
@pytest.mark.limit(150)
def test_slow_heads(row):
    """2,000 at once, a byte of a head every second (every 5 s unscaled).  They are
    there together until the time of the first is over: on a busy machine they need
    more than half of it to connect."""
    r = row(header_timeout="20s")
    r.served()
    before = memory_kb(r)
    head = b"GET /" + b"x" * 1000
    with netfault.many_sockets(4096):
        crowd = [netfault.Slow(r.address(), head[:1], head[1:]) for _ in range(2000)]
        await_connections(r, 2000)
        assert memory_kb(r) - before < 2000 * 64, "what a waiting connection may cost"
        netfault.run(crowd, 60)
    for client in crowd:
        in_time(client.seconds, 20.0)
        assert client.status == 408 and b"Connection: close\r\n" in client.answer
    # ten times what is promised to those who behave
    assert r.book.slowest() < 10
    r.served()


BODIES = {
    # keys, bytes, each so many seconds, status, limit in seconds
    "a byte a second": ({"body_timeout": "500ms"}, 1, 1.0, 408, 0.5),
    "400 bytes a second": ({}, 40, 0.1, 408, 2.0),
    "400, where 300 are enough": ({"min_rate": 300}, 40, 0.1, 200, 0),
    "2,000 bytes a second": ({}, 200, 0.1, 200, 0),
}


@shows("I2")
@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize("case", BODIES)
def test_slow_bodies(row, case, framing):
    """min_rate counts after 2 s (10 s unscaled); these take 3 s."""
    keys, size, every, status, limit_s = BODIES[case]
    r = row(**keys)
    body = b"x" * int(size / every * 3)
    head = POST + b"Connection: close\r\n"
    if framing == "length":
        head += b"Content-Length: %d\r\n\r\n" % len(body)
    else:
        head += b"Transfer-Encoding: chunked\r\n\r\n"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    client, = netfault.run([netfault.Slow(r.address(), head, body, size, every)])
    assert client.status == status, client.answer
    if status == 408:
        in_time(client.seconds, limit_s)
    r.served()


@shows("I3")
def test_readers_that_do_not_read(row):
    """Fifty of an answer of 10 MB, with the smallest buffer that there is."""
    r = row(send_timeout="1s")
    r.served()
    before = memory_kb(r)
    crowd = [netfault.narrow(r.address()) for _ in range(50)]
    began = time.monotonic()
    for sock in crowd:
        sock.sendall(get("/flood?10"))
    await_connections(r, 50)
    if not SANITIZED:                   # they keep what was freed
        assert memory_kb(r) - before < 50 * (1024 + 256), "1 MiB each, and what it takes"
    await_connections(r, 0)
    assert time.monotonic() - began > 1.0
    # of the load's clients not all may be there at this moment
    wait.until(lambda: r.metric("send_timeouts_total") == 50, 5, "each of them counted")
    for sock in crowd:
        assert len(received(sock)) < 10 << 20, "cut short, and seen to be"
        sock.close()
    r.served()


def received(sock):
    """All that comes, up to the end or a reset."""
    data = b""
    while True:
        try:
            more = sock.recv(1 << 20)
        except ConnectionResetError:
            return data
        if not more:
            return data
        data += more


@pytest.mark.parametrize("rate, keys, ends", [
    (400, {"min_rate": 2000}, 2.0),
    # its kernel's buffer is emptied too slowly for us to write: no reason to cut it
    (4000, {"send_timeout": "2s"}, None)])
@shows("I3")
def test_slow_readers(row, rate, keys, ends):
    r = row(**keys)
    with netfault.narrow(r.address()) as sock:
        sock.sendall(get("/flood?10"))
        _, seconds = netfault.read_slowly(sock, rate, 8.0, r.process.pidfd)
    if ends is None:
        assert seconds is None, "it read all the time"
        assert r.metric("send_timeouts_total") == 0
    else:
        assert seconds is not None, "it may not take that long"
        wait.until(lambda: r.metric("send_timeouts_total") == 1, 5, "the count")
    r.served()


@shows("I3")
def test_a_reader_whose_kernel_takes_in_bursts(row):
    """A full buffer at its end opens in steps, and some answers begin to wait just
    behind one: only what it takes can show how fast it is.  min_rate counts after
    0.5 s (10 s unscaled), and a step is as much as it reads in longer than that."""
    r = row(scale=20, send_timeout="20s")
    left = 30 << 20
    with r.connect() as reader:
        reader.send(get("/flood?1") * 30)
        while left > 18 << 20:
            left -= len(reader.sock.recv(65536))
            if left < 24 << 20:         # that much was in buffers, and went at once
                wait.readable(r.process.pidfd, 0.15)    # the fault itself: it is slow
    assert r.metric("send_timeouts_total") == 0
    r.served()


@shows("I3")
def test_a_reader_that_pauses(row):
    """As long as send_timeout says, which our kernel must be told: by itself it
    gives up after 1.5 s here (30 s unscaled)."""
    r = row(scale=20, send_timeout="20s")
    with r.connect() as reader:
        reader.send(get("/flood?20"))
        wait.readable(r.process.pidfd, 4.0)     # the fault itself: it does not read
        assert len(reader.response().body) == 20 << 20
    assert r.metric("send_timeouts_total") == 0
    r.served()


@shows("I3")
def test_readers_with_requests_behind(row):
    """Who asks again and again and reads nothing ends, too; and a body behind an
    answer has its own time."""
    r = row(send_timeout="500ms")
    with netfault.narrow(r.address()) as sock:
        sock.setblocking(False)
        try:
            while wait.writable(sock, 0.5):
                sock.send(get("/") * 1000)
        except ConnectionResetError:
            pass                        # that was the end already
        wait.until(lambda: r.metric("send_timeouts_total") == 1, 10, "the end")
    r.served()


@shows("I3")
def test_a_body_behind_answers_has_its_own_time(row):
    """Its client reads late; then it is not the answers that are waited for.
    Somewhere between none and all of them fit into the kernel's buffer."""
    r = row(send_timeout="4s", min_rate=0)      # by then all of them have been read
    crowd = [netfault.narrow(r.address()) for _ in range(24)]
    for number, sock in enumerate(crowd):
        sock.sendall(get("/") * (number * 100) + POST + b"Content-Length: 4\r\n\r\n")
    for number, sock in enumerate(crowd):
        data = b""
        while data.count(b"evil\n") < number * 100:
            more = sock.recv(1 << 20)
            assert more, "cut after %d bytes" % len(data)
            data += more
    wait.readable(r.process.pidfd, 5.0)         # the fault itself: it lets it wait
    for sock in crowd:
        sock.sendall(b"body")
        assert sock.recv(9 + 3) == b"HTTP/1.1 200"
        sock.close()
    r.served()


# ---- gone --------------------------------------------------------------------------

@pytest.mark.parametrize("when", [
    "answering", pytest.param("idle", marks=slow)])
@shows("I4")
def test_dead_peer(row, when):
    """TCP_USER_TIMEOUT is 6 s here; probes begin after 12 s."""
    r = row(request_timeout="1h", idle_timeout="1h")
    with r.connect() as peer:
        assert peer.request("GET", "/").status == 200
        if when == "answering":
            peer.send(get("/sleep?100"))
        netfault.play_dead(peer.sock)
        wait.until(lambda: not netfault.is_open(peer), 30, "end of the connection")
    r.served()


PHASES = {
    "after connect": [],
    "in the head": [b"GET / HT"],
    "in the body": [POST + b"Content-Length: 9\r\n\r\nabc"],
    "in a chunk": [POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc"],
    "while it is handled": [get("/deadline?60000")],
    "in the answer": [get("/flood?10"), 1000],
    "in a stream": [get("/stream?100"), 100],
    "between two requests": [get("/"), 100],
    "behind a refusal": [b"GET / HTTP/3.0\r\n\r\n", 100],
}


@shows("I6")
def test_resets_in_every_phase(row):
    r = row(daemon={"log_level": "notice"})
    r.served()
    lines = len(r.log().splitlines())
    for _ in range(50):
        for steps in PHASES.values():
            sock = http.connect(r.address())
            for step in steps:
                if isinstance(step, bytes):
                    sock.sendall(step)
                else:
                    assert len(sock.recv(step, socket.MSG_WAITALL)) == step
            netfault.reset(sock)
    await_connections(r, 0)
    # but what is said of a worker that has to wait for the CPU
    said = [line for line in r.log().splitlines()[lines:]
            if not re.search("worker.stalled|state.changed", line)]
    assert not said, "no line for each"
    r.served()


# ---- too much ------------------------------------------------------------------------

@shows("I7")
def test_no_more_than_max_pipeline_a_turn(row):
    """Who asks once waits for no more than the turn of who asks a hundred times."""
    r = row(workers=1, max_pipeline=4, load={})
    with r.connect() as one, r.connect() as many:
        assert one.request("GET", "/").status == 200
        many.send(get("/spin?5") * 200)
        assert many.response().status == 200
        one.send(get("/"))
        seen = 1                        # whatever was answered until it was sent
        while wait.readable(many.sock, 0) or b"\r\n\r\n" in many.rest:
            assert many.response().status == 200
            seen += 1
        mine = int(one.response().header("X-Served"))
        # the one before, the turn under way, and one that had begun by then
        assert mine <= 1 + seen + 2 * 4 + 1, (mine, seen)
        for _ in range(200 - seen):
            assert many.response().status == 200


@shows("I7")
def test_flood(row):
    """Requests 1,000 deep on eight connections, for three seconds; unscaled, as a
    beat may then be late by as much as it is where it counts."""
    r = row(scale=1)
    r.served()
    seen = r.last_event()
    before = r.metric("requests_total")
    request = get("/") * 1000
    end = time.monotonic() + 3

    def flood(_):
        rounds = 0
        with r.connect() as conn:
            while rounds < 2 or time.monotonic() < end:
                rounds += 1
                conn.send(request)
                left = 1000
                tail = b""
                while left > 0:
                    data = tail + conn.sock.recv(1 << 20)
                    left -= data.count(b"\r\n\r\nevil\n")
                    tail = data[-8:] if not data.endswith(b"evil\n") else b""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(flood, range(8)))
    assert r.metric("requests_total") - before > 10000
    assert not [e for e in r.events(seen) if e["event"] == "worker.stalled"], "beats in time"
    assert r.book.slowest() < 10
    r.served()


def head_of(size):
    """A request whose head has so many bytes."""
    start = GET + b"X: "
    return start + b"x" * (size - len(start) - 4) + b"\r\n\r\n"


def chunks_of(size):
    whole, rest = divmod(size, 60000)
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (part, b"x" * part)
        for part in [60000] * whole + [rest]) + b"0\r\n\r\n"


def chunked(text):
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + text


MIB = 1 << 20
OVERSIZE = {
    "target": (200, get("/" + "x" * 8191)),
    "target + 1": (414, get("/" + "x" * 8192)),
    "head": (200, head_of(32768)),
    "head + 1": (431, head_of(32769)),
    "fields": (200, GET + b"X: y\r\n" * 99 + b"\r\n"),
    "fields + 1": (431, GET + b"X: y\r\n" * 100 + b"\r\n"),
    "body": (200, POST + b"Content-Length: %d\r\n\r\n" % MIB + b"x" * MIB),
    "body + 1": (413, POST + b"Content-Length: %d\r\n\r\n" % (MIB + 1)),
    "body + 1, sent": (413, POST + b"Content-Length: %d\r\n\r\n" % (MIB + 1) + b"x" * MIB),
    "chunks": (200, chunks_of(MIB)),
    "chunks + 1": (413, chunks_of(MIB + 1)),
    "chunk of 2^64": (400, chunked(b"10000000000000000\r\nx")),
    "chunk of 2^64 - 1": (413, chunked(b"ffffffffffffffff\r\nx")),
    "chunk extension": (400, chunked(b"1;x=" + b"y" * 1000000 + b"\r\n")),
    "trailers": (431, chunked(b"1\r\nx\r\n0\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n")),
    "trailer fields": (431, chunked(b"0\r\n" + b"X: y\r\n" * 17000 + b"\r\n")),
}


@shows("I8")
def test_oversize(row):
    r = row()
    for name, (status, request) in OVERSIZE.items():
        with r.connect() as conn:
            conn.send(request)
            answer = conn.response()
            assert (name, answer.status) == (name, status)
            if status == 200:
                assert conn.request("GET", "/").status == 200, name
            else:
                assert answer.closes and answer.text.startswith(str(status)), name
                assert conn.sock.recv(1) == b"", name
    r.served()


@shows("I9")
@shows("node-B24")
def test_idle_connections_make_way(row):
    """The longest idle first, and none that is not idle."""
    r = row(workers=1, max_connections=16, load={"keepalive": 1, "pause": 0.01},
            request_timeout="20s")
    busy = r.connect()
    busy.send(get("/sleep?3000"))
    idle = []
    for _ in range(60):
        idle.append(r.connect())
        assert idle[-1].request("GET", "/").status == 200
    left = [not wait.readable(conn.sock, 0) for conn in idle]
    assert left == sorted(left), "those that were idle longest"
    assert 10 <= sum(left) <= 16
    wait.until(lambda: r.metric("made_way_total") >= 60 - 16, 5, "each of them counted")
    assert busy.response().text == "slept\n"
    for conn in [busy] + idle:
        conn.close()
    r.served()


@shows("I9")
@shows("node-B23")
@shows("node-B24")
def test_all_connections_busy(row):
    """Then accepting waits; control does not.  A few more than there is room for,
    as some may lie before a worker that has just become full."""
    r = row(workers=2, max_connections=32, load={})
    held = [r.connect() for _ in range(64 + 8)]
    for conn in held:
        conn.send(get("/deadline?60000"))
    r.await_state(lambda s: [w["connections"] for w in s["workers"]] == [32, 32])
    more = [r.connect() for _ in range(40)]
    for conn in more:
        conn.send(get("/"))
    assert r.ctl("status").code == 0
    assert not any(wait.readable(conn.sock, 0) for conn in more)
    for conn in held:                   # an end in order might still want its answer
        netfault.reset(conn.sock)
    for conn in more:
        assert conn.response().status == 200
        conn.close()


@slow
@shows("I9")
@pytest.mark.limit(180)
def test_20000_connections(row):
    r = row(max_connections=256)
    r.served()
    with netfault.many_sockets(20000):
        take_and_hold(r, 20000, 256)
    assert r.metric("made_way_total") >= 20000 - 4 * 256
    r.served()


def take_and_hold(r, count, most):
    """So many clients, each with its answer, of whom so many a worker may stay."""
    held = {}
    for number in range(count):
        conn = r.connect()
        assert conn.request("GET", "/").status == 200
        held[number] = conn
        if number % 1000 == 999:        # those that had to go
            for key in [k for k, c in held.items() if wait.readable(c.sock, 0)]:
                held.pop(key).close()
            assert len(held) <= 4 * most
    for conn in held.values():
        conn.close()


@shows("I14")
@pytest.mark.limit(150)
def test_accept_queue_overflows(row):
    r = row(backlog=8, handler_timeout="30s", request_timeout="30s", load={})
    fifo = r.dir + "/held"
    os.mkfifo(fifo)
    os.chmod(fifo, 0o666)
    held = [r.connect(timeout=30) for _ in range(4)]
    for conn in held:                   # each in a worker of its own
        assert conn.request("GET", "/").status == 200
    assert len({conn.request("GET", "/").header("X-Worker") for conn in held}) == 4
    for conn in held:
        conn.send(get("/block?" + fifo))
    clients = []
    for _ in range(40):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(http.endpoint(r.address()))
        clients.append(sock)
    status = r.await_state(lambda s: "queue_overflow" in [x["reason"] for x in s["reasons"]])
    assert status["state"] == "degraded"
    reason, = [x for x in status["reasons"] if x["reason"] == "queue_overflow"]
    assert r.address() in reason["text"] and reason["pool"] == "web", reason
    os.close(os.open(fifo, os.O_WRONLY))
    # The queue drops what it has no room for, and so few are left after a round; what
    # was dropped is sent again after 1, 3, 7, 15, 31 s (a SYN), or with a pause that
    # doubles (the bytes of one whose end of the handshake was dropped).
    for sock in clients:
        sock.settimeout(70)
        assert wait.until(lambda s=sock: writable(s), 70, "a connection")
        sock.sendall(GET + b"Connection: close\r\n\r\n")
    for sock in clients:
        assert received(sock).startswith(b"HTTP/1.1 200 ")
        sock.close()
    for conn in held:
        assert conn.response().text == "woken\n"
        conn.close()


def writable(sock):
    try:
        return sock.getpeername()
    except OSError:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error == 0, os.strerror(error)
        return None


# ---- not to be understood -----------------------------------------------------------------

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "daemon/http"
WORDS = re.compile(r'(?:head_refuse|chunk_refuse|rules_note_breach)\([^;]*;')


def reasons():
    """Every refusal of the parser, as its source has them."""
    found = set()
    for name in ("head.c", "rules.c", "chunk.c"):
        for call in WORDS.findall((SOURCE / name).read_text(encoding="ascii")):
            found |= set(re.findall(r'"([^"]+)"', call))
    return found


def statuses(address, *parts, shut=False):
    """Of all answers, up to a close of the server's; b"" in parts is left out."""
    answer = http.exchange(address, *[part for part in parts if part], shut=shut)
    found = re.findall(rb"HTTP/1\.1 (\d+) ", answer)
    if not shut:
        assert b"Connection: close\r\n" in answer, answer
    return [int(status) for status in found if status != b"100"]


def cuts(text, each):
    """Where it is cut: at every byte, in long ones at some."""
    step = 1 if each or len(text) < 200 else len(text) // 20
    return range(1, len(text), step)


def ambiguous(r, build, each):
    cases = [(status, text) for status, texts in ROWS for text in texts]
    said = parsers.ours(build)([text + NEXT for _, text in cases])
    assert reasons() == {one["reason"] for one in said if one["status"]}, "all of them"
    address = r.address()

    def ask(case):
        status, text = case
        shut = status == 0              # then it is we who say that this was all
        whole = statuses(address, text + NEXT, shut=shut)
        # 421: well said, but to another server
        assert whole == [status] or (status == 0 and whole[0] in (200, 204, 404, 421)
                                     and whole[1:] in ([], [200])), (
            text, whole)
        for at in cuts(text, each):
            cut = statuses(address, text[:at], text[at:] + NEXT, shut=shut)
            assert cut == whole, (text, at, cut, whole)
        return whole
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, cases))
    for (status, text), one, whole in zip(cases, said, answers):
        if status != 0:
            assert one["status"] == status and not one["messages"], (text, one)
        elif len(one["messages"]) == 2 and whole[0] != 421:
            assert len(whole) == 2, text
    r.served()


@shows("I10")
def test_ambiguous_messages(row, build):
    ambiguous(row(**LIMITS), build, False)


@slow
@shows("I10")
@pytest.mark.limit(300)
def test_ambiguous_messages_cut_at_every_byte(row, build):
    ambiguous(row(**LIMITS), build, True)


# ---- refused while it is sent ------------------------------------------------------------------

@shows("I11")
def test_refused_while_it_sends(row):
    """The answer is there to be read; what still comes is thrown away, not for ever."""
    r = row()
    piece, sent = b"x" * 65536, 0
    with r.connect() as conn:
        conn.send(POST + b"Content-Length: 100000000\r\n\r\n")
        answer = None
        try:
            while sent < 100000000:
                conn.send(piece)
                sent += len(piece)
                if answer is None and wait.readable(conn.sock, 0):
                    answer = conn.response()
        except http.ConnectionLost:
            pass
        if answer is None:
            answer = conn.response()
        assert answer.status == 413 and answer.closes
        # 1 MiB, and what two kernels hold
        assert sent < 30 << 20, sent
    r.served()


@shows("I11")
def test_refused_and_then_silent(row):
    """5 s (1 s here) without a byte end it; so do 30 s (6 s) in all."""
    r = row()
    with r.connect() as conn:
        began = time.monotonic()
        conn.send(POST + b"Content-Length: 100000000\r\n\r\n" + b"x" * 1000)
        assert conn.response().status == 413
        wait.until(lambda: not netfault.is_open(conn), 10, "the end")
        in_time(time.monotonic() - began, 1.0)
    with r.connect() as conn:
        began = time.monotonic()
        conn.send(POST + b"Content-Length: 100000000\r\n\r\n")
        assert conn.response().status == 413
        try:
            while time.monotonic() - began < 20:
                conn.send(b"x")
                wait.readable(r.process.pidfd, 0.1)     # the fault itself
        except http.ConnectionLost:
            pass
        in_time(time.monotonic() - began, 6.0)
    r.served()


@shows("I12")
def test_expect_100_continue(row):
    r = row()
    expect = POST + b"Expect: 100-continue\r\n"
    with r.connect() as conn:
        for framing, body in ((b"Content-Length: 3\r\n\r\n", b"abc"),
                              (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n0\r\n\r\n")):
            conn.send(expect + framing)
            assert conn.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
            conn.send(body)
            assert conn.response().status == 200
        # already there: it is not asked for
        conn.send(expect + b"Content-Length: 3\r\n\r\nabc")
        assert conn.sock.recv(9 + 3) == b"HTTP/1.1 200"
    for head, status in ((expect + b"Content-Length: 1048577\r\n\r\n", 413),
                         (POST + b"Expect: 200-ok\r\nContent-Length: 3\r\n\r\n", 417)):
        with r.connect() as conn:
            conn.send(head)
            assert conn.sock.recv(9 + 3) == b"HTTP/1.1 %d" % status, "at once, no 100"
    r.served()
