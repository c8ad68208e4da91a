# SPDX-License-Identifier: MIT
"""The control socket against clients of every kind: while they do their worst,
`status` answers."""

import json
import os
import random
import resource
import socket
import sqlite3
import threading
import time

import pytest

from harness import shows, wait

DEEP = b'{"command":"x","args":{"a":' + b"[" * 2000 + b"]" * 2000 + b"}}\n"


def connect(c, timeout=5):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(c.socket)
    return sock


def answers(sock, data):
    """All that comes back until the server closes or falls silent for good."""
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            break
        if not piece:
            break
        got += piece
    return [json.loads(line) for line in got.splitlines()]


# ---- typed errors -----------------------------------------------------------------

@pytest.mark.parametrize("line, code", [
    (b"hello\n", "bad_request"),
    (b"[]\n", "bad_request"),
    (b"\xff\xfe\n", "bad_request"),
    (b'{"command":"ping","command":"stop"}\n', "bad_request"),
    (b'{"command":"ping","more":1}\n', "bad_request"),
    (DEEP, "bad_request"),
    (b'{"command":"frobnicate"}\n', "unknown_command"),
    (b'{"command":"top"}\n', "unknown_command"),
    (b'{"command":"scale","args":{"pool":"web"}}\n', "bad_argument"),
    (b'{"command":"scale","args":{"pool":"nope","workers":"1"}}\n', "not_found"),
    (b'{"command":"restart","args":{"worker":"web/99"}}\n', "not_found"),
    (b'{"command":"verdict","args":{"command_id":"never"}}\n', "not_found"),
    (b"a" * 70000 + b"\n", "too_large"),
])
def test_each_fault_has_its_code(shared, line, code):
    with connect(shared) as sock:
        sock.sendall(line)
        with sock.makefile("rb") as lines:
            answer = json.loads(lines.readline())
    assert answer["ok"] is False
    assert answer["error"]["code"] == code
    assert answer["error"]["text"]


def test_a_client_gets_its_answers_in_order(shared):
    with connect(shared) as sock:
        requests = [b'{"id":%d,"command":"ping"}\n' % n for n in range(100)]
        sock.sendall(b"".join(requests))
        with sock.makefile("rb") as lines:
            for n in range(100):
                answer = json.loads(lines.readline())
                assert answer["id"] == n and answer["ok"] is True


def test_half_a_line_is_closed(shared):
    with connect(shared) as sock:
        sock.sendall(b'{"command":')
        assert sock.recv(100) == b""


def test_descriptors_that_are_passed_are_dropped(shared):
    pid = shared.master_pid()
    with open(shared.config_file, "rb") as passed, connect(shared) as sock:
        for _ in range(3):
            socket.send_fds(sock, [b'{"command":"ping"}\n'], [passed.fileno()] * 3)
            assert b"pong" in sock.recv(1000)
        assert shared.config_file not in open_files(pid)


def open_files(pid):
    """What the descriptors of a process are."""
    found = []
    for name in os.listdir("/proc/%d/fd" % pid):
        try:
            found.append(os.readlink("/proc/%d/fd/%s" % (pid, name)))
        except FileNotFoundError:
            pass                        # closed meanwhile
    return found


# ---- a command id ------------------------------------------------------------------

def test_a_command_id_runs_once(shared):
    """Twice the same id: one change, one verdict."""
    size = shared.pool()["desired"]
    args = {"pool": "web", "workers": "+1"}
    first = shared.ask("scale", args, command_id="twice-1", timeout=30)[-1]
    again = shared.ask("scale", args, command_id="twice-1", timeout=30)[-1]
    assert first["ok"] and first == again
    assert shared.pool()["desired"] == size + 1
    verdict = shared.ask("verdict", {"command_id": "twice-1"})[-1]
    assert verdict == first
    rows = [row for row in shared.json("audit") if row["command_id"] == "twice-1"]
    assert len(rows) == 1
    assert rows[0]["state"] == "done" and rows[0]["uid"] == os.geteuid()
    assert shared.ctl("scale", "web", size).code == 0


def test_a_change_goes_on_without_its_client(shared):
    with connect(shared) as sock:
        sock.sendall(b'{"id":1,"command":"restart","args":{"worker":"web/0"},'
                     b'"command_id":"alone-1"}\n')
        assert b"alone-1" in sock.recv(1000)
    verdict = shared.ask("verdict", {"command_id": "alone-1"}, timeout=30)[-1]
    assert verdict["ok"], verdict


# ---- hostile clients ------------------------------------------------------------------

class Crowd:
    """Threads that misbehave until they are told to stop."""

    def __init__(self, c):
        self.c = c
        self.done = threading.Event()
        self.threads = []
        self.chance = random.Random(7)

    def add(self, behaviour, count=1):
        for _ in range(count):
            thread = threading.Thread(target=self._run, args=(behaviour,))
            thread.start()
            self.threads.append(thread)

    def _run(self, behaviour):
        while not self.done.is_set():
            try:
                with connect(self.c) as sock:
                    behaviour(self, sock)
            except OSError:
                self.done.wait(0.01)    # turned away: once more

    def stop(self):
        self.done.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


def random_bytes(crowd, sock):
    while not crowd.done.is_set():
        sock.sendall(crowd.chance.randbytes(5000))
        crowd.done.wait(0.005)


def endless_line(crowd, sock):
    for _ in range(160):
        sock.sendall(b"a" * 65536)      # 10 MiB without a newline
        if crowd.done.is_set():
            return


def deep_nesting(crowd, sock):
    while not crowd.done.is_set():
        sock.sendall(DEEP)
        sock.recv(65536)


def never_reads(crowd, sock):
    sock.sendall(b'{"command":"events"}\n' * 100)
    while not crowd.done.is_set():
        sock.sendall(b'{"command":"status"}\n' * 100)
        crowd.done.wait(0.01)


def follows_and_sleeps(crowd, sock):
    sock.sendall(b'{"command":"events","args":{"follow":true,"since":"0"}}\n')
    crowd.done.wait(5)


def slow_writer(crowd, sock):
    for byte in b'{"command":"ping"}\n' * 3:
        sock.sendall(bytes([byte]))
        if crowd.done.wait(0.02):
            return


def peak_kb(pid):
    """The most memory that the process ever had."""
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM:"))


class Probe:
    """status at 10 Hz, each time by a client of its own; every answer within a
    second, and the master neither grows nor dies."""

    def __init__(self, c):
        self.c = c
        self.pid = c.master_pid()
        self.before = peak_kb(self.pid)
        self.took = []
        self.next = time.monotonic()
        self.idle = threading.Event()

    def once(self):
        self.idle.wait(max(0, self.next - time.monotonic()))
        begun = time.monotonic()
        self.next = max(self.next, begun - 0.1) + 0.1
        answer = self.c.ask("status")[-1]
        self.took.append(time.monotonic() - begun)
        assert answer["ok"] and answer["result"]["pools"][0]["pool"] == "web", answer

    def finish(self, grown_mb):
        assert max(self.took) < 1, sorted(self.took)[-5:]
        grown = peak_kb(self.pid) - self.before
        # a sanitizer keeps what was freed, and shadows all of it
        if os.environ.get("SANITIZED") != "yes":
            assert grown < grown_mb * 1024, "%d kB more" % grown
        assert self.c.master_pid() == self.pid
        assert self.c.status()["master"]["restarts"] == 0


# Lines have 64 KiB a client; for each that does not read, 4 MiB may wait.
LINES_MB, UNREAD_MB = 8, 64


def besiege(c, *behaviours, times=20, grown_mb=LINES_MB):
    probe = Probe(c)
    crowd = Crowd(c)
    for behaviour in behaviours:
        crowd.add(behaviour, 2)
    try:
        for _ in range(times):
            probe.once()
        # and by the program that people use
        assert c.ctl("status", timeout=10).code == 0
    finally:
        crowd.stop()
    probe.finish(grown_mb)


@shows("F3")
def test_random_bytes(cluster):
    besiege(cluster(workers=2), random_bytes)


@shows("F3")
def test_a_line_without_end(cluster):
    besiege(cluster(workers=2), endless_line)


@shows("F3")
def test_deep_nesting(cluster):
    besiege(cluster(workers=2), deep_nesting)


@shows("F1")
def test_clients_that_never_read(cluster):
    besiege(cluster(workers=2), never_reads, follows_and_sleeps, grown_mb=UNREAD_MB)


@shows("P6")
def test_status_answers_whatever_clients_do(cluster):
    besiege(cluster(workers=2), random_bytes, endless_line, deep_nesting,
            never_reads, follows_and_sleeps, slow_writer, times=40, grown_mb=UNREAD_MB)


@shows("F2")
def test_a_thousand_idle_connections_make_way(cluster):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    c = cluster(workers=1)
    probe = Probe(c)
    idle = []
    try:
        for n in range(1000):
            idle.append(connect(c))
            if n % 50 == 0:
                probe.once()
        for _ in range(10):
            probe.once()
        # those that made way, or were turned away, know it
        def closed():
            return sum(wait.readable(sock.fileno(), 0) for sock in idle) >= 1000 - 32
        wait.until(closed, 10, "end of all but 32 connections")
        assert c.ctl("status", timeout=10).code == 0
        probe.finish(LINES_MB)
    finally:
        for sock in idle:
            sock.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- followers ---------------------------------------------------------------------------

def test_events_are_told_once_and_in_order(shared):
    with connect(shared, 30) as sock:
        sock.sendall(b'{"id":1,"command":"events","args":{"since":"0","until":'
                     b'"command.done"}}\n{"id":2,"command":"ping"}\n')
        restart = shared.ctl_start("restart", "web/0")
        seen = []
        with sock.makefile("rb") as lines:
            for line in lines:
                answer = json.loads(line)
                if answer["id"] == 2:
                    break
                if "row" in answer:
                    seen.append(answer["row"])
    restart.communicate(timeout=30)
    assert restart.returncode == 0
    numbers = [row["seq"] for row in seen]
    assert numbers == sorted(set(numbers))
    assert seen[-1]["event"] == "command.done"
    assert "worker.ready" in [row["event"] for row in seen]


# ---- one daemon for the tests that leave it as it was --------------------------------------

@pytest.fixture(name="shared")
def _shared(cluster):
    return cluster(workers=2)


def test_an_id_older_than_what_is_remembered_runs_once(cluster):
    c = cluster(workers=1)
    scale = {"pool": "web", "workers": "2"}
    first = c.ask("scale", scale, command_id="mine", timeout=20)[-1]
    assert first["ok"] is True
    c.stop()
    with sqlite3.connect(c.dir + "/state/state.db") as db:
        db.executemany("INSERT INTO commands (command_id, time, command, state) "
                       "VALUES (?, 1, 'log level', 'done')",
                       [("filler-%d" % n,) for n in range(300)])
    db.close()
    c.start()
    assert c.ctl("scale", "web", "1").code == 0
    again = c.ask("scale", scale, command_id="mine")[-1]
    assert (again["ok"], again["result"]) == (True, first["result"])
    assert c.pool()["desired"] == 1
    other = c.ask("rollback", command_id="mine")[-1]
    assert other["ok"] is False and other["error"]["code"] == "conflict"
    assert c.ask("scale", scale, command_id="another", timeout=20)[-1]["ok"] is True
    assert c.pool()["desired"] == 2
