# SPDX-License-Identifier: MIT
"""Request lines: methods, the forms of the target, versions, what comes before."""

from harness.wire.case import (CLOSE, END, GET, HOST, each_refused, last, line, ok, pipeline,
                               refused, silent)

METHODS = [
    ok("GET", line(b"GET / HTTP/1.1"), method="GET", path="/", query="", body=""),
    ok("HEAD", line(b"HEAD / HTTP/1.1"), head=True),
    ok("POST without a body", line(b"POST /p HTTP/1.1"), method="POST", path="/p", body=""),
    ok("PUT without a body", line(b"PUT /p HTTP/1.1"), method="PUT"),
    ok("PATCH without a body", line(b"PATCH /p HTTP/1.1"), method="PATCH"),
    ok("DELETE", line(b"DELETE /p HTTP/1.1"), method="DELETE"),
    ok("OPTIONS", line(b"OPTIONS /p HTTP/1.1"), method="OPTIONS", path="/p"),
] + each_refused(501, "method", [
    b"TRACE", b"CONNECT", b"PROPFIND", b"PRI", b"SOURCE", b"get", b"Get", b"GETT", b"GE", b"G",
    b"!#$%&'*+-.^_`|~", b"0", b"M" * 1000], lambda text: line(text + b" / HTTP/1.1"),
) + each_refused(400, "method", [
    b"", b"\t", b"G(T", b"GET\t", b"\x00GET", b"G\x00T", b"G\x7fT", b"G\xc3\x89T", b"GET/",
    b"G,T", b"G\"T", b"{}", b"GET:", b"[GET]", b"\xef\xbb\xbfGET"],
    lambda text: line(text + b" / HTTP/1.1")) + [
    refused(400, "method of another protocol in front", b"EHLO a\r\nGET / HTTP/1.1\r\n" + HOST
            + END),
]


def target(text):
    return line(b"GET " + text + b" HTTP/1.1")


ORIGIN = [
    ok("path", target(b"/a/b.c"), path="/a/b.c", query=""),
    ok("path and query", target(b"/a?b=c&d"), path="/a", query="b=c&d"),
    ok("an empty query", target(b"/a?"), path="/a", query=""),
    ok("a query with ?", target(b"/a?b?c"), path="/a", query="b?c"),
    ok("two slashes", target(b"//a//b"), path="//a//b"),
    ok("dots are left to the handler", target(b"/a/../../b/./c"), path="/a/../../b/./c"),
    ok("escapes are left to the handler", target(b"/%41%2f%2F%2e%7e"), path="/%41%2f%2F%2e%7e"),
    ok("an escape in the query", target(b"/?%20%0d%0a"), path="/", query="%20%0d%0a"),
    ok("all that a path may hold", target(b"/!$&'()*+,;=:@-._~"), path="/!$&'()*+,;=:@-._~"),
    ok("visible bytes that none should send", target(b"/\"<>\\^`{|}[]"),
       path="/\"<>\\^`{|}[]"),
    ok("a colon", target(b"/http://b/"), path="/http://b/", host="a"),
    ok("an asterisk with a slash", target(b"/*"), path="/*"),
    ok("the longest target", target(b"/" + b"a" * 1023), path="/" + "a" * 1023),
    refused(414, "one byte longer", target(b"/" + b"a" * 1024)),
    refused(414, "much longer", target(b"/" + b"a" * 3000)),
    refused(414, "a long query", target(b"/?" + b"a" * 1024)),
    refused(414, "a long target without an end", b"GET /" + b"a" * 1100),
] + each_refused(400, "target", [
    b"", b"a", b"*", b"a/b", b"?a", b".", b"\\", b"/#", b"/#a", b"/a?b#c", b"%2f", b"/a b",
    b" /", b"/ ", b"\t/", b"/\t", b"/a\tb", b"/\x00", b"/\x01", b"/\x1f", b"/\x7f", b"/\x80",
    b"/\xc3\xa9", b"/\xff", b"/\x0b", b"/\r", b"/\n", b"/a\rb", b"/a\nb",
], target) + each_refused(400, "escape", [
    b"/%", b"/%2", b"/%g0", b"/%0g", b"/%%41", b"/% 41", b"/%u0041", b"/%00", b"/a?%00", b"/a?%",
    b"/a?b=%x1", b"/%c0%00",
], target)

ABSOLUTE = [
    ok("absolute", target(b"http://b/c?d"), path="/c", query="d", host="b"),
    ok("absolute without a path", target(b"http://b"), path="/", query="", host="b"),
    ok("absolute with a query alone", target(b"http://b?c"), path="/", query="c", host="b"),
    ok("absolute with a port", target(b"http://b:80/"), path="/", host="b:80"),
    ok("absolute in capitals", target(b"HTTP://B/"), path="/", host="B"),
    ok("absolute with an address", target(b"http://[::1]:8080/x"), path="/x", host="[::1]:8080"),
    ok("absolute names the host, not Host", b"GET http://b/ HTTP/1.1\r\nHost: evil\r\n\r\n",
       path="/", host="b"),
    ok("absolute of a long name behind a short Host",
       b"GET http://a-name-that-is-longer/ HTTP/1.1\r\nhOsT:b\r\n\r\n", path="/",
       host="a-name-that-is-longer"),
    last("absolute in HTTP/1.0", b"GET http://b/c HTTP/1.0\r\n\r\n", path="/c", host="b"),
    refused(400, "absolute without Host", b"GET http://b/ HTTP/1.1\r\n\r\n"),
    refused(400, "absolute with a bad Host", b"GET http://b/ HTTP/1.1\r\nHost: a,b\r\n\r\n"),
    refused(400, "absolute with two Hosts",
            b"GET http://b/ HTTP/1.1\r\nHost: b\r\nHost: b\r\n\r\n"),
] + each_refused(400, "absolute", [
    b"http://", b"http:///", b"http:///a", b"http://?", b"http:/b/", b"http:b", b"http://:80/",
    b"http://b:x/", b"http://b:65536/", b"http://b:-1/", b"http://u@b/",
    b"http://u:p@b/", b"http://b,c/", b"http://b\\c/", b"http://[::1/", b"http://::1]/",
    b"http://[]/", b"http://b#c", b"http://b%/", b"http://b%00/", b"ftp://b/", b"ws://b/",
    b"httpx://b/", b"file:///etc/passwd", b"//b/c d", b"javascript:x", b"urn:a:b",
    b"http://b/%", b"http://b/%zz",
], target) + [
    refused(421, "https on a connection that is none", target(b"https://b/")),
    refused(421, "https in capitals", target(b"HTTPS://b:443/c")),
    refused(400, "https with a bad authority", target(b"https://u@b/")),
]

AUTHORITY = [
    refused(501, "CONNECT", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"),
    refused(501, "CONNECT with what would be tunnelled",
            b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    refused(501, "CONNECT with a length", b"CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n"
            b"Content-Length: 3\r\n\r\nabc"),
    refused(400, "authority form with GET", target(b"b:443")),
    refused(400, "authority form of an address with GET", target(b"[::1]:443")),
]

ASTERISK = [
    pipeline("OPTIONS *", line(b"OPTIONS * HTTP/1.1"), [204]),
    pipeline("OPTIONS * with a body",
             b"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", [204]),
    pipeline("OPTIONS * in HTTP/1.0", b"OPTIONS * HTTP/1.0\r\n\r\n", [204], CLOSE),
    pipeline("OPTIONS * and more", line(b"OPTIONS * HTTP/1.1") + line(b"GET /x HTTP/1.1"),
             [204, {"path": "/x"}]),
] + each_refused(400, "asterisk with", [b"GET", b"HEAD", b"POST", b"DELETE"],
                 lambda text: line(text + b" * HTTP/1.1")) + [
    refused(400, "asterisk with more", line(b"OPTIONS *a HTTP/1.1")),
    refused(400, "asterisk with a query", line(b"OPTIONS *?a HTTP/1.1")),
]


def version(text):
    return line(b"GET / " + text)


VERSIONS = [
    last("HTTP/1.0", b"GET /x HTTP/1.0\r\n\r\n", path="/x", host=""),
    last("HTTP/1.0 with Host", version(b"HTTP/1.0"), host="a"),
] + each_refused(505, "version", [
    b"HTTP/2.0", b"HTTP/3.0", b"HTTP/0.9", b"HTTP/1.2", b"HTTP/1.9", b"HTTP/9.9", b"HTTP/0.0",
    b"HTTP/01.1",
], version) + each_refused(400, "version", [
    b"", b"HTTP", b"HTTP/", b"HTTP/1", b"HTTP/1.", b"HTTP/.1", b"HTTP/1.1 ", b" HTTP/1.1",
    b"HTTP/1.10", b"HTTP/1.01", b"HTTP/11", b"HTTP/1,1", b"HTTP/-1.1", b"HTTP/+1.1",
    b"HTTP/1.x", b"http/1.1", b"Http/1.1", b"HTTPS/1.1", b"HTTP /1.1", b"HTTP/ 1.1", b"ICE/1.0",
    b"RTSP/1.0", b"HTTP\\1.1", b"HTTP/1.1\t", b"HTTP/1.1\x00", b"XTTP/1.1", b"HTTP/1.1 HTTP/1.1",
], version) + [
    refused(400, "HTTP/0.9", b"GET /\r\n"),
    refused(400, "HTTP/0.9 and fields", b"GET /\r\nHost: a\r\n\r\n"),
    refused(505, "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    refused(505, "the preface of HTTP/2 and a frame", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            b"\0\0\0\x04\0\0\0\0\0"),
]

BEFORE = [
    ok("an empty line before", END + target(b"/x"), path="/x"),
    pipeline("an empty line between", target(b"/1") + END + target(b"/2"),
             [{"path": "/1"}, {"path": "/2"}]),
    pipeline("an empty line behind a body",
             b"POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n" + target(b"/2"),
             [{"path": "/1", "body": "abc"}, {"path": "/2"}]),
    pipeline("an empty line behind the last one", target(b"/1") + END, [{"path": "/1"}]),
    pipeline("two empty lines between", target(b"/1") + END + END + target(b"/2"),
             [200, 400], CLOSE),
    silent("nothing but an empty line", END),
    silent("half an empty line", b"\r"),
    silent("half a method", b"GE"),
    silent("half a target", b"GET /ab"),
    silent("half a version", b"GET / HTTP/1"),
    silent("half a field", GET + b"Host: a"),
    silent("no empty line", GET + HOST),
    silent("half an empty line at the end", GET + HOST + b"\r"),
    silent("one, and half another", target(b"/1") + b"GET /2", [{"path": "/1"}]),
] + each_refused(400, "before the line", [
    b"\n", b"\r", b"\r\r\n", b"\n\r\n", b"\r\n\r\n", b"\r\n\n", b" ", b"\t", b"\0", b"\x7f",
    b"\r\n ", b"\xff", b"\r\n\r"], lambda text: text + target(b"/")) + [
    refused(400, "TLS", bytes.fromhex("160301020001000001fc0303") + bytes(range(200))),
    refused(400, "TLS of long ago", bytes.fromhex("802e0100020015000000100300")),
    refused(400, "SSH", b"SSH-2.0-OpenSSH_9.2\r\n"),
    refused(400, "a line of a PROXY", b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
            + target(b"/")),
    refused(400, "a second version of that", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12)
            + target(b"/")),
    refused(400, "LF alone ends no line", b"GET / HTTP/1.1\nHost: a\n\n"),
    refused(400, "LF behind the line", b"GET / HTTP/1.1\nHost: a\r\n\r\n"),
    refused(400, "CR behind the line", b"GET / HTTP/1.1\rHost: a\r\n\r\n"),
    refused(400, "CR CR LF behind the line", b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
]

CASES = METHODS + ORIGIN + ABSOLUTE + AUTHORITY + ASTERISK + VERSIONS + BEFORE
