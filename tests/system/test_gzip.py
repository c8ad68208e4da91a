# SPDX-License-Identifier: MIT
"""plugins/gzip: which answers are compressed, as nginx does it on the same ones;
pieces, flushes, and its limits.  What the client unpacks is what was sent."""

import gzip
import os
import random
import shutil
import tempfile
import urllib.parse
import zlib

import pytest

from harness import http, not_sanitized, wait
from harness.nginx import Nginx

THAT = 784111777
ACCEPT = {"Accept-Encoding": "gzip"}
TYPES = """text/plain text/css application/json application/javascript text/javascript image/svg+xml
    text/xml"""

# the body of plugin shapes
def text(size):
    return "".join("%10d\n" % at for at in range(0, size, 11)).encode()[:size]


def shape(**how):
    """A path of it; field is a list of "Name:value"."""
    return "/shape?" + urllib.parse.urlencode(how, doseq=True)


@pytest.fixture(autouse=True)
def built(build):
    if not os.path.exists(build + "/plugins/gzip.so"):
        pytest.skip("plugin gzip was not built: zlib is missing")


@pytest.fixture
def tree():
    root = tempfile.mkdtemp(prefix="st", dir="/tmp")
    os.chmod(root, 0o755)
    for name, data in files().items():
        path = os.path.join(root, name)
        with open(path, "wb") as f:
            f.write(data)
        os.utime(path, (THAT, THAT))
    yield root
    shutil.rmtree(root)


def files():
    found = {"size%d.txt" % size: text(size) for size in (0, 1, 999, 1000, 1001, 16384, 16385, 200000)}
    for ending in "html txt css json js svg xml png gif zip bin".split():
        found["type." + ending] = text(2000)
    found["noise.txt"] = random.Random(1).randbytes(50000)
    found["index.html"] = text(3000)
    return found


@pytest.fixture
def web(cluster, tree):
    """Plugin gzip before everything: files, and answers of any shape."""
    def begin(options=(), **keys):
        return cluster(workers=1, routes={"/": "static", "/shape": "shapes", "/step": "shapes",
                                          "/end": "shapes"}, filter="/ gzip",
                       plugins={"static": {"root": tree, "charset": '""'},
                                "gzip": dict({"min_size": "1000", "types": '"text/html %s"' %
                                              " ".join(TYPES.split())}, **dict(options))}, **keys)
    return begin


def unpack(answer):
    if answer.header("Content-Encoding") is None:
        return answer.body
    assert answer.header("Content-Encoding") == "gzip"
    unpacker = zlib.decompressobj(31)
    body = unpacker.decompress(answer.body) + unpacker.flush()
    assert unpacker.eof and not unpacker.unused_data, "the whole, and nothing behind it"
    return body


# ---- as nginx does it -------------------------------------------------------------------

SERVER = """
        gzip on;
        gzip_min_length 1000;
        gzip_types %s;
        gzip_vary on;
        gzip_proxied any;
        gzip_comp_level 1;
        if_modified_since before;
        location = /shape/200 { default_type text/plain; return 200 "%s"; }
        location = /shape/403 { default_type text/plain; return 403 "%s"; }
        location = /shape/404 { default_type text/plain; return 404 "%s"; }
        location = /shape/201 { default_type text/plain; return 201 "%s"; }
        location = /shape/500 { default_type text/plain; return 500 "%s"; }
        location = /shape/none { default_type ""; return 200 "%s"; }
        location = /shape/type { default_type "text/plain; charset=x"; return 200 "%s"; }
        location = /shape/json { default_type Application/JSON; return 200 "%s"; }
        location = /shape/small { default_type text/plain; return 200 "%s"; }
""" % (" ".join(TYPES.split()), *[text(size).decode() for size in (
    2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 500)])
SHAPES = {
    "200": {}, "403": {"status": 403}, "404": {"status": 404}, "201": {"status": 201},
    "500": {"status": 500}, "none": {"type": ""}, "type": {"type": "text/plain; charset=x"},
    "json": {"type": "Application/JSON"}, "small": {"size": 500},
}
LINES = ["gzip", "deflate, gzip;q=1.0, *;q=0.5", "gzip;q=0", "gzip;q=0.0", "gzip;q=0.000", "gzip;q=0.001",
         "gzip;q=1", "gzip;q=1.0", "identity", "", "deflate", "br, deflate", "GZIP", "gzip ;q=0.5",
         "gzip; q=0.5", "deflate,gzip", "gzip,br", "gzipped", "xgzip", None]


def cases():
    """(path, the same of nginx, method, headers, how we differ, why)"""
    for name in files():
        for headers in (ACCEPT, {}, {"Accept-Encoding": "gzip;q=0"}):
            yield "/" + name, None, "GET", headers, None, None
    for line in LINES:
        yield "/type.css", None, "GET", {} if line is None else {"Accept-Encoding": line}, None, None
    for fields in ({"If-None-Match": '"2ebc98a1-7d0"'}, {"If-None-Match": 'W/"2ebc98a1-7d0"'},
                   {"If-None-Match": '"other"'}, {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"},
                   {"If-Match": '"2ebc98a1-7d0"'}):
        yield "/type.css", None, "GET", {**ACCEPT, **fields}, None, None
        yield "/type.css", None, "GET", fields, None, None
    yield "/", None, "GET", ACCEPT, None, None
    for name, how in SHAPES.items():
        for headers in (ACCEPT, {}):
            differs = why = None
            if name in ("201", "500"):
                differs = {"Content-Encoding": "gzip" if headers else None, "Vary": "Accept-Encoding"}
                why = "an answer of any status is worth it"
            if name == "type":
                differs = {"Content-Encoding": "gzip" if headers else None, "Vary": "Accept-Encoding"}
                why = "parameters of a type do not matter"
            yield shape(**how), "/shape/" + name, "GET", headers, differs, why
    for path in ("/type.css", "/type.png", "/size999.txt"):
        yield path, None, "HEAD", ACCEPT, None, None
    for line in ("*", "x-gzip", "*;q=0.1, br"):
        yield "/type.css", None, "GET", {"Accept-Encoding": line}, {"Content-Encoding": "gzip"}, \
            "RFC 9110 8.4.1.3, 12.5.3"
    yield "/type.css", None, "GET", [("Accept-Encoding", "br"), ("Accept-Encoding", "gzip")], \
        {"Content-Encoding": "gzip"}, "RFC 9110 5.3: a list may come in several lines"
    yield "/type.css", None, "GET", {**ACCEPT, "Range": "bytes=0-9"}, \
        {"status": 206, "Content-Encoding": None}, "a part is served, of what is not compressed"


def seen(answer):
    what = {name: answer.header(name) for name in
            ("Content-Encoding", "Vary", "ETag", "Accept-Ranges", "Last-Modified")}
    what.update(status=answer.status, body=unpack(answer) if answer.body else b"")
    if answer.status == 412:            # the words are anybody's
        what = {"status": 412}
    if answer.header("Content-Encoding"):
        assert answer.header("Content-Length") is None
    return what


def test_answers_agree_with_nginx(web, tree):
    wrong = []
    count = 0
    with Nginx(tree, SERVER) as nginx:
        c = web()
        for path, its_path, method, headers, differs, why in cases():
            count += 1
            with c.connect() as one, nginx.connect() as other:
                mine = seen(one.request(method, path, headers))
                its = seen(other.request(method, its_path or path, headers))
            if differs:
                assert why
                if all(its[key] == value for key, value in differs.items()):
                    wrong.append("%s %r: no difference" % (path, headers))
                its.update(differs)
                its.update({key: mine[key] for key in ("ETag", "Accept-Ranges", "Vary", "body")
                            if key in mine and key not in differs})
            if mine != its:
                wrong.append("%s %s %r: %s" % (method, path, headers, [
                    (key, mine.get(key), its.get(key)) for key in {*mine, *its}
                    if mine.get(key) != its.get(key)]))
    assert not wrong, "%d of %d:\n%s" % (len(wrong), count, "\n".join(wrong)[:10000])
    assert count > 100


# ---- heads ----------------------------------------------------------------------------------

@pytest.mark.parametrize("fields, packed, vary, tag", [
    ([], True, ["Accept-Encoding"], None),
    (['ETag:"x"'], True, ["Accept-Encoding"], 'W/"x"'),
    (['ETag:W/"x"'], True, ["Accept-Encoding"], 'W/"x"'),
    (["Vary:Cookie"], True, ["Cookie", "Accept-Encoding"], None),
    (["Vary:Cookie, accept-encoding"], True, ["Cookie, accept-encoding"], None),
    (["Vary:*"], True, ["*"], None),
    (["Content-Encoding:br"], False, [], None),
    (["Content-Encoding:identity"], False, [], None),
    (["Cache-Control:public, no-transform", 'ETag:"x"'], False, [], '"x"'),
    (["Cache-Control:no-transform-x"], True, ["Accept-Encoding"], None),
    (["Accept-Ranges:bytes"], True, ["Accept-Encoding"], None)])
def test_fields(web, fields, packed, vary, tag):
    answer = web().request("GET", shape(field=fields), ACCEPT)
    assert (answer.header("Content-Encoding") == "gzip") == packed
    assert [value for name, value in answer.headers if name == "Vary"] == vary
    assert answer.header("ETag") == tag
    if packed:
        assert answer.header("Accept-Ranges") is None and len(answer.body) < 1500
        assert unpack(answer) == text(2000)
    else:
        assert answer.body == text(2000)


@pytest.mark.parametrize("status", [204, 205, 206, 304])
def test_what_has_no_whole_body_is_left_alone(web, status):
    answer = web().request("GET", shape(status=status, size=2000 if status == 206 else 0), ACCEPT)
    assert answer.status == status and answer.header("Content-Encoding") is None
    assert answer.header("Vary") is None


def test_what_was_compressed_beforehand_stays_so(web, tree):
    c = web()
    c.plugins["static"]["precompressed"] = "yes"
    c.write_config()
    assert c.ctl("reload").code == 0
    packed = gzip.compress(b"x" * 5000 + b"beforehand")
    with open(tree + "/size1001.txt.gz", "wb") as f:
        f.write(packed)
    answer = c.request("GET", "/size1001.txt", ACCEPT)
    assert answer.header("Content-Encoding") == "gzip" and answer.body == packed
    assert [value for name, value in answer.headers if name == "Vary"] == ["Accept-Encoding"]
    assert answer.header("Accept-Ranges") == "bytes"
    answer = c.request("GET", "/size16384.txt", ACCEPT)
    assert unpack(answer) == text(16384) and answer.header("Accept-Ranges") is None


# ---- pieces ---------------------------------------------------------------------------------

@pytest.mark.parametrize("size", [0, 1, 2000, 100000, 900000])
def test_pieces_of_unknown_size(web, size):
    c = web()
    for _ in range(2):
        answer = c.request("GET", shape(how="pieces", size=size), ACCEPT)
        assert answer.header("Content-Encoding") == "gzip" and unpack(answer) == text(size)
    assert c.request("GET", shape(how="pieces", size=size)).body == text(size)
    raw = c.exchange(http.head("GET", shape(how="pieces", size=size), "a", ACCEPT).replace(b"HTTP/1.1", b"HTTP/1.0"))
    head, body = raw.split(b"\r\n\r\n", 1)
    assert b"Content-Encoding: gzip" in head and zlib.decompress(body, 31) == text(size)


def test_what_is_written_can_be_read_at_once(web):
    """No piece waits in the compressor for the next one."""
    c = web()
    unpacker = zlib.decompressobj(31)
    with c.connect() as conn:
        conn.send(http.head("GET", shape(how="steps"), "a", ACCEPT))
        conn.await_head()
        head, conn.rest = conn.rest.split(b"\r\n\r\n", 1)
        assert b"Content-Encoding: gzip" in head and b"chunked" in head
        for step in range(20):
            assert c.request("GET", "/step").status == 200
            read = b""
            while read != b"step %d\n" % step:
                size = int(conn._line(), 16)        # pylint: disable=protected-access
                read += unpacker.decompress(conn._take(size))   # pylint: disable=protected-access
                assert conn._line() == b""          # pylint: disable=protected-access
        assert c.request("GET", "/end").status == 200
        rest = unpacker.decompress(conn._chunks())  # pylint: disable=protected-access
        assert rest == b"" and unpacker.eof


# ---- limits ---------------------------------------------------------------------------------

def test_options(web, tree):
    c = web({"min_size": "5k", "max_size": "100k", "types": '"text/*"'})
    for path, packed in (("/size1001.txt", False), ("/size16384.txt", True), ("/size200000.txt", False),
                         (shape(size=5120), True), (shape(size=5119), False),
                         (shape(size=9000, type="text/x-any"), True), (shape(size=9000, type="a/b"), False),
                         (shape(size=200000, how="pieces"), True)):
        answer = c.request("GET", path, ACCEPT)
        assert (answer.header("Content-Encoding") == "gzip") == packed, path
        assert (answer.header("Vary") is not None) == packed, path
    sizes = []
    for level in ("1", "9"):
        c.plugins["gzip"]["level"] = level
        c.write_config()
        assert c.ctl("reload").code == 0
        sizes.append(len(c.request("GET", shape(size=50000), ACCEPT).body))
    assert sizes[1] < sizes[0]


def test_types_that_are_none(cluster, web):
    c = web()
    c.plugins["gzip"]["types"] = '"text/html html"'
    c.write_config()
    refused = c.ctl("reload")
    assert refused.code != 0 and "types: not a list of types" in refused.out + refused.err


def test_more_at_once_are_sent_as_they_are(web):
    c = web({"max_active": "1"})
    with c.connect() as conn:
        conn.send(http.head("GET", shape(how="steps"), "a", ACCEPT))
        conn.await_head()
        assert b"Content-Encoding: gzip" in conn.rest
        answer = c.request("GET", shape(), ACCEPT)
        assert answer.header("Content-Encoding") is None and answer.body == text(2000)
        assert answer.header("Vary") == "Accept-Encoding"

    def free():
        c.request("GET", "/step")       # the client has left, and is seen to
        return c.request("GET", shape(), ACCEPT).header("Content-Encoding")
    wait.until(free, 10, "one is free")


@not_sanitized("its memory is another")
def test_memory_does_not_grow(web):
    c = web()

    def rss():
        with open("/proc/%d/statm" % c.worker("web/0")["pid"], encoding="ascii") as f:
            return int(f.read().split()[1]) * 4
    with c.connect() as conn:
        for _ in range(50):
            conn.request("GET", shape(size=100000), ACCEPT)
        before = rss()
        for _ in range(500):
            conn.request("GET", shape(size=100000), ACCEPT)
        assert rss() - before < 500, "kB"
