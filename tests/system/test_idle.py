# SPDX-License-Identifier: MIT
"""Connections that wait cost little: memory of those that idle and of those that
have said half a head; the bounds are wide, bench/counts has the figures."""

import re
import resource

import pytest

from harness import http, not_sanitized, wait

MANY = 10000
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.fixture
def descriptors():
    """Room for MANY sockets here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY + 1000:
        pytest.skip("no more than %d descriptors" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY + 1000), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def own_bytes(pid):
    """Memory of its own, the code of the program aside."""
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as f:
        return int(re.search(r"^Pss_Anon:\s+(\d+)", f.read(), re.M).group(1)) * 1024


def cost(c, data, answered):
    """Bytes for each of MANY connections that have sent this, and the sockets."""
    pid = c.worker("web/0")["pid"]
    with http.Connection(c.address()) as first:
        first.request("GET", "/")
    before = own_bytes(pid)
    socks = [http.connect(c.address()) for _ in range(MANY)]
    for sock in socks:
        sock.sendall(data)
    if answered:
        for sock in socks:
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    wait.until(lambda: c.worker("web/0")["connections"] == MANY,
               what="all are with the worker")
    # the one behind them was answered: all before it were read
    with http.Connection(c.address()) as last:
        last.request("GET", "/")
    return (own_bytes(pid) - before) / MANY, socks


@not_sanitized("sanitizers have a heap of their own")
@pytest.mark.parametrize("data, answered, most", [
    (REQUEST + b"\r\n", True, 700), (REQUEST + b"X-Long: aaaaaaaa", False, 900)],
    ids=["idle", "half a head"])
def test_ten_thousand_that_wait(cluster, descriptors, data, answered, most):
    c = cluster(workers=1, schedule="shared", max_connections=MANY + 100,
                rlimit_nofile=MANY + 1000, max_fds="off", header_timeout="1m")
    each, socks = cost(c, data, answered)
    assert each < most
    for sock in socks:
        if not answered:
            sock.sendall(b"\r\n\r\n")
    for sock in socks[::500]:
        if answered:
            sock.sendall(data)
        assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
    for sock in socks:
        sock.close()


@pytest.mark.parametrize("filler", [0, 5000], ids=["short", "long"])
def test_a_head_in_pieces(cluster, filler):
    """One that waits aside, and one that is too long for that."""
    c = cluster(workers=1, routes={"/": "echo"})
    head = b"POST / HTTP/1.1\r\nHost: a\r\nX: %s\r\nContent-Length: 4\r\n\r\n" % (b"x" * filler)
    with http.Connection(c.address()) as conn:
        for _ in range(2):
            conn.send(head[:30 + filler])
            for at in range(30 + filler, len(head)):
                conn.send(head[at:at + 1])
            conn.send(b"body")
            assert conn.response("POST").text == "body"


def test_half_a_head_of_head_has_no_body(cluster):
    c = cluster(workers=1, header_timeout="1s")
    with http.connect(c.address()) as sock:
        sock.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n")
        answer = http.read_all(sock)
    assert answer.startswith(b"HTTP/1.1 408 ") and answer.endswith(b"\r\n\r\n")
