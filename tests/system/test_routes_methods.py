# SPDX-License-Identifier: MIT
"""Routes for methods: who gets what, and 405 and OPTIONS by what there is."""

import pytest

from harness import http

# /both: two plugins by method; /pass: evil passes, hello is next
ROUTES = {
    "GET /page": "hello",
    "POST,PUT /both": "echo",
    "GET /both": "hello",
    "HEAD /heads": "hello",
    "/any": "hello",
    "DELETE /any": "echo",
    "GET /pass": "evil",
    "POST /pa": "hello",
    "GET /tree/": "hello",
    "POST /tree/leaf/": "echo",
    "OPTIONS,GET /own": "echo",
    "GET example.org/": "hello",
    "GET *.txt": "hello",
}


@pytest.fixture
def web(cluster):
    return cluster(workers=1, routes=ROUTES)


CASES = [
    ("GET", "/page", 200, None),
    ("HEAD", "/page", 200, None),              # GET takes HEAD
    ("POST", "/page", 405, "GET, HEAD, OPTIONS"),
    ("OPTIONS", "/page", 204, "GET, HEAD, OPTIONS"),
    ("POST", "/both", 200, None),
    ("GET", "/both", 200, None),
    ("DELETE", "/both", 405, "GET, HEAD, POST, PUT, OPTIONS"),
    ("OPTIONS", "/both", 204, "GET, HEAD, POST, PUT, OPTIONS"),
    ("HEAD", "/heads", 200, None),
    ("GET", "/heads", 405, "HEAD, OPTIONS"),   # HEAD does not take GET
    ("PATCH", "/any", 200, None),              # a route without methods takes all
    ("OPTIONS", "/any", 200, None),
    ("GET", "/pass", 404, None),               # was asked, and passed
    ("POST", "/pass", 405, "GET, HEAD, OPTIONS"),
    ("GET", "/tree/leaf/x", 200, None),        # the shorter one takes it
    ("POST", "/tree/leaf/x", 200, None),
    ("PUT", "/tree/leaf/x", 405, "GET, HEAD, POST, OPTIONS"),
    ("PUT", "/tree/x", 405, "GET, HEAD, OPTIONS"),
    ("OPTIONS", "/own", 200, None),            # a route of its own
    ("POST", "/own", 405, "GET, HEAD, OPTIONS"),
    ("POST", "/x.txt", 405, "GET, HEAD, OPTIONS"),
    ("GET", "/none", 404, None),
    ("OPTIONS", "/none", 404, None),
]


def test_methods_and_paths(web):
    """All on one connection, which goes on after each of them."""
    with web.connect() as conn:
        for method, path, status, allow in CASES:
            body = b"x" if method in ("POST", "PUT", "PATCH") else None
            answer = conn.request(method, path, body=body)
            assert (answer.status, answer.header("Allow")) == (status, allow), \
                "%s %s" % (method, path)
            if status == 405:
                assert answer.text == "405 Method Not Allowed\n"
            if status == 204:
                assert answer.header("Content-Length") is None


def test_the_more_special_of_two_answers(web):
    """Of one path the route for the method comes before the one for all."""
    assert web.request("DELETE", "/any").text.startswith("DELETE /any\n"), "echo"
    assert web.get("/any").text.startswith("Hello")


def test_a_host_has_its_own_methods(web):
    with web.connect() as conn:
        conn.send(http.head("POST", "/x", "example.org"))
        answer = conn.response()
        assert answer.status == 405 and answer.header("Allow") == "GET, HEAD, OPTIONS"
        conn.send(http.head("POST", "/x", "example.com"))
        assert conn.response().status == 404


def test_a_method_that_nobody_serves_is_not_implemented(web):
    assert web.request("FETCH", "/page").status == 501


def test_the_options_of_the_server(web):
    answer = web.request("OPTIONS", "*")
    assert answer.status == 204
    assert answer.header("Allow") == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def test_the_file_is_shown_with_its_methods_in_order(cluster):
    c = cluster(workers=1, routes={"PUT,GET /x": "hello", "/": "hello"})
    shown = c.ctl("config", "show").out
    assert "route = GET,PUT /x hello\nroute = / hello\n" in shown
    c.pools["web"][1].pop("PUT,GET /x")
    c.pools["web"][1]["GET,PUT /x"] = "hello"
    c.write_config()
    assert c.ctl("config", "diff").out.count("route") == 0, "the same in another order"


def test_a_method_is_taken_away_by_a_reload(cluster):
    c = cluster(workers=1, routes={"GET,PUT /x": "echo", "/": "hello"})
    assert c.request("PUT", "/x", body=b"a").text == "a"
    c.pools["web"][1]["GET /x"] = c.pools["web"][1].pop("GET,PUT /x")
    c.pools["web"][1].pop("/")
    c.write_config()
    assert "removed route: GET,PUT /x echo" in c.ctl("reload", "--plan").out
    assert c.ctl("reload").code == 0
    assert c.request("PUT", "/x", body=b"a").status == 405
