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
from harness import http, ports, processes, sockets, wait

LAUNCH = """import fcntl, os, sys
given = [int(word) for word in sys.argv[1].split(",")]
os.environ["LISTEN_PID"] = str(os.getpid())
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in given]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
os.execv(sys.argv[2], sys.argv[2:])
"""


# The same for one that starts us by a command: it asks for them at that name.
FETCH = """import fcntl, os, socket, sys
with socket.socket(socket.AF_UNIX) as manager:
    manager.connect("\\0" + sys.argv[1])
    names, fds, _, _ = socket.recv_fds(manager, 4096, 64)
high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in fds]
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)),
                  LISTEN_FDNAMES=names.decode())
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

    def listeners(self):
        return [name for name in self.store if name.startswith("listener-")]

    def serve(self, door):
        """Give all of the store to who comes to that door."""
        guest, _ = door.accept()
        with guest:
            socket.send_fds(guest, [":".join(self.store).encode()], list(self.store.values()))

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


def bind(master, listener, address, flags=0):
    return master.request("BIND", listener=listener, type=1, backlog=16, flags=flags,
                          mode=0o666, gid=os.getgid(), address_len=len(address),
                          address=address)


def is_refused(address):
    """Nobody listens there; the manager is told a moment before."""
    try:
        socket.create_connection(address, 5).close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass
    return False


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
    wait.until(lambda: is_refused(("127.0.0.1", port)), 5, "the end of that address")
    assert master.request("UNBIND", listener=5).name == "OK"
    manager.told("FDSTOREREMOVE=1\nFDNAME=listener-5")
    assert not os.path.exists(path)
    waiting.close()
    assert again.stop(master) == 0


def test_several_sockets_of_one_address(keeper, manager):
    """A pool that was larger once: in each of its sockets somebody may wait."""
    def inet(port):
        return struct.pack("=HH4s8s", socket.AF_INET, socket.htons(port),
                           socket.inet_aton("127.0.0.1"), b"")
    k = keeper()
    master = k.serve()
    port = bind(master, 9, inet(0), flags=1)["port"]
    for number in (1, 2):
        assert bind(master, number << 16 | 9, b"", flags=1)["port"] == port
    while master.fds:
        os.close(master.fds.pop())
    manager.told("FDNAME=listener-%d" % (2 << 16 | 9))
    waiting = [socket.create_connection(("127.0.0.1", port), 5) for _ in range(16)]
    k.process.send(signal.SIGKILL)
    k.await_exit()

    again = keeper(directory=k.dir, start=False)
    start_from(manager, again)
    master = again.serve()
    bound = [bind(master, 9, inet(port), flags=1)]
    assert bound[0]["more"] == 2
    bound += [bind(master, number << 16 | 9, b"", flags=1) for number in (1, 2, 3)]
    assert [one["more"] for one in bound] == [2, 1, 0, 0], "the last is a new one"
    served = 0
    for one in bound:
        with socket.socket(fileno=os.dup(one.fds[0])) as listener:
            while wait.readable(listener, 0):
                listener.accept()[0].close()
                served += 1
    assert served == len(waiting)
    for client in waiting:
        assert client.recv(1) == b""
        client.close()
    assert again.stop(master) == 0


def test_a_pool_that_was_larger(cluster, manager):
    """The daemon itself: who waits in a socket without a slot is served, too."""
    address = "127.0.0.1:%d" % ports.own()
    c = cluster(workers=2, schedule="reuseport", listen=address, routes={"/": "evil"},
                env={"NOTIFY_SOCKET": "@" + manager.name})
    assert c.ctl("scale", "web", "4").code == 0
    assert c.ctl("scale", "web", "2").code == 0
    while len(manager.listeners()) < 4:
        manager.told("FDSTORE=1")
    assert c.ctl("pause", "web").code == 0
    listening = sockets.listening(address)
    wait.until(lambda: not any(listening & sockets.polled(row["pid"]) for row in c.workers()),
               5, "the pause of all")
    waiting = [http.connect(address) for _ in range(100)]
    for client in waiting:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    c.expect_exit(-signal.SIGKILL)
    c.signal(signal.SIGKILL)
    c.await_exit()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind("\0" + manager.name + "-door")
        door.listen()
        c.through = [sys.executable, "-c", FETCH, manager.name + "-door"]
        c.start(ready=False)
        manager.serve(door)
    c.await_ready()
    assert [row["socket"] for row in c.json("listeners")] == [0, 1, 2, 3]
    for client in waiting:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
