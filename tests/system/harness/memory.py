# SPDX-License-Identifier: MIT
"""A control group whose memory is limited, of either version."""

import contextlib
import os

import pytest

from harness import wait

LIMIT = 256 << 20


class Group:
    """Its directory, and that of the group which this process is in."""

    def __init__(self, path, own):
        self.path, self.own = path, own

    def procs(self):
        with open(self.path + "/cgroup.procs", encoding="ascii") as f:
            return f.read().split()

    @contextlib.contextmanager
    def inside(self):
        """Whatever is started within stays in the group."""
        write(self.path + "/cgroup.procs", str(os.getpid()))
        try:
            yield
        finally:
            write(self.own + "/cgroup.procs", str(os.getpid()))


def own_group(base, controller):
    with open("/proc/self/cgroup", encoding="ascii") as f:
        for line in f.read().splitlines():
            _, names, path = line.split(":", maxsplit=2)
            if controller in names.split(","):
                return base + path.rstrip("/")
    raise OSError("this process is in no group of %s" % base)


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def make(base, controller, name):
    """A group of LIMIT bytes below base; OSError where that is not possible."""
    own = own_group(base, controller)
    if not os.path.exists(own + "/cgroup.procs"):
        raise OSError("%s is no control group" % own)
    path = "%s/cl%d" % (base, os.getpid())
    os.mkdir(path)
    try:
        write("%s/%s" % (path, name), str(LIMIT))
    except OSError:
        os.rmdir(path)
        raise
    return Group(path, own)


@pytest.fixture(name="memory_group")
def little_memory():
    """A control group of LIMIT bytes."""
    reasons = []
    for version in (("/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes"),
                    ("/sys/fs/cgroup", "", "memory.max")):
        try:
            group = make(*version)
        except OSError as error:
            reasons.append(str(error))
            continue
        yield group
        wait.until(lambda: not group.procs(), 10, "its processes gone")
        os.rmdir(group.path)
        return
    pytest.skip("no control group of memory to be made: " + "; ".join(reasons))
