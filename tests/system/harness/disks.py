# SPDX-License-Identifier: MIT
"""A disk that a test fills: a small file system in memory, mounted where only
this process and what it starts see it, so that nothing of it stays."""

import ctypes
import os
import pwd

import pytest

CLONE_NEWNS = 0x20000
MS_RDONLY, MS_REMOUNT, MS_REC, MS_PRIVATE, MNT_DETACH = 1, 32, 0x4000, 1 << 18, 2

libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()),
                      function.__name__)


class Disk:
    def __init__(self, path, kilobytes, user):
        self.path = path
        os.makedirs(path, exist_ok=True)
        account = pwd.getpwnam(user)
        self._mount(0, "size=%dk,mode=755,uid=%d,gid=%d" % (
            kilobytes, account.pw_uid, account.pw_gid))

    def _mount(self, flags, options=""):
        _call(libc.mount, b"none", self.path.encode(), b"tmpfs", ctypes.c_ulong(flags),
              options.encode())

    def fill(self):
        """Not a byte more fits."""
        with open(self.path + "/filler", "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(4096))
            except OSError:
                pass

    def free(self):
        os.unlink(self.path + "/filler")

    def read_only(self):
        self._mount(MS_REMOUNT | MS_RDONLY)

    def writable(self):
        self._mount(MS_REMOUNT)

    def remove(self):
        libc.umount2(self.path.encode(), MNT_DETACH)


@pytest.fixture(scope="session")
def own_mounts():
    """What is mounted from now on is seen by nobody else."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    try:
        _call(libc.unshare, CLONE_NEWNS)
        _call(libc.mount, b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None)
    except OSError as error:
        pytest.skip("no mount namespace here: %s" % error)


@pytest.fixture
def small_disk(own_mounts):             # pylint: disable=unused-argument,redefined-outer-name
    """small_disk(PATH, kilobytes=2048, user="root"): ask for it before `row`, so
    that it is there until the daemon has ended."""
    disks = []

    def make(path, kilobytes=2048, user="root"):
        disks.append(Disk(path, kilobytes, user))
        return disks[-1]

    yield make
    for disk in disks:
        disk.remove()
        try:
            os.removedirs(disk.path)
        except OSError:
            pass
