# SPDX-License-Identifier: MIT
"""Who had taken each request that failed: the ledger against what the daemon
tells of its deaths while it tells it."""

import datetime
import json
import re
import socket
import threading
import time

from harness import http

# A death and the end of its clients' connections are seen by different
# processes, on a machine that is busy.
SLACK_S = 0.5


class Death:
    """A process that ended: when, how many connections it is said to have had,
    and how many failures it explains so far."""

    def __init__(self, row):
        self.id, self.worker, self.text = row["id"], row["worker"], row["text"]
        self.wall = row["ended"] / 1000
        self.asked, self.cause = row["asked"], row["cause"]
        self.lost = row["connections_lost"]
        self.explained = 0

    def __repr__(self):
        return "<death of %d: %s; explains %d of %d>" % (
            self.id, self.text, self.explained, self.lost)


class Follower:
    """Reads events all the time, through each death of the master."""

    def __init__(self, path):
        self.path = path
        self.deaths = {}                # by id
        self.told = 0
        self._seq = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self):
        self._thread.start()
        return self

    def stop(self):
        self._stop.set()
        self._thread.join(10)

    def _run(self):
        while not self._stop.is_set():
            try:
                self._follow()
            except (OSError, ValueError, socket.timeout):
                self._stop.wait(0.02)   # between two masters

    def _follow(self):
        with http.connect("unix:" + self.path, 2) as sock:
            sock.sendall(json.dumps({"id": 1, "command": "events", "args": {
                "follow": True, "since": str(self._seq)}}).encode() + b"\n")
            buffer = b""
            while not self._stop.is_set():
                try:
                    data = sock.recv(65536)
                except socket.timeout:
                    continue            # nothing has happened
                if not data:
                    return
                *lines, buffer = (buffer + data).split(b"\n")
                for line in lines:
                    self._note(json.loads(line))

    def _note(self, row):
        row = row.get("row", row)
        if row.get("seq", 0) <= self._seq:
            return
        self._seq = row["seq"]
        self.told += 1
        if row["event"] == "worker.exited":
            # a master that has to make its memo anew tells of it again
            self.deaths.setdefault(row["id"], Death(row))


def explain(book, deaths, masters, failed_times):
    """(failures that no worker explains, how many the masters may explain).

    A failure belongs to a worker that had answered on its connection before,
    or that died while it was under way, and no worker explains more of them
    than its death record says it had taken.  masters are the times at which
    one was killed: each may have had one connection in its hand.
    failed_times are the spans in which nobody was ready: 503 is right there.
    """
    offset = time.time() - time.monotonic()
    by_id = {str(death.id): death for death in deaths}
    left, fresh = [], []
    for entry in book.failures():
        death = by_id.get(str(entry.owner)) if entry.owner else None
        if entry.outcome == "status 503":
            if not any(since <= entry.ended and entry.began <= until
                       for since, until in failed_times):
                left.append(entry)
        elif entry.owner is None and entry.action == "request":
            fresh.append(entry)
        elif death is None or death.explained >= death.lost:
            left.append(entry)
        else:
            death.explained += 1
    for entry in sorted(fresh, key=lambda one: one.ended):
        death = _taker(entry, deaths, offset)
        if death is None:
            left.append(entry)
        else:
            death.explained += 1
    in_hand = []
    for at in masters:
        held = next((e for e in left if e.owner is None and e.outcome in ("lost", "reset")
                     and e.began - SLACK_S <= at <= e.ended + SLACK_S), None)
        if held is not None:
            left.remove(held)
            in_hand.append(held)
    return left, in_hand


_LINE = re.compile(r"^(\S+)Z \w+ (?:keeper: (master) \d+ lost: .*"
                  r"|master: (master\.adopted): .*"
                  r"|master: worker\.exited (\S+?)\[\d+\]: \S+ died.*)$", re.MULTILINE)


def only_logged(log, deaths):
    """When workers died of whom the log alone tells, by the clock of the ledger: spans,
    as a master tells late of one that died while there was none."""
    offset = time.time() - time.monotonic()
    found, lost = [], None
    for stamp, no_master, adopted, worker in _LINE.findall(log):
        wall = datetime.datetime.fromisoformat(stamp + "+00:00").timestamp()
        if no_master:
            lost = wall
        elif adopted:
            lost = None
        elif not any(death.worker == worker and abs(death.wall - wall) < 0.1
                     for death in deaths):
            found.append(((wall if lost is None else lost) - offset, wall - offset))
    return found


def unrecorded(left, masters, known, logged):
    """(what is still not explained, what a worker had that died so shortly before
    a master that its record was not on the disk, which may take a second).

    Of that worker an answer on the same connection is known, or it died together
    with one that is, or at a time at which the log tells of such a death; known are
    the workers that live or have a record.
    """
    def near_a_masters(when):
        return any(when - 0.1 <= at <= when + 1 + SLACK_S for at in masters)

    gone = [entry for entry in left if entry.owner and int(entry.owner) not in known
            and near_a_masters(entry.ended)]
    gone += [entry for entry in left if entry.owner is None and near_a_masters(entry.ended)
             and any(since - 0.05 < entry.ended < until + 0.05 for since, until in logged)]
    gone += [entry for entry in left if entry.owner is None and entry not in gone
             and any(abs(entry.ended - other.ended) < 0.05 for other in gone)]
    return [entry for entry in left if entry not in gone], gone


def suspects(entry, deaths):
    """The worker that had answered there before, and who died about then."""
    offset = time.time() - time.monotonic()
    return [death for death in deaths if str(death.id) == entry.owner
            or abs(death.wall - offset - entry.ended) < 1]


def _taker(entry, deaths, offset):
    """The death nearest to the end of this request that has room for it."""
    near = [death for death in deaths if death.explained < death.lost
            and entry.began - SLACK_S <= death.wall - offset <= entry.ended + SLACK_S]
    return min(near, key=lambda d: abs(d.wall - offset - entry.ended), default=None)
