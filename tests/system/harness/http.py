# SPDX-License-Identifier: MIT
"""A plain HTTP/1.1 client that does what it is told: no retry, no pool, no
cleverness, so that whatever goes wrong is seen by the test."""

import socket
import time

from harness import wait


class ConnectionLost(Exception):
    """The connection ended before the answer was complete."""


class Response:
    """status, reason, headers (list of pairs), body (bytes)"""

    def __init__(self, status, reason, headers, body=b""):
        self.status = status
        self.reason = reason
        self.headers = headers
        self.body = body

    def header(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name.lower():
                return value
        return default

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def closes(self):
        return (self.header("Connection") or "").lower() == "close"

    def __repr__(self):
        return "<%d %s %r %r>" % (self.status, self.reason, self.headers,
                                  self.body[:200])


def endpoint(address):
    """(host, port) of "127.0.0.1:8080" or "[::1]:8080", as sockets want them."""
    host, port = address.rsplit(":", 1)
    return host.strip("[]"), int(port)


def connect(address, timeout=wait.PATIENCE):
    """A socket to "127.0.0.1:8080", "[::1]:8080" or "unix:/path"."""
    if address.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        sock.connect(address[5:])
        return sock
    sock = socket.create_connection(endpoint(address), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def read_all(sock, most=None):
    """What comes until its end, or until it is so much; a reset is an error."""
    got = bytearray()
    while most is None or len(got) < most:
        piece = sock.recv(65536)
        if not piece:
            break
        got += piece
    return bytes(got)


class Connection:
    """One connection and what was read from it beyond the last answer."""

    def __init__(self, address, timeout=wait.PATIENCE):
        self.address = address
        self.sock = connect(address, timeout)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionLost("send: %s" % error) from error

    def request(self, method, path, headers=(), body=None):
        """Send a request, read its answer."""
        self.send(head(method, path, self.address, headers, body) + (body or b""))
        return self.response(method)

    def response(self, method="GET"):
        """Read one final answer; 1xx ones are passed over."""
        while True:
            answer = self._response(method)
            if answer.status >= 200 or answer.status == 101:
                return answer

    def await_head(self):
        """The head of the next answer is here; `response` reads it again."""
        while b"\r\n\r\n" not in self.rest:
            self._more("the head")

    def _response(self, method):
        self.await_head()
        text, self.rest = self.rest.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        version, status, reason = (lines[0] + "  ").split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), "no HTTP: %r" % text
        headers = []
        for line in lines[1:]:
            key, value = line.split(":", 1)
            headers.append((key, value.strip()))
        answer = Response(int(status), reason.strip(), headers)
        answer.body = self._body(method, answer)
        return answer

    def _body(self, method, answer):
        if method == "HEAD" or answer.status < 200 or answer.status in (204, 304):
            return b""
        if (answer.header("Transfer-Encoding") or "").lower() == "chunked":
            return self._chunks()
        length = answer.header("Content-Length")
        if length is not None:
            return self._take(int(length))
        body, self.rest = bytearray(self.rest), b""
        while True:
            try:
                body += self._received("the end")
            except ConnectionLost:
                return bytes(body)

    def _chunks(self):
        body = bytearray()
        while True:
            size = int(self._line().split(b";")[0], 16)
            if size == 0:
                while self._line():
                    pass
                return bytes(body)
            body += self._take(size)
            assert self._line() == b"", "a chunk without its end"

    def _line(self):
        while b"\r\n" not in self.rest:
            self._more("a line")
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line

    def _take(self, size):
        if len(self.rest) < size:
            # not by _more(): with each piece it copies all that is there
            got = bytearray(self.rest)
            try:
                while len(got) < size:
                    got += self._received("%d bytes of body" % (size - len(got)))
            finally:
                self.rest = bytes(got)
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def _more(self, what):
        self.rest += self._received(what)

    def _received(self, what):
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError as error:
            raise ConnectionLost("reset while waiting for " + what) from error
        if not data:
            raise ConnectionLost("closed while waiting for " + what)
        return data


def head(method, path, host, headers=(), body=None):
    """The head of a request as bytes; Host and Content-Length are added."""
    if hasattr(headers, "items"):
        headers = headers.items()
    headers = list(headers)
    given = {key.lower() for key, _ in headers}
    lines = ["%s %s HTTP/1.1" % (method, path)]
    if "host" not in given:
        lines.append("Host: " + ("localhost" if host.startswith("unix:") else host))
    lines += ["%s: %s" % pair for pair in headers]
    if body is not None and not given & {"content-length", "transfer-encoding"}:
        lines.append("Content-Length: %d" % len(body))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def answers(address):
    """Does somebody there answer as he should?"""
    try:
        with Connection(address) as connection:
            return connection.request("GET", "/").status == 200
    except (OSError, ConnectionLost):
        return False


def exchange(address, *parts, timeout=wait.PATIENCE, shut=False):
    """One raw exchange: send these bytes, each part in a segment of its own,
    and return everything that comes back until the other side closes.

    With shut, our direction is closed after the last part.  A reset ends the
    answer like a close; no close within the timeout is socket.timeout.
    """
    with connect(address, timeout) as sock:
        try:
            for part in parts:
                sock.sendall(part)
            if shut:
                sock.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = bytearray()
        while True:
            try:
                data = sock.recv(65536)
            except ConnectionResetError:
                return bytes(received)
            if not data:
                return bytes(received)
            received += data


def trickle(address, data, every, timeout=30):
    """A slow client: a byte of data each `every` seconds until the server
    answers or closes, then whatever it still says.  Returns (answer, seconds).
    """
    began = time.monotonic()
    with connect(address, timeout) as sock:
        for byte in data:
            try:
                sock.sendall(bytes([byte]))
            except (BrokenPipeError, ConnectionResetError):
                break
            if wait.readable(sock, every):
                break
        answer = b""
        while True:
            try:
                more = sock.recv(65536)
            except ConnectionResetError:
                break
            if not more:
                break
            answer += more
    return answer, time.monotonic() - began
