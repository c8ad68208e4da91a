# SPDX-License-Identifier: MIT
"""Clients of the control socket that do as they are told, the bad ones too."""

import ctypes
import json
import platform
import select
import socket
import threading
import time

from harness import http, wait

# Through libc they would change every thread.
SYS = {"setgroups": 116, "setresuid": 117, "setresgid": 119}
if platform.machine() == "aarch64":
    SYS = {"setgroups": 159, "setresuid": 147, "setresgid": 149}


class Client:
    """One connection.  `who`: (uid, gid) of the account that connects, as root."""

    def __init__(self, path, timeout=wait.PATIENCE, who=None):
        self.sock = (http.connect("unix:" + path, timeout) if who is None
                     else _connect_as(path, timeout, *who))
        self.lines = self.sock.makefile("rb")
        self.number = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.lines.close()
        self.sock.close()

    def send(self, command, args=None, **members):
        """One request; its answers are read by `answer` or `final`."""
        self.number += 1
        self.sock.sendall(line(command, args, self.number, **members))

    def answer(self):
        text = self.lines.readline()
        if not text:
            raise ConnectionResetError("closed without a final answer")
        return json.loads(text)

    def final(self):
        """Read to the final answer."""
        while True:
            answer = self.answer()
            if "ok" in answer:
                return answer

    def ask(self, command, args=None, **members):
        self.send(command, args, **members)
        return self.final()

    def at_end(self):
        """The server has nothing more to say and closes, whatever it has not
        read of ours."""
        try:
            return self.lines.readline() == b""
        except ConnectionResetError:
            return True

    def is_open(self):
        return not closings([self], 0)


def line(command, args=None, number=1, **members):
    """The bytes of a request."""
    request = dict(members, id=number, command=command, args=args or {})
    return json.dumps(request).encode() + b"\n"


def closings(clients, seconds):
    """Wait so long, or until all of them were closed by the server, whatever it
    said before: {client: when, by time.monotonic()}."""
    poll = select.poll()
    by_fd = {client.sock.fileno(): client for client in clients}
    for fd in by_fd:
        poll.register(fd, 0)            # the end of the other side comes unasked
    when, until = {}, time.monotonic() + seconds
    while len(when) < len(by_fd):
        ended = poll.poll(max(0, until - time.monotonic()) * 1000)
        for fd, _ in ended:
            when[by_fd[fd]] = time.monotonic()
            poll.unregister(fd)
        if not ended:
            break
    return when


def _connect_as(path, timeout, uid, gid):
    """A thread may have an account of its own: the one that connects has."""
    made = []

    def connect():
        libc = ctypes.CDLL(None, use_errno=True)
        for call, *args in (("setgroups", 0, None), ("setresgid", gid, gid, gid),
                            ("setresuid", uid, uid, uid)):
            if libc.syscall(SYS[call], *args) != 0:
                made.append(OSError(ctypes.get_errno(), call))
                return
        try:
            made.append(http.connect("unix:" + path, timeout))
        except OSError as error:
            made.append(error)
    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    if not isinstance(made[0], socket.socket):
        raise made[0]
    return made[0]
