# SPDX-License-Identifier: MIT
"""protocol = tcp: connections that are a plugin's, with echo."""

import hashlib
import os
import signal
import socket
import threading

import pytest

from harness import http, not_sanitized, wait
from harness.http import read_all

ECHO = {"protocol": "tcp", "routes": {"": "echo"}}
MEGABYTE = 1 << 20


def connect(c, address=None):
    return http.connect(address or c.address())


def ask(sock, text):
    sock.sendall(text)
    assert read_all(sock, len(text)) == text


def connections(c, pool="web"):
    """{worker: how many it has}"""
    return {row["worker"]: row["connections"] for row in c.workers()
            if row["worker"].startswith(pool + "/")}


def await_connections(c, count):
    wait.until(lambda: sum(connections(c).values()) == count, 10, "%d connections" % count)


# ---- bytes -----------------------------------------------------------------------

@pytest.mark.parametrize("schedule", ["round-robin", "least-connections", "shared", "reuseport"])
def test_what_is_sent_comes_back(cluster, schedule):
    c = cluster(workers=2, schedule=schedule, **ECHO)
    assert c.pool()["protocol"] == "tcp"
    for _ in range(4):
        with connect(c) as sock:
            ask(sock, b"hello")
            ask(sock, b"\0" * 3000)
    await_connections(c, 0)
    assert c.metric("bytes_in_total") == c.metric("bytes_out_total") == 4 * 3005
    assert c.metric("requests_total") == 0


def test_over_a_unix_socket(cluster):
    c = cluster(workers=1, start=False, **ECHO)
    c.write_config(listen="unix:%s/web" % c.dir)
    c.start()
    with connect(c) as sock:
        ask(sock, b"hello")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


@not_sanitized("sanitizers have a heap of their own")
def test_ten_megabytes_and_a_slow_reader(cluster):
    """Nothing is lost, and the worker does not hold what the client does not read."""
    c = cluster(workers=1, **ECHO)
    data = bytes(range(256)) * 40960
    rss = c.worker("web/0")["rss_kb"]
    with connect(c) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        writer = threading.Thread(target=sock.sendall, args=(data,))
        writer.start()
        wait.until(lambda: c.metric("bytes_in_total") > MEGABYTE // 2, 10, "bytes")
        most, got, seen = 0, 0, hashlib.sha256()
        while got < len(data):
            piece = sock.recv(65536)
            assert piece, "closed after %d bytes" % got
            seen.update(piece)
            got += len(piece)
            if got // MEGABYTE > (got - len(piece)) // MEGABYTE:
                most = max(most, c.worker("web/0")["rss_kb"] - rss)
        writer.join()
        assert seen.digest() == hashlib.sha256(data).digest()
        assert most < 4096
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b""
    await_connections(c, 0)


def test_half_closed_by_the_client(cluster):
    """All comes back that was sent before."""
    c = cluster(workers=1, **ECHO)
    with connect(c) as sock:
        sock.sendall(b"x" * 300000)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"x" * 300000
    await_connections(c, 0)
    assert c.metric("clients_gone_total") == 0


def test_reset_by_the_client(cluster):
    c = cluster(workers=1, **ECHO)
    with connect(c) as sock:
        ask(sock, b"hello")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await_connections(c, 0)
    assert c.metric("clients_gone_total") == 1


# ---- deadlines --------------------------------------------------------------------

def test_idle(cluster):
    c = cluster(workers=1, idle_timeout="2s", **ECHO)
    with connect(c) as sock, connect(c) as busy:
        began = wait.Deadline(0)
        ask(sock, b"hello")
        for _ in range(24):             # traffic is what keeps it
            assert not wait.readable(busy.fileno(), 0.1)
            ask(busy, b"x")
        assert sock.recv(1) == b""
        assert began.passed()
        ask(busy, b"x")
    assert c.metric("idle_timeouts_total") == 1


def test_a_client_that_takes_nothing(cluster):
    c = cluster(workers=1, send_timeout="500ms", **ECHO)
    with connect(c) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(0.2)
        with pytest.raises(OSError):    # it is full, or reset
            while True:
                sock.sendall(b"x" * 65536)
        await_connections(c, 0)
    assert c.metric("send_timeouts_total") == 1


def test_a_client_that_pauses(cluster):
    """The kernel's own limit is 1.5 s here; send_timeout is longer."""
    c = cluster(workers=1, send_timeout="20s", scale=20, **ECHO)
    data = b"x" * (32 * MEGABYTE)
    with connect(c) as sock:
        sent = threading.Thread(target=sock.sendall, args=(data,))
        sent.start()
        wait.readable(c.process.pidfd, 4.0)         # it reads nothing
        assert len(read_all(sock, len(data))) == len(data)
        sent.join()
    assert c.metric("send_timeouts_total") == 0


# ---- workers ------------------------------------------------------------------------

def test_round_robin(cluster):
    c = cluster(workers=2, **ECHO)
    socks = []
    for _ in range(64):                 # who is asked next has room then
        socks.append(connect(c))
        ask(socks[-1], b"hello")
    await_connections(c, 64)
    assert min(connections(c).values()) >= 24, "but for who is at work just then"
    for sock in socks:
        sock.close()
    await_connections(c, 0)


def test_a_worker_that_dies_takes_its_own_with_it(cluster):
    c = cluster(workers=2, **ECHO)
    socks = [connect(c) for _ in range(16)]
    for sock in socks:
        ask(sock, b"hello")
    await_connections(c, 16)
    its = connections(c)["web/0"]
    assert 0 < its < 16
    worker = c.worker("web/0")["id"]
    c.ctl("kill", "web/0")
    assert c.death(worker)["connections_lost"] == its
    lost = 0
    for sock in socks:
        try:
            ask(sock, b"again")
        except (OSError, AssertionError):
            lost += 1
        sock.close()
    assert lost == its
    c.await_ready()
    with connect(c) as sock:
        ask(sock, b"hello")


def test_without_a_master(cluster):
    """Those that there are go on, and new ones are served."""
    c = cluster(workers=2, **ECHO)
    with connect(c) as old:
        ask(old, b"hello")
        master = c.master_pid()
        os.kill(master, signal.SIGKILL)
        for _ in range(8):
            with connect(c) as sock:
                ask(sock, b"hello")
        ask(old, b"hello")
        c.await_state(lambda s: s["master"]["pid"] != master)
        ask(old, b"hello")
        with connect(c) as sock:
            ask(sock, b"hello")


class Load:
    """Clients, one connection after the other, that send, say so, and read all."""

    def __init__(self, c, clients=4):
        self.c, self.address, self.over, self.whole, self.failed = c, c.address(), False, 0, []
        self.threads = [threading.Thread(target=self.run, args=(n,)) for n in range(clients)]

    def run(self, n):
        data = bytes([n]) * 50000
        while not self.over:
            try:
                with connect(self.c, self.address) as sock:
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    assert read_all(sock) == data
                self.whole += 1
            except (OSError, AssertionError) as error:
                self.failed.append(error)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over = True
        for thread in self.threads:
            thread.join()


@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_reload_under_load(cluster, schedule):
    c = cluster(workers=2, schedule=schedule, **ECHO)
    with Load(c) as load:
        for n in range(2):
            c.write_config(env="A=%d" % n)
            assert c.ctl("reload").code == 0
        c.ctl("restart", "web")
    assert load.failed == []
    assert load.whole > 20
    await_connections(c, 0)


def test_the_master_is_killed_under_load(cluster):
    c = cluster(workers=2, **ECHO)
    with Load(c) as load:
        master = c.master_pid()
        os.kill(master, signal.SIGKILL)
        c.await_state(lambda s: s["master"]["pid"] != master)
    assert load.failed == []
    await_connections(c, 0)


def test_reload_and_drain(cluster):
    """What ends in time is whole; what does not is cut, and counted."""
    c = cluster(workers=2, drain_timeout="4s", **ECHO)
    old = c.workers()
    socks = [connect(c) for _ in range(4)]
    for sock in socks:
        ask(sock, b"hello")
    c.write_config(env="A=b")
    reload = c.ctl_start("reload")
    wait.until(lambda: any(not row["current"] for row in c.workers()), 10, "drain")
    for sock in socks[:3]:
        sock.sendall(b"x" * 100000)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"x" * 100000
    with pytest.raises(ConnectionResetError):
        socks[3].recv(1)
    reload.communicate()
    for row in old:
        c.await_event("worker.exited", id=row["id"])
    assert c.metric("drain_aborted_total") == 1
    for sock in socks:
        sock.close()


def test_connections_wait_for_a_worker(cluster):
    """There is no answer that would tell a client that there is none."""
    c = cluster(workers=1, **ECHO)
    c.ctl("scale", "web", "0")
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    with connect(c) as sock:
        sock.sendall(b"hello")
        assert not wait.readable(sock.fileno(), 1.0)
        c.ctl("scale", "web", "1")
        assert read_all(sock, 5) == b"hello"


def test_as_many_as_there_may_be(cluster):
    """One more waits: none of those that there are makes way."""
    c = cluster(workers=1, max_connections=10, **ECHO)
    socks = [connect(c) for _ in range(10)]
    for sock in socks:
        ask(sock, b"hello")
    with connect(c) as sock:
        sock.sendall(b"hello")
        assert not wait.readable(sock.fileno(), 0.7)
        for one in socks[:2]:
            one.close()
        assert read_all(sock, 5) == b"hello"
    for one in socks[2:]:
        ask(one, b"hello")
        one.close()
