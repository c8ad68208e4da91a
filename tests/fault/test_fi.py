# SPDX-License-Identifier: MIT
"""The tool itself: fi.so makes fail what it was told to, and nothing else."""

import os
import subprocess
import sys

import pytest

from harness import inject

pytestmark = inject.needs_preload

# Calls through the library as a C program does; each is a letter of the answer.
CALLER = """
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]

def say(failed):
    name = errno.errorcode[ctypes.get_errno()] if failed else "-"
    os.write(1, name.encode() + b" ")

def write(n=1):
    for _ in range(n):
        ctypes.set_errno(0)
        say(libc.dprintf and libc.pwrite(fd, b"x", 1, 0) < 0)

def sock(n=1):
    for _ in range(n):
        ctypes.set_errno(0)
        got = libc.socket(1, 1, 0)
        say(got < 0)
        if got >= 0:
            os.close(got)

fd = os.memfd_create("x")
"""


class Caller:
    """A program of the role `ctl' that does these calls and says which failed."""

    def __init__(self, tmp_path, plugin_dirs):
        self.fi = inject.Injector(str(tmp_path / "fi"), plugin_dirs)

    def run(self, body, **env):
        done = subprocess.run(
            [sys.executable, "-c", CALLER + body], check=False, capture_output=True,
            text=True, timeout=30, env=dict(os.environ, FI_AS="ctl", **self.fi.env(), **env))
        assert done.returncode == 0, done
        return done.stdout.split()


@pytest.fixture(name="caller")
def caller_(tmp_path, plugin_dirs):
    return Caller(tmp_path, plugin_dirs)


def test_nothing_is_asked_for(caller):
    assert caller.run("write(3); sock(2)") == ["-"] * 5
    assert caller.fi.injected("ctl") == 0
    assert caller.fi.calls("ctl", "pwrite64") == 3


@pytest.mark.parametrize("when, expect", [
    ("", "EEEEE"), ("@2", "-E---"), ("@2-4", "-EEE-"), ("@3+", "--EEE"), ("@9", "-----"),
    ("@3-", "--EEE"),
])
def test_a_window(caller, when, expect):
    caller.fi.arm("ctl", "pwrite64:ENOSPC" + when)
    assert caller.run("write(5)") == [{"E": "ENOSPC", "-": "-"}[c] for c in expect]
    assert caller.fi.injected("ctl", "pwrite64") == expect.count("E")
    assert caller.fi.calls("ctl", "pwrite64") == 5


def test_each_rule_counts_for_itself(caller):
    caller.fi.arm("ctl", "pwrite64:EIO@2;socket:ENFILE@1;pwrite64:28@3")
    assert caller.run("write(); sock(); write(2); sock(2)") == [
        "-", "ENFILE", "EIO", "ENOSPC", "-", "-"]
    assert caller.fi.injected("ctl") == 3


@pytest.mark.parametrize("counted, expect", [("3", "--E--"), ("3+", "--EEE"), ("6", "-----")])
def test_counted_mode_counts_all_that_the_rules_name(caller, counted, expect):
    caller.fi.arm("ctl", "pwrite64:EIO;socket:EIO", counted)
    assert caller.run("write(); sock(); write(); sock(); write()") == [
        {"E": "EIO", "-": "-"}[c] for c in expect]


def test_a_chance_is_the_same_for_the_same_seed(caller):
    def with_seed(seed):
        caller.fi.arm("ctl", "pwrite64:EIO@p=.25", seed=seed)
        return caller.run("write(400)")
    first = with_seed(7)
    assert 60 < first.count("EIO") < 140
    assert with_seed(7) == first
    assert with_seed(8) != first


def test_all_calls_but_memory_and_clock(caller):
    # the program itself goes on: its reads and opens would fail as well
    caller.fi.arm("ctl", "*:EINTR@p=0")
    assert caller.run("write(); sock()") == ["-", "-"]
    caller.fi.arm("ctl", "")
    body = """
sys.path.insert(0, %r)
from harness import inject
fi = inject.Injector.__new__(inject.Injector)
import mmap
fi.memory = mmap.mmap(os.open(%r, os.O_RDWR), 0)
fi.arm("ctl", "*:EINTR")
a = libc.pwrite(fd, b"x", 1, 0), libc.socket(1, 1, 0), libc.malloc(10) is not None
fi.arm("ctl", "*:EIO")
b = libc.pwrite(fd, b"x", 1, 0), libc.socket(1, 1, 0), libc.malloc(10) is not None
fi.disarm("ctl")
print(a[0], a[1] >= 0, a[2], *b)
""" % (os.path.dirname(os.path.dirname(inject.__file__)), caller.fi.path)
    # no socket() is ever cut short by a signal
    assert caller.run(body) == ["-1", "True", "True", "-1", "-1", "True"]


def test_memory(caller):
    caller.fi.arm("ctl", "malloc:NULL@p=0")
    body = """
p = libc.malloc(100)
ctypes.memset(p, 1, 100)
os.write(1, b"ok")
"""
    assert caller.run(body) == ["ok"]
    assert caller.fi.calls("ctl", "malloc") > 1000, "from the start of the program"
    done = subprocess.run(
        ["ls", "/"], check=False, capture_output=True, timeout=30,
        env=dict(os.environ, LD_PRELOAD=caller.fi.library, FI_AS="ctl", FI_ctl="malloc:NULL"))
    assert done.returncode not in (0, -11), done


def test_the_clock_of_the_wall_alone(caller):
    body = """
import time
print(int(time.time()), int(time.monotonic()), time.clock_gettime_ns(0) // 10**9)
"""
    wall, mono, again = map(int, caller.run(body))
    caller.fi.arm("ctl", "clock:-3600")
    later, later_mono, later_again = map(int, caller.run(body))
    assert 3500 < wall - later < 3600 + 1, (wall, later)
    assert 3500 < again - later_again < 3600 + 1
    assert 0 <= later_mono - mono < 60


def test_rules_from_the_environment_and_by_role(caller):
    assert caller.run("write(2)", FI_ctl="pwrite64:EIO@2") == ["-", "EIO"]
    other = inject.Injector(caller.fi.path, [os.path.dirname(caller.fi.library)])
    caller.fi = other
    assert caller.run("write(2)", FI="pwrite64:EIO") == ["-", "-"], "of the daemon only"
    caller.fi = inject.Injector(caller.fi.path, [os.path.dirname(caller.fi.library)])
    assert caller.run("write(4)", FI_ctl="pwrite64:EIO", FI_N="2+") == ["-", "EIO", "EIO", "EIO"]


def test_what_is_not_understood_is_said(caller):
    caller.fi.arm("ctl", "pwrite64:EWHAT")
    assert caller.run("write()") == ["-"]
    with pytest.raises(AssertionError):
        caller.fi.injected("ctl")


@pytest.mark.parametrize("role, call", [
    ("keeper", "recvmsg"), ("master", "malloc"), ("worker", "malloc"), ("checker", "malloc")])
def test_each_program_of_the_daemon_has_its_counters(cluster, plugin_dirs, role, call):
    c = cluster(workers=2, start=False)
    fi = inject.Injector(c.dir + "/fi", plugin_dirs)
    c.env.update(fi.env())
    c.start()
    assert c.get("/").status == 200
    assert fi.calls(role, call) > 0
    assert fi.injected(role) == 0
