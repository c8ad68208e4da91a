# SPDX-License-Identifier: MIT
"""Each system call of the keeper fails once: it starts, serves and stops, or
says why not; it never hangs, crashes or leaves anybody behind."""

import os
import shutil
import signal

import pytest

from harness import keeper as ke
from harness import processes, wait
from harness.keeper import NONE, bind, inet, sealed_memfd, unix

GRACEFUL = {0, 1, 3, 4, 78, 127}        # 127: what the loader says

# call: an errno that it may have, and how many of its uses are of interest
CALLS = {
    "openat": ("EMFILE", 18), "clone3": ("EAGAIN", 6), "pipe2": ("EMFILE", 10),
    "socketpair": ("EMFILE", 8), "memfd_create": ("EMFILE", 3), "ftruncate": ("ENOMEM", 4),
    "fcntl": ("EINVAL", 8), "sendmsg": ("ENOBUFS", 12),
    "recvmsg": ("ENOMEM", 12), "poll": ("ENOMEM", 12), "read": ("EIO", 16),
    "pwrite64": ("ENOSPC", 4), "write": ("ENOSPC", 4), "mkdir": ("EROFS", 4),
    "flock": ("ENOLCK", 2), "fchmod": ("EPERM", 4), "fchown": ("EPERM", 1),
    "waitid": ("EINVAL", 8), "pidfd_send_signal": ("EPERM", 3), "socket": ("ENFILE", 1),
    "bind": ("EADDRNOTAVAIL", 1), "listen": ("EADDRINUSE", 3), "setsockopt": ("EPERM", 2),
    "getsockname": ("ENOBUFS", 1), "signalfd4": ("EMFILE", 1), "prctl": ("EPERM", 3),
    "capset": ("EPERM", 1), "prlimit64": ("EPERM", 2), "readlink": ("EACCES", 1),
    "unlink": ("EACCES", 2), "recvfrom": ("ENOMEM", 2), "kill": ("EPERM", 2),
    "lchown": ("EPERM", 1), "fchownat": ("EPERM", 1), "chmod": ("EPERM", 1),
    "rename": ("EACCES", 2), "newfstatat": ("EIO", 6), "umask": ("ENOSYS", 1), "rt_sigprocmask": ("EINVAL", 1),
}


def scenario(k):
    """A life in short; what the keeper refuses is left out."""
    master = k.serve()
    bind(master, 3, inet())
    bind(master, 4, unix(k.dir + "/sock"), mode=0o660, gid=os.getgid())
    bind(master, 4, unix(k.dir + "/sock"), mode=0o600, gid=os.getgid(), backlog=7)
    fd = sealed_memfd()
    master.request("KEEP", [fd], number=7, kind=1)
    os.close(fd)
    spawned = master.request("SPAWN", id=100, role=1, account=1, snapshot=7, name="web/0",
                             rlimit_nofile=NONE, rlimit_core=NONE, rlimit_as=NONE)
    if spawned.name == "SPAWNED":
        k.peer("worker")
        if master.request("SIGNAL", id=100, signal=9).name == "OK":
            master.event("EXITED", id=100)
            master.request("RELEASE", id=100)
    master.ask("os._exit(1)", answer=False)
    second = k.peer("master")
    second.attach()
    return k.stop(second)


def end_stand_ins(k):
    """Workers and masters whose keeper is gone find their lifeline at its end;
    these here only do what they are told."""
    k.patience = 0.01
    while True:
        try:
            k.peer("?")
        except (AssertionError, OSError):
            break
    for peer in k.peers:
        try:
            peer.ask("os._exit(0)", answer=False)
        except OSError:
            pass


def run(build, call, error, number):
    trace = ["strace", "-D", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
             "-e", "inject=%s:error=%s:when=%d" % (call, error, number)]
    k = ke.Keeper(build, start=False, scale=20)
    k.patience = 4
    words = "it served"
    try:
        k.start(wrapper=trace)
        try:
            scenario(k)
        except (AssertionError, OSError, ValueError) as reason:
            words = "%r" % reason
            if not wait.readable(k.process.pidfd, 0.5):
                k.process.send(signal.SIGTERM)
                k.process.send(signal.SIGTERM)
        code = k.await_exit(8)
        assert code in GRACEFUL, (code, words, k.said())
        assert code == 0 or k.said() or "Error" in words, (code, words)
    finally:
        end_stand_ins(k)
        said = k.said()
        k.close()
        left = processes.left_behind(patience=5)
        k.remove()
    assert not left, (left, words, said)


pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


@pytest.mark.parametrize("call", sorted(CALLS))
def test_a_call_fails_once(build, call):
    error, _ = CALLS[call]
    run(build, call, error, 1)


@pytest.mark.slow
@pytest.mark.parametrize("call, number", [
    (call, n) for call in sorted(CALLS) for n in range(2, CALLS[call][1] + 1)])
def test_each_of_its_calls_fails_once(build, call, number):
    run(build, call, CALLS[call][0], number)
