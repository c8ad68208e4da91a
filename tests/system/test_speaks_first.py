# SPDX-License-Identifier: MIT
"""Where clients speak first (HTTP) the kernel keeps a connection until they have, so
that none is taken that has nothing to read; where the server may (tcp), it does not."""

import os
import signal
import socket

import pytest

from harness import http, processes, wait

HTTP = {"protocol": "http", "routes": {"/": "hello"}}
TCP = {"protocol": "tcp", "routes": {"": "echo"}}
SCHEDULES = ["round-robin", "shared", "reuseport"]


def waits_for_data(pid, address):
    """What the kernel was told, by a process that holds the sockets of that address."""
    host, port = http.endpoint(address)
    found = {sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT) > 0
             for sock in processes.sockets_of(pid)
             if sock.family == socket.AF_INET and sock.getsockname() == (host, port) and
             sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)}
    assert len(found) == 1, found
    return found.pop()


def of_master(c, pool="web"):
    return waits_for_data(c.master_pid(), c.address(pool))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_where_it_waits(cluster, schedule):
    c = cluster(workers=2, schedule=schedule, pools={"raw": dict(TCP, schedule=schedule)}, **HTTP)
    assert of_master(c) and not of_master(c, "raw")
    with http.connect(c.address("raw")) as sock:        # accepted without a word
        wait.until(lambda: sum(row["connections"] for row in c.workers()) == 1, 10, "one")
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_pool_changes_who_speaks_first(cluster, schedule):
    c = cluster(workers=2, schedule=schedule, **HTTP)
    for protocol, route in (("tcp", {"": "echo"}), ("http", {"/": "hello"})):
        c.pools["web"][1].clear()
        c.pools["web"][1].update(route)
        c.write_config(protocol=protocol)
        assert c.ctl("reload").code == 0
        assert of_master(c) == (protocol == "http")
    assert c.get("/").status == 200


@pytest.mark.parametrize("schedule", ["round-robin", "reuseport"])
def test_another_master_and_another_slot(cluster, schedule):
    c = cluster(workers=1, schedule=schedule, **HTTP)
    master = c.master_pid()
    os.kill(master, signal.SIGKILL)
    c.await_state(lambda s: s["master"]["pid"] != master)
    assert c.ctl("scale", "web", "3").code == 0
    assert of_master(c)


def test_one_that_says_nothing_has_its_time(cluster):
    c = cluster(workers=1, header_timeout="500ms", **HTTP)
    with http.connect(c.address()) as silent:
        assert silent.recv(4096) == b""
    with http.connect(c.address()) as late:
        late.sendall(b"GET / HT")
        assert late.recv(4096).startswith(b"HTTP/1.1 408 ")
