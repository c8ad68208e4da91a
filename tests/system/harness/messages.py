# SPDX-License-Identifier: MIT
"""Messages of HTTP/1.1 that are plain, and those that must be refused: each
refusal of the parser at least once."""

# The limits that they count on, as keys of a pool (those of tests/unit/parse_verdict.c).
LIMITS = {"max_header_size": "4k", "max_uri_size": "1k", "max_headers": 40,
          "max_body_size": "16k"}

# Where the next message begins is seen by reading one.
NEXT = b"PUT /next HTTP/1.1\r\nHost: next\r\nContent-Length: 4\r\n\r\nnext"

GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
END = b"\r\n"


def line(text):
    return text + b"\r\n" + HOST + END


def field(text):
    return GET + HOST + text + END


def chunked(text):
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + text


# status of ours (0: accepted) and the inputs
ROWS = [
    (0, [line(b"GET / HTTP/1.1"), line(b"GET / HTTP/1.0"), line(b"GET //a?b HTTP/1.1"),
         b"\r\n" + GET + HOST + END, line(b"OPTIONS * HTTP/1.1"),
         line(b"HEAD /%41 HTTP/1.1"), line(b"PATCH /!$&'()*+,;=:@~ HTTP/1.1"),
         line(b"DELETE http://b:81/c?d HTTP/1.1"), line(b"GET https://b HTTP/1.1"),
         line(b"GET http://b?c HTTP/1.1"), line(b"GET /\"<>\\^`{|} HTTP/1.1")]),
    (0, [field(b"X:\r\n"), field(b"X: \t a b\t \r\n"), field(b"X: \x80\xff\t-\r\n"),
         field(b"!#$%&'*+-.^_`|~09azAZ: x\r\n"), field(b"X: 1\r\nx: 2\r\nX: 1\r\n")]),
    (0, [field(b"Connection: close\r\n"), field(b"Connection: keep-alive\r\n"),
         line(b"GET / HTTP/1.0\r\nConnection: keep-alive"),
         field(b"Connection: close, keep-alive\r\n"),
         field(b"Connection: x, close\r\n"),
         field(b"Connection: upgrade\r\nUpgrade: h2c\r\n"),
         field(b"Upgrade: h2c\r\n"), field(b"Connection: upgrade\r\n")]),
    (0, [POST + b"Content-Length: 5\r\n\r\nhello", POST + b"Content-Length: 0\r\n\r\n",
         POST + b"Content-Length: 005\r\nExpect: 100-continue\r\n\r\nhello",
         field(b"Content-Length: 3\r\n") + b"abc",
         chunked(b"0\r\n\r\n"), chunked(b"5\r\nhello\r\n0\r\n\r\n"),
         chunked(b"a\r\n0123456789\r\nA;a=b;c=\"d \\\" e\"\r\n9876543210\r\n00\r\nX: y\r\n\r\n"),
         POST + b"Transfer-Encoding: CHUNKED\r\n\r\n3\r\n\r\n0\r\n0\r\n\r\n"]),
    (431, [field(b"X: " + b"x" * 5000 + b"\r\n"),
           field(b"".join(b"X%d: x\r\n" % i for i in range(50))),
           chunked(b"0\r\nX: " + b"x" * 5000 + b"\r\n\r\n")]),
    (414, [line(b"GET /" + b"x" * 1024 + b" HTTP/1.1")]),
    (413, [POST + b"Content-Length: 16385\r\n\r\n" + b"x" * 16385,
           chunked(b"4001\r\n" + b"x" * 16385 + b"\r\n0\r\n\r\n")]),
    (400, [b"GET / HTTP/1.1\nHost: a\n\n", GET + b"Host: a\n\r\n", GET + HOST + b"\n",
           GET + b"Host: a\rb\r\n\r\n", GET + HOST + b"\rX", field(b"X: a\0b\r\n"),
           field(b"X: \x01\r\n"), field(b"X: \x7f\r\n"), field(b"X\r\n"),
           GET + b"Host : a\r\n\r\n", GET + b"Host\t: a\r\n\r\n", field(b"X\x80: a\r\n"),
           line(b"GET\t/ HTTP/1.1"), line(b"GET /\t HTTP/1.1"), line(b"GET /\x80 HTTP/1.1")]),
    (400, [b"\r\n\r\n" + line(b"GET / HTTP/1.1"), b"\n" + line(b"GET / HTTP/1.1"),
           b"\r" + line(b"GET / HTTP/1.1"), b" " + line(b"GET / HTTP/1.1")]),
    (400, [field(b"X: a\r\n Content-Length: 3\r\n"), field(b"X: a\r\n\tb\r\n"),
           GET + b" Host: a\r\n\r\n", field(b": x\r\n"), chunked(b"0\r\nX: a\r\n\n"),
           chunked(b"0\r\n\n"), chunked(b"0\r\nX: a\r\n b\r\n\r\n"),
           chunked(b"0\r\n: a\r\n\r\n")]),
    (400, [line(b"GET  / HTTP/1.1"), line(b"GET /  HTTP/1.1"), line(b"GET / HTTP/1.1 ")]),
    (400, [b"GET /\r\n\r\n", line(b"GET / RTSP/1.0"), line(b"SOURCE / ICE/1.0"),
           line(b"GET / http/1.1"), line(b"GET / HTTP/1.10"), line(b"GET / HTTP/1")]),
    (505, [line(b"GET / HTTP/2.0"), line(b"GET / HTTP/0.9"), line(b"GET / HTTP/1.2"),
           b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]),
    (501, [line(b"SOURCE / HTTP/1.1"), line(b"DESCRIBE / HTTP/1.1"),
           line(b"CONNECT a:1 HTTP/1.1"), line(b"TRACE / HTTP/1.1"),
           line(b"get / HTTP/1.1"), line(b"FOO / HTTP/1.1")]),
    (400, [GET + END, field(b"Host: b\r\n"), GET + b"Host:\r\n\r\n",
           GET + b"Host: u@a\r\n\r\n", GET + b"Host: a,b\r\n\r\n",
           GET + b"Host: a b\r\n\r\n", GET + b"Host: a:b\r\n\r\n",
           b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"]),
    (400, [b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           POST + b"Transfer-Encoding:\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
           POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n"]),
    (501, [POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"]),
    (400, [POST + text + b"\r\n\r\n0\r\n\r\n" for text in (
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked", b"Transfer-Encoding: identity",
        b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5, 5",
        b"Content-Length: 5\t", b"Transfer-Encoding: chunked \t", b"Connection: close\t",
        b"Content-Length: +5", b"Content-Length: -5", b"Content-Length:",
        b"Content-Length: 5 5", b"Content-Length: 0x5",
        b"Content-Length: 18446744073709551616")]),
    (411, [b"%s / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" % method
           for method in (b"POST", b"PUT", b"PATCH")]),
    (417, [field(b"Expect: 200-ok\r\n"), field(b"Expect:\r\n")]),
    (400, [line(b"GET /#a HTTP/1.1"), line(b"GET * HTTP/1.1"), line(b"GET ftp://b/ HTTP/1.1"),
           line(b"GET http://u@b/ HTTP/1.1"), line(b"GET /%00 HTTP/1.1"),
           line(b"GET /%2 HTTP/1.1"), line(b"GET /%zz HTTP/1.1"), line(b"GET a:80 HTTP/1.1")]),
    (400, [chunked(text) for text in (
        b"g\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
        b"5\thello\r\n0\r\n\r\n", b"\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n", b"5;a\nhello\r\n0\r\n\r\n",
        b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", b"5;\r\nhello\r\n0\r\n\r\n",
        b"5;=b\r\nhello\r\n0\r\n\r\n", b"5; a\r\nhello\r\n0\r\n\r\n")]),
    (400, [chunked(b"5;a=" + b"b" * 300 + b"\r\nhello\r\n0\r\n\r\n"),
           chunked(b"0" * 300 + b"5\r\nhello\r\n0\r\n\r\n")]),
    (400, [chunked(b"0\r\n" + text + b"\r\n\r\n") for text in (
        b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: a")]),
]
