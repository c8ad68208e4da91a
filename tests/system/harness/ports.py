# SPDX-License-Identifier: MIT
"""Numbers of TCP and UDP for tests that must name one.

A number that port 0 gave is anybody's again as soon as it is free: of the next who
binds port 0, and of each client that connects.  These are outside of what the kernel
gives away, and no two tests at work have the same.
"""

import contextlib
import random
import socket

_MINE = []                              # held till this process ends


def _not_given_away():
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first, last = map(int, f.read().split())
    return [*range(10240, first), *range(last + 1, 65536)] or range(10240, 65536)


def _is_free(number):
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        with contextlib.suppress(OSError):
            for sock in (tcp, udp):
                sock.bind(("127.0.0.1", number))
            return True
    return False


def own():
    """One of 127.0.0.1 that nobody has, of TCP or of UDP; ours from now on."""
    numbers = _not_given_away()
    for _ in range(1000):
        number = random.choice(numbers)
        mine = socket.socket(socket.AF_UNIX)
        try:
            mine.bind("\0clusterd-tests-port-%d" % number)
        except OSError:
            mine.close()
            continue
        _MINE.append(mine)
        if _is_free(number):
            return number
    raise AssertionError("no number is free")
