# SPDX-License-Identifier: MIT
"""More connections than there is room for."""

import contextlib
import select
import socket

import pytest

from harness import http, shows, wait

REQUEST = http.head("GET", "/", "a", {"Connection": "close"})
BEGUN = b"GET / HTTP/1.1\r\nHost: a\r\n"       # such a connection is not idle


def begin(address, count):
    """Sockets that are on their way to be connected: a full queue lets the
    kernel try again later."""
    clients = []
    for _ in range(count):
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(http.endpoint(address))
        clients.append(sock)
    return clients


def writable(sock, seconds):
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


@shows("I14")
@shows("node-B6")
@pytest.mark.limit(90)
def test_the_queue_of_a_listener_is_full(row):
    """Said in status, shown in listeners and metrics; all are served after."""
    r = row(workers=2, backlog=8, load={}, routes={"/": "hello"})
    assert all(r.ctl("pause", name).code == 0 for name in ("web/0", "web/1"))
    clients = begin(r.address(), 40)
    status = r.await_state(lambda s: any(x["reason"] == "queue_overflow" for x in s["reasons"]))
    assert status["state"] == "degraded"
    reason = next(x for x in status["reasons"] if x["reason"] == "queue_overflow")
    assert r.address() in reason["text"] and reason["pool"] == "web"
    listener, = r.rows("listeners")
    assert listener["queued"] >= listener["backlog"] == 8
    assert r.metric("listener_queued") >= 8
    assert r.metric("listener_overflows_total") == 1
    assert all(r.ctl("resume", name).code == 0 for name in ("web/0", "web/1"))
    for client in clients:
        assert writable(client, 30), "connected in the end"
        client.settimeout(30)
        client.sendall(REQUEST)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    r.await_state(lambda s: s["state"] == "ok")


@shows("I9")
@shows("node-B23")
@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_accepting_stops_at_the_limit_and_resumes_at_nine_tenths(row, schedule):
    r = row(workers=1, schedule=schedule, max_connections=20, load={}, header_timeout="30s",
            routes={"/": "hello"})
    with contextlib.ExitStack() as stack:
        busy = [stack.enter_context(r.connect()) for _ in range(20)]
        for client in busy:
            client.send(BEGUN)
        r.await_state(lambda s: s["workers"][0]["connections"] == 20)
        passed = r.metric("connections_passed_total")
        late = stack.enter_context(r.connect())
        late.send(REQUEST)
        wait.until(lambda: r.metric("connections_passed_total") > passed or
                   r.rows("listeners")[0]["queued"] > 0, 10, "it waits")
        busy.pop().close()
        r.await_state(lambda s: s["workers"][0]["connections"] == 19)
        assert not wait.readable(late.sock, 0.5), "not before nine tenths"
        busy.pop().close()
        assert late.response().status == 200
        for client in busy:
            client.send(b"Connection: close\r\n\r\n")
            assert client.response().status == 200
