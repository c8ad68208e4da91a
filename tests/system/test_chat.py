# SPDX-License-Identifier: MIT
"""plugins/chat: a room over all workers, by messages and server-sent events."""

import os
import signal

import pytest

from harness import http, wait

PATH = "/chat"


class Listener:
    """One client of /chat/events, and the events that it was told: (id, text)."""

    def __init__(self, c, last=None):
        self.conn = http.Connection(c.address())
        self.conn.send(http.head("GET", PATH + "/events", "a",
                                 {"Last-Event-ID": last} if last else ()))
        self.conn.await_head()
        head, self.conn.rest = self.conn.rest.split(b"\r\n\r\n", 1)
        self.status = int(head.split(b" ")[1])
        self.text = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.conn.close()

    def await_events(self, count):
        """So many have come in all, and no chunk is half here."""
        while True:
            events = self.events()
            if len(events) >= count:
                return events
            assert self.read(), "it ended after %r" % self.text

    def read(self):
        """One chunk more; False: the stream has ended."""
        while b"\r\n" not in self.conn.rest:
            self.conn._more("a chunk")
        size, self.conn.rest = self.conn.rest.split(b"\r\n", 1)
        size = int(size, 16)
        while len(self.conn.rest) < size + 2:
            self.conn._more("a chunk")
        self.text += self.conn.rest[:size]
        self.conn.rest = self.conn.rest[size + 2:]
        return size > 0

    def events(self):
        found = []
        for block in self.text.decode().split("\n\n")[:-1]:
            fields = [line.split(": ", 1) for line in block.split("\n") if line[0] != ":"]
            if fields:
                found.append((dict(fields)["id"],
                              "\n".join(value for key, value in fields if key == "data")))
        return found

    def texts(self, count):
        return [text for _, text in self.await_events(count)]


@pytest.fixture
def room(cluster):
    def begin(**keys):
        keys.setdefault("workers", 3)
        return cluster(routes={PATH: "chat", PATH + "/": "chat", "/": "hello"}, **keys)
    return begin


def say(c, text):
    answer = c.request("POST", PATH + "/say", body=text.encode())
    assert answer.status == 204, answer
    return answer


def test_all_hear_what_is_said_to_any(room):
    c = room(schedule="round-robin")
    with Listener(c) as one, Listener(c) as two, Listener(c) as three:
        for i in range(6):
            say(c, "line %d" % i)
        # an answer says that all workers have it
        expected = ["line %d" % i for i in range(6)]
        for listener in (one, two, three):
            assert listener.status == 200 and listener.texts(6) == expected
        assert len(set(id_ for id_, _ in one.events())) == 6
        assert [e[0] for e in one.events()] == [e[0] for e in two.events()]


def test_a_text_stays_one_event(room):
    c = room(workers=1)
    with Listener(c) as listener:
        say(c, "two\nlines\n\nid: 7\rx\x01")
        say(c, "\u00e4" * 500)
        assert listener.texts(2) == ["two\nlines\n\nid: 7 x ", "\u00e4" * 500]


def test_who_comes_back_is_told_what_it_missed(room):
    c = room(workers=2)
    for text in "abcd":
        say(c, text)
    with Listener(c) as listener:
        events = listener.await_events(4)
        assert [text for _, text in events] == list("abcd")
    with Listener(c, last=events[1][0]) as listener:
        assert listener.texts(2) == ["c", "d"]
    with Listener(c, last="nobody-1") as listener:
        assert listener.texts(4) == list("abcd")


def test_a_drain_ends_the_streams_and_nothing_is_lost(room):
    """Who listened comes back, to the successor, which has heard what was said
    since."""
    c = room(workers=1)
    with Listener(c) as listener:
        say(c, "before")
        last = listener.await_events(1)[0][0]
        assert c.ctl("restart", "web").code == 0
        while listener.read():
            pass
    with Listener(c, last=last) as listener:
        say(c, "after")
        assert listener.texts(1) == ["after"]


def test_bad_requests(room):
    c = room(workers=1, plugins={"chat": {"max_listeners": "1"}})
    say_path = PATH + "/say"
    assert c.request("POST", say_path).status == 400
    assert c.request("POST", say_path, body=b"x" * 1001).status == 413
    assert c.request("GET", say_path).status == 405
    assert c.request("POST", PATH + "/events", body=b"x").status == 405
    assert "EventSource" in c.request("GET", PATH).text
    with Listener(c) as one:
        assert one.status == 200
        answer = c.request("GET", PATH + "/events")
        assert answer.status == 503 and answer.header("Retry-After") == "1"


def test_a_message_of_others_is_no_line(room):
    """From an operator, who does not know the form: nothing is told, nobody dies."""
    c = room(workers=1)
    with Listener(c) as listener:
        for words in (["web", "words"], ["--topic", "chat", "web", "words"],
                      ["--topic", "chat", "web", ""]):
            assert c.ctl("send", *words).code == 0
        say(c, "mine")
        assert listener.texts(1) == ["mine"]
    assert c.worker("web/0")["restarts"] == 0


def test_who_is_gone_is_forgotten_and_who_dies_is_missed_by_nobody(room):
    c = room(workers=2)
    with Listener(c) as one, Listener(c) as two:
        one.conn.close()
        say(c, "a")
        say(c, "b")
        assert two.texts(2) == ["a", "b"]
    victim = c.worker("web/0")
    os.kill(victim["pid"], signal.SIGKILL)
    wait.until(lambda: c.worker("web/0")["id"] != victim["id"]
               and c.status()["pools"][0]["ready"] == 2, 10, "it is back")
    say(c, "c")
