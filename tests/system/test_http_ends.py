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
