# SPDX-License-Identifier: MIT
"""Listening sockets as the kernel knows them: which there are, who polls them."""

import ipaddress
import os
import re
import struct

from harness import http

LISTEN = "0A"


def _local(address):
    """"127.0.0.1:8080" as /proc/net/tcp writes it, and that file."""
    host, port = http.endpoint(address)
    packed = ipaddress.ip_address(host).packed
    words = struct.unpack("=%dI" % (len(packed) // 4), packed)
    return ("".join("%08X" % word for word in words) + ":%04X" % port,
            "/proc/net/tcp" if len(packed) == 4 else "/proc/net/tcp6")


def listening(address):
    """Inodes of the sockets that listen there."""
    local, file = _local(address)
    with open(file, encoding="ascii") as f:
        rows = [line.split() for line in f]
    return {int(row[9]) for row in rows if row[1] == local and row[3] == LISTEN}


def polled(pid):
    """Inodes of all that a process waits for in its epolls."""
    found, directory = set(), "/proc/%d/fd" % pid
    for number in os.listdir(directory):
        try:
            if os.readlink("%s/%s" % (directory, number)) != "anon_inode:[eventpoll]":
                continue
            with open("%sinfo/%s" % (directory, number), encoding="ascii") as f:
                found |= {int(word, 16) for word in re.findall(r"^tfd:.* ino:(\w+)", f.read(),
                                                               re.MULTILINE)}
        except OSError:
            continue
    return found
