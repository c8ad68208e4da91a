# SPDX-License-Identifier: MIT
"""The access log: what a line says, which requests have one, and where it goes."""

import json
import os
import re
import signal
import socket
import struct
import time

import pytest

from harness import http, processes, threads, wait
from harness.access import AccessLog, logging
from harness.reopen import reopen

COMBINED = re.compile(
    r'127\.0\.0\.1 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] '
    r'"([^"]*)" (\d{3}) (\d+) "([^"]*)" "([^"]*)"')
EVIL = {"/": "evil"}


def raw(c, *parts):
    """Bytes to the server; what comes back until it closes."""
    return c.exchange(*parts)


def get(path, *lines):
    return ("GET %s HTTP/1.1\r\nHost: a\r\n" % path).encode() + b"".join(
        line + b"\r\n" for line in lines) + b"Connection: close\r\n\r\n"


# ---- formats -----------------------------------------------------------------------

@threads
def test_combined(cluster):
    c, log = logging(cluster, workers=1)
    c.get("/")
    c.request("GET", "/a?b=c", headers=[("User-Agent", "tester/1.0"), ("Referer", "http://x/")])
    c.post("/post", b"12345")
    found = [COMBINED.fullmatch(line).groups() for line in log.await_lines(3)]
    assert found == [
        ("GET / HTTP/1.1", "200", "14", "-", "-"),
        ("GET /a?b=c HTTP/1.1", "200", "14", "http://x/", "tester/1.0"),
        ("POST /post HTTP/1.1", "200", "14", "-", "-")]


def test_json(cluster):
    c, log = logging(cluster, form="json", workers=1, routes={"/a/": "hello"})
    began = time.time()
    with c.connect() as connection:
        connection.request("GET", "/a/b?c=d", headers=[("User-Agent", "tester/1.0"),
                                                       ("Referer", "http://x/")])
        connection.request("GET", "/nowhere")
        port = connection.sock.getsockname()[1]
    log.await_lines(2)
    first, second = log.rows()
    worker = c.worker("web/0")
    assert began * 1000 - 1 <= first.pop("time") <= second.pop("time") <= time.time() * 1000
    assert 0 <= first.pop("request_us") < 10e6 and second.pop("request_us") >= 0
    ids = [row.pop("request_id") for row in (first, second)]
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids) and ids[0] != ids[1]
    assert first == {
        "request_number": "%d-1" % worker["id"], "worker": "web/0", "pid": worker["pid"],
        "remote_addr": "127.0.0.1", "remote_port": port, "method": "GET", "path": "/a/b",
        "query": "c=d", "protocol": "HTTP/1.1", "host": c.address(), "status": 200, "bytes": 14,
        "cut": False, "plugin": "hello", "route": "/a/", "referer": "http://x/",
        "user_agent": "tester/1.0"}
    assert second == dict(first, request_number="%d-2" % worker["id"], path="/nowhere", query=None,
                          status=404, plugin=None, route=None, referer=None, user_agent=None,
                          bytes=second["bytes"])


# Each field of an own format, and what it is for GET /p/a?b=c HTTP/1.1.
FIELDS = {
    "time_local": r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
    "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d",
    "time_ms": r"\d{13}", "msec": r"\d{10}\.\d{3}",
    "remote_addr": r"127\.0\.0\.1", "remote_port": r"\d+", "remote_user": "-",
    "request": r"GET /p/a\?b=c HTTP/1\.1", "method": "GET", "request_method": "GET",
    "uri": r"/p/a\?b=c", "request_uri": r"/p/a\?b=c", "path": "/p/a", "query": "b=c",
    "args": "b=c", "protocol": r"HTTP/1\.1", "server_protocol": r"HTTP/1\.1",
    "host": r"127\.0\.0\.1:\d+", "status": "200", "bytes": "14", "body_bytes_sent": "14",
    "request_time": r"\d+\.\d{3}", "request_us": r"\d+", "request_number": r"\d+-1", "cut": "false",
    "worker": "web/0", "pid": r"\d+", "pool": "web", "plugin": "hello", "route": "/p/",
    "request_id": "[0-9a-f]{32}", "trace_id": "[0-9a-f]{32}", "http_x_test_me": "yes", "http_absent": "-",
}


def test_own_format(cluster):
    names = list(FIELDS)
    halves = [names[:24], names[24:]]
    c, log = logging(cluster, form="|".join("$" + name for name in halves[0]) + " $$ ${pool}!",
                     workers=1, routes={"/p/": "hello"})
    for half, tail in zip(halves, (" $ web!", "")):
        if half is halves[1]:
            log = AccessLog(c, "other.log")
            c.write_config(access_log_format='"%s"' % "|".join("$" + name for name in half),
                           access_log=log.path)
            assert c.ctl("reload").code == 0
        c.request("GET", "/p/a?b=c", headers=[("X-Test-Me", "yes")])
        line, = log.await_lines(1)
        assert line.endswith(tail)
        found = dict(zip(half, line[:len(line) - len(tail)].split("|")))
        for name in half:
            assert re.fullmatch(FIELDS[name], found[name]), (name, found[name])


@pytest.mark.parametrize("form, words", [
    ("$nosuch", 'there is no "$nosuch"'),
    ("$statsu", 'there is no "$statsu"; did you mean "$status"?'),
    ("$status $", 'a "$" without a name; "$$" is a dollar'),
    ("$status ${path", 'a "$" without the "}" of its name'),
    ("$http_", "$http_ needs the name of a header"),
    (r'"$status\n"', "has a control character"),
    ("$path " * 51, "has more than 100 fields and texts between them"),
    ("common", 'must be combined, json or a format with $variables, not "common"')])
def test_a_format_that_is_none(cluster, form, words):
    c, log = logging(cluster, workers=1)
    c.write_config(access_log_format=form)
    result = c.ctl("reload")
    assert result.code == 1 and words in result, result
    c.get("/")
    log.await_line('"GET / HTTP/1.1" 200')


# ---- one request is one line ---------------------------------------------------------

FOREIGN = (b"User-Agent: a\"b\\c\xff\xc3\xa9\te" + b"\xe2\x82", b"Referer: \"; drop")


def test_foreign_bytes_in_text(cluster):
    c, log = logging(cluster, workers=1)
    raw(c, get('/a"b\\c%0a', *FOREIGN))
    line, = log.await_lines(1)
    assert line.endswith(r' "GET /a\x22b\x5cc%0a HTTP/1.1" 200 14 "\x22; drop" '
                         r'"a\x22b\x5cc\xff\xc3\xa9\x09e\xe2\x82"')


def test_foreign_bytes_in_json(cluster):
    c, log = logging(cluster, form="json", workers=1)
    raw(c, get('/a"b\\c%0a', *FOREIGN))
    wait.until(lambda: os.path.exists(log.path) and os.path.getsize(log.path), 10, "a line")
    with open(log.path, encoding="utf-8") as f:
        row, = [json.loads(line) for line in f]
    assert row["path"] == '/a"b\\c%0a' and row["referer"] == '"; drop'
    assert row["user_agent"] == 'a"b\\c\xff\xe9\te\xe2\x82', "what is no UTF-8, byte by byte"


NO_REQUESTS = {
    b"\x16\x03\x01\x02\x00\x01\xfc\r\n\r\n": r'"\x16\x03\x01\x02\x00\x01\xfc" 400',
    b"GET /a b HTTP/1.1\r\n\r\n": r'"GET /a b HTTP/1.1" 400',
    b"GET / HTTP/1.1\nHost: a\n\n": r'"GET / HTTP/1.1" 400',
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n": r'"PRI * HTTP/2.0" 505',
    b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n": r'"BREW / HTTP/1.1" 501',
    b"GET / HTTP/1.1\r\nHo st: a\r\n\r\n": r'"GET / HTTP/1.1" 400',
}


@pytest.mark.parametrize("form", ["combined", "json"])
def test_what_is_no_request(cluster, form):
    c, log = logging(cluster, form=form, workers=1)
    for number, (data, words) in enumerate(NO_REQUESTS.items()):
        raw(c, data)
        line = log.await_lines(number + 1)[-1]
        if form == "json":
            assert json.loads(line)["status"] == int(words[-3:])
        else:
            assert " %s " % words in line, line


def test_long_values_are_cut(cluster):
    """And the document stays one."""
    c, log = logging(cluster, form="json", workers=1)
    long = b"\"" * 7000
    raw(c, get("/" + "a" * 7000 + "?" + "b" * 900, b"User-Agent: " + long, b"Referer: " + long,))
    line, = log.await_lines(1)
    row = json.loads(line)
    assert len(line) < 8192
    assert row["path"] == "/" + "a" * 1023 and row["query"] == "b" * 900
    assert row["user_agent"] == row["referer"] == '"' * 512


# ---- which requests -------------------------------------------------------------------

def test_a_line_for_each_of_a_burst(cluster):
    c, log = logging(cluster, form="$path $request_number", workers=1, max_pipeline=4)
    raw(c, b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(99)) + get("/99"))
    worker = c.worker("web/0")["id"]
    assert log.await_lines(100) == ["/%d %d-%d" % (n, worker, n + 1) for n in range(100)]


def test_bytes_of_the_body(cluster):
    c, log = logging(cluster, form="$method $path $status $bytes $cut", workers=1, routes=EVIL)
    c.get("/pieces")
    c.request("HEAD", "/said")
    c.get("/flood?1")
    c.get("/status?204")
    assert log.await_lines(4) == [
        "GET /pieces 200 8 false", "HEAD /said 200 0 false", "GET /flood 200 1048576 false",
        "GET /status 204 0 false"]


def test_answers_that_are_not_whole(cluster):
    c, log = logging(cluster, form="$path $status $cut", workers=1, routes=EVIL,
                     request_timeout="60s")
    with c.connect() as connection:         # gone before there is an answer
        connection.send(b"GET /forget?later HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda s: s["workers"][0]["doing"] is None and
                      "forget" in str(c.json("requests")))
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    log.await_line("/forget 499 true")
    c.write_config(request_timeout="300ms")
    assert c.ctl("reload").code == 0
    assert c.get("/forget?later").status == 504
    log.await_line("/forget 504 false")
    with c.connect() as connection:         # in the middle of it
        connection.send(b"GET /stream?100000 HTTP/1.1\r\nHost: a\r\n\r\n")
        connection.await_head()
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    log.await_line("/stream 200 true")


def test_sampling(cluster):
    c, log = logging(cluster, form="$path $status", workers=1, routes=EVIL, access_log_sample=10)
    for n in range(40):
        c.get("/status?200" if n % 8 else "/status?500")
    wait.until(lambda: c.metric("access_log_lines_total") == 4 + 5, 10, "lines")
    lines = log.await_lines(9)
    assert lines.count("/status 500") == 5 and lines.count("/status 200") == 4
    before = c.worker("web/0")["id"]
    c.write_config(access_log_sample=1)
    assert c.ctl("reload").code == 0
    for _ in range(10):
        c.get("/status?200")
    log.await_lines(19)
    assert c.worker("web/0")["id"] == before


# ---- where it goes ---------------------------------------------------------------------

def tasks(c, name="web/0"):
    return len(os.listdir("/proc/%d/task" % c.worker(name)["pid"]))


def change(c, **keys):
    """A reload that replaces no worker."""
    before = [row["id"] for row in c.workers()]
    c.write_config(**keys)
    assert c.ctl("reload").code == 0
    assert [row["id"] for row in c.workers()] == before


@threads
def test_on_and_off_and_elsewhere(cluster):
    c = cluster(workers=2)
    log, other = AccessLog(c), AccessLog(c, "other.log")
    assert tasks(c) == 1, "no thread without an access log"
    change(c, access_log=log.path)
    c.get("/first")
    log.await_line("/first")
    change(c, access_log=other.path)
    c.get("/second")
    other.await_line("/second")
    assert "/second" not in log.text()
    change(c, access_log="off")
    c.get("/third")
    assert c.metric("access_log_lines_total") == 2
    change(c, access_log=log.path)
    c.get("/fourth")
    log.await_line("/fourth")
    wait.until(lambda: c.metric("access_log_lines_written_total") >= 3, 10, "the count")
    assert c.metric("access_log_lines_written_total") == 3
    assert c.metric("access_log_lines_dropped_total") == 0
    # the next process in a slot has it too
    c.ctl("restart", "all")
    c.get("/fifth")
    log.await_line("/fifth")


@pytest.mark.parametrize("reloads", [1, 3])
def test_a_worker_on_its_way_hears_that_it_is_off(cluster, reloads):
    """Its snapshot names a file; the master may have forgotten that one."""
    c, log = logging(cluster, workers=2, start_timeout="60s", armed=True)
    seen = c.last_event()
    c.arm("keeper.before_exec:sleep=2000/web/1")
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    late = processes.hold_nap(c.pid())
    c.await_state(lambda s: s["workers"][1]["state"] == "starting")
    change(c, access_log="off")
    for n in range(1, reloads):
        change(c, handler_timeout="%dm" % n)
    assert c.worker("web/1")["state"] == "starting"
    os.kill(late, signal.SIGCONT)
    c.await_event("worker.ready", after=seen, worker="web/1")
    assert c.ctl("pause", "web/0").code == 0
    c.get("/")
    assert c.metric("access_log_lines_total") == 0
    assert log.lines() == []


def test_streams_go_on_when_it_changes(cluster):
    c, log = logging(cluster, form="$path $cut", workers=2, routes=EVIL, request_timeout="off")
    other = AccessLog(c, "other.log")
    streams = [c.connect() for _ in range(50)]
    for stream in streams:
        stream.send(b"GET /stream?800 HTTP/1.1\r\nHost: a\r\n\r\n")
        stream.await_head()
    change(c, access_log=other.path)    # long before the first ends, in four seconds
    for stream in streams:
        assert stream.response().body == b"piece\n" * 800
    assert other.await_lines(50) == ["/stream false"] * 50
    assert log.lines() == []


def test_another_format_takes_new_workers(cluster):
    c, log = logging(cluster, form="old $path", workers=2)
    c.get("/1")
    before = {row["id"] for row in c.workers()}
    c.write_config(access_log_format="new $path")
    assert c.ctl("reload").code == 0
    assert not before & {row["id"] for row in c.workers() if row["current"]}
    c.get("/2")
    log.await_line("new /2")
    log.await_line("old /1")
    assert sorted(log.lines()) == ["new /2", "old /1"]


def test_a_canary_writes_to_its_own_file(cluster):
    """A generation that is taken back leaves the old file in use."""
    c, log = logging(cluster, form="$path", workers=2, routes=EVIL)
    other = AccessLog(c, "other.log")
    c.write_config(access_log=other.path, access_log_format="new $path", env="EVIL=init_error")
    assert c.ctl("reload").code == 1
    c.get("/said")
    log.await_line("/said")
    assert other.text() == ""


@threads
@pytest.mark.parametrize("how", ["command", "signal"])
def test_rotated(cluster, how):
    c, log = logging(cluster, form="$path", workers=2)
    old = log.path + ".1"
    c.get("/1")
    log.await_lines(1)
    os.rename(log.path, old)
    c.get("/2")
    wait.until(lambda: log.lines(old) == ["/1", "/2"], 10, "a line in the old file")
    if how == "command":
        reopen(c)
        assert os.path.exists(log.path)
    else:
        c.signal(signal.SIGUSR1)
        wait.until(lambda: os.path.exists(log.path), 10, "the new file")
    sent = 2

    def is_new():
        nonlocal sent
        sent += 1
        c.get("/%d" % sent)
        return log.lines()
    wait.until(is_new, 10, "a line in the new file")
    wait.until(lambda: sorted(log.lines(old) + log.lines(), key=lambda p: int(p[1:])) == [
        "/%d" % n for n in range(1, sent + 1)], 10, "each line in one of both")


def test_truncated_in_place(cluster):
    """copytruncate: what comes next begins at the beginning."""
    c, log = logging(cluster, form="$path", workers=2)
    c.get("/1")
    log.await_lines(1)
    os.truncate(log.path, 0)
    c.get("/2")
    log.await_lines(1)
    with open(log.path, "rb") as f:
        assert f.read() == b"/2\n"


def test_stdout(cluster):
    c = cluster(workers=2, access_log="stdout", access_log_format="clusterd: $path")
    c.get("/here")
    c.await_log("clusterd: /here")


def test_two_pools_in_one_file(cluster):
    c, log = logging(cluster, form="$pool $path", workers=1)
    c.add_pool("more", dict(listen="127.0.0.1:0", workers=1, access_log=log.path,
                            access_log_format="$pool $path"), {"/": "hello"})
    c.write_config()
    assert c.ctl("reload").code == 0
    c.get("/1")
    c.get("/2", pool="more")
    assert sorted(log.await_lines(2)) == ["more /2", "web /1"]


@pytest.mark.parametrize("listen, words", [
    ("[::1]:0", "::1"), ("unix:@DIR/socket", "unix:")])
def test_addresses(cluster, listen, words):
    if listen[0] == "[" and not _has_ipv6():
        pytest.skip("there is no IPv6 here")
    c = cluster(start=False, workers=1)
    log = AccessLog(c)
    c.write_config(listen=listen.replace("@DIR", c.dir), access_log=log.path,
                   access_log_format="$remote_addr $remote_port $path")
    c.start()
    http.Connection(c.address()).request("GET", "/x")
    line, = log.await_lines(1)
    addr, port, path = line.split()
    assert (addr, path) == (words, "/x") and (port == "-") == (words == "unix:")


def _has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


# ---- the end of a worker -----------------------------------------------------------------

@threads
@pytest.mark.parametrize("how", ["stop", "restart"])
def test_all_is_written_at_the_end(cluster, how):
    c, log = logging(cluster, form="$path", workers=1)
    for n in range(50):
        c.get("/%d" % n)
    if how == "stop":
        c.stop()
    else:
        assert c.ctl("restart", "web/0").code == 0
        c.await_event("worker.exited", worker="web/0")
    assert log.lines() == ["/%d" % n for n in range(50)]


def test_a_line_comes_within_a_second(cluster):
    """As each does, unscaled; ten times of it are asserted."""
    c, log = logging(cluster, form="$time_ms", workers=1)
    c.get("/")
    line, = log.await_lines(1, timeout=10 / c.scale + 2)
    assert abs(time.time() * 1000 - int(line)) < 10000 / c.scale + 2000


def test_what_a_killed_worker_had_is_counted(cluster):
    """Due is what was written or lost, to a line."""
    c, log = logging(cluster, form="$path", workers=1)
    before = c.worker("web/0")
    with c.connect() as connection:
        for n in range(1000):
            connection.request("GET", "/%d" % n)
            if n == 999:
                os.kill(before["pid"], signal.SIGKILL)
    c.await_state(lambda s: s["workers"][0]["id"] != before["id"] and
                  s["pools"][0]["ready"] == 1)
    due, written, lost = (c.metric("access_log_lines%s_total" % what)
                          for what in ("", "_written", "_dropped"))
    assert due == 1000 and written + lost == due
    assert log.lines() == ["/%d" % n for n in range(len(log.lines()))]
    assert written <= len(log.lines())
