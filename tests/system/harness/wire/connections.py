# SPDX-License-Identifier: MIT
"""Connection, Expect, Upgrade, answers without a body, and requests in a row."""

from harness.wire.case import (CLOSE, END, KEEP, POST, Answer, Case, chunked, each, each_refused,
                               field, last, line, ok, pipeline, post, refused, silent)

OLD = b"GET / HTTP/1.0\r\n"


def old(name, text, end):
    """HTTP/1.0 with these fields: an answer that keeps the connection says so."""
    return Case("HTTP/1.0, " + name, field(text, OLD) if text else OLD + END,
                [Answer(fields={"Connection": "keep-alive" if end == KEEP else "close"})], end)


CONNECTION = each(ok, "Connection", [
    b"keep-alive", b"Keep-Alive", b"", b"x", b"closed", b"clos", b"close2", b"x-close",
    b"\"close\"",
    b"keep-alive, x", b"close;x", b"TE", b"Host", b"Content-Length", b"upgrade", b",", b", ,",
], lambda text: field(b"Connection: " + text)) + each(last, "Connection", [
    b"close", b"Close", b"CLOSE", b"close, x", b"x, close", b"x,close,y", b", close", b"close,",
    b"keep-alive, close", b"close, keep-alive", b" close ", b"x , close , y",
], lambda text: field(b"Connection: " + text)) + [
    last("two Connections, close in the first", field(b"Connection: close\r\nConnection: x")),
    last("two Connections, close in the second", field(b"Connection: x\r\nConnection: close")),
    last("two Connections, keep-alive and close",
         field(b"Connection: keep-alive\r\nConnection: close")),
    ok("Proxy-Connection says nothing", field(b"Proxy-Connection: close")),
    ok("Keep-Alive says nothing", field(b"Keep-Alive: timeout=0")),
    last("close behind HTAB", field(b"Connection:\tclose")),
    refused(400, "close before HTAB", field(b"Connection: close\t")),
    last("close with a body", post(b"Connection: close\r\nContent-Length: 5", b"hello"),
         body="hello"),
    last("close with chunks", post(b"Connection: close\r\nTransfer-Encoding: chunked",
                                   b"5\r\nhello\r\n0\r\n\r\n"), body="hello"),
    last("close with HEAD", field(b"Connection: close", b"HEAD / HTTP/1.1\r\n"), head=True),
    pipeline("nothing behind close is read", field(b"Connection: close"), [200], CLOSE,
             behind=field(b"X: y")),
    pipeline("nothing bad behind close is read", field(b"Connection: close"), [200], CLOSE,
             behind=b"\0\0\0"),
    old("nothing", b"", CLOSE),
    old("keep-alive", b"Connection: keep-alive", KEEP),
    old("Keep-Alive in other letters", b"Connection: KEEP-Alive", KEEP),
    old("x, keep-alive", b"Connection: x, keep-alive", KEEP),
    old("close", b"Connection: close", CLOSE),
    old("keep-alive, close", b"Connection: keep-alive, close", CLOSE),
    old("close and keep-alive", b"Connection: close\r\nConnection: keep-alive", CLOSE),
    old("Keep-Alive alone", b"Keep-Alive: 300", CLOSE),
    old("Proxy-Connection", b"Proxy-Connection: keep-alive", CLOSE),
    pipeline("HTTP/1.0 in a row", field(b"Connection: keep-alive", OLD) * 2 + OLD + END,
             [200, 200, 200], CLOSE),
    pipeline("HTTP/1.0 and 1.1 in a row", field(b"Connection: keep-alive", OLD)
             + line(b"GET / HTTP/1.1"), [200, 200]),
]

EXPECT = [
    refused(417, "an unknown expectation of a HEAD", field(b"Expect: x", b"HEAD / HTTP/1.1\r\n"),
            head=True),
    refused(413, "too long a body of a HEAD", field(b"Content-Length: 99999",
            b"HEAD / HTTP/1.1\r\n"), head=True),
    refused(400, "a HEAD without Host", b"HEAD / HTTP/1.1\r\n\r\n", head=True),
    ok("100-continue", post(b"Expect: 100-continue\r\nContent-Length: 5", b"hello"), body="hello"),
    ok("100-Continue", post(b"Expect: 100-Continue\r\nContent-Length: 5", b"hello"), body="hello"),
    ok("100-continue with chunks", post(b"Expect: 100-continue\r\nTransfer-Encoding: chunked",
                                        b"5\r\nhello\r\n0\r\n\r\n"), body="hello"),
    ok("100-continue and no body", field(b"Expect: 100-continue"), body=""),
    ok("100-continue and an empty body", post(b"Expect: 100-continue\r\nContent-Length: 0"),
       body=""),
    last("100-continue in HTTP/1.0", b"POST / HTTP/1.0\r\nExpect: 100-continue\r\n"
         b"Content-Length: 5\r\n\r\nhello", body="hello"),
    refused(413, "100-continue and too long a body",
            post(b"Expect: 100-continue\r\nContent-Length: 16385")),
    refused(400, "100-continue and two lengths", post(
        b"Expect: 100-continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked")),
] + each_refused(417, "Expect", [
    b"", b"100", b"continue", b"200-ok", b"100-continue, x", b"100-continue;a=b",
    b"100-continuex", b"meow",
], lambda text: post(b"Expect: " + text + b"\r\nContent-Length: 5", b"hello")) + [
    refused(417, "an unknown expectation beside one", field(
        b"Expect: 100-continue\r\nExpect: x")),
]

UPGRADE = [
    ok("h2c", field(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                    b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), path="/"),
    ok("websocket", field(b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
                          b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          b"Sec-WebSocket-Version: 13")),
    ok("TLS/1.0", field(b"Connection: Upgrade\r\nUpgrade: TLS/1.0, HTTP/1.1")),
    ok("Upgrade without Connection", field(b"Upgrade: h2c")),
    ok("Connection without Upgrade", field(b"Connection: upgrade")),
    ok("Upgrade to nothing", field(b"Connection: upgrade\r\nUpgrade:")),
    last("Upgrade and close", field(b"Connection: upgrade, close\r\nUpgrade: h2c")),
    last("Upgrade in HTTP/1.0", field(b"Connection: upgrade\r\nUpgrade: h2c", OLD)),
    ok("Upgrade with a body", post(b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 5",
                                   b"hello"), body="hello"),
    pipeline("what follows an Upgrade is a request", field(
        b"Connection: upgrade\r\nUpgrade: websocket") + line(b"GET /x HTTP/1.1"),
        [200, {"path": "/x"}]),
]

BODILESS = [
    pipeline("204", line(b"GET /204 HTTP/1.1"), [204]),
    pipeline("304", line(b"GET /304 HTTP/1.1"), [304]),
    pipeline("204 to HEAD", line(b"HEAD /204 HTTP/1.1"), [204]),
    pipeline("204 to a POST", b"POST /204 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
             [204]),
    pipeline("204 in HTTP/1.0", b"GET /204 HTTP/1.0\r\n\r\n", [204], CLOSE),
    pipeline("204, 304 and more", line(b"GET /204 HTTP/1.1") + line(b"GET /304 HTTP/1.1")
             + line(b"GET /x HTTP/1.1"), [204, 304, {"path": "/x"}]),
    ok("a stream", line(b"GET /stream HTTP/1.1"), path="/stream"),
    ok("a stream to HEAD", line(b"HEAD /stream HTTP/1.1"), head=True),
    last("a stream in HTTP/1.0", b"GET /stream HTTP/1.0\r\n\r\n", path="/stream"),
    last("a stream in HTTP/1.0, kept", b"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
         path="/stream"),
    last("a stream to HEAD in HTTP/1.0", b"HEAD /stream HTTP/1.0\r\n\r\n", head=True),
    last("a stream and close", field(b"Connection: close", b"GET /stream HTTP/1.1\r\n"),
         path="/stream"),
]


def numbered(count, last_one=b""):
    return b"".join(line(b"GET /%d HTTP/1.1" % n) for n in range(count)) + last_one


PATHS = [{"path": "/%d" % n} for n in range(50)]
HEAD_ROW = Case("HEAD and GET in a row", line(b"HEAD /1 HTTP/1.1") + line(b"GET /2 HTTP/1.1"),
                [Answer(head=True), {"path": "/2"}], KEEP)

ROWS = [
    HEAD_ROW,
    pipeline("three in a row", numbered(3), PATHS[:3]),
    pipeline("fifty in a row", numbered(50), PATHS),
    pipeline("an error in the middle", numbered(2, b"BAD\r\n\r\n") + numbered(2),
             PATHS[:2] + [400], CLOSE),
    pipeline("an unknown method in the middle", numbered(2, line(b"FOO / HTTP/1.1")) + numbered(2),
             PATHS[:2] + [501], CLOSE),
    pipeline("a bad chunk in the middle", numbered(2, chunked(b"x\r\n")) + numbered(2),
             PATHS[:2] + [400], CLOSE),
    pipeline("too long a body in the middle", numbered(1, post(b"Content-Length: 99999"))
             + numbered(2), PATHS[:1] + [413], CLOSE),
    pipeline("close in the middle", numbered(2, field(b"Connection: close")),
             PATHS[:2] + [200], CLOSE, behind=numbered(2)),
    pipeline("HTTP/1.0 in the middle", numbered(2, OLD + END), PATHS[:2] + [200], CLOSE,
             behind=numbered(2)),
    pipeline("bodies of all kinds in a row", post(b"Content-Length: 5", b"hello") + POST + END
             + chunked(b"5\r\nworld\r\n0\r\n\r\n") + post(b"Content-Length: 0"),
             [{"body": "hello"}, {"body": ""}, {"body": "world"}, {"body": ""}]),
    pipeline("a slow one first", line(b"GET /later HTTP/1.1") + numbered(2),
             [200] + PATHS[:2]),
    pipeline("a slow one in the middle", numbered(1) + line(b"GET /later HTTP/1.1") + numbered(1),
             PATHS[:1] + [200] + PATHS[:1]),
    pipeline("a slow one, then an error", line(b"GET /later HTTP/1.1") + b"\0", [200, 400], CLOSE),
    pipeline("a slow one that closes", field(b"Connection: close", b"GET /later HTTP/1.1\r\n"),
             [200], CLOSE, behind=numbered(2)),
    pipeline("a stream, then another", line(b"GET /stream HTTP/1.1") * 2,
             [{"path": "/stream"}, {"path": "/stream"}]),
    pipeline("100-continue in the middle", numbered(1) + post(
        b"Expect: 100-continue\r\nContent-Length: 5", b"hello") + numbered(1),
        PATHS[:1] + [{"body": "hello"}] + PATHS[:1]),
    silent("a row, and our end", numbered(3), PATHS[:3]),
    silent("a slow one, and our end", line(b"GET /later HTTP/1.1"), [200]),
    silent("two slow ones, and our end", line(b"GET /later HTTP/1.1") * 2, [200, 200]),
    silent("a body, and our end", post(b"Content-Length: 5", b"hello"), [{"body": "hello"}]),
    silent("a stream, and our end", line(b"GET /stream HTTP/1.1"), [{"path": "/stream"}]),
    silent("a row, half a body, and our end", numbered(2) + post(b"Content-Length: 5", b"he"),
           PATHS[:2]),
]

CASES = CONNECTION + EXPECT + UPGRADE + BODILESS + ROWS
