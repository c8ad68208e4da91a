# SPDX-License-Identifier: MIT
"""Many raw exchanges at a time, each cut as it is told; and what their answers say.

Over a Unix socket the kernel tells when the other side has read what was sent, so
there a cut is a cut for certain: the next segment is sent when the one before is
read.  Over TCP it may be joined again.
"""

import errno
import fcntl
import json
import select
import socket
import struct
import termios

from harness import http, wait

WINDOW = 64                     # exchanges at a time


class Broken(Exception):
    """What came back is no row of answers."""


class Exchange:
    """Segments out, bytes in, up to the end of the connection."""

    def __init__(self, address, segments, shut=False):
        self.sent = b"".join(segments)
        self.segments = list(segments)
        self.shut = shut
        self.received = b""
        self.done = self.reset = False
        self.exact = address.startswith("unix:")
        self.sock = http.connect(address)
        self.sock.setblocking(False)

    def _read_there(self):
        """The other side has all that was sent (a Unix socket), or may have."""
        if not self.exact:
            return True
        waiting = fcntl.ioctl(self.sock, termios.TIOCOUTQ, b"\0" * 4)
        return struct.unpack("i", waiting)[0] == 0

    def send(self):
        """True if something was sent."""
        if not self.segments or not self._read_there():
            return False
        try:
            sent = self.sock.send(self.segments[0])
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            self.segments = []          # it ended first; what it said is read yet
            return True
        rest = self.segments[0][sent:]
        self.segments[:1] = [rest] if rest else []
        if not self.segments and self.shut:
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise
        return True

    def receive(self):
        try:
            data = self.sock.recv(65536)
        except BlockingIOError:
            return
        except ConnectionResetError:
            self.reset, data = True, b""
        self.received += data
        if not data:
            self.done = True
            self.sock.close()


def run(address, jobs, timeout=30):
    """jobs: (segments, shut) each; gives the exchanges in their order."""
    waiting = list(enumerate(jobs))[::-1]
    done = [None] * len(jobs)
    open_ones = {}
    poll = select.poll()
    deadline = wait.Deadline(timeout)
    while waiting or open_ones:
        while waiting and len(open_ones) < WINDOW:
            number, (segments, shut) = waiting.pop()
            one = Exchange(address, segments, shut)
            one.fd = one.sock.fileno()
            done[number] = open_ones[one.fd] = one
            poll.register(one.fd, select.POLLIN)
        moved = [one.send() for one in list(open_ones.values())]
        for fd, _ in poll.poll(0 if any(moved) else 1):
            one = open_ones[fd]
            one.receive()
            if one.done:
                poll.unregister(fd)
                del open_ones[fd]
        if deadline.passed():
            for one in open_ones.values():
                one.sock.close()
            raise AssertionError("no end of %d exchanges with %s: %s" % (
                len(open_ones), address, [(one.sent[:500], one.received[-300:])
                                          for one in list(open_ones.values())[:3]]))
    return done


# ---- answers ----------------------------------------------------------------------


def _fields(lines):
    fields = {}
    for text in lines:
        name, colon, value = text.partition(": ")
        if not colon or name.lower() in fields:
            raise Broken("field %r" % text)
        fields[name.lower()] = value
    return fields


def _chunks(data):
    body = b""
    while True:
        size, found, data = data.partition(b"\r\n")
        if not found:
            raise Broken("a chunk without a size")
        number = int(size, 16)
        if len(data) < number + 2 or data[number:number + 2] != b"\r\n":
            raise Broken("a chunk cut short")
        body, data = body + data[:number], data[number + 2:]
        if number == 0:
            return body, data


def _body(status, fields, head, data):
    length = fields.get("content-length")
    if status in (204, 304) or status < 200:
        if length is not None and status != 304 or "transfer-encoding" in fields:
            raise Broken("%d with a length" % status)
        return b"", data
    if length is not None and "transfer-encoding" in fields:
        raise Broken("two lengths")
    if head or (status >= 400 and not data):
        return b"", data                # refused: it may have been a HEAD
    if length is not None:
        if len(data) < int(length):
            raise Broken("a body cut short")
        return data[:int(length)], data[int(length):]
    if fields.get("transfer-encoding") == "chunked":
        return _chunks(data)
    if fields.get("connection") != "close":
        raise Broken("a body without an end")
    return data, b""


def answers(data, heads=()):
    """[(status, fields, body)] of all bytes that came; heads: which of the answers
    are to a HEAD, beside those that say so.  Answers of 1xx are left out."""
    found = []
    while data:
        text, end, data = data.partition(b"\r\n\r\n")
        if not end or not text.startswith(b"HTTP/1.1 "):
            raise Broken("no answer: %r" % text[:200])
        first, *lines = text.decode("latin-1").split("\r\n")
        status, fields = int(first[9:12]), _fields(lines)
        head = fields.get("x-method") == "HEAD" or tuple(heads)[len(found):][:1] == (True,)
        body, data = _body(status, fields, head, data)
        if status >= 200:
            if "date" not in fields:
                raise Broken("an answer without a date")
            found.append((status, fields, body))
    return found


def saw(body):
    """What the handler says about the request."""
    return json.loads(body.decode("ascii"))
