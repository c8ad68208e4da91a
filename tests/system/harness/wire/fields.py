# SPDX-License-Identifier: MIT
"""Field lines: their syntax, Host, and the limits of a head."""

from harness.wire.case import (CLOSE, END, GET, HOST, each_refused, field, ok, pipeline, refused)


def seen(*pairs):
    return [("Host", "a")] + list(pairs)


PLAIN = [
    ok("a field", field(b"X: y"), fields=seen(("X", "y"))),
    ok("no blank", field(b"X:y"), fields=seen(("X", "y"))),
    ok("many blanks", field(b"X: \t  y z\t \t"), fields=seen(("X", "y z"))),
    ok("an empty value", field(b"X:"), fields=seen(("X", ""))),
    ok("a value of blanks", field(b"X: \t "), fields=seen(("X", ""))),
    ok("a colon in the value", field(b"X:: y:"), fields=seen(("X", ": y:"))),
    ok("HTAB in the value", field(b"X: a\tb"), fields=seen(("X", "a\tb"))),
    ok("bytes over 0x7f in the value", field(b"X: \x80\xc3\xa9\xff"),
       fields=seen(("X", "\x80\xc3\xa9\xff"))),
    ok("any visible byte in the value", field(b"X: " + bytes(range(0x21, 0x7f))),
       fields=seen(("X", bytes(range(0x21, 0x7f)).decode()))),
    ok("any byte of a name", field(b"!#$%&'*+-.^_`|~09azAZ: x"),
       fields=seen(("!#$%&'*+-.^_`|~09azAZ", "x"))),
    ok("fields twice", field(b"X: 1\r\nx: 2\r\nX: 1"),
       fields=seen(("X", "1"), ("x", "2"), ("X", "1"))),
    ok("order is kept", field(b"B: 1\r\nA: 2\r\nC: 3"),
       fields=seen(("B", "1"), ("A", "2"), ("C", "3"))),
    ok("names like those that frame", field(b"Content_Length: 5\r\nContent-Lengths: 5\r\n"
       b"XContent-Length: 5\r\nTransfer_Encoding: chunked\r\nTransfer-Encodin: chunked"), body=""),
    ok("a quoted text is not looked into", field(b"X: \"a\\\"b\r\nY: \"c"),
       fields=seen(("X", "\"a\\\"b"), ("Y", "\"c"))),
    ok("a cookie", field(b"Cookie: a=b; c=\"d e\""), fields=seen(("Cookie", "a=b; c=\"d e\""))),
]

NAMES = each_refused(400, "name", [
    b": x", b" : x", b"X : y", b"X\t: y", b" X: y", b"\tX: y", b"X y: z", b"X", b"X y", b"X\0: y",
    b"\0: y", b"X\x01: y", b"X\x7f: y", b"X\x80: y", b"\xc3\xa9: y", b"X(: y", b"X): y", b"X,: y",
    b"X/: y", b"X;: y", b"X<: y", b"X=: y", b"X>: y", b"X?: y", b"X@: y", b"X[: y", b"X\\: y",
    b"X]: y", b"X{: y", b"X}: y", b"X\": y", b"GET / HTTP/1.1", b"=?utf-8?q?x?=: y",
], field) + [
    refused(400, "a first line that is folded", GET + b" X: y\r\n" + HOST + END),
    refused(400, "Host with a blank before the colon", GET + b"Host : a\r\n\r\n"),
    refused(400, "Content-Length with a blank before the colon",
            field(b"Content-Length : 3", b"POST / HTTP/1.1\r\n") + b"abc"),
    refused(400, "Transfer-Encoding with a blank before the colon",
            field(b"Transfer-Encoding : chunked", b"POST / HTTP/1.1\r\n") + b"0\r\n\r\n"),
]

# each of these alone, as a control byte may be the one that some look over
CONTROL = [byte for byte in range(0x20) if byte not in (0x09, 0x0d)] + [0x7f]
VALUES = [refused(400, "byte %#04x in a value" % byte, field(b"X: a" + bytes([byte]) + b"b"))
          for byte in CONTROL] + [
    refused(400, "byte %#04x in front of a value" % byte, field(b"X:" + bytes([byte]) + b"b"))
    for byte in (0x00, 0x0a, 0x0b, 0x0c)] + [
    refused(400, "byte %#04x behind a value" % byte, field(b"X: a" + bytes([byte])))
    for byte in (0x00, 0x0a, 0x0b, 0x0c)] + [
    refused(400, "CR in a value", field(b"X: a\rb")),
    refused(400, "CR behind a value", field(b"X: a\r")),
    refused(400, "CR and a blank", field(b"X: a\r b")),
    refused(400, "a folded value", field(b"X: a\r\n b")),
    refused(400, "a value folded with HTAB", field(b"X: a\r\n\tb")),
    refused(400, "a length in a folded value", field(b"X: a\r\n Content-Length: 3") + b"abc"),
    refused(400, "a folded Transfer-Encoding",
            field(b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n"),
    refused(400, "LF behind a field", GET + b"Host: a\n\r\n"),
    refused(400, "LF for the empty line", GET + HOST + b"\n"),
    refused(400, "LF LF at the end", GET + b"Host: a\n\n"),
    refused(400, "CR for the empty line", GET + HOST + b"\rX"),
    refused(400, "CR CR LF for the empty line", GET + HOST + b"\r\r\n"),
    refused(400, "a line of blanks for the empty line", GET + HOST + b" \r\n"),
]


def host(text):
    return GET + b"Host: " + text + b"\r\n\r\n"


HOSTS = [
    ok("Host " + text, host(text.encode()), host=text) for text in (
        "a", "A.b", "a.b.", "a-b_c", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8080",
        "[::ffff:1.2.3.4]", "a:0", "a:65535", "a:", "xn--nxasmq6b", "%41", "!$&'()*+;=~")] + [
    ok("Host with blanks around", GET + b"Host:\t a \r\n\r\n", host="a"),
    ok("Host in capitals", GET + b"HOST: a\r\n\r\n", host="a"),
    ok("Host comes last", GET + b"X: y\r\nHost: a\r\n\r\n", host="a"),
    refused(400, "no Host", GET + END),
    refused(400, "Host twice", GET + HOST + HOST + END),
    refused(400, "two Hosts", GET + HOST + b"Host: b\r\n\r\n"),
    refused(400, "Host twice in other letters", GET + HOST + b"hOST: a\r\n\r\n"),
    refused(400, "an empty Host", GET + b"Host:\r\n\r\n"),
    refused(400, "a Host of blanks", GET + b"Host: \t \r\n\r\n"),
    refused(400, "HTTP/1.0 with two Hosts", b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
    refused(400, "HTTP/1.0 with an empty Host", b"GET / HTTP/1.0\r\nHost:\r\n\r\n"),
    refused(400, "an empty Host and one", GET + b"Host:\r\nHost: a\r\n\r\n"),
] + each_refused(400, "Host", [
    b"a b", b"a,b", b"a, b", b"u@a", b"a/b", b"a?b", b"a#b", b"a\\b", b"http://a", b"a:b",
    b"a:80:80",
    b"a:65536", b"a:-1", b"a:+1", b"a:8 0", b":80", b"::1", b"[::1", b"::1]", b"[]", b"[g]",
    b"[::1]x",
    b"[::1]:x", b"\"a\"", b"<a>", b"a|b", b"a^b", b"a`b", b"{a}", b"\xc3\xa9", b"a\xff", b"a\tb",
    b"a%",
    b"a%4", b"a%00", b"[fe80::1%25eth0]",
], host)

FULL = 4096 - len(GET + HOST + END)     # what is left for other fields


def filled(size):
    """A head with so many bytes of other fields."""
    return field(b"X: " + b"x" * (size - 5))


def numbered(count):
    return field(b"\r\n".join(b"X%d: y" % number for number in range(count)))


LIMITS = [
    ok("the longest head", filled(FULL)),
    refused(431, "a head one byte longer", filled(FULL + 1)),
    refused(431, "a head much longer", filled(9000)),
    refused(431, "a long name", field(b"X" * 5000 + b": y")),
    refused(431, "a head without an end", GET + HOST + b"X: " + b"y" * 5000),
    refused(431, "blanks without an end", GET + HOST + b"X:" + b" " * 5000),
    ok("as many fields as may be", numbered(39)),
    refused(431, "one field more", numbered(40)),
    refused(431, "many fields", numbered(300)),
    refused(400, "long, and bad before that", field(b"X\0: y\r\nX: " + b"x" * 5000)),
    pipeline("the limit is of each head", filled(FULL) + filled(FULL), [200, 200]),
    pipeline("a long one behind a good one", field(b"X: y") + filled(FULL + 1), [200, 431], CLOSE),
]

CASES = PLAIN + NAMES + VALUES + HOSTS + LIMITS
