# SPDX-License-Identifier: MIT
"""refuse.py ERRNO SYSCALL COMMAND …: run a command where the kernel does not know
a system call (ENOSYS) or a strict container refuses it (EPERM): a filter that the
command and all that it starts inherit."""

import ctypes
import errno
import os
import platform
import struct
import sys

# (x86-64, arm64); what came later has one number everywhere
NUMBERS = {
    "seccomp": (317, 277), "memfd_create": (319, 279), "execveat": (322, 281),
    "pidfd_open": (434, 434), "clone3": (435, 435), "close_range": (436, 436),
    "openat2": (437, 437), "pidfd_send_signal": (424, 424),
}
CALLS = ("clone3", "close_range", "pidfd_open", "seccomp", "memfd_create", "openat2",
         "execveat")
ARCHES = {"x86_64": 0xc000003e, "aarch64": 0xc00000b7}

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERROR = 0x7fff0000, 0x00050000


def through(error, call):
    """The words to put before a command."""
    return [sys.executable, os.path.abspath(__file__), error, call]


def _row(code, jump_true, jump_false, value):
    return struct.pack("=HBBI", code, jump_true, jump_false, value)


def install(error, call):
    machine = platform.machine()
    number = NUMBERS[call][list(ARCHES).index(machine)]
    program = b"".join((
        _row(LOAD, 0, 0, 4), _row(EQUAL, 0, 2, ARCHES[machine]),
        _row(LOAD, 0, 0, 0), _row(EQUAL, 1, 0, number),
        _row(RETURN, 0, 0, ALLOW), _row(RETURN, 0, 0, ERROR | getattr(errno, error))))
    buffer = ctypes.create_string_buffer(program)
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0) != 0):
        raise OSError(ctypes.get_errno(), "no filter: " + os.strerror(ctypes.get_errno()))


if __name__ == "__main__":
    install(*sys.argv[1:3])
    os.execvp(sys.argv[3], sys.argv[3:])
