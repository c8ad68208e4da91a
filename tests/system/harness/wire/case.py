# SPDX-License-Identifier: MIT
"""One case of the wire table: bytes that a client sends, and what comes of them.

    ok("absolute form", line(b"GET http://b/c HTTP/1.1"), path="/c", host="b")
    last("close", field(b"Connection: close"))
    refused(400, "no host", GET + END)
    pipeline("an error in the middle", ..., [200, 400], CLOSE)

Behind the bytes of each case the runner sends PROBE, which is answered where the
connection is kept and only there: so it is also seen where the next message
begins.  It comes last, and closes.
"""

# The limits that the table counts on, as keys of its pool.
LIMITS = {"max_header_size": "4k", "max_uri_size": "1k", "max_headers": 40,
          "max_body_size": "16k"}

PROBE = (b"PUT /probe HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n"
         b"Content-Length: 5\r\n\r\nprobe")

KEEP = "kept"                   # the probe is answered
CLOSE = "closed"                # the last answer says so, and nothing follows it
SILENT = "silent"               # half a message: closed with our end, no answer for it

GET = b"GET / HTTP/1.1\r\n"
HOST = b"Host: a\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
END = b"\r\n"


class Answer:
    """One that is expected: status, and members of what the handler saw."""

    def __init__(self, status=200, head=False, fields=None, saw=None):
        self.status = status
        self.head = head                # to a HEAD: its length is of no body
        self.fields = fields or {}      # of the answer itself
        self.saw = saw or {}

    @staticmethod
    def of(given):
        if isinstance(given, Answer):
            return given
        if isinstance(given, dict):
            return Answer(saw=given)
        return Answer(given)


class Case:
    def __init__(self, name, send, answers, end, head=False, behind=b""):
        self.name = name
        self.send = send + behind
        self.border = len(send)         # CLOSE: the message that closes ends here
        self.answers = [Answer.of(answer) for answer in answers]
        self.end = end
        if head:
            self.answers[-1].head = True

    @property
    def expected(self):
        """All answers, with that to the probe."""
        if self.end == KEEP:
            return self.answers + [Answer.of({"method": "PUT", "path": "/probe",
                                              "host": "probe", "body": "probe"})]
        return self.answers

    @property
    def bytes(self):
        return self.send if self.end == SILENT else self.send + PROBE

    def __repr__(self):
        return "%s: %r" % (self.name, self.send[:300])


# ---- cases by their end -----------------------------------------------------------


def ok(name, send, head=False, **saw):
    """One request, answered with 200; the connection is kept."""
    return Case(name, send, [saw], KEEP, head)


def last(name, send, head=False, **saw):
    """The same, and the connection is closed."""
    return Case(name, send, [saw], CLOSE, head)


def refused(status, name, send, head=False):
    return Case(name, send, [status], CLOSE, head)


def pipeline(name, send, answers, end=KEEP, behind=b""):
    """behind: comes behind the message that closes, and is not read."""
    return Case(name, send, answers, end, behind=behind)


def silent(name, send, answers=()):
    return Case(name, send, list(answers), SILENT)


def each(make, name, texts, wrap=lambda text: text, **saw):
    """A case for each text, named by it."""
    return [make("%s %s" % (name, _shown(text)), wrap(text), **saw) for text in texts]


def each_refused(status, name, texts, wrap=lambda text: text):
    return [refused(status, "%s %s" % (name, _shown(text)), wrap(text)) for text in texts]


def _shown(text):
    shown = repr(text)[1:]
    return shown if len(shown) < 50 else shown[:40] + "..., %d bytes" % len(text)


# ---- messages ---------------------------------------------------------------------


def line(text):
    """A request of this line."""
    return text + b"\r\n" + HOST + END


def field(text, start=GET):
    """One with these fields beside Host."""
    return start + HOST + text + b"\r\n\r\n"


def post(text, body=b""):
    return POST + text + b"\r\n\r\n" + body


def chunked(text):
    return POST + b"Transfer-Encoding: chunked\r\n\r\n" + text
