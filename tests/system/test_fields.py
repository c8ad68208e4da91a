# SPDX-License-Identifier: MIT
"""What a request says: query, cookies, path; and that misuse is an error."""

import errno
import json
import re
import shutil
import subprocess

import pytest

from harness import http, inject, sanitized
from harness.access import logging


@pytest.fixture
def fields(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, max_uri_size="16k")

    def ask(path="/", headers=(), **how):
        answer = c.request(how.pop("method", "GET"), path, headers=list(headers), **how)
        assert answer.status == 200, answer
        return json.loads(answer.body)
    ask.c = c
    return ask


# ---- query -----------------------------------------------------------------------

QUERY = [
    ("", []),
    ("?", []),
    ("?a=b", [["a", "b"]]),
    ("?a=1&b&a=2&=c&&d=", [["a", "1"], ["b", ""], ["a", "2"], ["", "c"], ["d", ""]]),
    ("?a+b=c%2Bd%26e", [["a b", "c+d&e"]]),
    ("?%C3%A4=%e2%82%ac", [["ä", "€"]]),
    ("?a=?b=/c;d", [["a", "?b=/c;d"]]),
]


@sanitized
def test_query(fields):
    for query, pairs in QUERY:
        said = fields("/x" + query)
        assert said["query"] == pairs and said["query_rc"] == 0, (query, pairs)


A_QUERY_THAT_IS_NO_TEXT = ["a=%ff", "%ff=a", "ok=1&a=%c0%af", "a=%ed%a0%80"]


def test_a_query_that_is_no_text(fields):
    for query in A_QUERY_THAT_IS_NO_TEXT:
        said = fields("/?" + query, [("X-Ask", "ok")])
        assert said["query"] == [] and said["query_rc"] == -errno.EILSEQ, query
        assert said["query_get"] is None, "no part of it counts"


def test_byte_0_is_refused_before(fields):
    for path in ("/?a=%00", "/a%00"):
        assert fields.c.get(path).status == 400


def test_a_query_has_a_thousand_pairs(fields):
    said = fields("/?" + "&".join("a%d=%d" % (i, i) for i in range(1000)), [("X-Ask", "a999")])
    assert len(said["query"]) == 1000 and said["query_get"] == "999"
    said = fields("/?" + "a&" * 1001, [("X-Ask", "a")])
    assert said["query_rc"] == -errno.E2BIG and said["query_get"] is None


def test_the_first_of_a_name(fields):
    said = fields("/?a=1&A=2&a=3", [("X-Ask", "a"), ("Cookie", "b=1; a=2; a=3")])
    assert said["query_get"] == "1" and said["cookie"] == "2"


# ---- cookies and other headers ------------------------------------------------------

COOKIES = [
    ([], []),
    (["a=b; c=d"], [["a", "b"], ["c", "d"]]),
    (["a=b", "c=d", "a=e"], [["a", "b"], ["c", "d"], ["a", "e"]]),
    (['sid="x y"; bad; a b=c; =d; e=%20'], [["sid", "x y"], ["e", "%20"]]),
    (['j={"a":1,"b":2}'], [["j", '{"a":1,"b":2}']]),
    ([""], []),
]


@sanitized
def test_cookies(fields):
    for lines, pairs in COOKIES:
        said = fields("/", [("Cookie", line) for line in lines])
        assert said["cookies"] == pairs and said["cookies_rc"] == 0, (lines, pairs)


def test_too_many_cookies_are_none(fields):
    said = fields("/", [("Cookie", "a=;" * 600), ("Cookie", "a=;" * 401), ("X-Ask", "a")])
    assert said["cookies_rc"] == -errno.E2BIG and said["cookie"] is None


def test_a_header_that_is_there_more_than_once(fields):
    said = fields("/", [("X-Many", "1"), ("X-Other", "2"), ("x-many", ""), ("X-MANY", "3, 4")])
    assert said["x_many"] == ["1", "", "3, 4"]


# ---- path -------------------------------------------------------------------------

PATH = [
    ("/", "/"), ("/a%20b+c", "/a b+c"), ("/%C3%A4", "/ä"), ("/a/../b", "/a/../b"),
    ("/%2e%2E/", "/../"), ("/%25", "/%"),
    ("/a%2fb", None), ("/a%2Fb", None), ("/%ff", None)]


@sanitized
def test_path(fields):
    for path, decoded in PATH:
        assert fields(path)["path"] == decoded, (path, decoded)
        assert fields(path + "?q")["path"] == decoded, (path, decoded)


def test_requests_of_one_connection_do_not_mix(fields):
    with fields.c.connect() as conn:
        for i in range(3):
            conn.send(http.head("GET", "/%%4%d?n=%d" % (i, i), "a", [("Cookie", "c=%d" % i)]))
        for i in range(3):
            said = json.loads(conn.response().body)
            assert said["path"] == "/" + "@AB"[i]
            assert said["query"] == [["n", str(i)]] and said["cookies"] == [["c", str(i)]]


# ---- forms ------------------------------------------------------------------------

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=B"


def part(name, data, more="", lines=b""):
    return b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n%s\r\n%s\r\n' % (
        name.encode(), more.encode(), lines, data)


def post(fields, body, kind=None, ask="a", headers=()):
    headers = [("Content-Type", kind)] * (kind is not None) + [("X-Ask", ask), *headers]
    return fields("/", headers, method="POST", body=body)


A_FORM = [
    (b"", []), (b"a=b", [["a", "b"]]), (b"a=1&a=2&b&=c&", [["a", "1"], ["a", "2"], ["b", ""],
                                                            ["", "c"]]),
    (b"a+b=%C3%A4+%26", [["a b", "ä &"]])]


def test_a_form(fields):
    for body, pairs in A_FORM:
        for kind in (URLENCODED, URLENCODED.upper(), URLENCODED + " ; charset=utf-8"):
            said = post(fields, body, kind)
            assert said["form_rc"] == 0, (body, pairs)
            assert [field[:4] for field in said["form"]] == \
                [[name, None, None, value.encode().decode("latin-1")] for name, value in pairs]
            assert said["form_get"] == dict(reversed(pairs)).get("a"), (body, pairs)


A_FORM_THAT_IS_NONE = [
    (URLENCODED, b"a=b&c=%", errno.EILSEQ), (URLENCODED, b"a=b&c=%2", errno.EILSEQ),
    (URLENCODED, b"a=b&c=%zz", errno.EILSEQ), (URLENCODED, b"a=b&c=%00", errno.EILSEQ),
    (URLENCODED, b"a=b&c=\0", errno.EILSEQ), (URLENCODED, b"a=b&c=%ff", errno.EILSEQ),
    (URLENCODED, b"a=b&c=\xe4", errno.EILSEQ), (URLENCODED, b"a=b&" * 1001, errno.E2BIG),
    (None, b"a=b", errno.EMEDIUMTYPE), ("text/plain", b"a=b", errno.EMEDIUMTYPE),
    (URLENCODED + "x", b"a=b", errno.EMEDIUMTYPE),
    (MULTIPART, b"", errno.EBADMSG), (MULTIPART, b"a=b", errno.EBADMSG),
    ("multipart/form-data", part("a", b"b") + b"--B--", errno.EBADMSG),
    (MULTIPART, part("a", b"b"), errno.EBADMSG),
    (MULTIPART, part("a", b"b") + b"--B--x", errno.EBADMSG),
    (MULTIPART, part("a", b"b").replace(b'"a"', b'"\xe4"') + b"--B--", errno.EILSEQ),
    (MULTIPART, part("a", b"b", lines=b"X: " + b"x" * 5000 + b"\r\n") + b"--B--", errno.E2BIG),
    (MULTIPART, part("a", b"b") * 1001 + b"--B--", errno.E2BIG)]


@sanitized
def test_a_form_that_is_none(fields):
    for kind, body, error in A_FORM_THAT_IS_NONE:
        said = post(fields, body, kind)
        assert said["form_rc"] == said["form_field_rc"] == -error, (kind, body, error)
        assert said["form"] == [] and said["form_get"] is None, (kind, body)
        assert said["form_field"] == [], (kind, body)


def test_two_types_are_none(fields):
    said = post(fields, b"a=b", URLENCODED, headers=[("Content-Type", MULTIPART)])
    assert said["form_rc"] == -errno.EMEDIUMTYPE


@pytest.mark.parametrize("chunked", [False, True])
def test_a_form_in_parts(fields, chunked):
    blob = bytes(range(256)) * 2000
    body = part("a", b"b") + part("empty", b"") + part("a", b"c", lines=b"X-More: yes\r\n") + \
        part("file", blob, '; filename="C:\\\\x\\"y.bin"', b"Content-Type: image/png\r\n") + \
        part("none", b"", '; filename=""') + b"--B--\r\n"
    headers = []
    if chunked:
        body = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 9999]), body[i:i + 9999])
                        for i in range(0, len(body), 9999)) + b"0\r\n\r\n"
        headers = [("Transfer-Encoding", "chunked")]
    said = post(fields, body, MULTIPART, "file", headers)
    assert said["form_rc"] == 0
    assert [field[:3] + field[4:] for field in said["form"]] == [
        ["a", None, None, 1], ["empty", None, None, 0], ["a", None, None, 1],
        ["file", 'C:\\x"y.bin', "image/png", len(blob)], ["none", "", None, 0]]
    assert said["form"][0][3] == "b" and said["form"][2][3] == "c"
    assert said["form_field"][0][4] == len(blob) and said["form_get"] is None, "no text"


A_PART_AS_TEXT = [
    (b"b", "b"), (b"", ""), ("ä\r\n".encode(), "ä\r\n"), (b"a\0b", None), (b"\xe4", None)]


@sanitized
def test_a_part_as_text(fields):
    for data, text in A_PART_AS_TEXT:
        said = post(fields, part("x", b"y") + part("a", data) + b"--B--", MULTIPART)
        assert said["form_get"] == text and said["form_field_rc"] == 0, (data, text)


def test_a_thousand_parts(fields):
    said = post(fields, b"".join(part("n%d" % i, b"") for i in range(1000)) + b"--B--",
                MULTIPART, "n999")
    assert said["form_rc"] == 0 and said["form_field_rc"] == 0 and said["form_get"] == ""


@sanitized
def test_a_form_in_a_file(cluster):
    """Longer than what is kept in memory: asked at its head it is not there yet."""
    c = cluster(workers=1, routes={"/": "fields"}, body_buffer="16k")
    blob = b"0123456789abcdef" * 40000
    for kind, body in ((MULTIPART, part("a", b"b") + part("file", blob) + b"--B--"),
                       (URLENCODED, b"a=b&file=" + blob)):
        said = json.loads(c.request("POST", "/head", body=body, headers=[
            ("Content-Type", kind), ("X-Ask", "a")]).body)
        assert said["early_rc"] == -errno.ENODATA
        assert said["form_rc"] == 0 and [field[4] for field in said["form"]] == [1, len(blob)]
        assert said["form"][1][3] == blob[:1000].decode() and said["form_get"] == "b"


def test_forms_of_one_connection_do_not_mix(fields):
    with fields.c.connect() as conn:
        for i in range(3):
            answer = conn.request("POST", "/", [("Content-Type", URLENCODED)], b"a=%d" % i)
            assert json.loads(answer.body)["form"] == [["a", None, None, str(i), 1]]


# ---- forms as others write them ------------------------------------------------------

def by_program(*words):
    """What it has got as answer."""
    if shutil.which(words[0]) is None:
        pytest.skip("%s is missing" % words[0])
    done = subprocess.run(words, timeout=30, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


BLOB = bytes(range(256)) * 300


def test_forms_of_curl(fields, tmp_path):
    (tmp_path / "b.bin").write_bytes(BLOB)
    url = "http://%s/" % fields.c.address()
    said = by_program("curl", "-sS", "-F", "a=b c", "-F", "f=@%s/b.bin" % tmp_path, "-F",
                      'g=@%s/b.bin;type=image/png;filename="\u00fc \\"x\\".png"' % tmp_path, url)
    assert said["form_rc"] == 0 and [field[:3] + field[4:] for field in said["form"]] == [
        ["a", None, None, 3], ["f", "b.bin", "application/octet-stream", len(BLOB)],
        ["g", "\u00fc %22x%22.png", "image/png", len(BLOB)]]
    said = by_program("curl", "-sS", "--data-urlencode", "a=\u00fc&+", "-d", "b=c", url)
    assert said["form_rc"] == 0 and [field[0] for field in said["form"]] == ["a", "b"]
    assert said["form"][0][4] == 4


def test_forms_of_node(fields):
    said = by_program("node", "-e", """
        const form = new FormData();
        form.append('a', 'line\\nline');
        form.append('q"\\r\\n', '\u00fc');
        form.append('f', new Blob([new Uint8Array(70000)], { type: 'image/png' }), 'x"y.png');
        fetch('http://%s/', { method: 'POST', body: form }).then((answer) => answer.text())
            .then((text) => console.log(text));""" % fields.c.address())
    assert said["form_rc"] == 0 and [field[:3] + field[4:] for field in said["form"]] == [
        ["a", None, None, 10], ["q%22%0D%0A", None, None, 2],
        ["f", "x%22y.png", "image/png", 70000]]


# ---- ids --------------------------------------------------------------------------

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = "00-%s-%s-" % (TRACE, SPAN)


def begins_here(said):
    assert re.fullmatch("[0-9a-f]{32}", said["trace_id"]) and said["trace_id"] != TRACE
    assert said["parent_id"] == "" and said["flags"] == 0
    return said["traceparent"] == "00-%s-%s-00" % (said["trace_id"], said["span_id"])


A_TRACE_GOES_ON = [
    (PARENT + "01", 1), (PARENT + "00", 0), (PARENT + "ff", 1), (PARENT + "fe", 0),
    ("01" + PARENT[2:] + "01", 1), ("cc" + PARENT[2:] + "01-what-it-will-be", 1),
    ("fe" + PARENT[2:] + "01-", 1)]


def test_a_trace_goes_on(fields):
    for header, flags in A_TRACE_GOES_ON:
        said = fields("/", [("traceparent", header), ("tracestate", "a=b")])
        assert (said["trace_id"], said["parent_id"], said["flags"]) == (TRACE, SPAN, flags)
        assert said["span_id"] != SPAN, (header, flags)
        assert said["traceparent"] == "00-%s-%s-0%d" % (TRACE, said["span_id"], flags)


A_TRACE_BEGINS_HERE = [
    [], [""], [PARENT], [PARENT + "0"], [PARENT + "01-"], [PARENT + "01-more"], [PARENT + "011"],
    ["ff" + PARENT[2:] + "01"], ["01" + PARENT[2:] + "01.x"], ["0" + PARENT + "01"],
    [PARENT.upper() + "01"], [PARENT + "0A"], [PARENT + "0g"],
    ["00-" + "0" * 32 + "-" + SPAN + "-01"], ["00-" + TRACE + "-" + "0" * 16 + "-01"],
    ["00_" + TRACE + "-" + SPAN + "-01"], ["00-" + TRACE + "_" + SPAN + "-01"],
    ["00-" + TRACE + "-" + SPAN + "_01"], [PARENT + "01", PARENT + "01"]]


def test_a_trace_begins_here(fields):
    for headers in A_TRACE_BEGINS_HERE:
        assert begins_here(fields("/", [("traceparent", header) for header in headers]))


def test_each_request_has_an_id_of_its_own(cluster):
    c = cluster(workers=3, routes={"/": "fields"})
    def ask(_):
        with c.connect() as conn:
            return [json.loads(conn.request("GET", "/").body) for _ in range(10)]
    said = [one for i in range(6) for one in ask(i)]
    for worker in c.workers():
        c.ctl("restart", worker["worker"])
    said += [one for i in range(6) for one in ask(i)]
    for name in ("request_id", "trace_id", "span_id"):
        assert len({one[name] for one in said}) == len(said), name
    assert all(re.fullmatch("[0-9a-f]{32}", one["request_id"]) for one in said)
    assert not {one["request_id"] for one in said} & {one["trace_id"] for one in said}


IDS = [
    (["abc-1.2_3"], True), (["x" * 128], True), (["x" * 129], False), ([""], False),
    (["a b"], False), (["a\"b"], False), (["\xe4"], False), (["a", "b"], False)]


@sanitized
def test_the_id_of_a_trusted_proxy(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, trusted_proxies="127.0.0.1")
    for values, believed in IDS:
        headers = [("X-Request-Id", value) for value in values]
        said = json.loads(c.request("GET", "/", headers=headers).body)
        assert (said["request_id"] == values[0]) == believed, values
        assert believed or re.fullmatch("[0-9a-f]{32}", said["request_id"]), values


def test_the_id_of_anybody_else_is_none(fields):
    assert re.fullmatch("[0-9a-f]{32}", fields("/", [("X-Request-Id", "a")])["request_id"])


def test_the_access_log_has_the_same_ids(cluster):
    c, log = logging(cluster, form="$request_id $trace_id", workers=1, routes={"/": "fields"},
                     trusted_proxies="127.0.0.1")
    own = json.loads(c.get("/").body)
    c.request("GET", "/", headers=[("X-Request-Id", "r17"), ("traceparent", PARENT + "01")])
    c.exchange(b"broken\r\n\r\n")
    lines = log.await_lines(3)
    assert lines[:2] == ["%s %s" % (own["request_id"], own["trace_id"]), "r17 " + TRACE]
    assert re.fullmatch("[0-9a-f]{32} [0-9a-f]{32}", lines[2])


# ---- misuse -----------------------------------------------------------------------

@sanitized
def test_misuse_is_an_error(fields):
    fields("/")
    before = fields.c.metric("misused_total")
    said = fields("/misuse?a=b&c=d")
    assert said["stale"] == [-errno.ESTALE] * 5 and said["stale_null"] and said["null"]
    assert said["small"] == [-errno.EINVAL] * 5
    assert said["decode"] == [-errno.EINVAL] * 3 + [-errno.ENOSPC] * 2
    assert said["stopped"] == 7, "what a callback says ends the list"
    assert fields.c.metric("misused_total") == before + 13
    assert fields("/")["query_rc"] == 0


@sanitized
def test_a_request_that_ends_while_its_pairs_are_told(fields):
    assert fields.c.request("GET", "/early?a=1&b=2").text == "early"
    assert fields("/?a=b")["query"] == [["a", "b"]]


# ---- want of memory ------------------------------------------------------------------

@inject.needs_preload
@pytest.mark.parametrize("kind", [URLENCODED, MULTIPART])
def test_each_allocation_fails_once(cluster, kind):
    """All of a list, or none and -ENOMEM; and the worker lives on."""
    c = cluster(workers=1, routes={"/": "fields"}, max_uri_size="32k", start=False,
                trusted_proxies="127.0.0.1")
    fi = inject.injected_into(c)
    c.start()
    body = b"a=b&" * 200 if kind == URLENCODED else part("n" * 50, b"b") * 100 + b"--B--"
    headers = [("Content-Type", kind), ("Cookie", "a=b;" * 200), ("X-Ask", "a"),
               ("X-Forwarded-For", "192.0.2.1")]
    path = "/%20?" + "a=b&" * 400

    def ask():
        with c.connect(timeout=5) as conn:
            return conn.request("POST", path, headers, body)
    whole = json.loads(ask().body)
    failed, k, short = 1, 0, 0
    while failed:
        k += 1
        fi.arm("worker", "malloc:NULL@%d" % k)
        try:
            answer = ask()
            assert answer.status in (200, 500, 503)
            said = json.loads(answer.body) if answer.status == 200 else whole
            for name in ("query", "cookies", "form"):
                assert said[name + "_rc"] in (0, -errno.ENOMEM)
                assert said[name] == (whole[name] if said[name + "_rc"] == 0 else [])
                short += said[name + "_rc"] != 0
            assert said["peer"] in ("192.0.2.1", None)
        except (http.ConnectionLost, ConnectionResetError):
            pass
        failed = fi.injected("worker")
        fi.disarm()
        assert k < 100
    assert short > 2
    assert json.loads(ask().body)["form"] == whole["form"]
    assert c.worker("web/0")["restarts"] == 0
