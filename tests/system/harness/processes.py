# SPDX-License-Identifier: MIT
"""Processes of a test: named by pidfd, found by descent, ended for certain."""

import array
import contextlib
import ctypes
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time

from harness import wait

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Whatever loses its parent below this process becomes its child."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _stat(pid):
    """(state, ppid) of a process, or None if it is gone."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="replace") as f:
            text = f.read()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2:].split()
    return fields[0], int(fields[1])


def name(pid):
    """How ps shows it; "?" if it is gone."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "?"
    return words or "?"


def cpu_seconds(*pids):
    """User and system time of these processes so far."""
    ticks = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid, encoding="utf-8") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def little_cpu(share, *pids):
    """In this block they use less than this share of one CPU: nobody spins."""
    began, before = time.monotonic(), cpu_seconds(*pids)
    yield
    used, took = cpu_seconds(*pids) - before, time.monotonic() - began
    assert used < share * took, "%g of %g s" % (used, took)


def session_nice(pid):
    """Of the session that it is in, as the kernel weighs it; None where it does not."""
    try:
        with open("/proc/%d/autogroup" % pid, encoding="ascii") as f:
            return int(f.read().split()[-1])
    except (OSError, IndexError):
        return None


def table():
    """{pid: (state, ppid)} of all processes."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            row = _stat(int(entry))
            if row is not None:
                found[int(entry)] = row
    return found


def session(number):
    """The living processes of that session, by their ids."""
    found = []
    for pid, (state, _) in table().items():
        with contextlib.suppress(ProcessLookupError):
            if state != "Z" and os.getsid(pid) == number:
                found.append(pid)
    return found


def is_in(pid, call):
    """It waits in the kernel, in a function with this in its name."""
    with contextlib.suppress(OSError):
        with open("/proc/%d/wchan" % pid, encoding="ascii") as f:
            return call in f.read()
    return False


def is_asleep(pid):
    """In the nap of a failpoint."""
    return is_in(pid, "nanosleep")


def is_stopped(pid):
    """By SIGSTOP, which is not yet so when it has been sent."""
    return _stat(pid)[0] == "T"


def halt(pid):
    """SIGSTOP, and it stands still: not yet so when that has been sent."""
    os.kill(pid, signal.SIGSTOP)
    wait.until(lambda: is_stopped(pid), 10, "a process that stands still")


def descendants(of):
    """The living processes below pid `of`, zombies not counted."""
    rows = table()
    below, layer = [], {of}
    while layer:
        layer = {pid for pid, (_, ppid) in rows.items() if ppid in layer}
        below += sorted(layer)
    return [pid for pid in below if rows[pid][0] != "Z"]


def children(of):
    """The living children of pid `of`."""
    return [pid for pid, (state, ppid) in table().items()
            if ppid == of and state != "Z"]


def hold_nap(of):
    """The child of pid `of` that is in such a nap, stopped there, so that it does not
    go on before it is sent SIGCONT."""
    pid = wait.until(lambda: next((pid for pid in children(of) if is_asleep(pid)), None),
                     10, "nap of a child of %d" % of)
    halt(pid)
    return pid


def zombies(of):
    """The children of pid `of` that nobody has waited for."""
    return [pid for pid, (state, ppid) in table().items()
            if ppid == of and state == "Z"]


def fds(pid):
    """{number: what} of a process's descriptors; {} when it is gone."""
    found = {}
    try:
        for number in os.listdir("/proc/%d/fd" % pid):
            try:
                found[int(number)] = os.readlink("/proc/%d/fd/%s" % (pid, number))
            except OSError:
                continue
    except OSError:
        pass
    return found


SPARES = 13                             # WORKER_SPARES, and what they are copies of


def fds_of_worker(pid):
    """As fds(), without the numbers that a worker keeps, which are more and fewer as
    connections come and go; more than it may keep are counted.  Nor with that of its
    own look at them."""
    found = fds(pid)
    spares = [number for number, what in found.items() if number > 2 and what == "/dev/null"]
    looks = [number for number, what in found.items() if what == "/proc/%d/fd" % pid]
    for number in spares[:SPARES] + looks[:1]:
        del found[number]
    return found


def reap():
    """Collect the adopted ones that have ended (not those of Popen)."""
    for pid, (state, ppid) in table().items():
        if ppid == os.getpid() and state == "Z" and pid not in _ours:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass


# Started by subprocess, which wants to reap them itself.
_ours = set()


def own(pid):
    _ours.add(pid)


def disown(pid):
    _ours.discard(pid)


class Frozen:
    """A control group of version 2 in which processes stand still, as with a
    machine that is suspended; LookupError where none can be made."""

    def __init__(self, pids):
        for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            self.path = "%s/clusterd-test-%d" % (root, os.getpid())
            if os.path.exists(root + "/cgroup.procs") and self._make(root, pids):
                return
        raise LookupError("no control group (version 2) can be made")

    def _make(self, root, pids):
        try:
            os.mkdir(self.path)
            for pid in pids:
                self._write("cgroup.procs", pid)
        except OSError:
            return False
        self.root = root
        return os.path.exists(self.path + "/cgroup.freeze")

    def _write(self, file, value):
        with open("%s/%s" % (self.path, file), "w", encoding="ascii") as f:
            f.write(str(value))

    def _is_frozen(self):
        with open(self.path + "/cgroup.events", encoding="ascii") as f:
            return "frozen 1" in f.read()

    def stand(self):
        self._write("cgroup.freeze", 1)
        wait.until(self._is_frozen, 10, "standstill")

    def go_on(self):
        self._write("cgroup.freeze", 0)

    def close(self):
        """Whoever is in it lives on in the group above."""
        self.go_on()
        with open(self.path + "/cgroup.procs", encoding="ascii") as f:
            for pid in f.read().split():
                with contextlib.suppress(ProcessLookupError):   # ended meanwhile
                    with open(self.root + "/cgroup.procs", "w", encoding="ascii") as above:
                        above.write(pid)
        os.rmdir(self.path)


class Stopped:
    """The same by SIGSTOP, for where that cannot be: one after the other."""

    def __init__(self, pids):
        self.pids = pids

    def stand(self):
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            wait.until(lambda pid=pid: (_stat(pid) or "X")[0] in "TZX", 10, "standstill")

    def go_on(self):
        for pid in self.pids:
            with contextlib.suppress(ProcessLookupError):       # whoever went on ended it
                os.kill(pid, signal.SIGCONT)

    def close(self):
        self.go_on()


PIDFD_GETFD = 438                       # the same number on all machines we build for


def copy_of(pid, number):
    """A descriptor of another process, in this one as well; the caller closes it.
    OSError where it has none of that number."""
    pidfd = os.pidfd_open(pid)
    fd = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, pidfd, number, 0)
    os.close(pidfd)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "pidfd_getfd %d of %d" % (number, pid))
    return fd


def sockets_of(pid):
    """Each socket of another process, in this one as well until the next one comes."""
    for number, what in fds(pid).items():
        if what.startswith("socket:"):
            with contextlib.suppress(OSError):      # closed since
                with socket.socket(fileno=copy_of(pid, number)) as sock:
                    yield sock


def unread(pid, number):
    """Bytes that wait in a socket of another process."""
    fd = copy_of(pid, number)
    try:
        size = array.array("i", [0])
        fcntl.ioctl(fd, termios.FIONREAD, size)
        return size[0]
    finally:
        os.close(fd)


class Process:
    """A process that is not (or need not be) our child, by pidfd."""

    def __init__(self, pid):
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)

    def send(self, number):
        signal.pidfd_send_signal(self.pidfd, number)

    def await_end(self, timeout=wait.PATIENCE):
        assert wait.readable(self.pidfd, timeout), \
            "%d (%s) still runs after %g s" % (self.pid, name(self.pid), timeout)

    def alive(self):
        return not wait.readable(self.pidfd, 0)

    def close(self):
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def left_behind(but=(), patience=0):
    """Processes of the test that still live, so many seconds later; they are named,
    then ended."""
    def those():
        reap()
        return [pid for pid in descendants(os.getpid()) if pid not in but]
    deadline = wait.Deadline(patience)
    wait.until(lambda: not those() or deadline.passed(), patience + 1)
    left = those()
    words = ["left behind: %d %s" % (pid, name(pid)) for pid in left]
    end_all(left)
    return words


def end_all(pids):
    """SIGKILL to each, by pidfd, and wait until they are gone."""
    for pid in pids:
        try:
            process = Process(pid)
        except ProcessLookupError:
            continue
        try:
            process.send(signal.SIGKILL)
            process.await_end(5)
        except ProcessLookupError:
            pass
        finally:
            process.close()
    reap()


def _limit_numbers(pid, soft, hard):
    """As the account of that process, which needs no privilege for it."""
    owner = os.stat("/proc/%d" % pid)
    who = {"user": owner.st_uid, "group": owner.st_gid} if os.geteuid() == 0 else {}
    code = "import resource; resource.prlimit(%d, resource.RLIMIT_NOFILE, (%d, %d))"
    subprocess.run([sys.executable, "-c", code % (pid, soft, hard)], check=True, **who)


@contextlib.contextmanager
def without_numbers(pid):
    """No descriptor more for this process."""
    used = {int(name) for name in os.listdir("/proc/%d/fd" % pid)}
    free = next(number for number in range(len(used) + 1) if number not in used)
    with open("/proc/%d/limits" % pid, encoding="ascii") as f:
        soft, hard = re.search(r"Max open files +(\d+) +(\d+)", f.read()).groups()
    _limit_numbers(pid, free, int(hard))
    yield
    _limit_numbers(pid, int(soft), int(hard))
