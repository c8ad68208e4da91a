# SPDX-License-Identifier: MIT
"""error_page: files of the operator's as the bodies of the host's own answers."""

import os
import socket

import pytest

from harness import http, inject, processes


@pytest.fixture
def page(tmp_path):
    """page(name, text): a file that the checker may read; its path."""
    for directory in [tmp_path] + list(tmp_path.parents)[:-2]:
        os.chmod(directory, 0o755)

    def write(name, text):
        path = tmp_path / name
        path.write_bytes(text)
        path.chmod(0o644)
        return str(path)
    return write


HTML = b"<h1>Not here</h1>\n"
JSON = b'{"error": true}\n'


@pytest.fixture
def web(cluster, page):
    return cluster(workers=1, routes={"/fail": "evil", "/status": "evil", "GET /page": "hello",
                                      "/sleep": "evil"},
                   error_page=["404 " + page("404.html", HTML),
                               "500,405 " + page("e.json", JSON),
                               "504 " + page("late.txt", b"too late\n"),
                               "400 " + page("empty.txt", b"")],
                   request_timeout="200ms")


def test_pages_by_status(web):
    with web.connect() as conn:
        answer = conn.request("GET", "/none")
        assert (answer.status, answer.body) == (404, HTML)
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert answer.header("Content-Length") == str(len(HTML))
        answer = conn.request("GET", "/fail")
        assert (answer.status, answer.body) == (500, JSON)
        assert answer.header("Content-Type") == "application/json"
        answer = conn.request("POST", "/page", body=b"x")
        assert (answer.status, answer.body) == (405, JSON)
        assert answer.header("Allow") == "GET, HEAD, OPTIONS"
        answer = conn.request("HEAD", "/none")
        assert (answer.status, answer.body) == (404, b"")
        assert answer.header("Content-Length") == str(len(HTML))
        assert conn.request("GET", "/page").status == 200, "in step"


def test_one_that_is_late_and_one_that_is_refused(web):
    """Both are the last on their connection, as they are without a page."""
    with web.connect() as conn:
        answer = conn.request("GET", "/sleep?5000")
        assert (answer.status, answer.text) == (504, "too late\n") and answer.closes
    with web.connect() as conn:
        conn.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n")
        answer = conn.response()
        assert (answer.status, answer.body) == (400, b"") and answer.closes
        assert answer.header("Content-Length") == "0"


def without_a_worker(c):
    assert c.ctl("scale", "web", "0").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)


def test_a_pool_without_a_worker(cluster, page):
    """The master answers, with what the last reload has read."""
    path = page("503.html", HTML)
    c = cluster(workers=1, routes={"/x": "hello"}, error_page="500,503 " + path)
    without_a_worker(c)
    for method in "GET", "POST":
        with c.connect() as conn:
            answer = conn.request(method, "/x")
            assert (answer.status, answer.body) == (503, HTML) and answer.closes
        assert answer.header("Content-Type") == "text/html; charset=utf-8"
        assert (answer.header("Retry-After"), answer.header("Server")) == ("5", "clusterd")
    page("503.html", b"other\n")
    assert c.get("/x").body == HTML
    assert c.ctl("reload").code == 0
    assert c.get("/x").text == "other\n"
    c.pools["web"][0]["error_page"] = "404 " + path
    c.write_config()
    assert c.ctl("reload").code == 0
    assert c.get("/x").text == "503 Service Unavailable\n", "no page of it"


def test_a_large_page_of_a_pool_without_a_worker(cluster, page):
    """It comes whole, however little room both sockets have for it."""
    large = b"0123456789abcdef" * 4096
    c = cluster(workers=1, routes={"/x": "hello"}, error_page="503 " + page("503.txt", large))
    without_a_worker(c)
    there = http.endpoint(c.address())
    for sock in processes.sockets_of(c.master_pid()):   # those that it accepts have it too
        if sock.family == socket.AF_INET and sock.getsockname() == there:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect(there)
        sock.sendall(http.head("GET", "/x", "a"))
        got = http.read_all(sock)
    assert got.endswith(b"\r\n\r\n" + large)


def test_a_pool_without_a_worker_at_a_unix_socket(cluster, page):
    large = b"0123456789abcdef" * 4096
    c = cluster(workers=1, routes={"/x": "hello"}, start=False,
                error_page="503 " + page("503.json", large))
    c.write_config(listen="unix:%s/web" % c.dir)
    c.start()
    without_a_worker(c)
    answer = c.get("/x")
    assert (answer.status, answer.body) == (503, large)
    assert answer.header("Content-Type") == "application/json"


def test_what_a_handler_answers_is_left_alone(web):
    for status in (404, 500, 504):
        answer = web.get("/status?%d" % status)
        assert (answer.status, answer.text) == (status, "status\n")


def test_a_large_page_is_not_copied(cluster, page):
    """64k, asked for by many at once on one connection, and by one that is slow."""
    large = bytes(range(32, 127)) * 700
    large = large[:65536]
    c = cluster(workers=1, error_page="404 " + page("l.txt", large), routes={"/x": "hello"})
    with c.connect() as conn:
        conn.send(http.head("GET", "/none", "a") * 50)
        for _ in range(50):
            assert conn.response().body == large


def test_a_filter_sees_it(cluster, page):
    c = cluster(workers=1, routes={"/x": "hello"}, filter="/ a",
                plugins={"a": {"module": "filters.so", "name": "a"}},
                error_page="404 " + page("404.html", HTML))
    answer = c.get("/none?a.upper")
    assert answer.status == 404 and answer.body == HTML.upper()


def test_a_changed_file_is_taken_by_a_reload(cluster, page):
    path = page("404.html", HTML)
    c = cluster(workers=1, routes={"/x": "hello"}, error_page="404 " + path)
    page("404.html", b"other\n")
    assert c.get("/none").body == HTML, "not before"
    plan = c.ctl("reload", "--plan").out
    assert "error_page" in plan and path in plan and "other" not in plan
    assert c.ctl("reload").code == 0
    assert c.get("/none").body == b"other\n"
    assert "nothing" in c.ctl("reload", "--plan").out or \
        "error_page" not in c.ctl("reload", "--plan").out
    c.pools["web"][0].pop("error_page")
    c.write_config()
    assert c.ctl("reload").code == 0
    assert c.get("/none").text == "404 Not Found\n"


def test_a_reload_with_a_file_that_is_gone_changes_nothing(cluster, page):
    path = page("404.html", HTML)
    c = cluster(workers=1, routes={"/x": "hello"}, error_page="404 " + path)
    os.unlink(path)
    result = c.ctl("reload")
    assert result.code != 0 and path in result
    assert c.get("/none").body == HTML


def test_the_file_is_shown(cluster, page):
    path = page("e.json", JSON)
    c = cluster(workers=1, error_page="503,404 " + path)
    assert "error_page = 404,503 " + path + "\n" in c.ctl("config", "show").out


@inject.needs_preload
@pytest.mark.parametrize("path", ["/none", "/none?a.type", "/page", "/hello?a.plain"])
def test_each_allocation_fails_once(cluster, page, path):
    """The page, a line instead of it, or a connection that ends: never half of one,
    and the worker lives on.  A filter that cannot have its transform goes without."""
    large = b"0123456789abcdef" * 2048
    c = cluster(workers=1, routes={"PUT /page": "hello", "/hello": "hello"}, filter="/ a",
                plugins={"a": {"module": "filters.so", "name": "a"}}, start=False,
                error_page=["404 " + page("l.txt", large), "405 " + page("s.txt", b"short\n")])
    fi = inject.injected_into(c)
    c.start()
    whole = c.get(path)
    lines = {404: "404 Not Found\n", 405: "405 Method Not Allowed\n", 503: "",
             500: "500 Internal Server Error\n"}
    failed, k = 1, 0
    while failed:
        k += 1
        fi.arm("worker", "malloc:NULL@%d" % k)
        try:
            with c.connect(timeout=5) as conn:
                answer = conn.request("GET", path)
                assert answer.body == whole.body or answer.text == lines[answer.status]
        except (http.ConnectionLost, ConnectionResetError):
            pass
        failed = fi.injected("worker")
        fi.disarm()
        assert k < 100
    assert k > 1
    assert c.get(path).body == whole.body
    assert c.worker("web/0")["restarts"] == 0
