# SPDX-License-Identifier: MIT
"""A second client of every row: `status`, ten times a second, over one
connection that is made anew only when it was closed."""

import contextlib
import json
import os
import socket
import threading
import time

from harness import http

PERIOD_S = 0.1
LATE_S = 1.0


class Answer:
    """When `status` was asked for, how long it took, what was told."""

    def __init__(self, asked, seconds, status):
        self.asked, self.seconds, self.status = asked, seconds, status
        self.master, self.state = status["master"]["pid"], status["state"]
        self.ready = sum(pool["ready"] for pool in status["pools"])

    def missing(self):
        """How many workers less than wanted were ready."""
        return sum(max(0, p["desired"] - p["ready"]) for p in self.status["pools"])

    def slots(self):
        """{"web/0": its rows}"""
        found = {}
        for row in self.status["workers"]:
            found.setdefault(row["worker"], []).append(row)
        return found

    def __repr__(self):
        return "<%s of master %d after %.3f s>" % (self.state, self.master, self.seconds)


class Probe:
    """Runs from `start` to `stop`; `answers` is all it heard.

    The answer that a new master gives first was asked of the old one, or of
    nobody: how late it is says nothing, so it is kept apart (`first`).
    """

    def __init__(self, path):
        self.path = path
        self.answers, self.first = [], []
        self.broken = 0                 # connections that ended under it
        self._pardoned = []             # [from, to] of what is nobody's fault
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe", daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(20)
        return self

    def pardon_span(self, began, ended):
        """Nobody could answer in this time."""
        self._pardoned.append([began, ended])

    def late(self):
        return [answer for answer in self.answers if answer.seconds > LATE_S
                and not self._is_pardoned(answer)]

    @contextlib.contextmanager
    def pardon(self):
        """What is asked in this block may be late: the machine stands still."""
        span = [time.monotonic(), float("inf")]
        self._pardoned.append(span)
        yield
        span[1] = time.monotonic()

    def _is_pardoned(self, answer):
        return any(answer.asked <= end and answer.asked + answer.seconds >= begin
                   for begin, end in self._pardoned)

    def states(self):
        """The verdicts, each once, in the order they were first seen."""
        return list(dict.fromkeys(answer.state for answer in self.answers))

    def _run(self):
        connection, lines, master = None, None, None
        due = time.monotonic()
        while not self._stop.wait(max(0, due - time.monotonic())):
            due = max(due + PERIOD_S, time.monotonic())
            asked = time.monotonic()
            try:
                if connection is None:
                    connection = http.connect("unix:" + self.path, 15)
                    lines = connection.makefile("rb")
                told = _ask(connection, lines)
            except (OSError, ValueError, socket.timeout):
                self.broken += connection is not None
                connection = _closed(connection)
                continue
            answer = Answer(asked, time.monotonic() - asked, told)
            known, master = master in (None, answer.master), answer.master
            (self.answers if known else self.first).append(answer)
        _closed(connection)

    def record(self):
        """Add what was measured to the file of the whole suite, in ms."""
        path = os.environ.get("CLUSTERD_PROBE_FILE")
        if path:
            with open(path, "a", encoding="ascii") as f:
                f.write("".join("%.3f\n" % (a.seconds * 1e3) for a in self.answers))


def _ask(connection, lines):
    connection.sendall(b'{"id":1,"command":"status","args":{}}\n')
    for line in lines:
        answer = json.loads(line)
        if answer.get("ok"):
            return answer["result"]
        if "ok" in answer:              # no place at the moment
            break
    raise ConnectionResetError("closed")


def _closed(connection):
    if connection is not None:
        connection.close()
