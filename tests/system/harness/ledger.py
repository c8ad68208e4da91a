# SPDX-License-Identifier: MIT
"""Load with a ledger: every connect and every request is an entry with its
outcome.  A client never retries, so what the server lost stands in the book."""

import collections
import itertools
import math
import socket
import threading
import time

from harness import http, wait

OK = "ok"


class Entry:
    """One connect, one request, or one held connection found closed.

    action: "connect", "request", "closed" (between two requests: nothing was
    lost, so its outcome is "ok").
    outcome: "ok", "refused", "reset", "lost" (closed without an answer),
    "timeout", "status 503", "garbled".
    """

    def __init__(self, client, action, number, owner=None):
        self.client, self.action, self.number = client, action, number
        self.began = time.monotonic()
        self.ended = None
        self.outcome = None
        self.worker = None              # X-Worker: web/0
        self.worker_id = None           # X-Worker-Id
        self.owner = owner              # X-Worker-Id of the connection's
                                        # answers before; None: it is fresh

    def end(self, outcome):
        self.outcome = outcome
        self.ended = time.monotonic()

    @property
    def ok(self):
        return self.outcome == OK

    def __repr__(self):
        return "<%s %d of %s at %.3f: %s after %.3f s, worker %s, before %s>" % (
            self.action, self.number, self.client, self.began, self.outcome,
            (self.ended or time.monotonic()) - self.began, self.worker, self.owner)


class Ledger:
    """Clients against one address, from `start` to `stop` (a with block).

    keepalive: clients that hold a connection as long as the server lets them
    new:       clients with a connection for each request
    think:     clients that hold a connection and pause `think_time` seconds
               between requests
    rate:      new connections a second in all, whatever each of them takes
    hopeful:   the first good answer is waited for; not so for what may have none
    """

    # Each paced client has a connect every so many seconds; what takes longer
    # lowers the rate, so this is longer than any request should take.
    PACE_S = 0.5

    def __init__(self, address, path="/", keepalive=0, new=0, think=0, rate=0,
                 pause=0.002, think_time=0.2, timeout=10, accept=(200,), hopeful=True):
        self.address, self.path, self.timeout = address, path, timeout
        self.accept, self.hopeful = accept, hopeful
        self.entries = []
        self._answered = {}             # by client
        self._number = itertools.count(1)
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._threads = []
        for kind, count, holds, rest in (("keepalive", keepalive, True, pause),
                                         ("new", new, False, pause),
                                         ("think", think, True, think_time)):
            for i in range(count):
                self._add(self._client, "%s/%d" % (kind, i), holds, rest)
        paced = int(rate * self.PACE_S)
        for i in range(paced):
            self._add(self._paced_client, "paced/%d" % i, i / rate, paced / rate)

    def _add(self, client, name, *args):
        self._answered[name] = 0
        self._threads.append(threading.Thread(
            target=client, name=name, args=(name, *args), daemon=True))

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self):
        for thread in self._threads:
            thread.start()
        if self.hopeful:
            self.await_more(1)
        return self

    def stop(self):
        """Each client ends its request first."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(self.timeout + 5)
        return self

    def await_more(self, count, timeout=wait.PATIENCE):
        """Wait until so many more requests have been answered well: the load
        is still served."""
        end = time.monotonic() + timeout
        with self._progress:
            target = self.answered() + count
            while self.answered() < target:
                left = end - time.monotonic()
                assert left > 0, "the load stands still: %r" % self.entries[-5:]
                self._progress.wait(left)
        return self

    def await_each(self, count=1, timeout=wait.PATIENCE):
        """Wait until every client has had so many more good answers."""
        end = time.monotonic() + timeout
        with self._progress:
            target = {name: had + count for name, had in self._answered.items()}
            while True:
                late = [name for name, least in target.items()
                        if self._answered[name] < least]
                if not late:
                    return self
                left = end - time.monotonic()
                assert left > 0, "these stand still: %r of %r" % (late, self.entries[-5:])
                self._progress.wait(left)

    # ---- reading the book ------------------------------------------------------

    def requests(self):
        return [e for e in self.entries if e.action == "request"]

    def answered(self):
        return sum(self._answered.values())

    def clients(self):
        return list(self._answered)

    def slowest(self):
        """Seconds of the request that took longest."""
        return max((e.ended - e.began for e in list(self.entries) if e.ended), default=0.0)

    def by_worker(self):
        """How many requests each worker answered well, by X-Worker-Id."""
        return collections.Counter(e.worker_id for e in list(self.entries)
                                   if e.action == "request" and e.ok)

    def failures(self, since=None, until=None):
        """Everything that did not end well, connects included."""
        return [e for e in self.entries if e.outcome is not None and not e.ok
                and (since is None or e.ended >= since)
                and (until is None or e.began <= until)]

    def assert_nothing_lost(self):
        bad = self.failures()
        assert not bad, "%d of %d lost: %r" % (len(bad), len(self.entries), bad[:10])
        assert self.answered() > 0, "no request was made"

    def open_with(self, worker_id):
        """Requests under way on connections that this worker has answered on."""
        return [e for e in list(self.entries) if e.action == "request"
                and e.outcome is None and e.owner == str(worker_id)]

    def failed_with(self, worker_id):
        """(requests that failed, held connections that were closed) where the
        worker of that id had answered before on the same connection."""
        owned = [e for e in self.entries if e.owner == str(worker_id)]
        return ([e for e in owned if e.outcome is not None and not e.ok],
                [e for e in owned if e.action == "closed"])

    def assert_lost_only(self, at_most, since=None, until=None):
        """At most so many failures, each of them within the window."""
        bad = self.failures()
        inside = self.failures(since, until)
        assert len(bad) <= at_most, "%d lost: %r" % (len(bad), bad[:10])
        assert len(bad) == len(inside), "outside the window: %r" % [
            e for e in bad if e not in inside]

    # ---- clients ------------------------------------------------------------------

    def _client(self, name, holds, pause):
        connection = None
        while not self._stop.is_set():
            if connection is not None and _closed(connection.sock):
                self._enter(name, "closed", connection.owner).end(OK)
                connection.close()      # idle, closed in order: nothing is lost
                connection = None
            if connection is None:
                connection = self._connect(name)
            if connection is not None:
                connection = self._request(name, connection, holds)
            self._stop.wait(pause)
        if connection is not None:
            connection.close()

    def _paced_client(self, name, first, every):
        """A connection and a request each `every` seconds, by the clock."""
        due = time.monotonic() + first
        while not self._stop.wait(max(0, due - time.monotonic())):
            connection = self._connect(name)
            if connection is not None:
                self._request(name, connection, False)
            # beats that were missed are not caught up with: no bursts
            due += every * max(1, math.ceil((time.monotonic() - due) / every))

    def _enter(self, name, action, owner=None):
        entry = Entry(name, action, next(self._number), owner)
        self.entries.append(entry)
        return entry

    def _connect(self, name):
        entry = self._enter(name, "connect")
        try:
            connection = http.Connection(self.address, self.timeout)
        except ConnectionRefusedError:
            entry.end("refused")
        except ConnectionResetError:
            entry.end("reset")
        except socket.timeout:
            entry.end("timeout")
        except OSError as error:
            entry.end("connect: %s" % error)
        else:
            entry.end(OK)
            connection.owner = None
            return connection
        return None

    def _request(self, name, connection, holds):
        """Make one request; returns the connection if it can be used again."""
        entry = self._enter(name, "request", connection.owner)
        headers = [("X-Request-Id", str(entry.number))]
        if not holds:
            headers.append(("Connection", "close"))
        keep = False
        try:
            response = connection.request("GET", self.path, headers)
        except http.ConnectionLost as error:
            entry.end("reset" if "reset" in str(error) else "lost")
        except ConnectionResetError:
            entry.end("reset")
        except socket.timeout:
            entry.end("timeout")
        except (AssertionError, ValueError, OSError) as error:
            entry.end("garbled: %s" % error)
        else:
            entry.worker = response.header("X-Worker")
            entry.worker_id = connection.owner = response.header("X-Worker-Id")
            good = response.status in self.accept
            entry.end(OK if good else "status %d" % response.status)
            keep = holds and not response.closes
        with self._progress:
            if entry.ok:
                self._answered[name] += 1
            self._progress.notify_all()
        if not keep:
            connection.close()
            return None
        return connection


def _closed(sock):
    """The server has closed this idle connection."""
    if not wait.readable(sock, 0):
        return False
    try:
        return sock.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
