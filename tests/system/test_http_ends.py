# SPDX-License-Identifier: MIT
"""How an answer ends, and what a body costs."""

import os
import signal
import tempfile
import time

import pytest

from harness import http, processes, wait
from harness.http import read_all


def test_an_answer_ended_by_close_is_not_reset(cluster):
    c = cluster(workers=1, routes={"/": "evil"})
    for path in (b"/pieces", b"/stream?3"):
        with http.connect(c.address()) as sock:
            sock.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
            head, body = read_all(sock).split(b"\r\n\r\n")
        assert b"Connection: close" in head and body


def test_a_chunked_body_costs_what_it_holds(cluster):
    c = cluster(workers=1, routes={"/": "echo"})
    chunk = b"1;" + b"x" * 240 + b"\r\na\r\n"
    with http.connect(c.address(), 20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        before = c.worker("web/0")["rss_kb"]
        for _ in range(50):
            sock.sendall(chunk * 1000)
        sock.sendall(b"0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"a" * 50000):
            answer += sock.recv(65536)
        after = c.worker("web/0")["rss_kb"]
    assert after - before < 4000, "50 kB came within 12 MB"


def ask(clients):
    """All of them at once."""
    for client in clients:
        client.send(http.head("GET", "/", "a"))
    return [client.response() for client in clients]


def test_one_that_stood_still_ends_no_connection_for_it(cluster):
    """Its clients may have stood still with it, their next request on its way."""
    c = cluster(workers=1, routes={"/": "hello"}, idle_timeout="2s", scale=1)
    worker = c.worker("web/0")["pid"]
    clients = [c.connect() for _ in range(20)]
    assert {answer.status for answer in ask(clients)} == {200}
    over = time.monotonic() + 2.3
    processes.halt(worker)
    wait.until(lambda: time.monotonic() > over, 5, "the end of idle_timeout")
    os.kill(worker, signal.SIGCONT)
    assert {answer.status for answer in ask(clients)} == {200}
    for client in clients:
        assert client.sock.recv(1) == b"", "its time is over all the same"


def test_one_that_stood_still_past_its_drain_cuts_no_idle_connection(cluster):
    """The same at the end of a drain."""
    c = cluster(workers=1, routes={"/": "hello"}, drain_timeout="500ms", scale=1)
    worker = c.worker("web/0")["pid"]
    clients = [c.connect() for _ in range(20)]
    assert {answer.status for answer in ask(clients)} == {200}
    seen = c.last_event()
    processes.halt(worker)
    restart = c.ctl_start("restart", "web/0")
    c.await_event("worker.draining", after=seen)
    over = time.monotonic() + 1
    wait.until(lambda: time.monotonic() > over, 5, "the end of drain_timeout")
    os.kill(worker, signal.SIGCONT)
    for answer in ask(clients):
        assert answer.status == 200 and answer.closes
    assert restart.wait(10) == 0
    restart.communicate()
    assert c.await_event("worker.exited", after=seen)["pid"] == worker
    assert c.metric("drain_aborted_total") == 0


@pytest.mark.parametrize("request_, keys", [
    (b"GET / HTTP/1.0\r\n\r\nX", {"max_pipeline": 1}),
    (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 15
     + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nX", {}),
    (b"GET /sleep?20 HTTP/1.0\r\n\r\nX", {})], ids=["one", "sixteen", "later"])
def test_who_stays_behind_his_last_answer_is_closed(cluster, request_, keys):
    c = cluster(workers=1, routes={"/": "hello", "/sleep": "evil"}, **keys)
    with http.connect(c.address()) as sock:
        sock.sendall(request_)
        assert read_all(sock).count(b"HTTP/1.1 200") == request_.count(b"GET")
        wait.until(lambda: c.worker("web/0")["connections"] == 0, 10, "the end of it")


def download(c, path):
    """A client that has idled before, and reads none of a large answer yet, for as long
    as it takes to read those of others: min_rate would end it."""
    conn = c.connect()
    assert conn.request("GET", "/").status == 200
    wait.until(lambda: c.metric("requests_total") > 0, 5, "an idle connection")
    conn.send(http.head("GET", path, "a"))
    return conn


def rest_of(conn):
    answer = conn.response()
    assert answer.status == 200
    return len(answer.body)


FILE = b"x" * (8 << 20)


@pytest.fixture
def files(cluster):
    with tempfile.TemporaryDirectory(prefix="en", dir="/tmp") as root:
        os.chmod(root, 0o755)
        with open(root + "/large", "wb") as f:
            f.write(FILE)

        def make(**keys):
            return cluster(workers=1, routes={"/": "hello", "/large": "static"},
                           plugins={"static": {"root": root}}, min_rate="0", **keys)
        yield make


def test_who_is_sent_an_answer_makes_way_for_nobody(files):
    c = files(max_connections=4, send_timeout="1h")
    busy = [download(c, "/large") for _ in range(4)]
    over = time.monotonic() + 0.5               # longer than who makes way must idle
    wait.until(lambda: time.monotonic() > over, 5, "a while")
    with c.connect() as late:
        late.send(http.head("GET", "/", "a"))
        over = time.monotonic() + 0.5
        wait.until(lambda: time.monotonic() > over, 5, "a while")
        for conn in busy:
            assert rest_of(conn) == len(FILE)
        assert late.response().status == 200


def test_a_drain_cuts_no_answer_and_then_says_goodbye(files):
    c = files(drain_timeout="10s")
    conn = download(c, "/large")
    seen = c.last_event()
    assert c.ctl("restart", "web/0").code == 0
    c.await_event("worker.draining", after=seen)
    over = time.monotonic() + 1.2               # longer than a goodbye may take
    wait.until(lambda: time.monotonic() > over, 5, "a while")
    assert rest_of(conn) == len(FILE)
    c.await_event("worker.exited", after=seen, timeout=5)
    assert conn.sock.recv(1) == b""
