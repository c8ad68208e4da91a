# SPDX-License-Identifier: MIT
"""Where a body ends: Content-Length, Transfer-Encoding, both, and the chunks."""

from harness.wire.case import (GET, HOST, POST, each_refused, field, last, ok, pipeline, post,
                               refused, silent)

ANY = bytes(range(256))


def length(text, body=b"hello"):
    return post(b"Content-Length: " + text, body)


LENGTHS = [
    ok("a body", length(b"5"), method="POST", body="hello"),
    ok("an empty body", length(b"0", b""), body=""),
    ok("zeros before the length", length(b"005"), body="hello"),
    ok("a long row of zeros", length(b"0" * 100 + b"5"), body="hello"),
    ok("blanks around the length", post(b"Content-Length:   5  ", b"hello"), body="hello"),
    ok("HTAB before the length", post(b"Content-Length:\t5", b"hello"), body="hello"),
    ok("Content-Length in other letters", post(b"cONTENT-lENGTH: 5", b"hello"), body="hello"),
    ok("any byte in a body", length(b"256", ANY), body=ANY.decode("latin-1")),
    ok("a body that looks like a request", length(b"%d" % len(GET + HOST + b"\r\n"),
                                                  GET + HOST + b"\r\n"),
       body=(GET + HOST + b"\r\n").decode()),
    ok("the longest body", length(b"16384", b"x" * 16384), body="x" * 16384),
    refused(413, "a body one byte longer", length(b"16385", b"")),
    refused(413, "a body one byte longer, sent", length(b"16385", b"x" * 16385)),
    refused(413, "a body of very many bytes", length(b"9223372036854775807", b"")),
    refused(413, "the largest length there is", length(b"18446744073709551613", b"")),
] + [
    ok("a body with %s" % method, b"%s /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
       % method.encode(), method=method, body="hello")
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS")] + [
    ok("a body with HEAD", b"HEAD /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
       head=True),
    last("a body in HTTP/1.0", b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", body="hello"),
    last("an empty body in HTTP/1.0", b"POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", body=""),
    silent("half a body", length(b"9", b"hell")),
    silent("no byte of a body", length(b"9", b"")),
] + each_refused(400, "Content-Length", [
    b"", b" ", b"+5", b"-5", b"-0", b"0x5", b"5x", b"5 5", b"5,5", b"5, 5", b"5,", b",5", b"5.0",
    b"5e0",
    b"\"5\"", b"five", b"5;", b"5\t", b"0b101", b"0o5", b"5_0", b"\xd9\xa5", b"5\0", b"5\x0b",
    b"18446744073709551614", b"18446744073709551615", b"18446744073709551616",
    b"18446744073709551621", b"99999999999999999999999999", b"4294967301x",
], length) + [
    refused(400, "Content-Length twice, the same", post(
        b"Content-Length: 5\r\nContent-Length: 5", b"hello")),
    refused(400, "Content-Length twice, others", post(
        b"Content-Length: 5\r\nContent-Length: 0", b"hello")),
    refused(400, "Content-Length twice, one is empty", post(
        b"Content-Length: 5\r\nContent-Length:", b"hello")),
    refused(400, "Content-Length twice, far apart", post(
        b"Content-Length: 5\r\nX: y\r\nZ: z\r\ncontent-length: 5", b"hello")),
    refused(400, "Content-Length: 0 twice", post(b"Content-Length: 0\r\nContent-Length: 0")),
] + [
    refused(411, "HTTP/1.0 %s without a length" % method.decode(),
            method + b" / HTTP/1.0\r\nHost: a\r\n\r\nhello")
    for method in (b"POST", b"PUT", b"PATCH")] + [
    refused(411, "HTTP/1.0 POST without a length, kept",
            b"POST / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nhello"),
    last("HTTP/1.0 DELETE without a length", b"DELETE /x HTTP/1.0\r\n\r\n", method="DELETE",
         body=""),
]


def coding(text, body=b"5\r\nhello\r\n0\r\n\r\n"):
    return post(b"Transfer-Encoding: " + text, body)


CODINGS = [
    ok("chunked", coding(b"chunked"), body="hello"),
    ok("CHUNKED", coding(b"CHUNKED"), body="hello"),
    ok("Transfer-Encoding in other letters", post(b"tRANSFER-eNCODING: Chunked",
                                                  b"0\r\n\r\n"), body=""),
    ok("chunked without a blank", post(b"Transfer-Encoding:chunked", b"0\r\n\r\n"), body=""),
    ok("chunked behind HTAB", post(b"Transfer-Encoding:\tchunked", b"0\r\n\r\n"), body=""),
    ok("chunked with GET", field(b"Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n\r\n",
       method="GET", body="x"),
    ok("TE is no coding of ours", field(b"TE: trailers, deflate;q=0.5\r\nConnection: TE"), body=""),
    ok("Trailer says nothing", post(b"Transfer-Encoding: chunked\r\nTrailer: X",
                                    b"0\r\nX: y\r\n\r\n"), body=""),
] + each_refused(501, "Transfer-Encoding", [
    b"gzip, chunked", b"gzip,chunked", b"x, chunked", b"deflate, gzip, chunked",
    b"identity, chunked",
], coding) + each_refused(400, "Transfer-Encoding", [
    b"", b" ", b",", b",chunked", b"chunked,", b"chunked, chunked", b"chunked,gzip",
    b"chunked, identity",
    b"identity", b"gzip", b"xchunked", b"chunkedx", b"chunked;q=1", b"chunked ;", b"\"chunked\"",
    b"'chunked'",
    b"chunked\t", b"\x0bchunked", b"chunked\x0b", b"chunked\0", b"chunke", b"ch\xc3\xbcnked",
    b"chunked chunked", b"cow", b"none", b"[chunked]", b"chunked\xa0", b"\xa0chunked",
    b"c\thunked",
], coding) + [
    refused(400, "Transfer-Encoding twice", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "Transfer-Encoding twice, one is unknown", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow", b"0\r\n\r\n")),
    refused(400, "Transfer-Encoding twice, one is empty", post(
        b"Transfer-Encoding:\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "Transfer-Encoding twice, identity first", post(
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "Transfer-Encoding in HTTP/1.0",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused(400, "Transfer-Encoding in HTTP/1.0 with a length",
            b"POST / HTTP/1.0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    refused(400, "an unknown coding in HTTP/1.0",
            b"POST / HTTP/1.0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
]

# the classics: two that read one message in two ways
SMUGGLED = b"GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"
BOTH = [
    refused(400, "CL.TE", post(b"Content-Length: 40\r\nTransfer-Encoding: chunked",
                               b"0\r\n\r\n" + SMUGGLED)),
    refused(400, "TE.CL", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4",
                               b"23\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")),
    refused(400, "CL: 0 and TE", post(b"Content-Length: 0\r\nTransfer-Encoding: chunked",
                                      b"0\r\n\r\n" + SMUGGLED)),
    refused(400, "CL and an unknown TE", post(b"Content-Length: 5\r\nTransfer-Encoding: cow",
                                              b"hello")),
    refused(400, "CL and an empty TE", post(b"Content-Length: 5\r\nTransfer-Encoding:", b"hello")),
    refused(400, "CL and TE: identity", post(
        b"Content-Length: 5\r\nTransfer-Encoding: identity", b"hello")),
    refused(400, "CL and TE: gzip, chunked", post(
        b"Content-Length: 5\r\nTransfer-Encoding: gzip, chunked", b"hello")),
    refused(400, "a bad CL and TE", post(b"Content-Length: x\r\nTransfer-Encoding: chunked",
                                         b"0\r\n\r\n")),
    refused(400, "TE.TE with a blank", post(
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding : cow", b"0\r\n\r\n")),
    refused(400, "TE.TE folded", post(b"Transfer-Encoding: chunked\r\n , cow", b"0\r\n\r\n")),
    refused(400, "TE behind LF", post(b"X: y\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "TE behind CR", post(b"X: y\rTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "TE behind NUL", post(b"X: y\0\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    refused(400, "CL behind a vertical tab", post(b"Content-Length:\x0b5", b"hello")),
    pipeline("CL.0: a body that GET has is not the next",
             field(b"Content-Length: %d" % len(SMUGGLED)) + SMUGGLED,
             [{"path": "/", "body": SMUGGLED.decode()}]),
    pipeline("0.CL: nothing said, nothing taken", POST + b"\r\n" + SMUGGLED,
             [{"path": "/", "body": ""}, {"path": "/admin"}]),
    pipeline("a name with _ frames nothing", post(b"Content_Length: 5") + SMUGGLED,
             [{"body": ""}, {"path": "/admin"}]),
]

CASES = LENGTHS + CODINGS + BOTH
