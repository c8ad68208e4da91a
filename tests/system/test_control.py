# SPDX-License-Identifier: MIT
"""The control socket: typed errors, command ids, followers.  What hostile clients
find is in fault/test_f.py."""

import json
import os
import socket
import sqlite3

import pytest


def connect(c, timeout=5):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(timeout)
    sock.connect(c.socket)
    return sock


# ---- typed errors -----------------------------------------------------------------

@pytest.mark.parametrize("line, code", [
    (b'{"command":"frobnicate"}\n', "unknown_command"),
    (b'{"command":"top"}\n', "unknown_command"),
    (b'{"command":"scale","args":{"pool":"web"}}\n', "bad_argument"),
    (b'{"command":"scale","args":{"pool":"nope","workers":"1"}}\n', "not_found"),
    (b'{"command":"restart","args":{"worker":"web/99"}}\n', "not_found"),
    (b'{"command":"verdict","args":{"command_id":"never"}}\n', "not_found"),
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
