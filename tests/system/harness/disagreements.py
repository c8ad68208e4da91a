# SPDX-License-Identifier: MIT
"""Where we and llhttp, Node's parser, disagree on purpose: what we refuse and it
accepts, by the reason that our parser gives and by the version of llhttp, each
with why.  What is not here is a hole on one of the two sides.  Nothing is accepted
here that llhttp refuses."""

import re

# https in a target is 421 here, which Node serves.

# ---- what we refuse and llhttp accepts: reason of ours, why -----------------

ALWAYS = {
    "head too long": "llhttp has no limit of its own",
    "too many fields": "no limit",
    "target too long": "no limit",
    "body too long": "no limit",
    "too much framing": "no limit on extensions and leading zeros",
    "bad start of request line": "any number of CR and LF before a request",
    "no target": "two blanks before the target are taken as one",
    "bad version": "two blanks before the version; RTSP and ICE are protocols",
    "no version": "HTTP/0.9, with CR LF or LF alone",
    "version not served": "0.9 and 2.0 are versions",
    "unknown method": "methods of other protocols, and CONNECT and TRACE",
    "no Host": "a server's matter, not the parser's",
    "more than one Host": "the same",
    "bad Host": "the same",
    "Transfer-Encoding in HTTP/1.0": "frames a body all the same",
    "empty Transfer-Encoding": "the body becomes the next request",
    "bad Transfer-Encoding": "an empty element before chunked is skipped",
    "unknown transfer coding": "any coding before chunked",
    "no length in HTTP/1.0": "no body, where there may be one",
    "unknown expectation": "a server's matter",
    "fragment in target": "# is a byte like others",
    "* is for OPTIONS": "the target may begin with *",
    "bad form of target": "any scheme, userinfo, an empty host",
    "bad escape in target": "escapes are not looked at",
    "HTAB in a field that frames": "part of the word before it, which then says nothing",
    "bad chunk extension": "names and values may be empty, quotes anywhere",
}
UP_TO_8 = {
    "CR without LF": "CRLF LF ends a head or trailers",
    "line does not begin with a field name":
        "continuation lines, empty names, CRLF LF as the end",
    "forbidden trailer": "Content-Length in trailers",
}
FROM_9 = {
    "forbidden trailer": "Host and Transfer-Encoding in trailers",
}
# llhttp 6 of Node 18 is built without its strict mode
UP_TO_6 = {
    "bad byte in field name": "a blank before the colon",
    "no CRLF behind a chunk": "chunk data without CRLF",
    "bad byte in target": "bytes over 0x7f",
    "bad byte in field value": "LF ends a line",
    "bad chunk size": "blanks behind the size",
}


def expected_of(version):
    major = int(version.split(".")[0])
    expected = dict(ALWAYS)
    if major >= 9:
        expected.update(FROM_9)
    if major <= 8:
        expected.update(UP_TO_8)
    if major <= 6:
        expected.update(UP_TO_6)
    return expected

# ---- about what follows a message --------------------------------------------


def _words(message, wanted):
    return [word.strip().lower() for name, value in message["fields"]
            if bytes.fromhex(name).lower() == wanted
            for word in bytes.fromhex(value).split(b",")]


def _both_in_1_0(message, _):
    words = _words(message, b"connection")
    return message["minor"] == 0 and b"close" in words and b"keep-alive" in words


def _proxy_connection(message, _):
    return bool(_words(message, b"proxy-connection"))


def _asks_upgrade(message, _):
    return b"upgrade" in _words(message, b"connection") and any(_words(message, b"upgrade"))


_IN_TRAILERS = re.compile(rb"\r\n0[^\r]*\r\n([^\r]+\r\n)*(proxy-)?connection:", re.I)


def _in_a_trailer(message, text):
    return bool(_words(message, b"transfer-encoding") and _IN_TRAILERS.search(text))


# by the message (names and values in hexadecimal) and the bytes of all
BEHIND = [
    ("HTTP/1.0 with both close and keep-alive ends the connection (RFC 9112 9.3); llhttp"
     " goes on", _both_in_1_0),
    ("Proxy-Connection is no field of HTTP; to llhttp it is Connection", _proxy_connection),
    ("a trailer is no header (RFC 9110 6.5.1); llhttp takes its Connection", _in_a_trailer),
    ("what follows a wish for another protocol that nobody agreed to is a request (RFC"
     " 9110 7.8); Node reads no further, and says nothing", _asks_upgrade),
]


def first_in_doubt(messages, text):
    """How many messages there are up to the first behind which the two may go
    separate ways; None if there is none."""
    for count, message in enumerate(messages, 1):
        if any(differs(message, text) for _, differs in BEHIND):
            return count
    return None
