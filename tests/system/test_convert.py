# SPDX-License-Identifier: MIT
"""plugins/convert: a body goes through a program, within limits."""

import os
import sys
import zlib

import pytest

from harness import http, wait

PATH = "/make"
SCRIPT = """import os, signal, sys
what = sys.stdin.read()
if what == "write": sys.stdout.write("x" * 200000)
elif what == "wait": signal.pause()
elif what == "memory": bytearray(1 << 30)
elif what == "die": os.kill(os.getpid(), 9)
elif what == "env": sys.stdout.write(" ".join(sorted(os.environ)))
else:
    sys.stderr.write("x" * 2000 + "no picture")
    sys.exit(3)
"""


@pytest.fixture
def make(cluster):
    """One worker whose plugin runs that command."""
    def begin(command, options=(), **keys):
        return cluster(workers=1, routes={PATH: "make", "/": "hello"},
                       plugins={"make": {"module": "convert.so", "command": '"%s"' % command,
                                         **dict(options)}}, **keys)
    return begin


@pytest.fixture
def script(make, tmp_path_factory, request):
    """It has the time that the test says, or as much as a slow machine needs."""
    path = tmp_path_factory.mktemp("script") / "script.py"
    path.write_text(SCRIPT)
    for folder in (path, *path.parents[:3]):
        os.chmod(folder, 0o755)
    return make("%s -I %s" % (sys.executable, path),
                {"max_output": "100k", "time": getattr(request, "param", "30s"),
                 "memory": "256M"})


def children(c):
    return c.worker("web/0")["children"]


def test_what_the_program_makes_of_it(make):
    c = make("/usr/bin/gzip -c  -9", {"type": "application/gzip"})
    data = os.urandom(50000) + bytes(50000)
    answer = c.request("POST", PATH, body=data)
    assert answer.status == 200 and answer.header("Content-Type") == "application/gzip"
    assert zlib.decompress(answer.body, 31) == data
    assert c.request("POST", PATH).status == 200, "of nothing"
    answer = c.request("GET", PATH)
    assert answer.status == 405 and answer.header("Allow") == "POST"


def test_its_words_when_it_fails(script):
    answer = script.request("POST", PATH, body=b"text")
    assert answer.status == 422 and answer.text == "x" * 990 + "no picture"


@pytest.mark.parametrize("script, what, status, words", [
    ("30s", "write", 502, "it wrote too much"), ("2s", "wait", 504, "it took too long"),
    ("30s", "memory", 422, "MemoryError"), ("30s", "die", 502, "it was killed")],
    indirect=["script"])
def test_its_limits(script, what, status, words):
    answer = script.request("POST", PATH, body=what.encode(), timeout=30)
    assert answer.status == status and words in answer.text
    wait.until(lambda: children(script) == 0, 10, "nobody is left")
    assert script.worker("web/0")["restarts"] == 0


def test_its_environment(script):
    names = script.request("POST", PATH, body=b"env").text.split()
    assert "PATH" in names and set(names) <= {"PATH", "LC_CTYPE"}, "nothing of the worker's"


def test_a_client_that_leaves_ends_its_program(make):
    c = make("/usr/bin/sleep 3600", max_children="2")
    with c.connect() as one, c.connect() as two:
        for conn in (one, two):
            conn.send(http.head("POST", PATH, "a", {"Content-Length": "0"}))
        wait.until(lambda: children(c) == 2, 10, "both run")
        answer = c.request("POST", PATH)
        assert answer.status == 503 and answer.header("Retry-After") == "1"
        assert c.request("GET", "/").status == 200
        one.close()
        wait.until(lambda: children(c) == 1, 10, "one has ended")
    wait.until(lambda: children(c) == 0, 10, "both have")


def test_a_program_that_is_not_there(make):
    c = make("/no/such/program")
    assert c.request("POST", PATH, body=b"x").status == 500
    wait.until(lambda: "/no/such/program: No such file or directory" in c.log(), 10, "why")


@pytest.mark.parametrize("command, words", [
    (" ", "no words"), (" ".join(["x"] * 65), "more than 64 words")])
def test_a_command_that_is_none(cluster, command, words):
    c = cluster(workers=1, routes={"/": "hello"})
    c.plugins["make"] = {"module": "convert.so", "command": '"%s"' % command}
    c.pools["web"][1][PATH] = "make"
    c.write_config()
    refused = c.ctl("reload")
    assert refused.code != 0 and words in refused.out + refused.err
    assert c.request("GET", "/").status == 200
