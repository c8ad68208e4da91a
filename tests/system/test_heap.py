# SPDX-License-Identifier: MIT
"""A request costs no allocation once a worker is warm, nor does the time that
it takes: counted in the worker itself, all its libraries included."""

import os
import shutil

import pytest

from harness import not_sanitized

pytestmark = not_sanitized("sanitizers have a heap of their own")

REQUESTS = 1000


ROUTES = {"/": "hello", "/heap": "evil", "/allocate": "evil", "/echo": "echo"}


@pytest.fixture
def counted(cluster, build):
    """counted(...): a cluster of one worker whose heap is counted: the worker of
    the build, with count_heap.so before the C library.

    The keeper gives workers no LD_PRELOAD, so it starts a script in place of the
    worker, which a build for tests allows; the copies are where any account may
    read them.
    """
    def make(**how):
        c = cluster(workers=1, start=False, **how)
        for name, mode in (("clusterd-worker", 0o755), ("tests/plugins/count_heap.so", 0o644)):
            shutil.copy(os.path.join(build, name), c.dir)
            os.chmod(os.path.join(c.dir, os.path.basename(name)), mode)
        script = c.dir + "/worker"
        with open(script, "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\nLD_PRELOAD=%s/count_heap.so exec %s/clusterd-worker "$@"\n'
                       % (c.dir, c.dir))
        os.chmod(script, 0o755)
        c.env["CLUSTERD_WORKER_IMAGE"] = script
        return c.start()
    return make


def calls(conn):
    """How often the worker has used its heap so far."""
    return int(conn.request("GET", "/heap").text)


def cost(conn, request):
    """Uses of the heap by a thousand of these requests, after a warm-up."""
    for _ in range(50):
        assert conn.request(*request).status == 200
        calls(conn)
    before = calls(conn)
    for _ in range(REQUESTS):
        conn.request(*request)
    return calls(conn) - before


@pytest.mark.parametrize("what", [
    ("GET", "/"), ("HEAD", "/"), ("GET", "/nothing?query=1", {"Accept": "x", "Cookie": "y"}),
    ("POST", "/echo", (), b"x" * 1000),
    ("POST", "/echo", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
], ids=lambda what: " ".join(map(str, what[:3])))
def test_a_warm_worker_allocates_nothing(counted, what):
    c = counted(routes=ROUTES)
    with c.connect() as conn:
        assert cost(conn, what) == 0
    assert c.worker("web/0")["requests"] > REQUESTS, "of one process"


def test_the_count_sees_what_a_request_allocates(counted):
    """The same with a handler that takes a block and gives it back."""
    c = counted(routes=ROUTES)
    with c.connect() as conn:
        assert cost(conn, ("GET", "/allocate")) == 2 * REQUESTS
