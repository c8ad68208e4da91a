# SPDX-License-Identifier: MIT
"""plugins/static against nginx: the same tree, the same requests, the same
answers.  Where they differ the table says how, and why."""

import gzip
import os
import random
import re
import shutil
import tempfile

import pytest

from harness.nginx import Nginx

THAT = 784111777                        # when all files were changed
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
BEFORE = "Sun, 06 Nov 1994 08:49:36 GMT"
AFTER = "Sun, 06 Nov 1994 08:49:38 GMT"
RFC850 = "Sunday, 06-Nov-94 08:49:37 GMT"
ASCTIME = "Sun Nov  6 08:49:37 1994"
TEN = '"2ebc98a1-a"'                    # the tag of ten bytes: hex of time, of size
LARGE = 100000

SERVER = """
        index index.html;
        charset utf-8;
        charset_types text/plain text/css text/xml text/vtt text/calendar text/csv;
        if_modified_since before;
        max_ranges 32;
        absolute_redirect off;
        gzip_static on;
        gzip_vary on;
        gzip_proxied any;
"""


def put(root, name, data, when=THAT):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)
    os.utime(path, (when, when))


def css(text):
    return ("body { color: %s }\n" % text).encode() * 100


@pytest.fixture
def tree():
    root = tempfile.mkdtemp(prefix="st", dir="/tmp")
    os.chmod(root, 0o755)
    put(root, "index.html", b"<h1>top</h1>\n")
    put(root, "ten.txt", b"0123456789")
    put(root, "empty.txt", b"")
    put(root, "one.txt", b"x")
    put(root, "large.bin", random.Random(1).randbytes(LARGE))
    put(root, "limit.bin", random.Random(2).randbytes(16384))
    put(root, "limit1.bin", random.Random(3).randbytes(16385))
    put(root, "dir/index.html", b"<h1>dir</h1>\n")
    put(root, "dir/page.html", b"<h1>page</h1>\n")
    put(root, "plain/file.txt", b"plain\n")
    put(root, "odd/index.html/x.txt", b"its index is a directory\n")
    for name in ("with space.txt", "plus+.txt", "percent%41.txt", "ä.txt", "semi;colon.txt",
                 "quote'.txt", "a&b=c.txt", "UPPER.TXT", "noext", "dot.", "two.dots.css",
                 "a~b.txt", "back\\slash.txt", "line\nfeed.txt", "long" * 50 + ".txt"):
        put(root, name, name.encode())
    for ending in TYPES:
        put(root, "types/file." + ending, ending.encode())
    put(root, "pre.css", css("red"))
    put(root, "pre.css.gz", gzip.compress(css("red"), mtime=0), THAT)
    put(root, "later.css", css("green"))
    put(root, "later.css.gz", gzip.compress(css("green"), mtime=0), THAT + 60)
    put(root, "stale.css", css("blue"))
    put(root, "stale.css.gz", gzip.compress(css("pale"), mtime=0), THAT - 60)
    put(root, "only.css.gz", gzip.compress(css("black"), mtime=0))
    put(root, "predir/index.html", css("white"))
    put(root, "predir/index.html.gz", gzip.compress(css("white"), mtime=0))
    yield root
    shutil.rmtree(root)


# ---- the table: requests, and `ours` where we answer otherwise -------------------------

class Case:
    """ours: {what: value} of our answer where it is not nginx's; why says why."""

    def __init__(self, path, headers=(), method="GET", ours=None, why=None):
        self.path, self.method = path, method
        self.headers = list(headers.items()) if hasattr(headers, "items") else list(headers)
        self.ours, self.why = ours or {}, why
        assert bool(ours) == bool(why)

    def __repr__(self):
        return "%s %s %r" % (self.method, self.path, self.headers)


def ranges():
    agreed = """0-0 0-9 0-4 3-5 9-9 0- 5- 9- 10- 10-10 100-200 5-3 0-10 0-100 -1 -5 -10 -11 -0 003-0005
        0-0,2-2 0-0,-1 2-2,0-0 0-4,5-9 0-5,5-9 0-,0- 0-5,2-3 0-0,10- 10-,0-0 0-0,5-3 10-,11-
        0-0,2-2,4-4,6-6,8-8,9-9 0-1,1-2,2-3,3-4,4-5 - -- a-b 0 +1-2 1--2 0x0-1 0-1;2-3 0-0,x
        18446744073709551615-""".split()
    for value in agreed + ["0-0, 2-2", " 0-0", "0-0 ", "0-0 , 2-2"]:
        yield Case("/ten.txt", {"Range": "bytes=" + value})
    for value in ("lines=0-1", "bytes", "bytes 0-1", "bytes =0-1", "0-1", "BYTES=0-0", "Bytes=0-0,2-2"):
        yield Case("/ten.txt", {"Range": value})
    for value in ("0-0", "0-", "-1", "1-", "5-9"):
        yield Case("/empty.txt", {"Range": "bytes=" + value})
        yield Case("/one.txt", {"Range": "bytes=" + value})
    for value in ("0-0", "0-99999", "50000-", "-50000", "16384-16385", "0-16383,16384-32767", "99999-",
                  "100000-", "0-49999,50000-", "1-1,99998-", "-1,0-0"):
        yield Case("/large.bin", {"Range": "bytes=" + value})
    for name in ("limit", "limit1"):
        for value in ("0-16383", "16384-", "-1", "0-0,-1"):
            yield Case("/%s.bin" % name, {"Range": "bytes=" + value})
    many = ",".join("%d-%d" % (i, i) for i in range(0, 64, 2))
    yield Case("/large.bin", {"Range": "bytes=" + many})
    yield Case("/large.bin", {"Range": "bytes=%s,100-100" % many})
    yield Case("/dir/", {"Range": "bytes=0-3"})
    yield Case("/none.txt", {"Range": "bytes=0-0"})
    yield Case("/dir", {"Range": "bytes=0-0"})

    first = {"status": 206, "Content-Range": "bytes 0-9/10", "body": b"0123456789"}
    for value in ("0-99999999999999999999", "-99999999999999999999"):
        yield Case("/ten.txt", {"Range": "bytes=" + value}, ours=first,
                   why="a number that is too large is a number: beyond the end")
    yield Case("/ten.txt", {"Range": "bytes="}, ours={"status": 416},
               why="no part is as wrong as one that is none")
    for value in ("0-0,,2-2", ",0-0,2-2", "0-0,2-2,"):
        yield Case("/ten.txt", {"Range": "bytes=" + value}, ours={"status": 206, "parts": 2},
                   why="RFC 9110 5.6.1.2: empty members of a list are passed over")
    for value in ("0 -1", "0- 1"):
        yield Case("/ten.txt", {"Range": "bytes=" + value},
                   ours={"status": 416, "Content-Range": "bytes */10"},
                   why="RFC 9110 14.1.1: there is no blank within a part")
    for headers in ({"Range": "bytes=0-0"}, {"Range": "bytes=10-"}, {"Range": "bytes=0-0,2-2"}):
        yield Case("/ten.txt", headers, "HEAD", why="RFC 9110 14.2: only GET has ranges",
                   ours={"status": 200, "Content-Length": "10", "Content-Range": None})
    yield Case("/ten.txt", [("Range", "bytes=0-0"), ("Range", "bytes=1-1")],
               ours={"status": 200, "body": b"0123456789"}, why="of two it is not known which")


def conditions():
    """Every field with every value, and each with one of the other kind: what
    nginx and RFC 9110 13.2.2 see in the same way."""
    tags = {"If-Match": [TEN, "*", '"other"', "W/" + TEN, '"a", %s, "b"' % TEN, '"a","b"', "x", ""],
            "If-None-Match": [TEN, "*", '"other"', "W/" + TEN, '"a", W/%s, "b"' % TEN, '"a","b"', "x", ""]}
    dates = {"If-Unmodified-Since": [DATE, AFTER, BEFORE, RFC850, ASCTIME],
             "If-Modified-Since": [DATE, AFTER, BEFORE, RFC850, ASCTIME, "yesterday", "", "0"]}
    fields = {**tags, **dates}
    for name, values in fields.items():
        for value in values:
            for method in ("GET", "HEAD"):
                yield Case("/ten.txt", {name: value}, method)
            yield Case("/none.txt", {name: value})
            yield Case("/dir", {name: value})
    for one, other in (("If-Match", "If-None-Match"), ("If-Match", "If-Modified-Since"),
                       ("If-Unmodified-Since", "If-None-Match"),
                       ("If-Unmodified-Since", "If-Modified-Since")):
        for first in fields[one][:4]:
            for second in fields[other][:4]:
                yield Case("/ten.txt", {one: first, other: second})
                yield Case("/ten.txt", {one: first, other: second, "Range": "bytes=3-5"})
    for tag in (TEN, '"other"', "W/" + TEN, DATE, BEFORE, AFTER, RFC850, "yesterday", "", "x", "*"):
        for value in ("0-0", "0-0,2-2", "10-", "x"):
            yield Case("/ten.txt", {"If-Range": tag, "Range": "bytes=" + value})
        yield Case("/ten.txt", {"If-Range": tag})
        yield Case("/ten.txt", {"If-Range": tag, "Range": "bytes=0-0", "If-None-Match": TEN})
        yield Case("/ten.txt", {"If-Range": tag, "Range": "bytes=0-0", "If-Match": '"other"'})

    yield Case("/ten.txt", {"If-Match": TEN, "If-Unmodified-Since": BEFORE}, ours={"status": 200},
               why="RFC 9110 13.2.2: a tag is better than a date")
    yield Case("/ten.txt", {"If-None-Match": TEN, "If-Modified-Since": BEFORE}, ours={"status": 304},
               why="RFC 9110 13.2.2: a tag is better than a date")
    for value in ("yesterday", "", "0"):
        yield Case("/ten.txt", {"If-Unmodified-Since": value}, ours={"status": 200},
                   why="RFC 9110 13.1.4: what is no date is not heeded")
    yield Case("/ten.txt", [("If-None-Match", '"a"'), ("If-None-Match", TEN)], ours={"status": 304},
               why="RFC 9110 5.3: a list may come in several lines")


TYPES = """css gif html htm ico jpeg jpg json m3u8 m4a mp3 mp4 mpeg ogg pdf png rtf svg svgz tif
    tiff ts txt wasm webm webp woff woff2 xhtml xml zip 7z avi bmp doc docx eot jar pptx rss atom xlsx
    unknown js mjs md gz tar csv""".split()
OTHER_TYPES = {
    "js": "text/javascript; charset=utf-8", "mjs": "text/javascript; charset=utf-8",
    "md": "text/markdown; charset=utf-8", "gz": "application/gzip", "tar": "application/x-tar",
    "csv": "text/csv; charset=utf-8", "bmp": "image/bmp", "m4a": "audio/mp4",
}


def names():
    for path in ("/", "/index.html", "/dir/", "/dir/index.html", "/dir/page.html", "/dir", "/dir?a=b",
                 "/?a", "/ten.txt?x=1&y", "/plain", "/plain/", "/plain/file.txt",
                 "/none", "/none/", "/none/x", "/ten.txt/", "/ten.txt/x", "/dir/index.html/",
                 "/with%20space.txt", "/plus+.txt", "/plus%2B.txt", "/percent%2541.txt", "/percent%41.txt",
                 "/%C3%A4.txt", "/%c3%a4.txt", "/semi;colon.txt", "/semi%3Bcolon.txt", "/quote'.txt",
                 "/a&b=c.txt", "/a%26b%3Dc.txt", "/UPPER.TXT", "/upper.txt", "/noext", "/dot.",
                 "/two.dots.css", "/a~b.txt", "/a%7Eb.txt", "/back%5Cslash.txt", "/line%0Afeed.txt",
                 "/%74en.txt", "/t%65n%2Etxt", "/dir%2e/", "/" + "long" * 50 + ".txt", "/" + "x" * 300,
                 "/ten.txt%20", "/ten.txt%00", "/%00", "/ten.txt%0", "/%zz", "/empty.txt", "/large.bin",
                 "/limit.bin", "/limit1.bin", "/.", "/..", "/../ten.txt", "/dir/../../ten.txt"):
        for method in ("GET", "HEAD"):
            ours = None
            if path in ("/.", "/..", "/../ten.txt", "/dir/../../ten.txt"):
                ours = {"status": 404}
            yield Case(path, method=method, ours=ours, why=ours and "a dot segment is no name")
    for path in ("/dir/../ten.txt", "/./ten.txt", "/dir/%2e%2e/ten.txt", "/dir/.."):
        yield Case(path, ours={"status": 404}, why="a dot segment is no name: the route was "
                   "chosen by the path as it was sent")
    yield Case("/odd/", ours={"status": 403}, why="an index that is a directory is none")
    for path in ("//ten.txt", "/dir//page.html", "/dir//", "//"):
        yield Case(path, ours={"status": 404}, why="nor is an empty one: //host would be a redirect "
                   "elsewhere")
    for path in ("/dir%2Fpage.html", "/dir%2f", "/%2Ften.txt"):
        yield Case(path, ours={"status": 404}, why="an encoded slash is part of a name, and no file has it")
    for ending in TYPES:
        ours = {"Content-Type": OTHER_TYPES[ending]} if ending in OTHER_TYPES else None
        yield Case("/types/file." + ending, ours=ours, why=ours and "as IANA has it today")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        yield Case("/ten.txt", {"Content-Length": "0"}, method)


def precompressed():
    for path in ("/pre.css", "/later.css", "/ten.txt", "/predir/", "/predir/index.html", "/none.css"):
        for value in ("gzip", "deflate, gzip, br", "gzip;q=0", "gzip;q=0.5", "gzip;q=0.0", "identity", "",
                      "br", "deflate;q=1, gzip;q=0.1", "gzip ; q=0.001", "GZIP"):
            for method in ("GET", "HEAD"):
                yield Case(path, {"Accept-Encoding": value}, method)
    yield Case("/pre.css.gz", {"Accept-Encoding": "gzip"}, ours={"Content-Type": "application/gzip"},
               why="as IANA has it today")
    small = gzip.compress(css("red"), mtime=0)
    size = len(small)
    for value, ours in (("0-9", {"status": 206, "body": small[:10], "Content-Range": "bytes 0-9/%d" % size}),
                        ("-1,0-0", {"status": 206, "parts": 2}), ("100000-", {"status": 416})):
        yield Case("/pre.css", {"Accept-Encoding": "gzip", "Range": "bytes=" + value}, ours=ours,
                   why="RFC 9110 14: a part of what is encoded is a part as any other")
    for headers in ({"If-None-Match": "*"}, {"If-Modified-Since": DATE}, {"If-None-Match": '"other"'},
                    {"If-Modified-Since": AFTER}, {"If-Range": '"other"', "Range": "bytes=0-9"}):
        for path in ("/pre.css", "/later.css"):
            yield Case(path, {"Accept-Encoding": "gzip", **headers})
    yield Case("/stale.css", {"Accept-Encoding": "gzip"}, why="it is older than its file",
               ours={"Content-Encoding": None, "body": css("blue"), "Content-Length": str(len(css("blue"))),
                     "ETag": '"2ebc98a1-%x"' % len(css("blue")), "Last-Modified": DATE})
    yield Case("/only.css", {"Accept-Encoding": "gzip"}, ours={"status": 404},
               why="what not everybody can have is not there")
    yield Case("/only.css", {"Accept-Encoding": "identity"})
    for value in ("*", "x-gzip"):
        yield Case("/pre.css", {"Accept-Encoding": value}, why="RFC 9110 8.4.1.3, 12.5.3",
                   ours={"Content-Encoding": "gzip", "body": small, "Content-Length": str(size),
                         "ETag": '"2ebc98a1-%x"' % size})


# ---- comparing ----------------------------------------------------------------------------

def parts(answer):
    """Of a multipart/byteranges: [(type, range, bytes)], by its boundary."""
    boundary = re.fullmatch("multipart/byteranges; boundary=(.+)", answer.header("Content-Type")).group(1)
    pieces = (b"\r\n" + answer.body.removeprefix(b"\r\n")).split(b"\r\n--" + boundary.encode())
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n", answer
    found = []
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        found.append((fields["Content-Type"], fields["Content-Range"], body))
    return found


SAME = ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Content-Encoding", "Vary", "Location",
        "Accept-Ranges", "Content-Range")


def seen(answer, method):
    """What is compared of an answer."""
    what = {name: answer.header(name) for name in SAME}
    what["status"] = answer.status
    what["body"] = answer.body
    if method == "GET" and (what["Content-Type"] or "").startswith("multipart/"):
        # the boundary is anybody's, and with it the length
        what["body"] = found = parts(answer)
        what["parts"] = len(found)
        what["Content-Type"] = what["Content-Length"] = None
    if answer.status >= 300:            # the words are anybody's
        del what["body"], what["Content-Length"], what["Content-Type"], what["Vary"]
    if answer.status not in (200, 206, 304):
        # a refusal is of no state of the file
        del what["ETag"], what["Last-Modified"], what["Accept-Ranges"], what["Content-Encoding"]
    elif answer.status != 200 or answer.header("Content-Encoding"):
        # nginx has no ranges of what is encoded beforehand: the table has that
        del what["Accept-Ranges"]
    return what


class Client:
    """A connection to one of the two, made anew where it has closed it."""

    def __init__(self, connect):
        self.connect, self.connection = connect, None

    def ask(self, case):
        if self.connection is None:
            self.connection = self.connect()
        answer = self.connection.request(case.method, case.path, case.headers)
        if answer.closes or answer.status >= 400:   # nginx closes without a word then
            self.close()
        return seen(answer, case.method)

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def compare(ours, theirs, cases):
    """What is wrong, a line each."""
    wrong = []
    for case in cases:
        mine, its = ours.ask(case), theirs.ask(case)
        if case.ours:
            if all(its.get(key) == value for key, value in case.ours.items()):
                wrong.append("%r: no difference" % case)
            if any(mine.get(key) != value for key, value in case.ours.items()):
                wrong.append("%r: %r is not %r" % (case, mine, case.ours))
        elif mine != its:
            wrong.append("%r: %s" % (case, ", ".join(
                "%s %r, nginx %r" % (key, mine.get(key), its.get(key))
                for key in sorted({*mine, *its}) if mine.get(key) != its.get(key))))
    ours.close()
    theirs.close()
    return wrong


@pytest.mark.parametrize("table", [ranges, conditions, names, precompressed])
@pytest.mark.parametrize("cache", ["0", "512"])
def test_answers_agree(cluster, tree, table, cache):
    cases = list(table())
    with Nginx(tree, SERVER) as nginx:
        c = cluster(workers=1, routes={"/": "static"}, plugins={"static": {
            "root": tree, "precompressed": "yes", "cache_files": cache}})
        wrong = compare(Client(c.connect), Client(nginx.connect), cases)
    assert not wrong, "%d of %d:\n%s" % (len(wrong), len(cases), "\n".join(wrong)[:20000])
