# SPDX-License-Identifier: MIT
"""Clients that ask for more than others get no more than their turns: another
client's latency with and without them, in turns in one run.  The bounds are wide, as
the machine is everybody's; bench/README.md has the figures."""

import multiprocessing
import statistics
import time

import pytest

from harness import http

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
ROUNDS, ASKED = 5, 300


def median_ms(conn):
    """Of another client's requests, one after the other."""
    times = []
    for _ in range(ASKED):
        began = time.perf_counter()
        conn.request("GET", "/")
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


class Slow:
    """Two thousand that have sent half a head, and each a byte now and then."""

    def __init__(self, c):
        self.socks = [http.connect(c.address()) for _ in range(2000)]
        for sock in self.socks:
            sock.sendall(REQUEST[:-2] + b"X: ")

    def __enter__(self):
        for sock in self.socks[::10]:
            sock.sendall(b"a")

    def __exit__(self, *_):
        pass

    def close(self):
        for sock in self.socks:
            sock.close()


def ask_thousands(address, at_work):
    """In a process of its own: fifty connections, a thousand requests at once on
    each, again and again."""
    socks = [http.connect(address, 30) for _ in range(50)]
    while True:
        for sock in socks:
            sock.sendall(REQUEST * 1000)
        for sock in socks:
            left = 1000
            while left > 0:
                left -= sock.recv(1 << 20).count(b"Hello, World!\n")
                at_work.set()


class Greedy:
    """Fifty that pipeline."""

    def __init__(self, c):
        self.address = c.address()

    def __enter__(self):
        at_work = multiprocessing.Event()
        self.process = multiprocessing.Process(target=ask_thousands, args=(self.address, at_work))
        self.process.start()
        assert at_work.wait(20)

    def __exit__(self, *_):
        self.process.kill()
        self.process.join()

    def close(self):
        pass


@pytest.mark.parametrize("others, most", [(Slow, 5), (Greedy, 10)], ids=["slow", "greedy"])
def test_another_client_has_its_turns(cluster, others, most):
    c = cluster(workers=1, schedule="shared", header_timeout="1m", max_connections=4000)
    them, alone, beside = others(c), [], []
    with http.Connection(c.address()) as conn:
        median_ms(conn)
        for _ in range(ROUNDS):
            alone.append(median_ms(conn))
            with them:
                beside.append(median_ms(conn))
    them.close()
    ratio = statistics.median(beside) / statistics.median(alone)
    print("alone %.3f ms, beside %.3f ms, ratio %.2f" % (
        statistics.median(alone), statistics.median(beside), ratio))
    assert ratio < most
