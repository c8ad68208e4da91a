# SPDX-License-Identifier: MIT
"""Timers of plugins, and descriptors of their own on the worker's loop."""

import errno
import json
import random
import socket

import pytest

from harness import processes, shows, wait
from harness.post import Post

HOLD = 2                                # CLUSTER_TIMER_HOLD
READ, CLOSED = 1, 4                     # CLUSTER_WATCH_…
PATHS = ["after", "every", "free", "fired", "many", "misuse", "pipe", "write", "forget",
         "seen", "misuse-watch", "listen", "who"]


class Timed(Post):
    """The plugin at web/0, where no other worker is named."""

    def number(self, path, at="web/0"):
        return int(self.ask(at, path))

    def list(self, path, at="web/0"):
        return json.loads(self.ask(at, path))

    def await_fired(self, row, count, timeout=10):
        """When it fired, in ms after its begin."""
        def fired():
            times = self.list("/fired?row=%d" % row)
            return times if len(times) >= count else None
        return wait.until(fired, timeout, "%d times of a timer" % count)

    def await_seen(self, words, timeout=10):
        wait.until(lambda: self.ask("web/0", "/seen") == words, timeout,
                   "descriptor to have seen %r" % words)


@pytest.fixture
def timed(cluster):
    def begin(**how):
        how.setdefault("workers", 1)
        how.setdefault("routes", dict({"/": "hello"}, **{"/" + path: "timers" for path in PATHS}))
        return Timed(cluster(**how))
    return begin


# ---- timers ----------------------------------------------------------------------

@pytest.mark.parametrize("ms", [0, 1, 3, 50, 300])
def test_once_and_never_early(timed, ms):
    t = timed()
    rows = [t.number("/after?ms=%d" % ms) for _ in range(10)]
    for row in rows:
        time, = t.await_fired(row, 1)
        assert ms <= time < ms + 5000
    assert all(len(t.list("/fired?row=%d" % row)) == 1 for row in rows)


def test_again_and_again(timed):
    t = timed()
    row = t.number("/every?ms=20")
    times = t.await_fired(row, 10)
    for n, time in enumerate(times):
        assert time >= 20 * (n + 1), "not early, and without drift"
    t.ask("web/0", "/free?row=%d" % row)
    count = len(t.list("/fired?row=%d" % row))
    t.await_fired(t.number("/after?ms=100"), 1)
    assert len(t.list("/fired?row=%d" % row)) == count, "free is free"


def test_what_comes_late_fires_once(timed):
    t = timed()
    times = t.await_fired(t.number("/every?ms=50&block=400"), 4)
    assert times[0] >= 400
    assert times[1] >= times[0] + 50, "the times that were missed are gone"
    assert all(b > a for a, b in zip(times, times[1:]))


def test_one_that_frees_itself(timed):
    t = timed()
    row = t.number("/every?ms=5&free=3")
    once = t.number("/after?ms=5&free=1")
    assert len(t.await_fired(row, 3)) == len(t.await_fired(once, 1)) + 2
    t.await_fired(t.number("/after?ms=100"), 1)
    assert len(t.list("/fired?row=%d" % row)) == 3


def test_misuse_and_bounds(timed):
    t = timed()
    assert t.list("/misuse") == [-errno.EINVAL] * 4 + [0]
    for _ in range(2):                  # what was freed is free
        assert t.list("/many") == [4096, -errno.ENOSPC, 0]


def test_a_drain_awaits_those_that_hold(timed):
    t = timed(workers=2, drain_timeout="20s")
    old = t.c.worker("web/0")
    seen = t.c.last_event()
    t.number("/after?ms=3000&flags=%d" % HOLD)      # a successor is ready before
    t.number("/after?ms=60000")         # this one does not
    t.forget("web/0")
    t.c.ctl("restart", "web/0")
    began = t.c.await_event("worker.draining", after=seen, id=old["id"])
    ended = t.c.await_event("worker.exited", after=seen, id=old["id"])
    assert 300 < ended["time"] - began["time"] < 10000
    assert ended["asked"]


def test_no_drain_awaits_for_ever(timed):
    t = timed(workers=2, drain_timeout="1s")
    old = t.c.worker("web/0")
    seen = t.c.last_event()
    t.number("/every?ms=1000&flags=%d" % HOLD)
    t.forget("web/0")
    t.c.ctl("restart", "web/0")
    ended = t.c.await_event("worker.exited", after=seen, id=old["id"])
    assert ended["asked"]


# ---- descriptors -------------------------------------------------------------------

@shows("node-B14")
def test_a_descriptor_that_can_be_read(timed):
    t = timed()
    assert t.number("/pipe") == 0
    assert t.number("/write?what=3") == 3
    t.await_seen("%d:abc" % READ)
    assert t.number("/write?what=1") == 1
    t.await_seen("%d:abc %d:a" % (READ, READ))
    assert t.number("/write?what=0") == 0           # its end: the plugin ends the watch
    t.await_seen("%d:abc %d:a %d:" % (READ, READ, READ))
    t.await_fired(t.number("/after?ms=300"), 1)
    t.await_seen("%d:abc %d:a %d:" % (READ, READ, READ))


def test_one_that_is_closed_is_told_once(timed):
    t = timed()
    t.to("web/0")
    before = len(processes.fds_of_worker(t.c.worker("web/0")["pid"]))
    assert t.number("/pipe") == 0
    assert t.number("/forget?end=0") == 0
    with t.c.connect() as client:       # gets its number
        assert client.request("GET", "/").status == 200
        t.await_seen("%d:" % CLOSED)
        t.await_fired(t.number("/after?ms=600"), 1)
        t.await_seen("%d:" % CLOSED)
        assert client.request("GET", "/").status == 200
    assert t.number("/forget?end=1") == 0
    wait.until(lambda: len(processes.fds_of_worker(t.c.worker("web/0")["pid"])) <= before,
               10, "no descriptor that is left")


def test_misuse_of_a_watch(timed):
    t = timed()
    assert t.list("/misuse-watch") == [
        -errno.EBADF, -errno.EPERM, -errno.EPERM] + [-errno.EINVAL] * 3 + [0]


def neighbours():
    """The first of two ports that nobody has, below those that the system gives out."""
    for port in random.sample(range(20000, 30000, 2), 100):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no two ports are free")


@shows("node-B12")
@shows("node-B14")
def test_a_socket_of_its_own_for_each_slot(timed):
    t, port = timed(workers=2), neighbours()
    for slot in (0, 1):
        assert t.number("/listen?port=%d" % port, at="web/%d" % slot) == 0
    for slot in (0, 1):
        with socket.create_connection(("127.0.0.1", port + slot), timeout=10) as sock:
            assert sock.makefile().readline() == "web/%d\n" % slot
