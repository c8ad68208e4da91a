# SPDX-License-Identifier: MIT
"""The control socket against clients of every kind: while they do their worst,
`status` answers."""

import concurrent.futures
import os
import random
import signal
import threading
import time

import pytest

from harness import SANITIZED, control, processes, shows, slow

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other accounts")


def client(r, **how):
    return control.Client(r.socket, **how)


def peak_kb(pid):
    """The most memory that the process ever had."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


class Memory:
    """How much the master may grow, in MB.  A sanitizer keeps what was freed,
    and shadows all of it."""

    def __init__(self, r, limit):
        self.r, self.pid, self.limit = r, r.master_pid(), limit
        self.before = peak_kb(self.pid)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None and not SANITIZED:
            grown = peak_kb(self.pid) - self.before
            assert grown < self.limit * 1024, "%d kB more" % grown


# Lines have 64 KiB a client; for each that does not read, 4 MiB may wait.
LINES_MB, UNREAD_MB = 8, 64

# Seconds, at the scale of the rows; a limit is kept within ten ticks.
IDLE_S, HALF_LINE_S, UNREAD_S, TICKS_S = 30 / 5, 5 / 5, 10 / 5, 1


# ---- F1: slow clients ----------------------------------------------------------------

def assert_closed_after(since, seconds, clients, ends=None):
    """Each of them that long after what it did between its two times of `since`,
    never earlier; ends: when, if somebody has watched them."""
    ends = ends or control.closings(clients, seconds + TICKS_S + 1)
    took = [[ends.get(one, float("inf")) - when for when in since[one]] for one in clients]
    assert all(seconds <= since_began and since_done <= seconds + TICKS_S
               for since_began, since_done in took), sorted(took)


def timed(act):
    """(before, after)"""
    began = time.monotonic()
    act()
    return began, time.monotonic()


def half_lines(r, count):
    """One byte a second, of a line that does not end."""
    crowd = [client(r) for _ in range(count)]
    since, text = {}, b'{"command":"ping"'
    for byte in text:
        for one in crowd:
            try:
                one.sock.sendall(bytes([byte]))
            except BrokenPipeError:
                pass
        if len(control.closings(crowd, 0.2)) == count:
            break
    # the pauses between two bytes are too coarse to measure it: once more
    crowd = [client(r) for _ in range(count)]
    for one in crowd:
        since[one] = timed(lambda one=one: one.sock.sendall(text[:1]))
    assert_closed_after(since, HALF_LINE_S, crowd)


def unread(r, count):
    """They ask for the history a hundred times, and read none of it."""
    crowd = [client(r) for _ in range(count)]
    since = {}
    asked = control.line("events", {"since": "0"}) * 100
    for one in crowd:
        since[one] = timed(lambda one=one: one.sock.sendall(asked))
    assert_closed_after(since, UNREAD_S, crowd)


@shows("F1")
def test_slow_clients(row):
    """Silent for 30 s, half a line for 5 s, an answer unread for 10 s: closed.
    Neither a follower, nor one whose command takes its time."""
    r = row(env={"CLUSTERD_FP": "worker.before_ready:sleep=8000/web/4"},
            start_timeout="20s")
    with Memory(r, UNREAD_MB), client(r) as follower, client(r, timeout=30) as waits:
        follower.send("events", {"follow": True})
        waits.send("scale", {"pool": "web", "workers": "+1"})
        silent = []
        came = timed(lambda: silent.extend(client(r) for _ in range(8)))
        since = dict.fromkeys(silent, came)
        # watched all the time: the others may take longer than they do
        with concurrent.futures.ThreadPoolExecutor(1) as watcher:
            ends = watcher.submit(control.closings, silent, IDLE_S + TICKS_S + 1)
            half_lines(r, 16)
            unread(r, 14)
            assert_closed_after(since, IDLE_S, silent, ends.result())
        assert follower.is_open() and waits.is_open()
        assert waits.final()["ok"] is True
        r.served()
        assert follower.answer()["row"]["event"] == "command.started"
    assert r.probe.broken == 0
    assert r.ctl("scale", "web", "4").code == 0


def never_reads(crowd, one):
    one.sock.sendall(control.line("events") * 100)
    while not crowd.done.is_set():
        one.sock.sendall(control.line("status") * 100)
        crowd.done.wait(0.01)


def follows_and_sleeps(crowd, one):
    one.send("events", {"follow": True, "since": "0"})
    crowd.done.wait(5)


def slow_writer(crowd, one):
    for byte in control.line("ping") * 3:
        one.sock.sendall(bytes([byte]))
        if crowd.done.wait(0.02):
            return


# ---- F2: more than there is room for -----------------------------------------------------

PLACES, KEPT, PER_ACCOUNT = 32, 2, 8


@shows("F2")
def test_more_clients_than_places(row):
    """A hundred of the daemon's own account: the longest idle makes way, and
    never a follower or a client whose command runs.  Scaled less than others, as none
    of them is to be closed for nothing but its time (15 s)."""
    r = row(env={"CLUSTERD_FP": "worker.before_ready:sleep=4000/web/4"},
            start_timeout="60s", scale=2)
    idle = []
    with Memory(r, LINES_MB), client(r) as follower, client(r, timeout=30) as waits:
        follower.send("events", {"follow": True})
        waits.send("scale", {"pool": "web", "workers": "+1"})
        waits.answer()
        starting = processes.hold_nap(r.pid())      # so that its command runs
        for _ in range(10):
            idle += [client(r) for _ in range(10)]
            assert idle[-1].ask("ping")["ok"]
            r.served(10)                # a new one need not make way at once
        assert r.ctl("status").code in (0, 1)
        ended = control.closings(idle, 0)
        stay = [one for one in idle if one not in ended]
        # follower, scale and probe have theirs; who has just asked, one more
        assert PLACES - 5 <= len(stay) <= PLACES - 2, len(stay)
        # in order, but that a busy master takes several of a ten at one moment; the
        # one of each ten that asked was idle for less long
        tens = {one: number // 10 for number, one in enumerate(idle) if number % 10 != 9}
        assert max(tens[one] for one in tens if one in ended) <= \
            min(tens[one] for one in tens if one in stay)
        assert follower.is_open() and waits.is_open()
        os.kill(starting, signal.SIGCONT)
        assert waits.final()["ok"] is True
        for one in idle:
            one.close()
    assert r.ctl("scale", "web", "4").code == 0


def is_busy(one):
    answer = one.answer()
    if "error" in answer:
        assert answer["error"]["code"] == "busy" and answer["id"] is None, answer
        assert one.at_end()
    return "error" in answer


@NEEDS_ROOT
@shows("F2")
def test_places_of_other_accounts(row):
    """Of followers, which never make way: eight an account, thirty of all; root
    gets in all the same."""
    r = row(daemon={"control_read": "all"})
    crowd = []

    def follow(uid):
        one = client(r, who=(uid, uid))
        crowd.append(one)
        try:
            one.send("events", {"follow": True, "since": "0"})
        except BrokenPipeError:
            pass                        # why, it can still read
        return not is_busy(one)

    assert [follow(30001) for _ in range(100)] == [True] * PER_ACCOUNT + [False] * 92
    others = [follow(uid) for uid in range(30002, 30006) for _ in range(PER_ACCOUNT)]
    assert others == sorted(others, reverse=True), "one after the other, until it is full"
    # the probe has a place, or had to make way between two requests
    assert PER_ACCOUNT + sum(others) in (PLACES - KEPT - 1, PLACES - KEPT)
    assert r.ctl("status").code == 0
    with client(r) as root:
        assert root.ask("ping")["ok"]
    for one in crowd:
        one.close()


# ---- F3: hostile bytes ---------------------------------------------------------------------

def nested(levels):
    """A request that many levels deep."""
    return (b'{"command":"ping","args":' + b'{"a":' * (levels - 2) + b"{}"
            + b"}" * (levels - 2) + b"}\n")


HOSTILE = [
    (b"hello\n", "bad_request"),
    (b"\n", "bad_request"),
    (b"\0\0\n", "bad_request"),
    (b'{"command":"ping\0"}\n', "bad_request"),
    (b"\xff\xfe\n", "bad_request"),
    (b'{"command":"\xc3\x28"}\n', "bad_request"),
    (b"[]\n", "bad_request"),
    (b'{"command":"ping","command":"stop"}\n', "bad_request"),
    (b'{"command":"ping","more":1}\n', "bad_request"),
    (b'{"command":"ping"} {"command":"stop"}\n', "bad_request"),
    (nested(17), "bad_request"),
    (nested(16), "bad_argument"),
    (nested(2000), "bad_request"),
    (b'"' + b"a" * 65534 + b"\n", "bad_request"),
    (b"a" * 65537 + b"\n", "too_large"),
    (b"a" * 70000, "too_large"),
]


def random_lines(r, count):
    """Each of them is answered by one typed error."""
    chance = random.Random(3)
    with client(r) as one:
        for _ in range(count // 100):
            one.sock.sendall(b"".join(
                chance.randbytes(chance.randrange(60)).replace(b"\n", b" ") + b"\n"
                for _ in range(100)))
            for _ in range(100):
                answer = one.answer()
                assert answer["ok"] is False, answer
                assert answer["error"]["code"] == "bad_request", answer
        assert one.ask("ping")["ok"]


@shows("F3")
@pytest.mark.parametrize("lines", [5000, pytest.param(1000000, marks=[
    slow, pytest.mark.limit(600)])])
def test_hostile_bytes(row, lines):
    r = row()
    with Memory(r, LINES_MB):
        for text, code in HOSTILE:
            with client(r) as one:
                one.sock.sendall(text)
                answer = one.answer()
                assert answer["ok"] is False, text[:80]
                assert answer["error"]["code"] == code, (text[:80], answer)
                assert answer["error"]["text"]
                if code == "too_large":
                    assert one.at_end(), "what follows is no line"
                else:
                    assert one.ask("ping")["ok"], "the next line is another matter"
        random_lines(r, lines)
    assert r.probe.broken == 0


def random_bytes(crowd, one):
    while not crowd.done.is_set():
        one.sock.sendall(crowd.chance.randbytes(5000))
        crowd.done.wait(0.005)


def endless_line(crowd, one):
    for _ in range(160):
        one.sock.sendall(b"a" * 65536)  # 10 MiB without a newline
        if crowd.done.is_set():
            return


def deep_nesting(crowd, one):
    while not crowd.done.is_set():
        one.sock.sendall(nested(4000))
        one.answer()


# ---- all of them at once -------------------------------------------------------------------

class Crowd:
    """Threads that misbehave until they are told to stop."""

    def __init__(self, r):
        self.r = r
        self.done = threading.Event()
        self.threads = []
        self.chance = random.Random(7)

    def add(self, behaviour):
        thread = threading.Thread(target=self._run, args=(behaviour,))
        thread.start()
        self.threads.append(thread)

    def _run(self, behaviour):
        while not self.done.is_set():
            try:
                with client(self.r, timeout=5) as one:
                    behaviour(self, one)
            except OSError:
                self.done.wait(0.01)    # turned away: once more

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


@shows("P6")
def test_status_answers_whatever_clients_do(row):
    """A new client is served in time, as the probe is that is there already."""
    r = row()
    crowd = Crowd(r)
    with Memory(r, UNREAD_MB):
        for behaviour in (random_bytes, endless_line, deep_nesting, never_reads,
                          follows_and_sleeps, slow_writer):
            crowd.add(behaviour)
            crowd.add(behaviour)
        try:
            until = len(r.probe.answers) + 30
            while len(r.probe.answers) < until:
                began = time.monotonic()
                with client(r) as one:
                    assert one.ask("status")["ok"]
                assert time.monotonic() - began < 1
            # and by the program that people use
            assert r.ctl("status", timeout=10).code == 0
        finally:
            crowd.stop()
