# SPDX-License-Identifier: MIT
"""plugins/static: nothing outside of the root, the cache, and the options.  What
its answers are is in test_static_nginx.py."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import pytest

from harness import http, not_sanitized, processes, refuse, wait

SECRET = b"the secret outside"


def put(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def replace(path, data):
    put(path + ".new", data)
    os.rename(path + ".new", path)


@pytest.fixture
def base():
    """A directory that the account of workers can read; files go into base/root."""
    path = tempfile.mkdtemp(prefix="st", dir="/tmp")
    os.chmod(path, 0o755)
    put(path + "/root/file.txt", b"inside")
    put(path + "/secret.txt", SECRET)
    put(path + "/outside/secret.txt", SECRET)
    yield path
    if os.path.isdir(path + "/root/closed"):
        os.chmod(path + "/root/closed", 0o755)
    shutil.rmtree(path)


@pytest.fixture
def site(cluster, base):
    """One worker that serves base/root, with these options."""
    def begin(route="/", **options):
        return cluster(workers=1, routes={route: "static"},
                       plugins={"static": dict({"root": base + "/root"}, **options)})
    return begin


# ---- nothing outside of the root ---------------------------------------------------

PATHS = """/../secret.txt /../../etc/passwd /./../secret.txt /file.txt/../../secret.txt
    /%2e%2e/secret.txt /%2E%2E/secret.txt /.%2e/secret.txt /%2e./secret.txt /..%2fsecret.txt
    /%2e%2e%2fsecret.txt /..%5csecret.txt /..\\secret.txt /%2e%2e%5csecret.txt /%252e%252e/secret.txt
    /%c0%ae%c0%ae/secret.txt /%c0%af../secret.txt /..%c0%afsecret.txt /..;/secret.txt /.../secret.txt
    /dir/../../secret.txt /dir/%2e%2e/%2e%2e/secret.txt /dir/..%2f..%2fsecret.txt
    //secret.txt //etc/passwd /%2fetc/passwd /%2Fetc%2Fpasswd ///etc/passwd /dir//../../secret.txt
    /file.txt%00.html /..%00/secret.txt /%00 /..%ff/secret.txt /~root/secret.txt
    /out /out-relative /outdir/secret.txt /outdir/ /outdir /outdir/../secret.txt /chain /up/secret.txt /up
    /proc/root/etc/passwd /proc/self/root/etc/passwd /fd/0 /exe /cwd/secret.txt /absolute-inside
    /loop /loop/secret.txt /dangling /fifo /socket /closed.txt /closed/file.txt /closed/
    /.well-known/out /file.txt/ /file.txt/x /dir/none""".split()


def furnish(base):
    root = base + "/root"
    put(root + "/dir/index.html", b"inside")
    put(root + "/.hidden", b"hidden")
    put(root + "/.git/config", b"hidden")
    put(root + "/closed.txt", SECRET)
    os.chmod(root + "/closed.txt", 0)
    put(root + "/closed/file.txt", SECRET)
    os.chmod(root + "/closed", 0)
    os.mkdir(root + "/.well-known")
    os.mkfifo(root + "/fifo")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(root + "/socket")
    for name, target in (
            ("out", base + "/secret.txt"), ("out-relative", "../secret.txt"),
            ("outdir", base + "/outside"), ("chain", "link"), ("link", "out"), ("up", ".."),
            ("proc", "/proc/self"), ("fd", "/proc/self/fd"), ("exe", "/proc/self/exe"), ("cwd", "/proc/self/cwd"),
            ("absolute-inside", root + "/file.txt"), ("loop", "loop"), ("dangling", "nowhere"),
            (".well-known/out", "../../secret.txt"),
            ("same", "file.txt"), ("samedir", "dir"), ("dir/back", "../file.txt"), ("here", ".")):
        os.symlink(target, root + "/" + name)


@pytest.mark.parametrize("options", [
    {}, {"cache_files": "0"}, {"hidden": "yes"}, {"symlinks": "no"}, {"prefix": "/"}])
def test_nothing_outside_is_served(site, base, options):
    furnish(base)
    c = site(**options)
    for path in PATHS + ["/" + "../" * 300 + "etc/passwd", "/" + "x/" * 1500 + "../" * 1501 + "secret.txt"]:
        for _ in range(2):
            answer = c.request("GET", path)
            assert answer.status in (400, 403, 404), path
            assert SECRET not in answer.body and b"root:" not in answer.body, path
    for path in ("/.hidden", "/.git/config"):
        assert c.request("GET", path).status == (200 if options.get("hidden") == "yes" else 404)
    links = ["/same", "/dir/back", "/here/file.txt", "/here/here/dir/back", "/samedir/"]
    for path in links:
        answer = c.request("GET", path)
        if options.get("symlinks") == "no":
            assert answer.status == 403, path
        else:
            assert answer.status == 200 and answer.body == b"inside", path
    assert c.worker("web/0")["restarts"] == 0


SWAP = """import os, sys
os.chdir(sys.argv[1])
print("begun", flush=True)
while True:
    os.rename("swap", "parked")
    os.rename("link", "swap")
    os.rename("swap", "link")
    os.rename("parked", "swap")
"""


@pytest.mark.parametrize("path", ["/swap/secret.txt", "/deep/back/swap/secret.txt"])
def test_renames_meanwhile_open_no_door(site, base, path):
    """A directory and a link that leads out take turns at one name, as fast as they
    can; both are met, and nothing outside is seen."""
    root = base + "/root"
    put(root + "/swap/secret.txt", b"inside")
    os.makedirs(root + "/deep")
    os.symlink("..", root + "/deep/back")
    os.symlink(base + "/outside", root + "/link")
    c = site(cache_files="0")
    met = set()
    with subprocess.Popen([sys.executable, "-c", SWAP, root], stdout=subprocess.PIPE) as swapper:
        try:
            swapper.stdout.readline()
            with c.connect() as conn:
                def asked():
                    for _ in range(500):
                        answer = conn.request("GET", path)
                        assert answer.body != SECRET
                        met.add(answer.status)
                    return 200 in met and met & {403, 404}
                asked()
                wait.until(asked, 20, "both are met")
        finally:
            swapper.kill()
    assert met <= {200, 403, 404, 503}


def test_a_fifo_does_not_hold_the_worker(site, base):
    os.mkfifo(base + "/root/fifo")
    c = site()
    for _ in range(3):
        assert c.request("GET", "/fifo", timeout=5).status == 404


# ---- what is sent ---------------------------------------------------------------------

def test_a_large_file(site, base):
    data = random.Random(5).randbytes(5_000_000)
    put(base + "/root/large", data)
    c = site()
    for _ in range(2):
        answer = c.request("GET", "/large")
        assert answer.body == data and answer.header("Content-Length") == "5000000"
    answer = c.request("GET", "/large", {"Range": "bytes=1000000-3999999"})
    assert answer.status == 206 and answer.body == data[1000000:4000000]
    answer = c.request("HEAD", "/large")
    assert answer.status == 200 and answer.header("Content-Length") == "5000000"
    answer = c.request("GET", "/large", {"Range": "bytes=10-2000000,3000000-,0-5"})
    assert answer.status == 206 and data[10:2000001] in answer.body and data[3000000:] in answer.body


def test_parts_of_large_files_in_a_row(site, base):
    """Four answers of 32 parts each are asked for before one is read."""
    data = random.Random(6).randbytes(5_000_000)
    put(base + "/root/large", data)
    c = site()
    want = ",".join("%d-%d" % (i * 150000, i * 150000 + 99999) for i in range(32))
    with c.connect(timeout=20) as conn:
        conn.send(http.head("GET", "/large", "a", {"Range": "bytes=" + want}) * 4)
        for _ in range(4):
            answer = conn.response()
            assert answer.status == 206
            for i in range(32):
                assert data[i * 150000:i * 150000 + 100000] in answer.body
    assert c.worker("web/0")["restarts"] == 0


def held(c, base):
    """Files below the root that the worker has open."""
    return sum(what.startswith(base + "/root/")
               for what in processes.fds(c.worker("web/0")["pid"]).values())


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9999999,20000000-"}])
def test_a_client_that_leaves_lets_go_of_its_file(site, base, headers):
    with open(base + "/root/huge", "wb") as f:
        f.truncate(1 << 30)
    c = site(cache_files="0")
    with c.connect() as conn:
        conn.send(http.head("GET", "/huge", "a", headers))
        conn.await_head()
        assert held(c, base) == 1
    wait.until(lambda: held(c, base) == 0, 10, "it is closed")


def test_a_file_of_this_second_has_a_weak_tag(site, base):
    c = site()
    wait.until(lambda: 0.02 < time.time() % 1 < 0.1, what="a second that has just begun")
    os.utime(base + "/root/file.txt")
    fresh = c.request("GET", "/file.txt").header("ETag")
    assert fresh.startswith('W/"')

    def strong():
        tag = c.request("GET", "/file.txt").header("ETag")
        return tag if tag.startswith('"') else None
    assert wait.until(strong, 5, "the second is over") == fresh[2:]


def test_what_lies_in_the_future_is_not_told(site, base):
    os.utime(base + "/root/file.txt", (4e9, 4e9))
    answer = site().request("GET", "/file.txt")
    assert answer.header("Last-Modified")[-13:-10] != "206" and "2096" not in answer.header("Last-Modified")


def test_a_directory_that_cannot_be_read(site, base):
    """Files in it can: it is only not listed, which nothing here does."""
    put(base + "/root/closed/file.txt", b"inside")
    os.chmod(base + "/root/closed", 0o711 if os.getuid() == 0 else 0o100)
    c = site()
    assert c.request("GET", "/closed/file.txt").body == b"inside"
    answer = c.request("GET", "/closed")
    assert answer.status == 301 and answer.header("Location") == "/closed/"
    assert c.request("GET", "/closed/").status == 403


@not_sanitized("its memory is another")
def test_a_slow_reader_costs_no_memory(site, base):
    with open(base + "/root/huge", "wb") as f:
        f.truncate(10_000_000_000)
    c = site()

    def rss():
        with open("/proc/%d/statm" % c.worker("web/0")["pid"], encoding="ascii") as f:
            return int(f.read().split()[1]) * 4
    assert c.request("GET", "/file.txt").status == 200
    before = rss()
    with c.connect() as conn:
        conn.send(http.head("GET", "/huge", "a"))
        conn.await_head()
        for _ in range(100):
            conn.sock.recv(65536)
        assert rss() - before < 500, "kB"


def test_brotli_comes_first(site, base):
    for name, data in (("a.css", b"plain"), ("a.css.br", b"brotli"), ("a.css.gz", b"gzip"),
                       ("b.css", b"plain"), ("b.css.br", b"brotli")):
        put(base + "/root/" + name, data)
        os.utime(base + "/root/" + name, (1e9, 1e9))
    c = site(precompressed="yes")
    for path, accept, body, coding in (
            ("/a.css", "gzip, br", b"brotli", "br"), ("/a.css", "gzip, br;q=0.9", b"gzip", "gzip"),
            ("/a.css", "gzip;q=0.5, br;q=0.5", b"brotli", "br"), ("/a.css", "*", b"brotli", "br"),
            ("/a.css", "*;q=0.1, br;q=0", b"gzip", "gzip"), ("/a.css", "identity", b"plain", None),
            ("/b.css", "gzip", b"plain", None), ("/b.css", "gzip, br;q=0.1", b"brotli", "br")):
        for _ in range(2):
            answer = c.request("GET", path, {"Accept-Encoding": accept})
            assert (answer.body, answer.header("Content-Encoding")) == (body, coding), (path, accept)
            assert answer.header("Vary") == "Accept-Encoding"
            assert answer.header("Content-Type") == "text/css; charset=utf-8"
    answer = c.request("GET", "/file.txt", {"Accept-Encoding": "gzip, br"})
    assert answer.header("Vary") is None
    assert c.request("GET", "/a.css.br").header("Content-Encoding") is None


# ---- the cache -----------------------------------------------------------------------------

def test_a_change_is_seen_when_the_time_is_over(site, base):
    c = site(cache_ttl="100ms")
    assert c.request("GET", "/file.txt").body == b"inside"
    for change in (replace, put):               # another file, and the same one
        data = change.__name__.encode()
        change(base + "/root/file.txt", data)
        wait.until(lambda: c.request("GET", "/file.txt").body == data, 5, "the new one")    # noqa: B023
    os.unlink(base + "/root/file.txt")
    wait.until(lambda: c.request("GET", "/file.txt").status == 404, 5, "none")


def test_until_then_it_is_not_looked_at(site, base):
    large = bytes(100000)
    put(base + "/root/large", large)
    c = site(cache_ttl="1h")
    for path in ("/file.txt", "/large"):
        assert c.request("GET", path).status == 200
        os.unlink(base + "/root" + path)
    for _ in range(3):
        assert c.request("GET", "/file.txt").body == b"inside"
        assert c.request("GET", "/large").body == large


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9,90000-"}])
def test_a_file_that_is_cut_short_in_place(site, base, headers):
    """Nobody takes a part for the whole, and the next one gets what is there."""
    put(base + "/root/large", bytes(100000))
    c = site(cache_ttl="1h")
    assert c.request("GET", "/large", headers).status in (200, 206)
    os.truncate(base + "/root/large", 50000)
    try:
        assert c.request("GET", "/large", headers).status == 500
    except http.ConnectionLost:
        assert headers, "its head was out"
    assert c.request("GET", "/large").header("Content-Length") == "50000"


def test_the_cache_has_its_limits(site, base):
    for i in range(60):
        put(base + "/root/large%d" % i, b"%d" % i * 20000)
    c = site(cache_files="10", cache_ttl="1h")
    for i in range(60):
        assert c.request("GET", "/large%d" % i).body == b"%d" % i * 20000
    assert held(c, base) == 10
    for i in range(60):
        os.unlink(base + "/root/large%d" % i)
    gone = [c.request("GET", "/large%d" % i).status for i in range(60)]
    assert gone == [404] * 50 + [200] * 10, "the last ten"


# ---- options ----------------------------------------------------------------------------------

def test_options(site, base):
    put(base + "/root/home.html", b"home")
    put(base + "/root/a.log", b"log")
    put(base + "/root/a.md", b"md")
    put(base + "/root/a", b"none")
    c = site(route="/files", prefix="/files/", index="home.html", charset='""', max_age="1h",
             default_type="text/x-none", types='"log text/x-log, md text/x-md; charset=latin1"')
    c.plugins["hello"] = {}
    c.pools["web"][1].update({"/files/": "static", "/": "static", "/files2/": "static", "/other": "hello"})
    c.write_config()
    assert c.ctl("reload").code == 0
    for path, kind in (("/files/a.log", "text/x-log"), ("/files/a.md", "text/x-md; charset=latin1"),
                       ("/files/a", "text/x-none"), ("/files/", "text/html")):
        answer = c.request("GET", path)
        assert (answer.status, answer.header("Content-Type")) == (200, kind)
        assert answer.header("Cache-Control") == "max-age=3600"
    assert c.request("GET", "/files/").body == b"home"
    answer = c.request("GET", "/files?a=b")
    assert answer.status == 301 and answer.header("Location") == "/files/?a=b"
    for path in ("/a", "/files2/a", "/filesa"):
        assert c.request("GET", path).status == 404, "passed on, to nobody"
    answer = c.request("POST", "/files/a", body=b"x")
    assert answer.status == 405 and answer.header("Allow") == "GET, HEAD"


@pytest.mark.parametrize("key, value, words", [
    ("root", "/no/such/directory", "No such file or directory"),
    ("root", "relative", "is no absolute path"), ("root", "/etc/passwd", "Not a directory"),
    ("prefix", "files", "begins with no /"), ("index", "a/b", "is no name"),
    ("types", "md", "is no list of endings and types")])
def test_an_option_that_is_wrong(cluster, base, key, value, words):
    c = cluster(workers=1, routes={"/": "hello"})
    c.plugins["static"] = {"root": base + "/root", key: value}
    c.pools["web"][1]["/files/"] = "static"
    c.write_config()
    refused = c.ctl("reload")
    assert refused.code != 0 and words in refused.out + refused.err
    assert c.request("GET", "/").status == 200


def test_a_kernel_without_openat2(cluster, base):
    """It is refused with that reason; files by other means would be a door."""
    c = cluster(workers=1, routes={"/": "hello"}, start=False)
    c.through = refuse.through("ENOSYS", "openat2")
    c.start()
    c.plugins["static"] = {"root": base + "/root"}
    c.pools["web"][1]["/files/"] = "static"
    c.write_config()
    refused = c.ctl("reload")
    assert refused.code != 0 and "this kernel has no openat2" in refused.out + refused.err
