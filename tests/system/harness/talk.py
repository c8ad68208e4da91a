# SPDX-License-Identifier: MIT
"""Children with a channel, as plugin talk starts them."""

import shlex
import signal
import textwrap

from harness import processes, wait

PYTHON = "/usr/bin/python3"

TALK = {"/" + path: "talk" for path in ("start", "send", "fill", "heard", "disconnect", "task")}


class Message:
    def __init__(self, words):
        topic, flags, fds, size, total, aligned, *rest = words
        self.topic, self.flags, self.fds, self.len, self.sum, self.aligned = \
            topic, int(flags), int(fds), int(size), int(total), aligned == "1"
        blocks = [bytes.fromhex(word) for word in rest]
        self.data = blocks[0] if self.len else b""
        self.files = blocks[1 if self.len else 0:]


def total(data):
    value = 0
    for byte in data:
        value = (value * 31 + byte) & 0xffffffff
    return value


class Talk:
    """One child of the one worker; path: start, or task with a name."""

    def __init__(self, c, path, *words, **query):
        self.c, self.n, self.pid = c, None, None
        answer = self._post(path, query, b"".join(w.encode() + b"\0" for w in words))
        if len(answer) == 2:
            self.error, self.n, self.pid = 0, *answer
        else:
            self.error, = answer

    def _post(self, path, query, body=b""):
        words = "&".join("%s=%s" % pair for pair in query.items() if pair[1] is not None)
        answer = self.c.post("/%s?%s" % (path, words), body)
        assert answer.status == 200, answer.text
        return [int(word) for word in answer.text.split()]

    def send(self, data=b"", **query):
        return self._post("send", dict(query, n=self.n), data)[0]

    def fill(self, size, most=100000):
        return tuple(self._post("fill", {"n": self.n, "size": size, "most": most}))

    def disconnect(self):
        return self._post("disconnect", {"n": self.n})[0]

    def heard(self, event=None):
        """All that it has told, in order, as lists of words."""
        text = self.c.get("/heard?n=%d" % self.n).text
        lines = [shlex.split(line) for line in text.splitlines()]
        return [line for line in lines if event in (None, line[0])]

    def await_heard(self, event, count=1, timeout=wait.PATIENCE):
        wait.until(lambda: len(self.heard(event)) >= count, timeout,
                   "%d times %s" % (count, event))
        return self.heard(event)

    def messages(self, count=1, timeout=wait.PATIENCE):
        """At least so many, those with it that came along."""
        return [Message(line[1:]) for line in self.await_heard("message", count, timeout)]


# How a program of a test begins: say() and hear() are packets.
BEGIN = """
import os, signal, socket, struct, sys
channel = socket.socket(fileno=int(os.environ["CLUSTERD_CHANNEL_FD"]))
def say(data, topic=b"", flags=0):
    channel.send(struct.pack("<II", len(topic), flags) + topic + data)
def hear():
    packet = channel.recv(65536)
    return packet and packet[8 + struct.unpack_from("<I", packet)[0]:]
def wait():
    signal.sigwait([signal.SIGUSR1])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
"""


def python(script):
    return [PYTHON, "-c", BEGIN + textwrap.dedent(script)]


def wake(t):
    processes.Process(t.pid).send(signal.SIGUSR1)
