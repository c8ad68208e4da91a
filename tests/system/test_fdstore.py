# SPDX-License-Identifier: MIT
"""Sockets in a service manager's store, from one keeper to the next."""

import os
import signal
import socket
import struct
import subprocess
import sys

import pytest

from harness import keeper as ke
from harness import processes

LAUNCH = """import fcntl, os, sys
given = [int(word) for word in sys.argv[1].split(",")]
os.environ["LISTEN_PID"] = str(os.getpid())
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in given]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """Its end of NOTIFY_SOCKET, and its store."""

    def __init__(self):
        self.name = "clusterd-test-%d-%d" % (os.getpid(), os.urandom(1)[0])
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind("\0" + self.name)
        self.sock.settimeout(10)
        self.store = {}

    def told(self, words):
        """Read until that is said."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.sock, 4096, 4)
            text = data.decode()
            name = text.rpartition("FDNAME=")[2]
            if text.startswith("FDSTORE=1"):
                self.store[name] = fds[0]
            elif text.startswith("FDSTOREREMOVE=1"):
                os.close(self.store.pop(name))
            if words in text:
                return

    def close(self):
        self.sock.close()
        for fd in self.store.values():
            os.close(fd)


@pytest.fixture
def manager():
    made = Manager()
    yield made
    made.close()


@pytest.fixture
def keeper(build, manager):
    made = []

    def make(**how):
        made.append(ke.Keeper(build, env={"NOTIFY_SOCKET": "@" + manager.name}, **how))
        return made[-1]
    yield make
    for one in reversed(made):
        one.close()
        one.remove()


def start_from(manager, k):
    """As the manager starts it again: with all of its store."""
    names, fds = zip(*manager.store.items())
    k.env.update(LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=":".join(names))
    k.log = open(k.dir + "/log", "ab+")
    k.keeper = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, ",".join(map(str, fds)),
         k.build + "/clusterd", "-c", k.config],
        pass_fds=fds, env=k.environment(), stdin=subprocess.DEVNULL, stdout=k.log,
        stderr=k.log, start_new_session=True)
    processes.own(k.keeper.pid)
    k.process = processes.Process(k.keeper.pid)


def bind(master, listener, address):
    return master.request("BIND", listener=listener, type=1, backlog=16, flags=0,
                          mode=0o666, gid=os.getgid(), address_len=len(address),
                          address=address)


def test_a_keeper_is_killed_and_started_again(keeper, manager):
    k = keeper()
    master = k.serve()
    path = k.dir + "/web.sock"
    unix = struct.pack("=H108s", socket.AF_UNIX, path.encode())
    inet = struct.pack("=HH4s8s", socket.AF_INET, 0, socket.inet_aton("127.0.0.1"), b"")
    assert bind(master, 5, unix).name == "BOUND"
    port = bind(master, 9, inet)["port"]
    while master.fds:               # its copies go with a master
        os.close(master.fds.pop())
    manager.told("FDNAME=listener-9")
    waiting = socket.socket(socket.AF_UNIX)
    waiting.connect(path)
    k.process.send(signal.SIGKILL)
    k.await_exit()

    again = keeper(directory=k.dir, start=False)
    start_from(manager, again)
    master = again.serve()
    bound = bind(master, 5, unix)
    assert bound.name == "BOUND", bound
    with socket.socket(fileno=os.dup(bound.fds[0])) as listener:
        listener.accept()[0].close()
    assert waiting.recv(1) == b"", "the connection that waited is served"
    # no address of this configuration: nobody is left waiting there
    master.request("SHOW", verdict=0, ready=1, phase=1, text="ok")
    manager.told("FDSTOREREMOVE=1\nFDNAME=listener-9")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert master.request("UNBIND", listener=5).name == "OK"
    manager.told("FDSTOREREMOVE=1\nFDNAME=listener-5")
    assert not os.path.exists(path)
    waiting.close()
    assert again.stop(master) == 0
