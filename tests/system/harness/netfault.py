# SPDX-License-Identifier: MIT
"""Clients that misbehave on the network: slow, silent, resetting, dead."""

import contextlib
import ctypes
import heapq
import resource
import selectors
import socket
import struct
import time

from harness import http, wait

SO_ATTACH_FILTER = 26
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, TCP_LISTEN = 4, 20, 10
RESET = struct.pack("ii", 1, 0)         # SO_LINGER: on, 0 s
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


@contextlib.contextmanager
def many_sockets(count):
    """In this block our process may have so many descriptors, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def reset(sock):
    """Close so that the other side gets an RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


def play_dead(sock):
    """From now on nothing reaches this socket, so that it acknowledges nothing:
    what the other side sees of a host that has lost its power."""
    program = ctypes.create_string_buffer(DROP_ALL)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HxxxxxxP", 1, ctypes.addressof(program)))


def narrow(address, timeout=wait.PATIENCE):
    """A connection with the smallest receive buffer there is."""
    host, port = address.rsplit(":", 1)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.settimeout(timeout)
    sock.connect((host, int(port)))
    return sock


def read_slowly(sock, rate, seconds, pidfd):
    """So many bytes a second for so long; (bytes, seconds until it ended, or
    None).  pidfd: of a process that lives as long."""
    began, received = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        due = int((time.monotonic() - began) * rate) - received
        if due <= 0:
            wait.readable(pidfd, 0.02)  # the fault itself: it takes its time
            continue
        try:
            data = sock.recv(due)
        except ConnectionResetError:
            data = b""
        if not data:
            return received, time.monotonic() - began
        received += len(data)
    return received, None


def is_open(conn):
    """Does a process hold the server's end of this http.Connection?  Asked of
    the kernel by name (sock_diag): its table may be long."""
    mine, theirs = conn.sock.getsockname(), conn.address.rsplit(":", 1)
    ends = struct.pack(">HH4s12x4s12x", int(theirs[1]), mine[1],
                       socket.inet_aton(theirs[0]), socket.inet_aton(mine[0]))
    body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xffffffff) + ends \
        + struct.pack("=III", 0, 0xffffffff, 0xffffffff)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.send(struct.pack("=IHHII", 16 + len(body), SOCK_DIAG_BY_FAMILY, 1, 1, 0) + body)
        answer = diag.recv(4096)
    kind, = struct.unpack_from("=H", answer, 4)
    if kind != SOCK_DIAG_BY_FAMILY:
        return False
    state, inode = struct.unpack_from("=xB66xI", answer, 16)
    # what is left to the kernel (TIME_WAIT and the like) has no inode; where
    # there is none at all, the listener is named
    return inode != 0 and state != TCP_LISTEN


class Slow:
    """A client that sends `first` at once and then `size` bytes of `data` each
    `every` seconds, until it is answered; see run()."""

    def __init__(self, address, first, data=b"", size=1, every=1.0):
        self.data, self.size, self.every = data, size, every
        self.began = time.monotonic()
        self.sock = http.connect(address)
        self.sock.sendall(first)        # until then it may be the kernel's alone
        self.answer, self.ended, self.answered = b"", None, None
        self.at = 0

    @property
    def seconds(self):
        """From the connect to the first byte of an answer, or to the end."""
        return (self.answered or self.ended) - self.began

    @property
    def status(self):
        return int(self.answer[9:12]) if self.answer else None

    def send(self):
        """The next piece; False when there is none or nobody to take it."""
        piece = self.data[self.at:self.at + self.size]
        self.at += len(piece)
        try:
            self.sock.sendall(piece)
        except OSError:
            return False
        return bool(piece)

    def receive(self):
        """False: that was the end."""
        try:
            data = self.sock.recv(65536)
        except ConnectionResetError:
            data = b""
        if data and self.answered is None:
            self.answered = time.monotonic()
        self.answer += data
        return bool(data)


def run(clients, timeout=30):
    """Drive slow clients, all at once, until each has been closed upon."""
    selector = selectors.DefaultSelector()
    due = []
    for number, client in enumerate(clients):
        selector.register(client.sock, selectors.EVENT_READ, client)
        heapq.heappush(due, (client.began + client.every, number))
    left, end = len(clients), time.monotonic() + timeout
    while left > 0:
        now = time.monotonic()
        assert now < end, "%d of %d still wait" % (left, len(clients))
        while due and due[0][0] <= now:
            when, number = heapq.heappop(due)
            client = clients[number]
            if client.answered is None and client.ended is None and client.send():
                heapq.heappush(due, (when + client.every, number))
        wait = min(end, due[0][0] if due else end) - now
        for key, _ in selector.select(max(0, wait)):
            if not key.data.receive():
                key.data.ended = time.monotonic()
                selector.unregister(key.fileobj)
                key.fileobj.close()
                left -= 1
    selector.close()
    return clients
