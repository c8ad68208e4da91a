# SPDX-License-Identifier: MIT
"""Dispatch where the kernel gives, or tells, less than usual; and waiting."""

import contextlib
import errno
import os
import time

import pytest

from harness import http, processes, shows

REQUEST = http.head("GET", "/", "a", {"Connection": "close"})


@shows("K9")
def test_too_many_descriptors_in_flight(row):
    """The kernel lets a user have as many in flight as a process may have open.
    Beyond that nobody has room; all are served in the end, and it does not spin."""
    r = row(workers=4, dispatch_window=64, load={}, scale=1, start=False, request_timeout="30s",
            handler_timeout="30s", header_timeout="30s")
    r.limit_masters(100)
    r.start()
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(r.connect())
            client.send(http.head("GET", "/block?4000", "a"))
        began = time.monotonic()
        with processes.little_cpu(0.5, r.master_pid()):
            clients = [stack.enter_context(r.connect(timeout=30)) for _ in range(250)]
            for client in clients:
                client.send(REQUEST)
            line = r.await_log("cannot pass a connection")
            assert os.strerror(errno.ETOOMANYREFS) in line, line
            for client in clients:
                assert client.response().status == 200
        took = time.monotonic() - began
    assert r.log().count("cannot pass a connection") <= 1 + took / 10


@shows("K9")
def test_now_and_then_nobody_can_be_given_one(faulty):
    """The same by chance, under load."""
    r = faulty(load={"keepalive": 2, "new": 4, "pause": 0.001})
    r.served()
    r.fi.arm("master", "sendmsg:ETOOMANYREFS@p=.3")
    r.served(each=20)
    assert r.fi.injected("master", "sendmsg") > 10
    r.fi.disarm()
    r.served()


@shows("K15")
def test_the_kernel_does_not_tell_what_a_queue_holds(faulty):
    """A window of one, said once; nothing is lost, and nothing is asked in a loop."""
    r = faulty(dispatch_window=8, start=False, handler_timeout="20s", request_timeout="20s")
    r.fi.arm("master", "ioctl:ENOTTY")
    r.start()
    r.served()
    assert r.log().count("the kernel does not tell how long a queue is") == 1
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(r.connect())
            client.send(http.head("GET", "/block?1500", "a"))
        waiting = [stack.enter_context(r.connect()) for _ in range(12)]
        with processes.little_cpu(0.5, r.master_pid()):
            for client in waiting:
                client.send(REQUEST)
            for client in waiting:
                assert client.response().status == 200
    r.served()


@shows("K6")
@pytest.mark.parametrize("window", [2, 64])
def test_who_stalls_is_not_asked_again_and_again(row, window):
    """All hang with room in their queues: the master looks at them by the clock."""
    r = row(load={}, scale=1, dispatch_window=window, handler_timeout="30s",
            request_timeout="30s")
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            client = stack.enter_context(r.connect())
            client.send(http.head("GET", "/block?3000", "a"))
        waiting = [stack.enter_context(r.connect(timeout=20)) for _ in range(100)]
        with processes.little_cpu(0.1, r.master_pid()):
            for client in waiting:
                client.send(REQUEST)
            for client in waiting:
                assert client.response().status == 200
