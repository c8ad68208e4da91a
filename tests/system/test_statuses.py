# SPDX-License-Identifier: MIT
"""Each status by which the host itself answers: that it comes, that it is the whole
answer, and whether the connection goes on."""

import pytest

from harness import http
from harness.wire import case as cases
from harness.wire import client
from harness.wire.case import GET, HOST, chunked, field, line, post

# status, what is sent, what comes of the connection
ROWS = [
    (400, b"GET / HTTP/1.1\r\n\r\n", "close"),
    (400, chunked(b"x"), "close"),
    (404, line(b"GET /nobody HTTP/1.1"), "keep"),
    (408, GET + b"Ho", "close"),
    (408, post(b"Content-Length: 5", b"hell"), "close"),
    (411, b"POST / HTTP/1.0\r\n\r\n", "close"),
    (413, post(b"Content-Length: 16385"), "close"),
    (413, chunked(b"4001\r\n"), "close"),
    (414, line(b"GET /" + b"a" * 1024 + b" HTTP/1.1"), "close"),
    (417, field(b"Expect: 200-ok"), "close"),
    (421, line(b"GET https://a/ HTTP/1.1"), "close"),
    (431, field(b"X: " + b"x" * 4096), "close"),
    (431, field(b"\r\n".join(b"X: y" for _ in range(41))), "close"),
    (500, line(b"GET /fail HTTP/1.1"), "keep"),
    (501, line(b"FOO / HTTP/1.1"), "close"),
    (501, post(b"Transfer-Encoding: gzip, chunked"), "close"),
    (504, line(b"GET /forget?later HTTP/1.1"), "close"),
    (505, line(b"GET / HTTP/2.0"), "close"),
]
REASONS = {
    400: "Bad Request", 404: "Not Found", 408: "Request Timeout", 411: "Length Required",
    413: "Content Too Large", 414: "URI Too Long", 417: "Expectation Failed",
    421: "Misdirected Request", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}


def check(received, status, last):
    (got, fields, body), = client.answers(received)
    assert got == status, received
    assert received.startswith(b"HTTP/1.1 %d %s\r\n" % (status, REASONS[status].encode()))
    assert (fields.get("connection") == "close") == last
    assert body == b"%d %s\n" % (status, REASONS[status].encode())
    assert int(fields["content-length"]) == len(body)
    assert fields["content-type"] == "text/plain; charset=utf-8"


@pytest.fixture
def web(cluster):
    return cluster(workers=1, routes={"/fail": "evil", "/forget": "evil"}, header_timeout="500ms",
                   body_timeout="500ms", request_timeout="300ms", idle_timeout="500ms",
                   **cases.LIMITS)


def test_each_comes_as_the_whole_answer(web):
    done = client.run(web.address(), [([sent], False) for _, sent, _ in ROWS])
    for (status, _, end), exchange in zip(ROWS, done):
        assert not exchange.reset
        check(exchange.received, status, end == "close")
    refused = [status for status, _, _ in ROWS if status not in (404, 500, 504)]
    assert web.metric("refused_total") == len(refused)


def test_405_where_a_path_has_no_route_for_the_method(cluster):
    c = cluster(workers=1, routes={"GET,PUT /only": "wire", "/else": "wire"})
    with c.connect() as conn:
        answer = conn.request("POST", "/only", body=b"x")
        assert (answer.status, answer.header("Allow")) == (405, "GET, HEAD, PUT, OPTIONS")
        assert answer.text == "405 Method Not Allowed\n" and not answer.closes
        assert conn.request("HEAD", "/only").status == 200
        answer = conn.request("OPTIONS", "*")
        assert (answer.status, answer.header("Allow")) == (
            204, "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")


def test_421_where_the_host_is_nobody_here(cluster):
    c = cluster(workers=1, routes={"a.org/x/": "wire", "B.org/": "wire"})
    with c.connect() as conn:
        for host, path, expect in (
                ("a.org", "/x/", 200), ("A.ORG:80", "/x/", 200), ("a.org", "/y", 404),
                ("b.org", "/y", 200), ("c.org", "/x/", 421), ("c.org:80", "/", 421),
                ("a.org.evil", "/x/", 421), ("a.org", "http://c.org/x/", 421),
                ("c.org", "http://a.org/x/", 200)):
            answer = conn.request("GET", path, {"Host": host})
            assert answer.status == expect and not answer.closes, (host, path)
    answer = c.exchange(b"GET / HTTP/1.0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 "), "no host is no wrong one"


def test_https_is_served_to_a_proxy_that_is_trusted(cluster):
    """It has the certificate."""
    c = cluster(workers=1, routes={"/": "wire"}, trusted_proxies="127.0.0.1")
    with c.connect() as conn:
        answer = conn.request("GET", "https://b/x", {"Host": "a"})
        assert answer.status == 200
        assert client.saw(answer.body)["host"] == "b"


def test_503_where_there_is_no_worker(cluster):
    c = cluster(workers=1, routes={"/": "wire"})
    assert c.ctl("scale", "web", "0").code == 0
    received = http.exchange(c.address(), GET + HOST + b"\r\n")
    assert received.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 5\r\n" in received and b"\r\nConnection: close\r\n" in received
