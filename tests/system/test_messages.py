# SPDX-License-Identifier: MIT
"""Messages between the plugins of all workers."""

import errno

import pytest

from harness import http, wait

MAIL = {"/": "hello", **{"/" + path: "mail" for path in (
    "send", "quiet", "ask", "got", "start", "outcomes", "gate", "gate-counts", "misuse",
    "answers", "who")}}


class Post:
    """One connection to each worker of the pool, by name."""

    def __init__(self, c):
        self.c, self.conns = c, {}

    def to(self, worker):
        """A connection that this worker serves; others are kept for later."""
        for _ in range(100):
            if worker in self.conns:
                return self.conns[worker]
            conn = self.c.connect(timeout=30)
            name = conn.request("GET", "/who").header("X-Worker")
            if name in self.conns:
                conn.close()
            else:
                self.conns[name] = conn
        raise AssertionError("never served by " + worker)

    def ask(self, worker, path):
        answer = self.to(worker).request("GET", path)
        assert answer.status == 200, answer.text
        return answer.text

    def send(self, worker, query):
        """(error, taken) of done(), or what cluster_send() said alone."""
        words = [int(word) for word in self.ask(worker, "/send?" + query).split()]
        return words[0] if len(words) == 1 else tuple(words)

    def got(self, worker, sender=None):
        rows = self.ask(worker, "/got" + ("?from=" + sender if sender else ""))
        return [Got(line) for line in rows.splitlines()]

    def await_got(self, worker, count, sender=None, timeout=10):
        wait.until(lambda: len(self.got(worker, sender)) >= count, timeout,
                   "%d messages at %s" % (count, worker))
        return self.got(worker, sender)


class Got:
    def __init__(self, line):
        self.sender, self.id, topic, length, fds, flags, total, self.data = \
            (line + " ").split(" ", 7)
        self.data = self.data.rstrip(" ")
        self.id, self.topic = int(self.id), topic[1:-1]
        self.len, self.fds, self.flags, self.sum = map(int, (length, fds, flags, total))


@pytest.fixture
def post(cluster):
    def begin(**how):
        how.setdefault("routes", MAIL)
        return Post(cluster(**how))
    return begin


def test_a_message_arrives(post):
    p = post()
    assert p.send("web/0", "to=web/1&topic=greeting&data=hello") == (0, 1)
    one, = p.got("web/1")
    assert (one.sender, one.id) == ("web/0", p.c.worker("web/0")["id"])
    assert (one.topic, one.data, one.len) == ("greeting", "hello", 5)
    assert p.got("web/0") == []
