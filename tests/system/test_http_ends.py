# SPDX-License-Identifier: MIT
"""How an answer ends, and what a body costs."""

from harness import http


def read_to_the_end(sock):
    """All bytes; a reset is no end."""
    received = b""
    while True:
        data = sock.recv(65536)
        if not data:
            return received
        received += data


def test_an_answer_ended_by_close_is_not_reset(cluster):
    c = cluster(workers=1, routes={"/": "evil"})
    for path in (b"/pieces", b"/stream?3"):
        with http.connect(c.address()) as sock:
            sock.sendall(b"GET " + path + b" HTTP/1.0\r\n\r\n")
            head, body = read_to_the_end(sock).split(b"\r\n\r\n")
        assert b"Connection: close" in head and body


def test_a_chunked_body_costs_what_it_holds(cluster):
    c = cluster(workers=1, routes={"/": "echo"})
    chunk = b"1;" + b"x" * 240 + b"\r\na\r\n"
    with http.connect(c.address(), 20) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        before = c.worker("web/0")["rss_kb"]
        for _ in range(50):
            sock.sendall(chunk * 1000)
        sock.sendall(b"0\r\n\r\n")
        answer = b""
        while not answer.endswith(b"a" * 50000):
            answer += sock.recv(65536)
        after = c.worker("web/0")["rss_kb"]
    assert after - before < 4000, "50 kB came within 12 MB"
