# SPDX-License-Identifier: MIT
"""A request costs no allocation once a worker is warm, nor does the time that
it takes: counted in the worker itself, all its libraries included."""

import os
import shutil
import socket
import tempfile

import pytest

from harness import http, not_sanitized

pytestmark = not_sanitized("sanitizers have a heap of their own")

REQUESTS = 1000


ROUTES = {"/": "hello", "/heap": "evil", "/allocate": "evil", "/echo": "echo",
          "/whole": "answers", "/pieces": "answers", "/drained": "answers",
          "/file": "answers"}


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
    ("GET", "/whole?take=static&len=60000"), ("GET", "/whole?take=copy&len=60000"),
    ("GET", "/drained?many=1"), ("GET", "/file?with=release&path=/etc/passwd"),
    ("GET", "/file?with=release&len=0&path=/etc/passwd"),
], ids=lambda what: " ".join(map(str, what[:3])))
def test_a_warm_worker_allocates_nothing(counted, what):
    c = counted(routes=ROUTES)
    with c.connect() as conn:
        assert cost(conn, what) == 0
    assert c.worker("web/0")["requests"] > REQUESTS, "of one process"


def test_what_a_request_says_allocates_nothing(counted, tmp_path):
    """Query, cookies, a form in parts, the client behind a proxy, ids, a line of the log."""
    tmp_path.chmod(0o777)
    c = counted(routes=dict(ROUTES, **{"/fields": "fields"}), trusted_proxies="127.0.0.1",
                access_log=str(tmp_path / "log"), access_log_format="json")
    part = b'--B\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=B", "Cookie": "a=b; c=d",
               "X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1;proto=https",
               "X-Ask": "a", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01"}
    with c.connect() as conn:
        assert cost(conn, ("POST", "/fields?a=b&c=%20", headers, part * 20 + b"--B--")) == 0


def test_filters_and_error_pages_allocate_nothing(counted, tmp_path):
    """A filter that looks at requests, changes heads, and refuses; and a page."""
    page = tmp_path / "404.html"
    page.write_text("<p>none\n")
    for directory in [tmp_path] + list(tmp_path.parents)[:-2]:
        directory.chmod(0o755)
    c = counted(routes={"/hello": "hello", "/heap": "evil", "PUT /page": "hello"},
                filter=["/hello a", "/ b"], error_page="404,405 %s" % page,
                plugins={name: {"module": "filters.so", "name": name} for name in "ab"})
    with c.connect() as conn:
        for what, status in (("/hello?a.type&b.teapot", 418), ("/hello?a.stop", 401),
                             ("/none", 404), ("/page", 405)):
            assert conn.request("GET", what).status == status
            before = calls(conn)
            for _ in range(300):
                conn.request("GET", what)
            assert calls(conn) == before, what


def test_the_count_sees_what_a_request_allocates(counted):
    """The same with a handler that takes a block and gives it back."""
    c = counted(routes=ROUTES)
    with c.connect() as conn:
        assert cost(conn, ("GET", "/allocate")) == 2 * REQUESTS


@pytest.fixture
def tree():
    root = tempfile.mkdtemp(prefix="st", dir="/tmp")
    os.chmod(root, 0o755)
    for name, size in (("small.css", 5000), ("large.css", 100000), ("large.bin", 100000)):
        with open(os.path.join(root, name), "wb") as f:
            f.write(b"0123456789" * (size // 10))
    yield root
    shutil.rmtree(root)


@pytest.mark.parametrize("path, headers", [
    ("/small.css", {}), ("/large.bin", {}), ("/small.css", {"Range": "bytes=5-9"}),
    ("/large.bin", {"Range": "bytes=5-9,20-60000"}), ("/small.css", {"If-None-Match": '"x", "y"'}),
    ("/small.css", {"Accept-Encoding": "br, gzip"}), ("/large.css", {"Accept-Encoding": "gzip"})])
def test_nor_do_files_and_their_compression(counted, tree, build, path, headers):
    plugins = {"static": {"root": tree, "precompressed": "yes", "cache_ttl": "1h"}}
    keys = {}
    if os.path.exists(build + "/plugins/gzip.so"):
        plugins["gzip"], keys["filter"] = {}, "/ gzip"
    c = counted(routes={"/": "static", "/heap": "evil"}, plugins=plugins, **keys)
    with c.connect() as conn:
        for _ in range(50):
            answer = conn.request("GET", path, headers)
            assert answer.status == (206 if "Range" in headers else 200)
            calls(conn)
        before = calls(conn)
        for _ in range(REQUESTS // 4):
            conn.request("GET", path, headers)
        assert calls(conn) == before
        packed = "Accept-Encoding" in headers and "gzip" in plugins
        assert (answer.header("Content-Encoding") == "gzip") == packed


@pytest.mark.parametrize("protocol, kind", [("tcp", socket.SOCK_STREAM),
                                            ("udp", socket.SOCK_DGRAM)])
def test_nor_do_bytes_and_datagrams(counted, protocol, kind):
    c = counted(protocol=protocol, routes={"": "streams"})
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.settimeout(5)
        sock.connect(http.endpoint(c.address()))
        end = b"\n" if protocol == "tcp" else b""

        def ask(word):
            sock.send(word + end)
            return sock.recv(100).strip()
        for _ in range(50):
            ask(b"who"), ask(b"heap")
        before = int(ask(b"heap"))
        assert before > 0, "it is counted"
        for _ in range(REQUESTS):
            assert ask(b"who") == b"web/0"
        assert int(ask(b"heap")) == before
