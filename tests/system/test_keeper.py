# SPDX-License-Identifier: MIT
"""The keeper by itself: the test is its master, checker and workers."""

import os
import signal
import socket
import struct

import pytest

from harness import keeper as ke
from harness import processes, wait

MEMFD_SEALS = 1033, 15          # F_ADD_SEALS; SEAL | SHRINK | GROW | WRITE
NONE = 2 ** 64 - 1
ROOT = os.geteuid() == 0


@pytest.fixture
def keeper(build):
    made = []

    def make(**how):
        made.append(ke.Keeper(build, **how))
        return made[-1]

    yield make
    for one in made:
        one.close()
    left = ke.left_behind()
    for one in made:
        print("---- log of %s\n%s" % (one.dir, one.said() if one.process else ""))
        one.remove()
    assert not left


def sealed_memfd():
    import fcntl
    fd = os.memfd_create("snapshot", os.MFD_ALLOW_SEALING)
    os.write(fd, b"x")
    fcntl.fcntl(fd, *MEMFD_SEALS)
    return fd


def inet(port=0, host="127.0.0.1"):
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + \
        socket.inet_aton(host) + bytes(8)


def bind(master, listener, address, kind=1, flags=0, mode=0, gid=0):
    return master.request("BIND", listener=listener, type=kind, backlog=16, flags=flags,
                          mode=mode, gid=gid, address_len=len(address), address=address)


def spawn(k, master, number, name="web/0", listeners=(), **values):
    """(SPAWNED, the stand-in)"""
    fd = sealed_memfd()
    assert master.request("KEEP", [fd], number=7, kind=1).name == "OK"
    os.close(fd)
    if listeners:
        assert master.request("SPAWN_FDS", id=number, count=len(listeners),
                              listeners=listeners).name == "OK"
    row = dict(id=number, role=1, account=1, snapshot=7, name=name,
               rlimit_nofile=NONE, rlimit_core=NONE, rlimit_as=NONE)
    row.update(values)
    answer = master.request("SPAWN", **row)
    if answer.name != "SPAWNED":
        return answer, None
    return answer, k.peer("worker" if row["role"] == 1 else "checker")


def test_start_and_stop(keeper):
    k = keeper()
    master = k.serve()
    assert master.welcome["keeper_pid"] == k.keeper.pid
    assert master.welcome["config"] == k.config
    assert master.welcome["flags"] == 1
    assert [m.name for m in master.inventory] == ["HAVE_WORKER"]
    assert master.inventory[0]["role"] == 2 and len(master.inventory[0].fds) == 4
    assert open(k.dir + "/run/clusterd.pid").read() == "%d\n" % k.keeper.pid
    assert k.stop(master) == 0
    assert not os.path.exists(k.dir + "/run/clusterd.pid")


def test_worker_gets_its_descriptors_and_nothing_else(keeper):
    k = keeper()
    master = k.serve()
    first = bind(master, 3, inet())
    assert first.name == "BOUND" and first["port"] > 0
    bind(master, 5, inet())
    spawned, worker = spawn(k, master, 100, listeners=[3, 5])
    assert spawned["pid"] == worker.pid and not spawned["exists"]
    assert len(spawned.fds) == 8
    fds = worker.hello["fds"]
    # the directory that it listed, and its own line to the test came later
    numbers = sorted(int(n) for n in fds)
    assert numbers == list(range(13))
    assert fds["0"] == "/dev/null" and fds["1"] == fds["2"]
    assert fds["1"].startswith("pipe:") and fds["5"].startswith("pipe:")
    assert "clusterd-page" in fds["6"] and "clusterd-master-page" in fds["7"]
    assert fds["10"].endswith("/run/workers.lock")
    assert worker.hello["env"]["CLUSTERD_LISTENERS"] == "3,5"
    assert "SECRET" not in worker.hello["env"]
    assert worker.hello["sid"] == worker.pid
    assert worker.hello["cwd"] == "/" and worker.hello["seccomp"] == "1"
    assert int(worker.hello["blocked"], 16) == 0
    page = os.pread(spawned.fds[5], 128, 0)
    assert struct.unpack_from("=IHHIIQ", page) == (0x70434c01, 1, 128, 16384, 128, 100)
    assert page[24:88].rstrip(b"\0") == b"web/0"
    assert k.stop(master) == 0


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_privileges_are_dropped(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    assert master.hello["uid"] == [54321] * 3 and master.hello["gid"] == [54321] * 3
    assert worker.hello["uid"] == [54322] * 3 and worker.hello["gid"] == [54322] * 3
    assert sorted(worker.hello["groups"]) == [54322, 54323]
    for peer in (master, worker):
        assert [int(c, 16) for c in peer.hello["caps"]] == [0] * 5
        assert "Error" in peer.ask("os.setresuid(-1, 0, -1)")
    # the master's page is there to be read only
    assert "Error" in worker.ask("open('/proc/self/fd/7', 'r+b')")
    assert "Error" in worker.ask("os.pwrite(7, b'x', 0)")
    assert worker.hello["oom"] == "200"
    assert k.stop(master) == 0
