# SPDX-License-Identifier: MIT
"""Answers of all kinds: copied, static, given, in pieces, of files, streams of any
length; and clients who read slowly, leave, or wait for events."""

import contextlib
import errno
import json
import os
import socket
import threading
import time

import pytest

from harness import http, netfault, not_sanitized, processes, sanitized, slow, wait

PATHS = ["counts", "said", "whole", "pieces", "file", "again", "misuse", "stream", "drained",
         "later", "gone", "events"]
ROUTES = {"/": "hello", **{"/" + path: "answers" for path in PATHS}}
HOST = b"Host: a\r\n"
PERIOD = bytes(range(251))
KINDS = ["copy", "static", "give", "file", "mixed"]
SIZES = [0, 1, 16383, 16384, 70000, 1 << 20]


def pattern(size, start=0):
    """What the plugin's bytes are."""
    start %= 251
    return (PERIOD * ((start + size) // 251 + 1))[start:start + size]


@pytest.fixture
def web(cluster):
    """One worker with the plugin."""
    return cluster(workers=1, routes=ROUTES)


@pytest.fixture(name="file")
def file_of_the_pattern(web):
    """2 MiB of it, where a worker may read it."""
    path = web.dir + "/pattern"
    with open(path, "wb") as f:
        f.write(pattern(2 << 20))
    os.chmod(path, 0o644)
    return path


def counts(c):
    return json.loads(c.get("/counts").text)


def await_released(c):
    """All that was given has come back, each once."""
    wait.until(lambda: counts(c)["given"] == counts(c)["released"], 10, "the releases")
    return counts(c)["released"]


def said(c):
    return [int(word) for word in c.get("/said").text.split()]


# ---- whole -----------------------------------------------------------------------

@pytest.mark.parametrize("take", ["copy", "static", "give"])
def test_a_whole_answer_is_the_same_however_it_is_taken(web, take):
    with web.connect() as conn:
        for size in SIZES:
            path = "/whole?take=%s&len=%d" % (take, size)
            answer = conn.request("GET", path)
            assert answer.status == 200 and answer.body == pattern(size), size
            head = conn.request("HEAD", path)
            assert head.header("Content-Length") == str(size)
            assert conn.request("GET", path + "&status=304").status == 304
    assert await_released(web) == (3 * len(SIZES) if take == "give" else 0)


def test_pieces_are_one_answer(web):
    total = 0
    with web.connect() as conn:
        for n, size in ((0, 0), (1, 5), (3, 0), (7, 100), (32, 16370), (31, 40000)):
            answer = conn.request("GET", "/pieces?n=%d&len=%d" % (n, size))
            want = n * size + n * (n - 1) // 2
            assert answer.header("Content-Length") == str(want)
            assert answer.body == pattern(want), (n, size)
            total += (n + 1) // 3
            assert conn.request("HEAD", "/pieces?n=%d&len=%d" % (n, size)).status == 200
            total += (n + 1) // 3
    assert await_released(web) == total


def test_a_file_is_an_answer(web, file):
    with web.connect() as conn:
        for start, size in ((0, 2 << 20), (1, 1), (251, 70000), (2 << 20, 0), (5, None)):
            path = "/file?from=%d%s&path=%s" % (
                start, "" if size is None else "&len=%d" % size, file)
            want = pattern((2 << 20) - start if size is None else size, start)
            answer = conn.request("GET", path)
            assert answer.status == 200 and answer.body == want, path
            head = conn.request("HEAD", path)
            assert head.header("Content-Length") == str(len(want))
            answer = conn.request("GET", path.replace("?", "?with=release&"))
            assert answer.body == want, path
    assert await_released(web) == 5
    assert not open_files(web, file), "each was closed"


@sanitized
def test_an_empty_file_is_given_back_once(cluster):
    """However it is answered with, also where a filter reads it, or takes the body away."""
    c = cluster(workers=1, routes=ROUTES, filter=["GET,HEAD /file a"],
                plugins={"a": {"module": "filters.so", "name": "a"}})
    path = c.dir + "/empty"
    with open(path, "wb"):
        pass
    os.chmod(path, 0o644)
    given = 0
    with c.connect() as conn:
        for query in ("with=release", "with=release&status=204", "with=release&as=stream"):
            for word in ("", "&a.upper", "&a.empty"):
                for method in ("GET", "HEAD"):
                    answer = conn.request(method, "/file?%s%s&path=%s" % (query, word, path))
                    assert answer.status == (204 if "empty" in word or "204" in query else 200)
                    assert answer.body == b""
                    given += 1
    assert await_released(c) == given
    assert not open_files(c, path)


def open_files(c, path):
    """How often the worker has it open."""
    fds = "/proc/%d/fd" % c.worker("web/0")["pid"]
    links = []
    for fd in os.listdir(fds):
        try:
            links.append(os.readlink(os.path.join(fds, fd)))
        except FileNotFoundError:
            continue
    return links.count(path)


@sanitized
def test_pipelined_answers_of_all_kinds_keep_their_order(web, file):
    paths = []
    for n in range(40):
        paths += ["/whole?take=static&len=%d" % (n * 1000),
                  "/file?from=%d&len=%d&path=%s" % (n, n * 3000, file), "/",
                  "/whole?take=give&len=%d" % (n * 2000),
                  "/stream?kind=mixed&step=20000&total=%d&path=%s" % (n * 5000, file)]
    requests = b"".join(b"GET %s HTTP/1.1\r\n" % path.encode() + HOST + b"\r\n"
                        for path in paths)
    with web.connect() as conn:
        conn.send(requests)
        for path in paths:
            answer = conn.response()
            if path == "/":
                assert answer.text.startswith("Hello")
                continue
            size = int(path.split("len=" if "len=" in path else "total=")[1].split("&")[0])
            start = int(path.split("from=")[1].split("&")[0]) if "from" in path else 0
            assert answer.body == pattern(size, start), path
    await_released(web)
    assert not open_files(web, file)


def test_an_end_by_close_is_the_whole(web, file):
    for kind in KINDS:
        answer = http.exchange(web.address(), b"GET /stream?kind=%s&step=30000&total=900000"
                               b"&path=%s HTTP/1.0\r\n\r\n" % (kind.encode(), file.encode()))
        head, body = answer.split(b"\r\n\r\n", 1)
        assert b"Connection: close" in head and b"Content-Length" not in head, kind
        assert body == pattern(900000), kind
    answer = http.exchange(web.address(), b"GET /file?path=%s HTTP/1.0\r\n\r\n" % file.encode())
    assert answer.split(b"\r\n\r\n", 1)[1] == pattern(2 << 20)


# ---- streams ---------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_of_any_kind(web, file, kind):
    with web.connect() as conn:
        for known in (0, 1):
            for step, total, later in ((1, 300, 0), (1000, 100000, 1), (40000, 6000000, 0),
                                       (40000, 6000000, 1)):
                path = "/stream?kind=%s&known=%d&step=%d&total=%d&later=%d&path=%s" % (
                    kind, known, step, total, later, file)
                answer = conn.request("GET", path)
                assert answer.body == pattern(total), (known, step)
                assert (answer.header("Content-Length") is not None) == bool(known)
                assert conn.request("HEAD", path).status == 200
                assert said(web)[-2:] == [0, 0]
    await_released(web)


@sanitized
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_that_leaves_in_the_middle_of_it(web, file, kind):
    path = "/stream?kind=%s&step=30000&total=100000000&path=%s" % (kind, file)
    for n in range(3):
        with web.connect() as conn:
            conn.send(http.head("GET", path, "a"))
            conn.sock.recv(1000)
            netfault.reset(conn.sock)
        wait.until(lambda n=n: counts(web)["lost"] == n + 1, 10, "the notice")
    await_released(web)
    assert not open_files(web, file)
    assert web.worker("web/0")["restarts"] == 0


def test_drained_when_all_has_left(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/drained?n=10&len=50000")
        assert answer.body == pattern(50000) * 10
        assert counts(web)["drained"] == 11
        assert said(web) == [0] * 12
    assert web.get("/drained?many=1").status == 200
    assert said(web) == [0] * 16 + [-errno.EAGAIN]
    wait.until(lambda: counts(web)["drained"] == 11 + 16, 5, "the notices")


def test_drained_of_what_a_filter_holds_back(cluster):
    c = cluster(workers=1, routes=ROUTES, filter=["/ a"],
                plugins={"a": {"module": "filters.so", "name": "a"}})
    with c.connect() as conn:
        answer = conn.request("GET", "/drained?n=10&len=2000&a.hold")
        assert answer.body == (pattern(2000) + b"|") * 10
    assert counts(c)["drained"] == 11


@sanitized
def test_not_drained_when_the_client_is_gone(web):
    with web.connect() as conn:
        conn.send(http.head("GET", "/drained?n=99&len=900000", "a"))
        conn.sock.recv(1000)
        netfault.reset(conn.sock)
    wait.until(lambda: counts(web)["undrained"] == 1, 10, "the word")


@sanitized
def test_all_comes_back_before_the_end_of_a_worker(cluster):
    """Those who read when it ends are cut off, and their handlers are told."""
    c = cluster(workers=1, routes=ROUTES, drain_timeout="300ms")
    paths = ["/stream?kind=give&step=100000&total=100000000", "/drained?n=99&len=900000",
             "/pieces?n=32&len=1000000"]
    with contextlib.ExitStack() as stack:
        for path in paths:
            conn = stack.enter_context(c.connect())
            conn.send(http.head("GET", path, "a"))
            conn.await_head()
        c.ctl("restart", "web/0")
        words = c.await_log("at the end: ").split("at the end: ")[1]
    given, released, undrained, lost = [int(word.split()[1]) for word in words.split(", ")]
    assert given == released > 11 and undrained == 1 and lost == 1


# ---- what goes wrong -------------------------------------------------------------

def test_a_file_that_becomes_shorter_breaks_the_answer_off(web, file):
    with open(file, "wb") as f:
        f.truncate(64 << 20)
    before = web.metric("files_broken_total")
    with web.connect() as conn:
        conn.send(http.head("GET", "/file?path=" + file, "a"))
        conn.await_head()
        os.truncate(file, 1 << 20)
        with pytest.raises(http.ConnectionLost):
            conn.response()
    wait.until(lambda: web.metric("files_broken_total") == before + 1, 5, "its count")
    wait.until(lambda: not open_files(web, file), 5, "its end")
    assert web.get("/file?path=" + file).status == 200


@sanitized
def test_a_release_may_call_what_it_likes(web):
    for size in (10, 300000):
        assert web.get("/again?len=%d" % size).body == pattern(size)
        wait.until(lambda: counts(web)["released"] == counts(web)["given"] > 0, 5, "it")
        over = -errno.ESTALE if size > 10 else -errno.EALREADY
        assert said(web) == [1, over, over, -errno.EINVAL], size


@sanitized
def test_misuse_of_pieces(web):
    before = web.metric("misused_total")
    assert web.get("/misuse?what=pieces").text == "well"
    assert said(web) == [-errno.EINVAL] * 8
    assert await_released(web) == 33, "also those that were too many"
    wait.until(lambda: web.metric("misused_total") >= before + 8, 5, "the count")


@sanitized
def test_misuse_of_files(web):
    assert web.get("/misuse?what=files").text == "well"
    assert said(web) == [-errno.EBADF, -errno.EINVAL, -errno.EINVAL, -errno.ERANGE, -1,
                         -errno.EINVAL, -errno.EINVAL]


def test_misuse_of_notices_and_events(web):
    assert web.get("/misuse?what=client").text == "well"
    assert said(web) == [-errno.EINVAL] * 6


@pytest.mark.parametrize("kind", KINDS)
def test_filters_have_what_was_given(cluster, kind):
    """They read it and give it back, also where one of them fails."""
    c = cluster(workers=1, routes=ROUTES, filter=["/ a"],
                plugins={"a": {"module": "filters.so", "name": "a"}})
    path = c.dir + "/pattern"
    with open(path, "wb") as f:
        f.write(pattern(2 << 20))
    os.chmod(path, 0o644)
    query = "kind=%s&step=70000&total=2000000%%s&path=%s" % (kind, path)
    for _ in range(3):
        c.request("GET", "/stream?" + query % "&a.broken", expect="connection lost")
        answer = c.get("/stream?" + query % "&a.upper")
        assert answer.body == pattern(2000000).upper()
        assert c.get("/file?a.upper&path=" + path).body == pattern(2 << 20).upper()
        c.request("GET", "/file?with=release&a.broken&path=" + path, expect="connection lost")
    await_released(c)
    assert not open_files(c, path)
    assert c.worker("web/0")["restarts"] == 0


# ---- later -----------------------------------------------------------------------

@pytest.mark.parametrize("by, text", [
    ("timer", "by timer\n"), ("watch", "by descriptor\n"), ("message", "by message\n"),
    ("child", "by child\n")])
def test_an_answer_that_waits_for_something(cluster, by, text):
    c = cluster(workers=2, routes=ROUTES)
    for _ in range(20):
        with c.connect() as conn:
            answer = conn.request("GET", "/later?by=" + by)
            if by != "message" or answer.status == 200:
                break              # one cannot ask itself
    assert answer.text == text
    assert c.worker("web/0")["restarts"] == 0


# ---- gone ------------------------------------------------------------------------

def gone(c, path, how=None):
    """A request that is never answered, and how its client leaves."""
    with c.connect() as conn:
        conn.send(http.head("GET", path, "a"))
        if how is not None:             # else its time may be over by then
            wait.until(lambda: c.rows("requests"), 5, "the request")
        if how == "reset":
            netfault.reset(conn.sock)
        elif how == "shut":
            conn.sock.shutdown(1)
            return conn.sock.recv(1000)
        else:
            return conn.sock.recv(1000)
    return b""


@sanitized
@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize("stream", [0, 1])
def test_a_client_that_is_lost(web, answer, stream):
    gone(web, "/gone?answer=%d%s" % (answer, "&stream=1" if stream else ""), "reset")
    wait.until(lambda: counts(web)["lost"] == 1, 5, "the notice")
    await_released(web)
    assert counts(web)["left"] == 0
    if answer:
        assert said(web) == [-errno.EPIPE] * 6
    assert web.worker("web/0")["restarts"] == 0
    assert web.get("/").status == 200


def test_a_client_that_has_left_may_read_on(web):
    assert gone(web, "/gone?answer=1", "shut").endswith(b"\r\n\r\ngone\n")
    wait.until(lambda: counts(web)["left"] == 1, 5, "the notice")
    assert said(web) == [0] + [-errno.ESTALE] * 5, "answered in it"
    await_released(web)
    assert counts(web)["lost"] == 0


def test_the_end_is_told_behind_the_leaving(web):
    with web.connect() as conn:
        conn.send(http.head("GET", "/gone?again=1", "a"))
        conn.sock.shutdown(1)
        wait.until(lambda: counts(web)["left"] == 1, 5, "the notice")
        assert said(web) == [1]
        netfault.reset(conn.sock)
    assert counts(web)["timeout"] == 0


@pytest.mark.parametrize("answer", [0, 1])
def test_time_that_is_over(web, answer):
    got = gone(web, "/gone?ms=100&answer=%d" % answer)
    assert got.startswith(b"HTTP/1.1 %d " % (200 if answer else 504))
    assert counts(web)["timeout"] == 1 and counts(web)["lost"] == 0
    await_released(web)


def test_a_notice_that_was_taken_back(web):
    assert gone(web, "/gone?ms=100&off=1").startswith(b"HTTP/1.1 504 ")
    assert counts(web)["timeout"] == 0


# ---- events ----------------------------------------------------------------------

def events(body):
    """The events as a browser sees them."""
    seen, fields = [], {}
    for line in body.decode().split("\n"):
        if line == "":
            if "data" in fields:
                seen.append(fields)
            fields = {}
        elif not line.startswith(":"):
            name, value = line.split(": ", 1)
            fields[name] = fields[name] + "\n" + value if name == "data" and \
                name in fields else value
    return seen


def test_server_sent_events(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/events?n=5")
        assert answer.header("Content-Type") == "text/event-stream"
        assert answer.header("Cache-Control") == "no-store"
        assert b"\n: alive\n\n" in answer.body
        seen = events(answer.body)
        assert seen[:5] == [{"id": str(n), "data": "tick"} for n in range(1, 6)]
        assert seen[5] == {"event": "end", "retry": "1500",
                           "data": "one\ntwo\nthree\nfour\n"}
        answer = conn.request("GET", "/events?n=5", {"Last-Event-ID": "3"})
        assert [event.get("id") for event in events(answer.body)] == ["4", "5", None]


# ---- slow readers ----------------------------------------------------------------

class SlowReader(threading.Thread):
    """Reads an answer at 1 MB/s and compares it, until it is told to stop."""

    def __init__(self, address, path, zeros=False):
        super().__init__(daemon=True)
        self.conn = http.Connection(address)
        self.path, self.zeros = path, zeros
        self.got, self.wrong = 0, None
        self.stopping = threading.Event()

    def run(self):
        self.conn.send(http.head("GET", self.path, "a"))
        self.conn.await_head()
        body = self.conn.rest.split(b"\r\n\r\n", 1)[1]
        begun = time.monotonic()
        while not self.stopping.wait(max(0, begun + self.got / 1e6 - time.monotonic())):
            want = bytes(len(body)) if self.zeros else pattern(len(body), self.got)
            if body != want:
                self.wrong = self.got
                return
            self.got += len(body)
            body = self.conn.sock.recv(65536)
            if not body:
                self.wrong = "closed"
                return

    def stop(self):
        self.stopping.set()
        self.join(10)
        self.conn.close()


def rss(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def hold_readers(c, paths, megabytes):
    """Bytes of the worker's memory for each of these readers, the most that was
    seen until each has read so many MB."""
    pid = c.worker("web/0")["pid"]
    assert c.get("/whole?take=copy&len=1000000").status == 200
    before = most = rss(pid)
    readers = [SlowReader(c.address(), path, zeros="/zeros" in path) for path in paths]
    for reader in readers:
        reader.start()
    try:
        deadline = wait.Deadline(megabytes * 5 + 20)
        while any(reader.got < megabytes * 1e6 for reader in readers):
            most = max(most, rss(pid))
            assert not [r.wrong for r in readers if r.wrong is not None]
            assert not deadline.passed(), [reader.got for reader in readers]
            c.get("/")
    finally:
        for reader in readers:
            reader.stop()
    assert c.worker("web/0")["restarts"] == 0
    return (most - before) / len(readers)


TEN_GB = 10 * 10 ** 9


class FastReader(threading.Thread):
    """Reads faster than anybody can write, as it throws all away where it is,
    until it is told to stop."""

    def __init__(self, address, path):
        super().__init__(daemon=True)
        self.conn = http.Connection(address)
        self.conn.send(http.head("GET", path, "a"))
        self.conn.await_head()
        self.room = bytearray(16 << 20)
        self.got = 0
        self.stopping = False
        self.ended = None

    def run(self):
        try:
            while not self.stopping:
                got = self.conn.sock.recv_into(self.room, 0, socket.MSG_TRUNC)
                assert got > 0, "the end of it"
                self.got += got
        except (AssertionError, OSError) as e:
            self.ended = "%r after %d bytes" % (e, self.got)

    def stop(self):
        self.stopping = True
        self.join(10)
        self.conn.close()


@pytest.mark.parametrize("kind", ["copy", "give", "static", "file"])
def test_one_who_reads_as_fast_as_we_write_leaves_others_their_turn(cluster, kind):
    """Nor does the handler's loop, which writes until it is refused, last for
    ever: the queue fills, as so much of it goes in a turn.  What counts is the time
    that the worker had a CPU for them before it turned to another."""
    c = cluster(workers=1, routes=ROUTES, handler_timeout="1s")
    readers = [FastReader(c.address(), slow_paths(c, 1)[kind][0]) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        longest, worker = 0, c.worker("web/0")["pid"]
        with c.connect() as conn:
            while any(reader.got < 400e6 for reader in readers):
                begun = processes.cpu_seconds(worker)
                assert conn.request("GET", "/").status == 200
                longest = max(longest, processes.cpu_seconds(worker) - begun)
                assert [reader.ended for reader in readers] == [None, None]
        assert longest < 0.5
    finally:
        for reader in readers:
            reader.stop()
    assert c.worker("web/0")["restarts"] == 0


def slow_paths(c, count):
    """Answers of 10 GB of each kind."""
    path = c.dir + "/zeros"
    with open(path, "wb") as f:
        f.truncate(TEN_GB)
    os.chmod(path, 0o644)
    stream = "/stream?known=1&total=%d&step=" % TEN_GB
    kinds = {"copy": stream + "60000&kind=copy", "give": stream + "60000&kind=give",
             "large": stream + "200000&kind=give", "static": stream + "900000&kind=static",
             "file": "/file?path=" + path}
    return {name: [kind] * count for name, kind in kinds.items()}


@not_sanitized("sanitizers have memory of their own")
def test_memory_of_slow_readers(web):
    """The first seconds of them: all kinds at once, four of each."""
    paths = sum(slow_paths(web, 4).values(), [])
    assert hold_readers(web, paths, 3) < 2e6
    await_released(web)


@slow
@not_sanitized("sanitizers have memory of their own")
@pytest.mark.parametrize("kind", ["copy", "give", "large", "static", "file"])
def test_memory_of_many_slow_readers(web, kind):
    assert hold_readers(web, slow_paths(web, 30)[kind], 12) < 2e6
    await_released(web)
