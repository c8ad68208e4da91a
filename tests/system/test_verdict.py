# SPDX-License-Identifier: MIT
"""What the checker tells keeper and master, read from its sockets."""

import fcntl
import hashlib
import os
import socket
import struct
import subprocess

import pytest

from harness import sanitized

ERROR, WARNING, OPENING, PLUGIN, SNAPSHOT, DONE = range(1, 7)
SEALS = 0xf             # SEAL SHRINK GROW WRITE
TEXT = """[daemon]
plugin_dir = %s/plugins:%s/tests/plugins
orphan_grace = 7s
[pool web]
listen = 127.0.0.1:0
route = / hello
[plugin hello]
[plugin again]
module = hello.so
"""


def words(field):
    return field.split(b"\0")[0].decode()


class Checker:
    """A checker with both its sockets."""

    def __init__(self, build, directory, mode, text):
        path = directory / "c.ini"
        path.write_text(text.replace("%s", build))
        self.verdict, verdict = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.keeper, keeper = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        verdict_fd, keeper_fd = (fcntl.fcntl(s, fcntl.F_DUPFD, 100) for s in (verdict, keeper))

        def place():
            os.dup2(verdict_fd, 3)
            os.dup2(keeper_fd, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        self.process = subprocess.Popen(
            [build + "/clusterd-worker", "--check", mode, str(path)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, close_fds=False, preexec_fn=place,
            env=dict(os.environ, CLUSTERD_FP="checker.not_root:skip"))
        os.close(verdict_fd)
        os.close(keeper_fd)
        verdict.close()
        keeper.close()
        self.verdict.settimeout(20)
        self.keeper.settimeout(20)

    def messages(self):
        """(type, body, contents of its descriptor or None) of each message, to the end."""
        while True:
            data, fds, _, _ = socket.recv_fds(self.verdict, 8192, 16)
            if not data:
                return
            version, kind, length = struct.unpack_from("=HHI", data)
            assert version == 1
            assert length == len(data) - 8
            contents = None
            for fd in fds:
                assert fcntl.fcntl(fd, fcntl.F_GET_SEALS) == SEALS
                with os.fdopen(fd, "rb"):
                    contents = os.pread(fd, os.fstat(fd).st_size, 0)
            yield kind, data[8:], contents

    def finish(self):
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output.decode(), errors.decode()


@pytest.fixture
def checker(build, tmp_path):
    return lambda mode, text=TEXT: Checker(build, tmp_path, mode, text)


def expect_good(messages):
    kinds = [kind for kind, _, _ in messages]
    assert kinds == [OPENING, OPENING, OPENING, PLUGIN, SNAPSHOT, DONE]
    assert [words(body[:32]) for kind, body, _ in messages[:3]] == ["hello", "again", ""]
    for _, body, contents in messages[3:]:
        assert struct.unpack_from("=Q", body)[0] == len(contents)
        assert body[8:40] == hashlib.sha256(contents).digest()
    assert messages[3][2][:4] == b"\x7fELF"
    magic, version, head, size = struct.unpack_from("=IHHI", messages[4][2])
    assert (magic, version, head, size) == (0x73434c01, 1, 56, len(messages[4][2]))
    assert b"[pool web]\n" in messages[5][2]
    assert struct.unpack_from("=II", messages[5][1], 40) == (0, 1)


@sanitized
def test_reload(checker):
    process = checker("--reload")
    expect_good(list(process.messages()))
    assert process.finish() == (0, "", "")


def test_equal_files_are_equal_bytes(checker):
    first = list(checker("--reload").messages())
    second = list(checker("--reload", TEXT.replace("[plugin hello]", "; words\n[plugin hello]"))
                  .messages())
    assert first[4][2] == second[4][2]
    assert first[5][2] == second[5][2]


def test_reload_of_a_bad_file(checker):
    process = checker("--reload", TEXT.replace("7s", "7").replace("/ hello", "/ helo"))
    messages = [m for m in process.messages() if m[0] != OPENING]
    assert [kind for kind, _, _ in messages] == [ERROR, ERROR]
    assert [struct.unpack_from("=I", body)[0] for _, body, _ in messages] == [3, 6]
    assert words(messages[0][1][8:264]).endswith("/c.ini")
    assert words(messages[0][1][264:]) == \
        '[daemon] orphan_grace: "7" needs a unit: ms, s, m, h or d'
    assert process.finish() == (78, "", "")


@pytest.mark.parametrize("how, status", [("segv", -11), ("exit0", 0)])
def test_constructor_that_does_not_return(checker, how, status):
    """The last message names the plugin; there is no DONE."""
    process = checker("--reload", TEXT + "[plugin evil_ctor_%s]\n" % how)
    messages = list(process.messages())
    assert messages[-1][0] == OPENING
    assert words(messages[-1][1][:32]) == "evil_ctor_" + how
    assert words(messages[-1][1][32:288]).endswith("/evil_ctor_%s.so" % how)
    assert struct.unpack_from("=I", messages[-1][1], 288) == (10,)
    assert words(messages[-1][1][296:]).endswith("/c.ini")
    assert process.finish()[0] == status


def test_first_waits_for_go_on(checker):
    process = checker("--first")
    header = b""
    while len(header) < 544 + 64 * 172:
        more = process.keeper.recv(65536)
        assert more
        header += more
    magic, version, size, count, user, worker, grace = struct.unpack_from("=6IQ", header)
    assert (magic, version, size) == (0x68434c01, 1, len(header))
    assert (count, user, worker, grace) == (1, 0, 0, 7000)
    assert struct.unpack_from("=II", header, 544) == (os.geteuid(), os.getegid())
    assert process.process.poll() is None
    process.keeper.sendall(b"g")
    expect_good(list(process.messages()))
    assert process.finish() == (0, "", "")


def test_first_leaves_when_the_keeper_does(checker):
    process = checker("--first")
    assert process.keeper.recv(4)
    process.keeper.close()
    assert not list(process.messages())
    assert process.finish()[1:] == ("", "")


def test_first_with_a_bad_file_opens_nothing(checker):
    process = checker("--first", TEXT.replace("7s", "7"))
    assert process.keeper.recv(4) == b""
    assert [kind for kind, _, _ in process.messages()] == [ERROR]
    status, output, errors = process.finish()
    assert (status, output) == (78, "")
    assert errors.endswith('c.ini:3: [daemon] orphan_grace: "7" needs a unit: ms, s, m, h or d\n')
