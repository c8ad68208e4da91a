# SPDX-License-Identifier: MIT
"""Who was late himself excuses others: a worker that stood still finds many ends of
a wait past at once, and ends nothing for what came meanwhile.  More clients than
one look at the kernel brings (32), and what they send waits there."""

import os
import signal
import socket
import tempfile
import threading
import time

import pytest

from harness import http, processes, shows, wait
from harness.http import head, read_all

pytestmark = shows("C8")

MANY = 70
LONG_S = 3                              # in which a slow machine has all of them begun
LONG = "%ds" % LONG_S
ROUTES = {"/": "evil"}
HOW = pytest.mark.parametrize("how", ["stopped", "blocked"])


def sleep_till(moment):
    wait.until(lambda: time.monotonic() >= moment, 20, "a while")


class Standstill:
    """The worker does nothing in here: it is stopped, or a handler holds it."""

    def __init__(self, c, how, pid=None):
        self.c, self.how = c, how
        self.pid = pid or c.worker("web/0")["pid"]
        self.fifo = c.dir + "/fifo"
        if how == "blocked" and not os.path.exists(self.fifo):
            os.mkfifo(self.fifo)
            os.chmod(self.fifo, 0o666)

    def __enter__(self):
        if self.how == "stopped":
            os.kill(self.pid, signal.SIGSTOP)
            wait.until(lambda: processes.is_stopped(self.pid), 5, "a stopped worker")
            return
        self.blocker = self.c.connect(timeout=20)
        self.blocker.send(head("GET", "/block?" + self.fifo, "a"))
        self.hold = os.open(self.fifo, os.O_WRONLY)     # when it is held

    def __exit__(self, *_):
        if self.how == "stopped":
            os.kill(self.pid, signal.SIGCONT)
            return
        os.close(self.hold)


def late(cluster, **keys):
    how = dict(workers=1, routes=ROUTES, handler_timeout="20s", header_timeout="1m",
               body_timeout="1m", idle_timeout="1m", request_timeout="1m")
    how.update(keys)
    return cluster(**how)


def begin(c, data, count=MANY):
    """Clients that have sent this, and it was read."""
    before = c.metric("bytes_in_total")
    clients = [c.connect(timeout=20) for _ in range(count)]
    for client in clients:
        client.send(data)
    wait.until(lambda: c.metric("bytes_in_total") - before >= count * len(data), 10,
               "all was read")
    return clients


def statuses(clients):
    """{status, or why there is none: how many}"""
    got = {}
    for client in clients:
        try:
            key = client.response().status
        except (http.ConnectionLost, OSError) as error:
            key = str(error) or type(error).__name__
        got[key] = got.get(key, 0) + 1
    return got


POST = head("POST", "/said", "a", (), b"x" * 200)
GET = head("GET", "/said", "a")
# kind: keys, what is sent before, and while the worker stands still
KINDS = {
    "head": ({"header_timeout": LONG}, GET[:-10], GET[-10:]),
    "body": ({"body_timeout": LONG}, POST + b"x" * 10, b"x" * 190),
    "idle": ({"idle_timeout": LONG}, GET, GET),
    # the end of the head, long past, is what the loop wakes for
    "request": ({"request_timeout": LONG, "header_timeout": "2s"},
                head("GET", "/sleep?%d" % (LONG_S * 1000 - 100), "a"), b""),
}


@HOW
@pytest.mark.parametrize("kind", KINDS)
def test_what_came_meanwhile_is_in_time(cluster, kind, how):
    keys, before, then = KINDS[kind]
    c = late(cluster, **keys)
    clients = begin(c, before)
    over = time.monotonic() + LONG_S + 0.3
    if kind == "idle":
        assert statuses(clients) == {200: MANY}
    with Standstill(c, how):
        for client in clients:
            client.send(then)
        sleep_till(over)
    assert statuses(clients) == {200: MANY}


@HOW
@pytest.mark.parametrize("kind", ["head", "body", "idle"])
def test_who_stood_still_too_has_a_while(cluster, kind, how):
    keys, before, then = KINDS[kind]
    c = late(cluster, scale=1, **keys)
    clients = begin(c, before)
    over = time.monotonic() + LONG_S + 0.4
    if kind == "idle":
        assert statuses(clients) == {200: MANY}
    with Standstill(c, how):
        sleep_till(over)
    for client in clients:
        client.send(then)
    assert statuses(clients) == {200: MANY}


def test_who_has_waited_for_us_has_a_while(cluster):
    """Passed on while the worker stood still, past the time for a head."""
    c = late(cluster, scale=1, header_timeout="1s")
    with Standstill(c, "stopped"):
        clients = [c.connect(timeout=20) for _ in range(20)]
        for client in clients:
            client.send(GET[:-10])
        sleep_till(time.monotonic() + 1.3)
    sleep_till(time.monotonic() + 0.1)
    for client in clients:
        client.send(GET[-10:])
    assert statuses(clients) == {200: 20}


@HOW
@pytest.mark.parametrize("kind", ["head", "body", "idle"])
def test_what_came_is_read_where_nobody_is_excused(cluster, kind, how):
    """The standstill was long, and the end of the wait was a moment before its own."""
    keys, before, then = KINDS[kind]
    c = late(cluster, scale=1, **keys)
    over = time.monotonic() + LONG_S + 0.07
    clients = begin(c, before)
    if kind == "idle":
        assert statuses(clients) == {200: MANY}
    with Standstill(c, how):
        for client in clients:
            client.send(then)
        sleep_till(over)
    assert statuses(clients) == {200: MANY}


@HOW
def test_a_standstill_is_no_slow_body(cluster, how):
    """min_rate counts after 1 s here: most of it is our own."""
    c = late(cluster, scale=10)
    clients = begin(c, POST + b"x" * 10)
    with Standstill(c, how):
        for client in clients:
            client.send(b"x" * 100)
        sleep_till(time.monotonic() + 1.5)
    for client in clients:
        client.send(b"x" * 90)
    assert statuses(clients) == {200: MANY}


def test_a_body_that_is_whole_is_not_too_slow(cluster):
    c = late(cluster, scale=10)
    began = time.monotonic()
    clients = begin(c, POST + b"x" * 10, 3)
    sleep_till(began + 1.3)
    for client in clients:
        client.send(b"x" * 190)
    assert statuses(clients) == {200: 3}


def await_calm(c):
    """No byte goes out any more."""
    before = -1
    while before != (before := c.metric("bytes_out_total")):
        sleep_till(time.monotonic() + 0.2)


def await_bytes(sock, count):
    """Its client goes on a moment later than we."""
    sleep_till(time.monotonic() + 0.25)
    while count > 0:
        got = len(sock.recv(1 << 20))
        assert got > 0, "%d bytes are missing" % count
        count -= got


def connect_small(c):
    """One whose kernel takes little, and then really nothing."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    sock.settimeout(20)
    sock.connect(http.endpoint(c.address()))
    return sock


@HOW
def test_who_could_take_nothing_is_not_reset(cluster, how):
    with tempfile.TemporaryDirectory(prefix="la", dir="/tmp") as root:
        os.chmod(root, 0o755)
        with open(root + "/large", "wb") as f:
            f.truncate(32 << 20)
        c = late(cluster, routes={"/": "evil", "/large": "static"},
                 plugins={"static": {"root": root}}, send_timeout=LONG)
        with connect_small(c) as sock:
            sock.sendall(head("GET", "/large", "a"))
            await_calm(c)
            with Standstill(c, how):
                sleep_till(time.monotonic() + LONG_S + 0.5)
            await_bytes(sock, 32 << 20)


def test_the_first_request_of_a_drain(cluster):
    """Who has connected and not asked yet may still do so."""
    c = late(cluster, drain_timeout="30s", scale=1)
    worker = c.worker("web/0")["pid"]
    clients = [c.connect(timeout=20) for _ in range(MANY)]
    wait.until(lambda: c.worker("web/0")["connections"] == MANY, 10, "all of them")
    seen = c.last_event()
    restart = c.ctl_start("restart", "web/0")
    c.await_event("worker.draining", after=seen)
    over = time.monotonic() + 5.5               # it has 5 s, or half of that
    sleep_till(time.monotonic() + 0.3)          # and knows of it
    with Standstill(c, "stopped", worker):
        for client in clients:
            client.send(GET)
        sleep_till(over)
    assert statuses(clients) == {200: MANY}
    assert restart.wait(20) == 0
    restart.communicate()
    assert c.await_event("worker.exited", after=seen)["pid"] == worker


class AlwaysLate:
    """There is always a handler that holds the worker, for so long."""

    def __init__(self, c, ms):
        self.c, self.ms, self.over = c, ms, False
        self.threads = [threading.Thread(target=self._run) for _ in range(3)]

    def _run(self):
        with self.c.connect(timeout=20) as conn:
            while not self.over:
                assert conn.request("GET", "/block?%d" % self.ms).status == 200

    def __enter__(self):
        for thread in self.threads:
            thread.start()

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("keys, request_, scale", [
    ({"header_timeout": "500ms"}, b"GET / HTTP/1.1\r\nHost: a\r\nX: ", 1),
    ({"body_timeout": "500ms"}, POST, 1),
    ({}, head("POST", "/said", "a", (), b"x" * 9000), 5)], ids=["head", "body", "pace"])
def test_one_that_is_always_late_ends_them_all_the_same(cluster, keys, request_, scale):
    """A byte now and then (but of the body that must move), for seconds at most."""
    c = late(cluster, scale=scale, **keys)
    with AlwaysLate(c, 150), c.connect() as slow:
        slow.send(request_)
        end = wait.Deadline(12)
        while not wait.readable(slow.sock, 0.1):
            assert not end.passed(), "it goes on for ever"
            if request_ != POST:
                slow.send(b"x")
        assert slow.response().status == 408


# ---- tcp ---------------------------------------------------------------------------

def flows(cluster, **keys):
    c = late(cluster, protocol="tcp", routes={"": "echo"}, **keys)
    socks = [http.connect(c.address(), 20) for _ in range(MANY)]
    for sock in socks:
        sock.sendall(b"hello")
    for sock in socks:
        assert read_all(sock, 5) == b"hello"
    return c, socks


def echoed(socks):
    got = {}
    for sock in socks:
        try:
            key = read_all(sock, 5)
        except OSError as error:
            key = type(error).__name__
        got[key] = got.get(key, 0) + 1
    return got


@pytest.mark.parametrize("when", ["meanwhile", "then"])
def test_an_idle_flow_that_has_sent_something(cluster, when):
    c, socks = flows(cluster, idle_timeout=LONG, scale=1)
    with Standstill(c, "stopped"):
        if when == "meanwhile":
            for sock in socks:
                sock.sendall(b"again")
        sleep_till(time.monotonic() + LONG_S + 0.3)
    if when == "then":
        for sock in socks:
            sock.sendall(b"again")
    assert echoed(socks) == {b"again": MANY}
    for sock in socks:
        assert sock.recv(1) == b"", "its time is over all the same"
    assert c.metric("idle_timeouts_total") == MANY


def test_a_flow_that_could_take_nothing(cluster):
    c, _ = flows(cluster, send_timeout=LONG, scale=1)
    data = b"x" * (32 << 20)
    with connect_small(c) as sock:
        writer = threading.Thread(target=sock.sendall, args=(data,))
        writer.start()
        await_calm(c)
        with Standstill(c, "stopped"):
            sleep_till(time.monotonic() + LONG_S + 0.5)
        await_bytes(sock, len(data))
        writer.join()


def test_flows_of_one_that_is_always_late_end(cluster):
    c, socks = flows(cluster, idle_timeout=LONG, scale=1)
    over = wait.Deadline(10)
    while not all(wait.readable(sock, 0) for sock in socks):
        assert not over.passed(), "they go on for ever"
        with Standstill(c, "stopped"):
            sleep_till(time.monotonic() + 0.15)
        sleep_till(time.monotonic() + 0.02)
    for sock in socks:
        assert sock.recv(1) == b""
