# SPDX-License-Identifier: MIT
"""Channels: messages between a plugin and the programs it starts."""

import errno
import json
import os
import pathlib
import tempfile

import pytest

from harness import accounts, parsers, shows
from harness.talk import PYTHON, TALK, Talk, python, total, wake

SOURCES = pathlib.Path(__file__).resolve().parents[1] / "children"
ROUTES = dict(TALK, **{"/": "hello"})

JSON, NOT_SELF = 1, 2


@pytest.fixture
def talk(cluster):
    c = cluster(workers=1, routes=ROUTES)

    def begin(channel, *words, **query):
        return Talk(c, "start", *words, channel=channel, **query)
    return begin


@pytest.fixture
def node():
    return parsers.node()


@pytest.fixture(scope="session")
def children(build):
    """The programs, where the workers' account can start them."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield {"echo": accounts.program(build + "/tests/children", "echo", name),
               "echo.py": accounts.program(SOURCES, "echo.py", name),
               "echo.js": accounts.program(SOURCES, "echo.js", name)}


@pytest.fixture(params=["library", "python"])
def echo(request, children):
    return [children["echo"]] if request.param == "library" else \
        [PYTHON, children["echo.py"]]


@shows("node-P16")
@shows("node-V3")
@shows("node-V4")
@shows("node-K1")
@shows("node-K4")
@shows("node-D3")
@shows("node-H6")
def test_packets_go_both_ways(talk, echo):
    t = talk("packet", *echo)
    assert t.send(b"hello", topic="greeting") == 0
    assert t.send(b"", flags=JSON) == 0
    assert t.send(bytes(range(256)) * 200, topic="t" * 63) == 0
    first, second, third = t.messages(3)
    assert (first.topic, first.data, first.aligned) == ("greeting", b"hello", True)
    assert (second.topic, second.len, second.fds) == ("", 0, 0)
    assert (third.topic, third.len, third.sum) == \
        ("t" * 63, 51200, total(bytes(range(256)) * 200))


@pytest.mark.parametrize("size", [65536 - 8, 65536 - 7, 1 << 20, 16 << 20])
def test_of_any_size(talk, echo, size):
    t = talk("packet", *echo)
    assert t.send(size=size, done=1) == 0
    back, = t.messages(timeout=30)
    assert (back.len, back.fds, back.aligned) == (size, 0, True)
    assert size > 1 << 20 or back.sum == total((bytes(range(251)) * (size // 251 + 1))[:size])
    assert t.await_heard("done") == [["done", "1", "0", "1", "0"]]


@shows("node-X5")
@shows("node-H6")
@shows("node-P16")
@pytest.mark.parametrize("mode, left", [("dup", "1"), ("move", "0")])
def test_descriptors_travel_with_their_message(talk, echo, mode, left):
    t = talk("packet", *echo)
    assert t.send(b"x", file="first", mode="dup", count=16) == 0
    assert t.send(b"y", file="second", mode=mode, done=2) == 0
    assert t.send(b"z" * 70000, file="third", mode="dup", count=15) == 0
    first, second, third = t.messages(3)
    assert (first.data, first.files) == (b"x", [b"first"] * 16)
    assert (second.data, second.files) == (b"y", [b"second"])
    assert (third.len, third.files) == (70000, [b"third"] * 15)
    assert t.await_heard("done") == [["done", "2", "0", "1", left]]


def test_what_cannot_be_sent_is_refused(talk):
    t = talk("packet", *python("while hear(): pass"))
    assert t.send(b"", topic="clusterd.x") == -errno.EINVAL
    assert t.send(b"", topic="t" * 64) == -errno.EINVAL
    assert t.send(b"", flags=NOT_SELF) == -errno.EINVAL
    assert t.send(b"", file="f", count=17) == -errno.E2BIG
    assert t.send(b"x" * 70000, file="f", count=16) == -errno.E2BIG
    no_channel = talk(None, "sleep", "600")
    assert no_channel.send(b"") == -errno.EPIPE
    assert no_channel.disconnect() == -errno.EPIPE


@shows("node-O2")
def test_without_a_channel_nothing_tells_of_one(talk):
    script = """import os, sys
names = ["CLUSTERD_CHANNEL_FD", "CLUSTERD_CHANNEL_KIND", "NODE_CHANNEL_FD",
         "NODE_CHANNEL_SERIALIZATION_MODE"]
sys.exit(any(name in os.environ for name in names) or "8" in os.listdir("/proc/self/fd"))"""
    assert talk(None, PYTHON, "-c", script).await_heard("close") and \
        talk(None, PYTHON, "-c", script).await_heard("exit") == [["exit", "0", "0"]]


# ---- what became of it -----------------------------------------------------------------

READS_LATER = """
say(b"up")
wait()
while hear():
    pass
"""


@shows("node-P15")
def test_done_is_told_when_the_child_has_read_it(talk):
    t = talk("packet", *python(READS_LATER))
    t.messages()
    for number in (1, 2, 3):
        assert t.send(b"x" * 1000, done=number, file="f", mode="move") == 0
    assert t.send(b"", done=4, timeout=100) == 0
    assert t.await_heard("done") == [["done", "4", str(-errno.ETIMEDOUT), "0", "0"]]
    wake(t)
    assert t.await_heard("done", 4)[1:] == [["done", n, "0", "1", "0"] for n in "123"]


@shows("node-X6")
@pytest.mark.parametrize("reads", [0, 1])
def test_what_it_has_not_read_when_it_ends_has_failed(talk, reads):
    t = talk("packet", *python(READS_LATER.replace("while hear():\n    pass",
                                                   "hear()\n" * reads)))
    t.messages()
    for number in (1, 2):
        assert t.send(b"x", done=number, file="f", mode="move") == 0
    wake(t)
    t.await_heard("close")
    # what it left unread makes all unsure of which nobody has heard before
    told = t.heard("done")
    assert told[1] == ["done", "2", str(-errno.EPIPE), "0", "1"], "the file is still ours"
    assert told[0] in ([["done", "1", "0", "1", "0"]] * reads +
                       [["done", "1", str(-errno.EPIPE), "0", "1"]])
    assert t.heard("exit") == [["exit", "0", "0"]]


@shows("node-X3")
@shows("node-P15")
def test_a_child_that_does_not_read_is_not_waited_for(talk):
    t = talk("packet", *python("""
        say(b"up")
        wait()
        count = 0
        while hear() != b"last":
            count += 1
        say(str(count).encode())
        """))
    t.messages()
    sent, error = t.fill(1000)
    assert error == -errno.EAGAIN and sent >= 1024
    assert t.send(b"x") == -errno.EAGAIN
    wake(t)
    assert t.await_heard("room") == [["room", "-1"]]
    assert t.send(b"last") == 0
    assert t.messages(2)[1].data == b"%d" % sent


# ---- the end ---------------------------------------------------------------------------

@shows("node-P14")
def test_a_disconnect_delivers_what_is_under_way(cluster):
    c = cluster(workers=1, routes=ROUTES, scale=1)      # it has a second for that
    t = Talk(c, "start", *python("""
        say(b"up")
        wait()
        count = 0
        while hear():
            count += 1
        say(str(count).encode())
        """), channel="packet")
    t.messages()
    assert t.fill(100, 500) == (500, 0)
    assert t.disconnect() == 0
    assert t.disconnect() == -errno.EPIPE
    assert t.send(b"") == -errno.EPIPE
    wake(t)
    t.await_heard("close")
    assert [line[0] for line in t.heard()] .count("disconnect") == 1
    assert [m.data for m in t.messages(2)] == [b"up", b"500"]
    assert t.heard("disconnect") == [["disconnect", "0"]]
    assert t.heard("exit") == [["exit", "0", "0"]]


@shows("node-P14")
def test_who_does_not_hear_of_it_is_left_after_a_second(talk):
    t = talk("packet", *python("say(b'up'); wait(); say(b'late') if hear() else wait()"))
    t.messages()
    assert t.fill(1000, 10) == (10, 0)
    assert t.disconnect() == 0
    assert t.await_heard("disconnect") == [["disconnect", "0"]]
    assert t.heard("exit") == []
    wake(t)
    assert t.await_heard("exit") == [["exit", "1", "0"]], "it cannot say anything any more"


@shows("node-X9")
@pytest.mark.parametrize("unread", [0, 10])
def test_what_a_child_sends_before_it_ends_comes(talk, unread):
    t = talk("packet", *python("""
        say(b"up")
        wait()
        for i in range(100):
            say(str(i).encode())
        os._exit(5)
        """))
    t.messages()
    assert t.fill(10, unread) == (unread, 0)
    wake(t)
    t.await_heard("close")
    assert [m.data for m in t.messages(101)][1:] == [b"%d" % i for i in range(100)]
    assert t.heard("exit") == [["exit", "5", "0"]]
    assert t.heard("disconnect") == [["disconnect", "0"]]
    assert t.heard()[-1] == ["close"]


@shows("node-H5")
def test_a_child_may_close_its_channel_and_go_on(talk):
    t = talk("packet", *python("say(b'x'); channel.close(); wait(); sys.exit(3)"))
    assert t.await_heard("disconnect") == [["disconnect", "0"]]
    assert t.send(b"") == -errno.EPIPE
    assert t.heard("exit") == []
    wake(t)
    t.await_heard("close")
    assert [line[0] for line in t.heard()] == ["message", "disconnect", "exit", "close"]


def test_a_grandchild_that_holds_the_channel_does_not_hold_up_the_end(talk):
    t = talk("packet", *python("""
        told, tell = os.pipe()
        if os.fork() == 0:
            os.setpgid(0, 0)
            say(b"grandchild")
            os.write(tell, b"x")
            wait()
        os.read(told, 1)
        """), linger=300)
    assert t.messages()[0].data == b"grandchild"
    t.await_heard("close")
    assert [line[0] for line in t.heard()][-3:] == ["exit", "disconnect", "close"]


def test_what_is_no_message_is_left_out(talk):
    t = talk("packet", *python("""
        for packet in (b"x", b"\\0" * 7, struct.pack("<II", 5, 0), struct.pack("<II", 0, 2),
                       struct.pack("<II", 1, 0) + b"\\n", struct.pack("<II", 0, 256),
                       struct.pack("<II", 9, 0) + b"clusterd.", b"x" * 65537,
                       struct.pack("<II", 0, 512) + b"web/0\\0not of a task"):
            channel.send(packet)
        pipe = os.pipe()
        socket.send_fds(channel, [struct.pack("<II", 0, 256)], pipe)
        say(b"good", b"leave")
        """))
    t.await_heard("close")
    message, = t.messages()
    assert (message.data, message.topic) == (b"good", "leave")
    t.c.allow_in_log("sent what is no message")
    t.c.await_log("python3[%d]: sent" % t.pid)
    lines = [line for line in t.c.log().splitlines() if "python3[%d]: sent" % t.pid in line]
    assert len(lines) == 1, "told once"


# ---- lines -----------------------------------------------------------------------------

@shows("node-V4")
@shows("node-K1")
def test_lines_go_both_ways(talk, children):
    t = talk("lines", PYTHON, children["echo.py"])
    big = json.dumps({"text": "x" * 1000000}).encode()
    for line in (b'{"a": 1}', b"[2]", big):
        assert t.send(line, flags=JSON, done=1) == 0
    first, second, third = t.messages(3, timeout=30)
    assert (first.data, first.topic, first.flags) == (b'{"a": 1}', "", JSON)
    assert (second.data, second.aligned) == (b"[2]", True)
    assert (third.len, third.sum) == (len(big), total(big))
    assert t.await_heard("done", 3) == [["done", "1", "0", "1", "0"]] * 3
    assert t.disconnect() == 0
    assert t.await_heard("exit") == [["exit", "0", "0"]]


def test_what_is_no_line_is_refused(talk, children):
    t = talk("lines", PYTHON, children["echo.py"])
    for data, query in ((b"", {}), (b"{\n}", {}), (b"{}", {"topic": "t"}), (b"{}", {"file": "f"})):
        assert t.send(data, **query) == -errno.EINVAL


def test_a_line_beyond_the_limit_is_left_out(talk):
    t = talk("lines", *python("""
        channel.sendall(b"x" * ((16 << 20) + 1) + b"\\n\\n{}\\nunfinished")
        """))
    t.await_heard("close", timeout=30)
    assert [m.data for m in t.messages()] == [b"{}"]
    t.c.allow_in_log("sent a line that is too long")


def test_a_line_waits_for_a_child_that_does_not_read(talk):
    t = talk("lines", *python("""
        channel.sendall(b'"up"\\n')
        wait()
        lines = channel.makefile("rb")
        while True:
            line = lines.readline()
            if line == b"8\\n":
                break
            assert line == b"7" * 1000 + b"\\n", line
        channel.sendall(b"true\\n")
        """))
    t.messages()
    sent, error = t.fill(1000)
    assert error == -errno.EAGAIN and sent > 1000
    wake(t)
    t.await_heard("room")
    assert t.send(b"8") == 0
    assert t.messages(2)[1].data == b"true"


# ---- Node --------------------------------------------------------------------------------

@shows("node-O14")
@shows("node-D3")
def test_a_program_of_node_as_it_is(talk, node, children):
    t = talk("lines", node, children["echo.js"])
    assert t.send(b'{"text": "caf\xc3\xa9", "list": [1, null]}', done=1) == 0
    first, = t.messages(timeout=30)
    assert json.loads(first.data) == \
        {"got": {"text": "café", "list": [1, None]}, "connected": True}
    assert t.await_heard("done") == [["done", "1", "0", "1", "0"]]
    assert t.send(b'{"exit": 9}') == 0
    assert t.await_heard("exit") == [["exit", "9", "0"]]


@shows("node-K2")
def test_node_hears_of_the_disconnect(talk, node, children):
    t = talk("lines", node, children["echo.js"])
    assert t.send(b'"x"') == 0
    t.messages(timeout=30)
    assert t.disconnect() == 0
    assert t.await_heard("exit") == [["exit", "7", "0"]]


def test_a_handle_of_node_is_refused(talk, node, children):
    """Node tries again, gives it up with a warning, and sends what was behind it."""
    t = talk("lines", node, "--no-warnings", children["echo.js"])
    assert t.send(b'{"handle": true}') == 0
    got = [json.loads(m.data) for m in t.messages(2, timeout=30)]
    assert got == [{"after": True}, {"warned": "SentHandleNotReceivedWarning"}]
    assert t.send(b'{"exit": 0}') == 0
    assert t.await_heard("exit") == [["exit", "0", "0"]]
