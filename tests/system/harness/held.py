# SPDX-License-Identifier: MIT
"""Handlers that wait for a word of the test."""

import os

from harness import http, wait

STREAMED = {"/stream": "bodies"}
PATIENT = {"body_timeout": "60s", "request_timeout": "60s"}


def half_sent(address):
    """A request in a worker's hand until rest_of() it, or until it is closed: the last
    of its body has not come.  Of a pool with these routes and keys."""
    connection = http.Connection(address, 20)
    send_half(connection)
    return connection


def send_half(connection):
    connection.send(http.head("POST", "/stream", "a", (), b"xx") + b"x")


def rest_of(connection):
    """Its answer."""
    connection.send(b"x")
    return connection.response()


def fill_queue(c, pool, stack):
    """Of a pool whose workers have one connection at a time: some wait at its address
    until the end of the block."""
    address = c.address(pool)
    for _ in range(20):
        stack.enter_context(half_sent(address))
    wait.until(lambda: any(row["queued"] for row in c.rows("listeners")
                           if row["address"] == address), 10, "a queue")


class Held:
    """A fifo that they wait for; c: a Daemon or a Row."""

    def __init__(self, c):
        self.path = c.dir + "/held"
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)

    def let_go(self):
        os.close(os.open(self.path, os.O_WRONLY))
