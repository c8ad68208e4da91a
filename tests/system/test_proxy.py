# SPDX-License-Identifier: MIT
"""Who the client is: the PROXY protocol, and what trusted proxies say in headers."""

import json
import shutil
import socket
import struct
import subprocess

import pytest

from harness import http, sanitized, wait
from harness.access import logging
from harness.nginx import Nginx

V1 = b"PROXY TCP4 192.0.2.1 198.51.100.2 4711 80\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def v2(command=1, kind=0x11, addresses=None, tlvs=b""):
    if addresses is None:
        addresses = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.2") + \
            struct.pack(">HH", 4711, 80)
    return SIGNATURE + bytes([0x20 | command, kind]) + \
        struct.pack(">H", len(addresses + tlvs)) + addresses + tlvs


IPV6 = socket.inet_pton(socket.AF_INET6, "2001:db8::1") + \
    socket.inet_pton(socket.AF_INET6, "::1") + struct.pack(">HH", 4711, 80)


def body(data):
    """The JSON of the only answer in it."""
    assert data.startswith(b"HTTP/1.1 200 "), data
    return json.loads(data.split(b"\r\n\r\n", 1)[1])


# ---- headers of trusted proxies --------------------------------------------------------

@pytest.fixture
def behind(cluster):
    """ask(*headers): what a request says that came by 127.0.0.1, a proxy of ours
    beside 10.0.0.0/8 and 2001:db8:f::/48."""
    c = cluster(workers=1, routes={"/": "fields"},
                trusted_proxies="127.0.0.1, 10.0.0.0/8 2001:db8:f::/48")

    def ask(*headers):
        answer = c.request("GET", "/", headers=list(headers))
        assert answer.status == 200
        return json.loads(answer.body)
    ask.c = c
    return ask


FOR = "X-Forwarded-For"


THE_CLIENT_BY_HEADERS = [
    ([(FOR, "192.0.2.7")], "192.0.2.7"),
    ([(FOR, "192.0.2.7:4711")], "192.0.2.7:4711"),
    ([(FOR, "2001:db8::7")], "2001:db8::7"),
    ([(FOR, "[2001:db8::7]:80")], "[2001:db8::7]:80"),
    ([(FOR, "6.6.6.6, 192.0.2.7")], "192.0.2.7"),
    ([(FOR, "6.6.6.6, 192.0.2.7, 10.1.1.1,10.2.2.2")], "192.0.2.7"),
    ([(FOR, "6.6.6.6"), ("x-forwarded-for", "192.0.2.7"), (FOR, "10.1.1.1")], "192.0.2.7"),
    ([(FOR, "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
    ([(FOR, "192.0.2.7, 2001:db8:f::1")], "192.0.2.7"),
    ([(FOR, "192.0.2.7, ,")], "192.0.2.7"),
    ([(FOR, "")], None),
    ([(FOR, "unknown")], "unknown"),
    ([(FOR, "192.0.2.7, rubbish")], "unknown"),
    ([(FOR, "192.0.2.7, rubbish, 10.1.1.1")], "unknown"),
    ([(FOR, "rubbish, 192.0.2.7")], "192.0.2.7"),
    ([("Forwarded", "for=192.0.2.7")], "192.0.2.7"),
    ([("Forwarded", 'for="[2001:db8::7]:80";proto=https')], "[2001:db8::7]:80"),
    ([("Forwarded", "for=6.6.6.6, for=192.0.2.7, for=10.1.1.1")], "192.0.2.7"),
    ([("Forwarded", "for=6.6.6.6"), ("Forwarded", "for=192.0.2.7")], "192.0.2.7"),
    ([("Forwarded", "for=192.0.2.7, for=_hidden")], "unknown"),
    ([("Forwarded", "for=192.0.2.7, proto=http")], "unknown"),
    ([("Forwarded", "for=192.0.2.7, for=[::1]")], "unknown"),
    ([("Forwarded", "for=192.0.2.7"), (FOR, "192.0.2.7:80")], "192.0.2.7"),
    ([("Forwarded", "for=6.6.6.6"), (FOR, "192.0.2.7")], "unknown"),
]


@sanitized
def test_the_client_by_headers(behind):
    for headers, peer in THE_CLIENT_BY_HEADERS:
        said = behind(*headers)
        direct = said["direct"]
        assert direct.startswith("127.0.0.1:"), (headers, peer)
        assert said["peer"] == (peer or direct), (headers, peer)


PROTO = "X-Forwarded-Proto"


THE_SCHEME_BY_HEADERS = [
    ([], "http"),
    ([(PROTO, "https")], "https"),
    ([(PROTO, "HTTPS")], "https"),
    ([(PROTO, "http")], "http"),
    ([(PROTO, "https, http")], "http"),
    ([(PROTO, "httpsx")], "http"),
    ([(FOR, "192.0.2.7"), (PROTO, "https, http")], "http"),
    ([(FOR, "192.0.2.7, 10.1.1.1"), (PROTO, "https, http")], "https"),
    ([(FOR, "192.0.2.7, 10.1.1.1"), (PROTO, "https")], "https"),
    ([("Forwarded", "for=192.0.2.7;proto=https")], "https"),
    ([("Forwarded", "for=192.0.2.7;proto=https, for=10.1.1.1;proto=http")], "https"),
    ([("Forwarded", "for=6.6.6.6;proto=https, for=192.0.2.7;proto=http")], "http"),
    ([("Forwarded", "for=192.0.2.7;proto=https"), (PROTO, "http")], "http"),
    ([("Forwarded", "for=6.6.6.6;proto=https"), (FOR, "192.0.2.7"), (PROTO, "https")], "http"),
]


def test_the_scheme_by_headers(behind):
    for headers, scheme in THE_SCHEME_BY_HEADERS:
        said = behind(*headers)
        assert said["scheme"] == scheme and said["secure"] == (scheme == "https"), (headers, scheme)


THE_HOST_BY_HEADERS = [
    ([], None),
    ([("X-Forwarded-Host", "example.org:8443")], "example.org:8443"),
    ([("X-Forwarded-Host", "evil, example.org")], "example.org"),
    ([("X-Forwarded-Host", "a b")], None),
    ([("X-Forwarded-Host", "a/b")], None),
    ([("Forwarded", "for=192.0.2.7;host=example.org")], "example.org"),
    ([("Forwarded", 'for=192.0.2.7;host="[::1]:80"')], "[::1]:80"),
    ([("Forwarded", "for=192.0.2.7;host=a"), ("X-Forwarded-Host", "b")], None),
    # a proxy that writes the one passes on what its client wrote into the other
    ([("Forwarded", "for=192.0.2.7"), ("X-Forwarded-Host", "b")], None),
    ([("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "host=b")], None),
]


@sanitized
def test_the_host_by_headers(behind):
    for headers, host in THE_HOST_BY_HEADERS:
        assert behind(*headers)["authority"] == (host or behind.c.address()), (headers, host)


def test_the_scheme_by_the_target(behind):
    def ask(*headers):
        return json.loads(behind.c.request("GET", "https://a/", [("Host", "a"), *headers]).body)
    assert ask()["scheme"] == "https" and ask()["authority"] == "a"
    assert ask((PROTO, "http"))["scheme"] == "http", "it says so"


def test_a_peer_that_is_no_proxy_is_the_client(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, trusted_proxies="127.0.0.2, ::1, unix")
    said = json.loads(c.request("GET", "/", headers=[
        (FOR, "192.0.2.7"), (PROTO, "https"), ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=192.0.2.7;proto=https;host=evil")]).body)
    assert said["peer"] == said["direct"] and said["peer"].startswith("127.0.0.1:")
    assert said["scheme"] == "http" and said["authority"] == c.address()


def test_a_proxy_at_a_unix_socket(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, start=False)
    c.write_config(listen="unix:%s/http" % c.dir, trusted_proxies="unix")
    c.start()
    said = json.loads(c.request("GET", "/", headers=[(FOR, "192.0.2.7")]).body)
    assert said["peer"] == "192.0.2.7" and said["direct"] == "unix"


def test_the_access_log_has_the_client(cluster):
    c, log = logging(cluster, form="$remote_addr $remote_port", workers=1,
                     trusted_proxies="127.0.0.1")
    c.request("GET", "/", headers=[(FOR, "192.0.2.7")])
    c.request("GET", "/", headers=[("Forwarded", 'for="[2001:db8::7]:80"')])
    c.request("GET", "/", headers=[(FOR, "rubbish")])
    c.exchange(b"GET / HTTP/1.1\r\nX-Forwarded-For: 192.0.2.8\r\nbroken\r\n\r\n")
    assert log.await_lines(4) == ["192.0.2.7 -", "2001:db8::7 80", "- -", "192.0.2.8 -"]


def test_behind_nginx(behind, tmp_path):
    """It adds to X-Forwarded-For, and passes on a Forwarded that it knows nothing of."""
    with Nginx(tmp_path, """
        set_real_ip_from unix:;
        real_ip_header X-Client;
        location / {
            proxy_pass http://%s;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $host;
            proxy_set_header X-Request-Id $request_id;
            add_header X-Its-Id $request_id;
        }""" % behind.c.address()) as nginx, nginx.connect() as conn:
        def ask(*headers):
            answer = conn.request("GET", "/", [("X-Client", "192.0.2.9"), ("Host", "example.org"),
                                               *headers])
            said = json.loads(answer.body)
            assert said["request_id"] == answer.header("X-Its-Id")
            return said["peer"], said["scheme"], said["authority"]
        truth = ("192.0.2.9", "https", "example.org")
        assert ask() == truth
        assert ask((FOR, "6.6.6.6"), (PROTO, "http"), ("X-Forwarded-Host", "a")) == truth
        assert ask(("X-Request-Id", "forged")) == truth
        assert ask(("Forwarded", "for=6.6.6.6;proto=http")) == \
            ("unknown", "http", behind.c.address()), "nobody is believed"


# ---- the PROXY protocol ------------------------------------------------------------------

@pytest.fixture
def proxied(cluster):
    return cluster(workers=1, routes={"/": "fields"}, proxy_protocol="on")


THE_CLIENT_BY_THE_FIRST_BYTES = [
    (V1, "192.0.2.1:4711"),
    (b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n", "[2001:db8::1]:4711"),
    (v2(), "192.0.2.1:4711"),
    (v2(kind=0x21, addresses=IPV6), "[2001:db8::1]:4711"),
    (v2(tlvs=b"\x04\0\x03abc\x01\0\2h2"), "192.0.2.1:4711"),
    (v2(tlvs=b"\x04\xff\x00" + bytes(0xff00)), "192.0.2.1:4711"),
    (v2(kind=0x31, addresses=bytes(216)), "unix"),
    (b"PROXY UNKNOWN\r\n", "unknown"), (b"PROXY UNKNOWN 192.0.2.1 1\r\n", "unknown"),
    (v2(kind=0, addresses=b""), "unknown"), (v2(kind=0), "unknown"),
    (v2(command=0, kind=0, addresses=b""), None), (v2(command=0), None)]


@sanitized
def test_the_client_by_the_first_bytes(proxied):
    for header, peer in THE_CLIENT_BY_THE_FIRST_BYTES:
        said = body(proxied.exchange(header + LAST))
        assert said["direct"].startswith("127.0.0.1:"), (header, peer)
        assert said["peer"] == (peer or said["direct"]), (header, peer)


def test_curl_speaks_it(proxied):
    if shutil.which("curl") is None:
        pytest.skip("curl is missing")
    done = subprocess.run(["curl", "-sS", "--haproxy-protocol", "http://%s/" % proxied.address()],
                          timeout=30, capture_output=True, check=True)
    said = json.loads(done.stdout)
    assert said["peer"] == said["direct"], "curl is its own proxy"


@sanitized
@pytest.mark.parametrize("header", [V1, v2()])
def test_in_pieces(proxied, header):
    with proxied.connect() as conn:
        for i, _ in enumerate(header):
            conn.send(header[i:i + 1])
        for _ in range(3):
            said = json.loads(conn.request("GET", "/").body)
            assert said["peer"] == "192.0.2.1:4711", "of all its requests"


def test_it_may_come_with_many_requests(proxied):
    with proxied.connect() as conn:
        conn.send(V1 + GET + GET)
        assert conn.response().status == conn.response().status == 200


ANYTHING_ELSE_IS_CLOSED_WITHOUT_AN_ANSWER = [
    GET, b"PROXY TCP4 a b 1 2\r\n" + GET, b"P" * 107, b"\r\n" + GET, b"\x16\x03\x01",
    v2(command=2) + GET, v2(kind=0x12) + GET, v2(tlvs=b"\x04\0\x02x") + GET]


@sanitized
def test_anything_else_is_closed_without_an_answer(proxied):
    for header in ANYTHING_ELSE_IS_CLOSED_WITHOUT_AN_ANSWER:
        before = proxied.metric("proxy_refused_total")
        assert proxied.exchange(header) == b"", header
        assert proxied.metric("proxy_refused_total") == before + 1, header
        assert body(proxied.exchange(V1 + LAST))["peer"] == "192.0.2.1:4711", header


def test_a_second_header_is_a_bad_request(proxied):
    assert proxied.exchange(V1 + V1 + GET).startswith(b"HTTP/1.1 400 ")


def test_a_header_that_does_not_come_meets_the_deadline(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, proxy_protocol="on", header_timeout="300ms")
    before = c.metric("header_timeouts_total")
    for part in (b"", V1[:20], v2()[:20]):
        assert c.exchange(part) == b"", "closed, without an answer"
    assert c.exchange(V1 + GET[:5]).startswith(b"HTTP/1.1 408 ")
    assert c.metric("header_timeouts_total") == before + 4


def test_a_connection_that_only_says_who_it_is_waits(proxied):
    with proxied.connect() as conn:
        conn.send(v2())
        assert json.loads(conn.request("GET", "/").body)["peer"] == "192.0.2.1:4711"
        wait.until(lambda: proxied.worker("web/0")["connections"] == 1)


@sanitized
def test_only_trusted_proxies_may_speak(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, proxy_protocol="on",
                trusted_proxies="127.0.0.2")
    assert c.exchange(V1 + GET) == b""
    assert c.metric("proxy_refused_total") == 1
    with socket.create_connection(http.endpoint(c.address()), 10, ("127.0.0.2", 0)) as sock:
        sock.sendall(V1 + LAST)
        data = http.read_all(sock)
    assert body(data)["peer"] == "192.0.2.1:4711"


def test_headers_count_where_the_proxied_peer_is_trusted(cluster):
    c = cluster(workers=1, routes={"/": "fields"}, proxy_protocol="on",
                trusted_proxies="127.0.0.1 192.0.2.0/24")
    request = LAST.replace(b"Host", b"X-Forwarded-For: 203.0.113.9\r\nHost")
    assert body(c.exchange(V1 + request))["peer"] == "203.0.113.9"
    other = V1.replace(b"192.0.2.1", b"192.0.3.1")
    assert body(c.exchange(other + request))["peer"] == "192.0.3.1:4711"


@sanitized
def test_whom_the_proxy_does_not_know_is_not_believed(cluster):
    """What he writes is his own word; a check by the proxy itself is the proxy's."""
    c, log = logging(cluster, form="$remote_addr $remote_port $status", workers=1,
                     routes={"/": "fields"}, proxy_protocol="on",
                     trusted_proxies="127.0.0.1 unix")
    words = [b"X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
             b"X-Forwarded-Host: example.org\r\n",
             b"Forwarded: for=203.0.113.9;proto=https;host=example.org\r\n"]
    ours = body(c.exchange(V1 + LAST))["authority"]
    for header in (b"PROXY UNKNOWN\r\n", v2(kind=0, addresses=b""), v2(kind=0)):
        for word in words:
            said = body(c.exchange(header + LAST.replace(b"Host", word +
                                                         b"X-Request-Id: forged\r\nHost")))
            assert (said["peer"], said["scheme"], said["authority"]) == ("unknown", "http", ours)
            assert said["direct"].startswith("127.0.0.1:") and said["request_id"] != "forged"
    for word in words:
        said = body(c.exchange(v2(command=0, kind=0, addresses=b"") +
                               LAST.replace(b"Host", word + b"X-Request-Id: its.own\r\nHost")))
        assert (said["peer"], said["scheme"], said["authority"]) == \
            ("203.0.113.9", "https", "example.org")
        assert said["request_id"] == "its.own"
    assert log.await_lines(9) == ["192.0.2.1 4711 200"] + ["- - 200"] * 6 + \
        ["203.0.113.9 - 200"] * 2


@pytest.mark.parametrize("schedule", ["shared", "reuseport", "least-connections"])
def test_however_connections_reach_a_worker(cluster, schedule):
    c = cluster(workers=2, routes={"/": "fields"}, proxy_protocol="on", schedule=schedule)
    for _ in range(4):
        assert body(c.exchange(V1 + LAST))["peer"] == "192.0.2.1:4711"


def test_the_access_log_has_who_the_proxy_told(cluster):
    c, log = logging(cluster, form="$remote_addr $remote_port $status", workers=1,
                     proxy_protocol="on")
    c.exchange(V1 + LAST)
    c.exchange(GET)
    c.exchange(v2(kind=0x21, addresses=IPV6) + LAST)
    assert log.await_lines(2) == ["192.0.2.1 4711 200", "2001:db8::1 4711 200"]


@pytest.mark.parametrize("value, words", [
    ("localhost", '"localhost" is no address'), ("10.0.0.1/8", "has an address with more than 8"),
    (", ".join(["::1"] * 65), "has more than 64 networks")])
def test_networks_that_are_none(cluster, value, words):
    c = cluster(workers=1)
    c.write_config(trusted_proxies=value)
    result = c.ctl("reload")
    assert result.code == 1 and words in result, result
