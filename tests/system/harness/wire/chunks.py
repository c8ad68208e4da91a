# SPDX-License-Identifier: MIT
"""The chunked coding and the trailers behind it."""

from harness.wire.case import chunked, each_refused, line, ok, pipeline, refused, silent

LAST = b"0\r\n\r\n"


def piece(size, data=b"hello"):
    """A chunk whose size line is this, then the last one."""
    return chunked(size + b"\r\n" + data + b"\r\n" + LAST)


GOOD = [
    ok("one chunk", piece(b"5"), body="hello"),
    ok("no chunk", chunked(LAST), body=""),
    ok("many chunks", chunked(b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n" + LAST), body="hello"),
    ok("a size in capitals", piece(b"A", b"0123456789"), body="0123456789"),
    ok("a size in small letters", piece(b"a", b"0123456789"), body="0123456789"),
    ok("a size with a zero before", piece(b"05"), body="hello"),
    ok("a size with many", piece(b"0" * 200 + b"5"), body="hello"),
    ok("a last chunk of many zeros", chunked(b"5\r\nhello\r\n0000\r\n\r\n"), body="hello"),
    ok("CRLF in a chunk", piece(b"9", b"0\r\n\r\nGET "), body="0\r\n\r\nGET "),
    ok("a chunk of CRLF", piece(b"2", b"\r\n"), body="\r\n"),
    ok("an extension", piece(b"5;a"), body="hello"),
    ok("an extension with a value", piece(b"5;a=b"), body="hello"),
    ok("one with a quoted value", piece(b"5;a=\"b;c \\\" \\\\ d\""), body="hello"),
    ok("one with an empty quoted value", piece(b"5;a=\"\""), body="hello"),
    ok("many extensions", piece(b"5;a;b=c;d=\"e\";f"), body="hello"),
    ok("an extension of the last chunk", chunked(b"0;a=b\r\n\r\n"), body=""),
    ok("the longest framing", piece(b"5;a=" + b"b" * (256 - 6)), body="hello"),
    ok("the longest body in chunks", chunked(b"2000\r\n" + b"x" * 8192 + b"\r\n2000\r\n"
                                             + b"x" * 8192 + b"\r\n" + LAST), body="x" * 16384),
    pipeline("chunks, and another", piece(b"5") + line(b"GET /x HTTP/1.1"),
             [{"body": "hello"}, {"path": "/x"}]),
    silent("half a size", chunked(b"5")),
    silent("half a chunk", chunked(b"5\r\nhel")),
    silent("no CRLF behind a chunk yet", chunked(b"5\r\nhello")),
    silent("no last chunk", chunked(b"5\r\nhello\r\n")),
    silent("half a last chunk", chunked(b"0\r\n")),
    silent("a trailer, and no end", chunked(b"0\r\nX: y\r\n")),
]

SIZES = each_refused(400, "chunk size", [
    b"", b"g", b"x", b"+5", b"-5", b"-0", b"0x5", b"5h", b" 5", b"5 ", b"\t5", b"5\t", b"5 ;a",
    b"5.", b"5,",
    b"\"5\"", b"5\0", b"\0" b"5", b"\xff", b"5\x0b", b"5\n", b"\n5", b"5\r", b"5 5", b"5:",
    b"%35",
    b"10000000000000005", b"10000000000000000", b"ffffffffffffffffff", b"f" * 40,
], piece) + each_refused(400, "extension", [
    b"5;", b"5;;", b"5;=", b"5;=b", b"5;a=", b"5;a=;", b"5; a", b"5;a =b", b"5;a= b", b"5;a b",
    b"5;a=b c",
    b"5;a=\"", b"5;a=\"b", b"5;a=\"b\"c", b"5;\"a\"=b", b"5;a=b\n", b"5;a\nb", b"5;a\r",
    b"5;a=\"\n\"",
    b"5;a=\"\r\"", b"5;a=\"\\\n\"", b"5;a=\"\0\"", b"5;a\0", b"5;\x80", b"5;a=\x7f", b"5;a,b",
    b"5;a=" + b"b" * 300, b"5" + b";a=b" * 70, b"0" * 257,
], piece) + [
    refused(413, "the largest size", piece(b"ffffffffffffffff")),
    refused(413, "a size over 63 bits", piece(b"8000000000000000")),
    refused(413, "a chunk one byte too long", chunked(b"4001\r\n")),
    refused(413, "chunks of too many bytes", chunked(b"4000\r\n" + b"x" * 16384 + b"\r\n1\r\nx\r\n"
                                                     + LAST)),
    refused(413, "a size that would wrap", chunked(b"5\r\nhello\r\nfffffffffffffffb\r\n")),
    refused(400, "LF behind a size", chunked(b"5\nhello\r\n" + LAST)),
    refused(400, "CR behind a size", chunked(b"5\rhello\r\n" + LAST)),
    refused(400, "LF behind a chunk", chunked(b"5\r\nhello\n" + LAST)),
    refused(400, "CR behind a chunk", chunked(b"5\r\nhello\r0\r\n\r\n")),
    refused(400, "nothing behind a chunk", chunked(b"5\r\nhello" + LAST)),
    refused(400, "a chunk longer than it says", chunked(b"4\r\nhello\r\n" + LAST)),
    refused(400, "a chunk shorter than it says", chunked(b"6\r\nhello\r\n" + LAST)),
    refused(400, "two CRLF behind a chunk", chunked(b"5\r\nhello\r\n\r\n" + LAST)),
    refused(400, "a body that is not chunked", chunked(b"hello, world\r\n")),
    refused(400, "LF behind the last chunk", chunked(b"0\n\r\n")),
    refused(400, "LF for the last line", chunked(b"0\r\n\n")),
    refused(400, "CR for the last line", chunked(b"0\r\n\rX")),
    refused(400, "data behind the last chunk", chunked(b"0\r\nhello\r\n\r\n")),
    refused(400, "a request where the trailers end", chunked(b"0\r\nGET / HTTP/1.1\r\n"
                                                             b"Host: a\r\n\r\n")),
]


def trailers(text):
    return chunked(b"5\r\nhello\r\n0\r\n" + text + b"\r\n\r\n")


TRAILERS = [
    ok("a trailer", trailers(b"X: y"), body="hello", fields=[
        ("Host", "a"), ("Transfer-Encoding", "chunked")]),
    ok("many trailers", trailers(b"\r\n".join(b"X%d: y" % n for n in range(16))), body="hello"),
    ok("a trailer that says close", trailers(b"Connection: close"), body="hello"),
    ok("a trailer that expects", trailers(b"Expect: 100-continue"), body="hello"),
    refused(431, "too many trailers", trailers(b"\r\n".join(b"X%d: y" % n for n in range(50)))),
    refused(431, "a trailer too long", trailers(b"X: " + b"y" * 5000)),
    refused(431, "a trailer without an end", chunked(b"0\r\nX: " + b"y" * 5000)),
] + each_refused(400, "trailer", [
    b"Content-Length: 5", b"content-length: 0", b"Transfer-Encoding: chunked",
    b"TRANSFER-ENCODING: x",
    b"Host: b", b"host:", b": x", b"X : y", b" X: y", b"X: y\r\n z", b"X", b"X: a\0",
    b"X: a\nY: b",
    b"X: a\rY: b", b"X\x80: y", b"X: \x01", b"X: \x7f",
], trailers)

CASES = GOOD + SIZES + TRAILERS
