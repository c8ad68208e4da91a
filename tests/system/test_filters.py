# SPDX-License-Identifier: MIT
"""Filters: before the handler and after it, in the order of the file; what they
may do to an answer, and that misuse is an error and nothing else."""

import contextlib
import errno
import json
import os

import pytest

from harness import http, wait

EVIL = ["sleep", "fail", "stream", "pieces", "length", "status", "forget", "flood", "pass"]


@pytest.fixture
def start(cluster):
    """start(...): one worker with filters a, b and c, all but c everywhere."""
    def run(**keys):
        routes = {"/" + path: "evil" for path in EVIL}
        routes.update({"/hello/": "hello", "/echo": "echo"})
        plugins = {name: {"module": "filters.so", "name": name} for name in "abc"}
        keys = dict({"filter": ["/ a", "/ b", "/hello/in c"], "workers": 1}, **keys)
        return cluster(routes=routes, plugins=plugins, **keys)
    return run


@pytest.fixture
def web(start):
    return start()


def said(c, name):
    """What each call of the last misuse of a filter returned."""
    text = c.get("/hello/?%s.said" % name).text
    return [int(word) for word in text.split()[2:]]


# ---- requests ---------------------------------------------------------------------

def test_a_filter_answers_itself(web):
    answer = web.get("/hello/?a.stop")
    assert answer.status == 401 and answer.text == "stopped\n"
    assert answer.header("X-Worker") is None, "hello was not asked"
    answer = web.get("/hello/?b.move")
    assert answer.status == 302 and answer.header("Location") == "/else"


def test_the_first_of_the_file_is_the_first_to_see_a_request(web):
    """Its answer is seen by itself and by those before it, not by those behind."""
    answer = web.get("/hello/?b.stop&a.stop")
    assert answer.header("X-Filters") == "a(401,8,text/plain; charset=utf-8)"
    answer = web.get("/hello/?b.stop")
    assert answer.header("X-Filters") == ("b(401,8,text/plain; charset=utf-8) "
                                          "a(401,8,text/plain; charset=utf-8)")


def test_verdicts(web):
    with web.connect() as conn:
        assert conn.request("GET", "/hello/?a.fail").status == 500
        assert conn.request("GET", "/hello/?a.lie").status == 500
        answer = conn.request("GET", "/hello/?b.later")
        assert answer.status == 202 and answer.text == "late\n"
        assert answer.header("X-Filters").startswith("b(202")
        assert conn.request("GET", "/hello/").text.startswith("Hello")
    web.await_log("done, and nothing answered")


def test_another_spelling_does_not_pass_a_guard(start):
    """A filter sees what matches as it was sent, and what it may mean."""
    c = start(filter=["/private/ a"])
    with c.connect() as conn:
        for path in ("/private/x", "/%70rivate/x", "//private/x", "/./private/x",
                     "/hello/../private/x", "/hello/%2e%2E/private/x", "/private%2fx",
                     "/hello/%2f../../private//x", "/private/../hello/x"):
            assert conn.request("GET", path + "?a.stop").status == 401, path
        for path in ("/hello/private/x", "/hello/%2570rivate/", "/privat%65"):
            assert conn.request("GET", path + "?a.stop").status in (200, 404), path


# ---- heads ------------------------------------------------------------------------

def test_answers_are_seen_in_the_reverse_order(web):
    def names(path):
        return [word[0] for word in web.get(path).header("X-Filters").split()
                if "(" in word]
    assert names("/hello/in") == ["c", "b", "a"]
    assert names("/hello/") == ["b", "a"], "the pattern of c is not this path"


@pytest.mark.parametrize("path, status", [
    ("/none", 404), ("/fail", 500), ("/forget", 500)])
def test_answers_of_the_host_are_seen_too(web, path, status):
    answer = web.get(path + "?a.type")
    assert answer.status == status
    assert answer.header("X-Filters").startswith("b(%d," % status)
    assert answer.header("Content-Type") == "text/x-own"


def test_what_never_was_a_request_is_seen_by_none(web):
    with web.connect() as conn:
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        answer = conn.response()
    assert answer.status == 400 and answer.header("X-Filters") is None


def test_a_timeout_is_seen(start):
    c = start(request_timeout="200ms")
    answer = c.get("/sleep?5000")
    assert answer.status == 504 and answer.header("X-Filters").startswith("b(504")


def test_a_head_is_changed(web):
    answer = web.get("/hello/?a.teapot&b.type&a.hide")
    assert answer.status == 418 and answer.header("Content-Type") == "text/x-own"
    assert "a(200,14,text/x-own)" in answer.header("X-Filters"), "a is behind b"
    assert web.get("/hello/?a.untype").header("Content-Type") is None
    answer = web.get("/hello/?a.empty")
    assert answer.status == 204 and answer.body == b""
    assert answer.header("Content-Length") is None


# ---- bodies -----------------------------------------------------------------------

def test_a_transform_of_a_whole_answer(web):
    with web.connect() as conn:
        plain = conn.request("GET", "/hello/")
        answer = conn.request("GET", "/hello/?a.upper")
        assert answer.body == plain.body.upper()
        assert answer.header("Content-Length") is None
        assert answer.header("Transfer-Encoding") == "chunked"
        assert conn.request("GET", "/hello/").body == plain.body, "in step"


def test_transforms_follow_each_other(web):
    """The last filter of the file is the nearest to the handler."""
    hello = web.get("/hello/").text
    assert web.get("/hello/?b.upper&a.wrap").text == "[" + hello.upper() + "]"
    assert web.get("/hello/?b.wrap&a.upper").text == "[" + hello.upper() + "]"
    assert web.get("/pieces?b.wrap&a.upper").text == "[ONE\nTWO\n]"
    assert web.get("/pieces?b.plain").text == "one\ntwo\n"
    assert web.get("/none?a.wrap").text == "[404 Not Found\n]"


def test_an_old_client_reads_to_the_end_of_the_connection(web):
    with web.connect() as conn:
        conn.send(b"GET /hello/?a.upper HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = conn.response()
    assert answer.header("Transfer-Encoding") is None and answer.closes
    assert answer.text.startswith("HELLO")


def test_a_head_request_has_the_same_fields(web):
    """No Content-Length, and no transform runs."""
    with web.connect() as conn:
        get = conn.request("GET", "/hello/?a.wrap")
        head = conn.request("HEAD", "/hello/?a.wrap")
        assert [pair for pair in get.headers if pair[0] != "Date"] == \
            [pair for pair in head.headers if pair[0] != "Date"]
        assert head.body == b""
        assert conn.request("GET", "/hello/").status == 200, "in step"


def test_a_status_without_body_has_no_transform(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/status?204&a.wrap")
        assert answer.status == 204 and answer.header("Transfer-Encoding") is None
        assert said(web, "a") == [-errno.ENODATA]
        answer = conn.request("GET", "/hello/?b.wrap&a.empty")
        assert answer.status == 204 and answer.header("Transfer-Encoding") is None
        assert conn.request("GET", "/hello/").status == 200, "in step"


def test_a_status_that_has_a_body_by_a_filter_has_one(web):
    """The handler's own has none, whatever bytes it gave with it."""
    with web.connect() as conn:
        answer = conn.request("GET", "/status?204&a.teapot")
        assert answer.status == 418
        assert len(answer.body) == int(answer.header("Content-Length")) > 0
        assert conn.request("GET", "/hello/").status == 200, "in step"


def test_what_is_held_back_is_flushed_where_the_handler_pauses(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/stream?3&a.hold")
        assert answer.text == "piece\n|piece\n|piece\n|"
        assert conn.request("GET", "/pieces?a.hold").text == "one\ntwo\n", "no pause"


def test_a_full_connection_still_holds_the_handler_back(web):
    """12 MB through a transform to a client that does not read: the worker keeps
    what it is told to keep of an answer, and the rest with the handler."""
    with web.connect(timeout=30) as conn:
        conn.send(http.head("GET", "/flood?12&a.plain", "a"))
        conn.await_head()
        before = web.worker("web/0")["rss_kb"]
        wait.until(lambda: web.worker("web/0")["rss_kb"] - before < 5000, 2, "memory")
        answer = conn.response()
        assert len(answer.body) == 12 << 20
        assert web.worker("web/0")["rss_kb"] - before < 5000


# ---- answers of all kinds (plugin answers) ------------------------------------------

PERIOD = bytes(range(251))


def pattern(size):
    """What the bytes of the plugin are."""
    return (PERIOD * (size // 251 + 1))[:size]


@pytest.fixture
def kinds(cluster):
    paths = ["counts", "said", "whole", "pieces", "file", "stream", "drained"]
    c = cluster(workers=1, routes={"/" + path: "answers" for path in paths},
                filter=["/ a", "/ b"],
                plugins={name: {"module": "filters.so", "name": name} for name in "ab"})
    c.file = c.dir + "/pattern"
    with open(c.file, "wb") as file:
        file.write(pattern(2 << 20))
    os.chmod(c.file, 0o644)
    return c


def await_released(c):
    """All that a handler gave has come back to it, each once."""
    def released():
        counts = json.loads(c.get("/counts").text)
        return counts["given"] == counts["released"]
    wait.until(released, 10, "the releases")


def has_open(c, path):
    """Has the worker this file open?"""
    fds = "/proc/%d/fd" % c.worker("web/0")["pid"]
    return any(os.path.islink(link) and os.readlink(link) == path
               for link in (os.path.join(fds, fd) for fd in os.listdir(fds)))


def test_memory_and_files_pass_a_transform(kinds):
    """Whole, of several pieces and in streams; copied, lent and given, of files."""
    whole = pattern(1000000)
    with kinds.connect(timeout=30) as conn:
        for take in ("copy", "static", "give"):
            answer = conn.request("GET", "/whole?take=%s&len=1000000&b.plain&a.wrap" % take)
            assert answer.body == b"[" + whole + b"]", take
        plain = conn.request("GET", "/pieces?n=8&len=70000")
        assert conn.request("GET", "/pieces?n=8&len=70000&a.wrap").body == \
            b"[" + plain.body + b"]"
        answer = conn.request("GET", "/file?a.wrap&b.plain&path=" + kinds.file)
        assert answer.body == b"[" + pattern(2 << 20) + b"]"
        assert answer.header("Transfer-Encoding") == "chunked"
        for kind in ("copy", "static", "give", "file", "mixed"):
            answer = conn.request("GET", "/stream?kind=%s&total=3000000&step=30000&a.wrap"
                                         "&path=%s" % (kind, kinds.file))
            assert answer.body == b"[" + pattern(3000000) + b"]", kind
        head = conn.request("HEAD", "/whole?take=give&len=1000000&a.wrap")
        assert head.status == 200 and head.header("Content-Length") is None
        assert conn.request("GET", "/counts").status == 200, "in step"
    await_released(kinds)


def test_requests_behind_one_that_is_filtered_wait_for_it(kinds):
    """Pipelined: each whole, in their order."""
    path = "/whole?take=static&len=1000000&a.wrap"
    with kinds.connect(timeout=30) as conn:
        conn.send(http.head("GET", path, "a") * 20)
        for _ in range(20):
            assert conn.response().body == b"[" + pattern(1000000) + b"]"


def test_a_large_file_is_read_as_its_client_reads(kinds):
    """4 GB through a transform to one that does not read, and then leaves: the
    worker holds little of it, serves others, and gives the file back."""
    path = kinds.dir + "/large"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 4 << 30)
    os.chmod(path, 0o644)
    with kinds.connect() as conn:
        conn.send(http.head("GET", "/file?a.plain&path=" + path, "a"))
        conn.await_head()
        for _ in range(20):
            assert kinds.get("/counts").status == 200
        assert kinds.worker("web/0")["rss_kb"] < 64 << 10
    wait.until(lambda: not has_open(kinds, path), 5, "its end")


def test_one_that_swallows_all_leaves_the_loop_to_others(kinds):
    """Nothing comes out of 8 GB, so nothing slows its reading down but turns."""
    path = kinds.dir + "/large"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 8 << 30)
    os.chmod(path, 0o644)
    with kinds.connect() as conn:
        conn.send(http.head("GET", "/file?a.swallow&path=" + path, "a"))
        for _ in range(20):
            assert kinds.get("/counts").status == 200, "answered within its timeout"


def test_a_file_that_became_shorter_breaks_the_answer(kinds):
    """The client does not take it for the whole."""
    path = kinds.dir + "/short"
    with open(path, "wb") as file:
        os.truncate(file.fileno(), 64 << 20)
    os.chmod(path, 0o644)
    with kinds.connect() as conn:
        conn.send(http.head("GET", "/file?a.plain&path=" + path, "a"))
        conn.await_head()
        os.truncate(path, 1 << 20)
        with pytest.raises(http.ConnectionLost):
            conn.response()


# ---- what goes wrong --------------------------------------------------------------

def counts(c, name):
    made, freed = c.get("/hello/?%s.said" % name).text.split()[:2]
    return int(made), int(freed)


def test_what_a_transform_has_is_given_back(web):
    """After an answer, for HEAD, for one of the host, and for a client that leaves
    in the middle."""
    web.get("/hello/?a.wrap")
    web.request("HEAD", "/hello/?a.wrap")
    web.get("/none?a.wrap")
    with web.connect() as conn:
        conn.send(http.head("GET", "/stream?100000&a.wrap", "a"))
        conn.await_head()
    wait.until(lambda: counts(web, "a") == (4, 4), 5, "the last to be freed")


def test_a_transform_that_fails_breaks_the_answer(web):
    """The client sees that it has not the whole, on its own connection alone."""
    web.request("GET", "/stream?500&a.broken", expect="connection lost")
    web.await_log("filter /: request ")
    assert web.get("/hello/").status == 200
    assert web.worker("web/0")["restarts"] == 0


def test_an_answer_shorter_than_announced_is_broken(web):
    web.request("GET", "/length?short&a.wrap", expect="connection lost")
    assert web.get("/hello/").status == 200


@pytest.mark.parametrize("where", ["crash", "die"])
def test_a_filter_that_dies_is_blamed(web, where):
    """Not the handler whose answer it was, and with the pattern of the filter."""
    seen = web.last_event()
    web.request("GET", "/hello/in?a.%s" % where, expect="connection lost")
    death = web.await_event("worker.exited", after=seen)
    assert death["signal"] == "SIGABRT"
    why = web.ctl("why", "web/0")
    assert "plugin a" in why and "route /" in why and "/hello/in" in why
    web.await_event("worker.ready", after=death["seq"])
    assert web.get("/hello/").status == 200


def test_a_filter_that_ends_workers_is_shut(cluster):
    """Not passed over: what it guards is not served meanwhile, and the rest is.  Its
    number lies behind those of the routes."""
    c = cluster(workers=2, routes={"/": "hello", "/a/": "hello"}, filter=["/a/ a", "/ b"],
                plugins={name: {"module": "filters.so", "name": name} for name in "ab"},
                quarantine="on", restart_burst=100, restart_rate=600)
    seen = c.last_event()
    for _ in range(50):
        with contextlib.suppress(http.ConnectionLost, OSError):
            c.get("/a/?a.crash")
        c.await_state(lambda s: s["pools"][0]["ready"] == 2)
        if any(e["event"] == "quarantine.began" for e in c.events(seen)):
            break
    shut = c.await_event("quarantine.began", after=seen)
    assert (shut["plugin"], shut["route"]) == ("a", "/a/")
    wait.until(lambda: c.get("/a/").status == 503, 5, "the gate")
    answer = c.get("/a/")
    assert answer.status == 200 or answer.header("Retry-After") == "30"
    assert "a(" not in (answer.header("X-Filters") or "") or answer.status == 200
    assert c.get("/b").status == 200
    wait.until(lambda: c.get("/a/").status == 200, 20, "the probe")
    c.await_event("quarantine.lifted", after=shut)
    assert c.get("/a/").header("X-Filters").startswith("b(200")


def test_misuse_of_a_head(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/hello/?a.bad")
        assert answer.body == web.get("/hello/").body.upper(), "one transform of the two"
        assert said(web, "a") == [-errno.EALREADY] * 2 + [-errno.EINVAL] * 10 + \
            [-errno.ENOENT] + [-errno.EINVAL] * 2 + [0, -errno.EALREADY, 0]
        assert conn.request("GET", "/hello/").status == 200, "in step"


def test_misuse_elsewhere(web):
    """In on_request(), and with a request that is over."""
    before = web.metrics()
    assert web.get("/hello/?a.misuse").status == 200
    assert said(web, "a") == [-errno.EINVAL] * 7 + [0]
    with web.connect() as conn:
        conn.request("GET", "/hello/?a.keep")
        assert conn.request("GET", "/hello/?a.stale").status == 200
    assert said(web, "a") == [-errno.ESTALE] * 7 + [0]
    assert web.metrics() != before


def test_misuse_in_a_transform(web):
    with web.connect() as conn:
        plain = conn.request("GET", "/hello/")
        answer = conn.request("GET", "/hello/?a.wrong")
        assert answer.body == plain.body and answer.header("X-Late") is None
        assert said(web, "a") == [0, -errno.EINVAL, -errno.EINVAL] + \
            [-errno.EALREADY] * 3 + [-errno.EINVAL] * 3
        assert conn.request("GET", "/hello/").status == 200, "in step"
