# SPDX-License-Identifier: MIT
"""A program with a channel, by the page alone: sends back what it gets, with its
descriptors, until the other side closes."""

import os
import socket
import struct

channel = socket.socket(fileno=int(os.environ.pop("CLUSTERD_CHANNEL_FD")))
if os.environ.pop("CLUSTERD_CHANNEL_KIND") == "packet":
    while True:
        packet, fds, _, _ = socket.recv_fds(channel, 65536, 16)
        if not packet:
            break
        length, flags = struct.unpack_from("<II", packet)
        topic, data = packet[8:8 + length], packet[8 + length:]
        socket.send_fds(channel, [struct.pack("<II", len(topic), flags) + topic + data], fds)
        for fd in fds:
            os.close(fd)
else:
    lines = channel.makefile("rwb")
    for line in lines:
        lines.write(line)
        lines.flush()
