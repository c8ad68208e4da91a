# SPDX-License-Identifier: MIT
"""Child processes of plugins: what they are, get and say."""

import errno
import os
import pathlib
import resource
import tempfile

import pytest

from harness import http, shows, wait
from harness.children import (
    CHDIR, ENV_ADD, EXEC, EXIT, FORK, LIMITS, OVERFLOW, PATHS, SIGNAL, SPILL, STDIO, TAIL, TIMEOUT,
    TRUNCATE, Children)


@pytest.fixture
def place():
    """A directory that a worker may read and write."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o777)
        yield pathlib.Path(name)


@pytest.fixture
def children(cluster):
    def begin(**how):
        how.setdefault("routes", dict(PATHS, **{"/": "hello"}))
        how.setdefault("workers", 1)
        return Children(cluster(**how))
    return begin


def sh(line, **how):
    return dict(how, file="sh", arg=["sh", "-c", line])


@shows("node-F1")
@shows("node-H1")
@shows("node-H3")
@shows("node-H4")
def test_a_program_runs_and_ends(children):
    ch = children()
    before = ch.fds()
    got = ch.spawn(**sh("echo out; echo err >&2; exit 3"))
    assert (got.out, got.err, got.ended()) == (b"out\n", b"err\n", (3, 0, EXIT))
    assert sorted(e for e in got.events if not e.startswith("out")) == \
        ["close", "eof1", "eof2", "exit"]
    assert got.events[-1] == "close"
    assert ch.own() == [], "reaped"
    ch.await_fds(before)
    assert ch.info(0) == -errno.ESTALE


def test_how_it_ended(children):
    ch = children()
    got = ch.spawn(**sh("ulimit -c 0; kill -SEGV $$"))
    assert got.ended() == (-1, 11, SIGNAL) and got.core == 0
    got = ch.spawn(**sh("head -c 30000000 /dev/zero | tail -c 1 >/dev/null; "
                        "exec python3 -c 'bytearray(50000000)'"))
    assert got.ended() == (0, 0, EXIT)
    assert got.max_rss > 50000, "in KiB"
    assert got.wall_ms >= 1


# ---- what does not start -------------------------------------------------------------

@shows("node-F1")
@shows("node-H2")
@shows("node-O1")
def test_a_failed_step_is_the_return_value(children, place):
    ch = children()
    plain = place / "plain"
    plain.write_text("text\n")
    plain.chmod(0o644)
    before = ch.fds()
    for how, error, stage in (
            (dict(file="no-such-program"), errno.ENOENT, EXEC),
            (dict(file="/no/such/program"), errno.ENOENT, EXEC),
            (dict(file=plain), errno.EACCES, EXEC),
            (dict(file="true", cwd="/no/such"), errno.ENOENT, CHDIR),
            (dict(file="true", cwd=plain), errno.ENOTDIR, CHDIR),
            (dict(file="true", io1="file:/no/such/file"), errno.ENOENT, STDIO),
            (dict(file="true", io3="number:999"), errno.EBADF, STDIO),
            (dict(file="true", rlimit="%d:9999999999" % resource.RLIMIT_NOFILE),
             errno.EPERM, LIMITS)):
        got = ch.spawn(**how)
        assert got == (-error, stage), how
    assert ch.own() == []
    ch.await_fds(before)


def test_no_process_is_to_be_had(children):
    ch = children(env={"CLUSTERD_FP": "child.clone:err=EAGAIN@2"})
    before = ch.fds()
    assert ch.spawn(file="true", io0="pipe").ended() == (0, 0, EXIT)
    assert ch.spawn(file="true", io0="pipe") == (-errno.EAGAIN, FORK)
    assert ch.spawn(file="true", io0="pipe").ended() == (0, 0, EXIT)
    ch.await_fds(before)


@pytest.mark.parametrize("number", [2, 11])
def test_what_is_the_hosts_does_not_move(children, number):
    """Its stderr, its output pipe: the next client would get the number."""
    ch = children()
    before = ch.fds()
    assert ch.spawn(file="true", io2="ours:%d" % number)[0] == -errno.EBADF
    assert ch.fds() == before and ch.spawn(file="true").ended() == (0, 0, EXIT)


@shows("node-O5")
@shows("node-O21")
def test_misuse(children):
    ch = children()
    first = ch.c.metric("misused_total")
    for how in (dict(), dict(file=""), dict(file="true", size=8), dict(file="true", flags=64),
                dict(file="true", scope=3), dict(file="true", overflow=4),
                dict(file="true", channel=9), dict(file="true", kill_signal=65),
                dict(file="true", kill_signal=-1), dict(file="true", io1="what"),
                dict(file="true", io0="log"), dict(file="true", io1="capture"),
                dict(file="true", overflow=TAIL), dict(file="true", overflow=SPILL),
                dict(file="true", shell="", arg="a"), dict(file="true", env="NOVALUE"),
                dict(file="true", env="=x"), dict(file="true", rlimit="99:1"),
                dict(file="true", io3="number:-1"), dict(file="true", io1="file")):
        assert ch.spawn(**how) == (-errno.EINVAL, 0), how
    assert ch.c.metric("misused_total") == first + 20
    assert ch.spawn(file="true", arg=["a"] * 1100) == (-errno.E2BIG, 0)
    assert ch.own() == []


# ---- what it gets ---------------------------------------------------------------------

@shows("node-O4")
@shows("node-O9")
@shows("node-X12")
@shows("node-O1")
def test_file_and_arguments(children):
    ch = children()
    assert ch.spawn(file="/bin/echo", arg=["other", "a b", "c"]).out == b"a b c\n"
    assert ch.spawn(file="sh", arg=["called", "-c", "echo $0"]).out == b"called\n"
    assert ch.spawn(file="pwd").out == b"/\n", "without arguments its name is one"
    assert ch.spawn(file="echo $((1 + 2)); exit 4", shell="").out == b"3\n"
    got = ch.spawn(file="nobody-has-this", shell="/bin/sh")
    assert got.ended() == (127, 0, EXIT), "the shell has started"
    assert ch.spawn(file="pwd", cwd="/usr").out == b"/usr\n"


@shows("node-O3")
def test_path_is_that_of_its_environment(children, place):
    tool = place / "tool"
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    ch = children()
    assert ch.spawn(file="tool") == (-errno.ENOENT, EXEC)
    assert ch.spawn(file="tool", env="PATH=/no/such:%s" % place).out == b"found\n"
    assert ch.spawn(file="env", noenv=1).out == b"", "and /usr/bin:/bin without one"
    tool.chmod(0o644)
    assert ch.spawn(file="tool", env="PATH=%s:/bin" % place) == (-errno.EACCES, EXEC)


@shows("node-O2")
def test_environment(children):
    ch = children(env={"TZ": "UTC", "LANG": "C"})
    assert b"TZ=UTC\n" in ch.spawn(file="env").out, "that of the worker"
    assert ch.spawn(file="/usr/bin/env", env=["X=y", "Z="]).out == b"X=y\nZ=\n"
    got = ch.spawn(file="env", env=["TZ", "LANG=xy", "C=4"], flags=ENV_ADD).out.splitlines()
    assert b"LANG=xy" in got and b"C=4" in got and b"LANG=C" not in got
    assert not [line for line in got if line.startswith(b"TZ=")]


def test_a_group_in_the_workers_session(children):
    ch = children()
    n = ch.start(file="sleep", arg=["sleep", "60"])
    pid, worker = ch.pid(n), ch.worker_pid()
    assert os.getpgid(pid) == pid
    assert os.getsid(pid) == worker
    assert ch.numbers("kill", n=n, sig=9) == (0, 0)
    assert ch.wait(n).ended() == (-1, 9, SIGNAL)


def test_default_signals_and_no_descriptor(children):
    ch = children()
    got = ch.spawn(**sh("grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; ls /proc/self/fd"))
    words = got.out.split()
    assert words[1::2][:2] == [b"0" * 16] * 2, "none blocked, none ignored"
    # 3 is the directory itself
    assert words[6:] == [b"0", b"1", b"2", b"3"]


@shows("node-X13")
def test_limits_and_niceness(children):
    ch = children()
    got = ch.spawn(**sh("ulimit -n; nice", rlimit="%d:77" % resource.RLIMIT_NOFILE, nice=5))
    assert got.out == b"77\n5\n"


# ---- its descriptors --------------------------------------------------------------------

@shows("node-D1")
@shows("node-D4")
@shows("node-D6")
@shows("node-D8")
@shows("node-D9")
@shows("node-O6")
def test_stdio_forms(children, place):
    file = place / "file"
    ch = children()
    before = ch.fds()
    assert ch.spawn(**sh("cat; echo $?")).out == b"0\n", "null by itself"
    assert ch.spawn(file="cat", io0="data:some text").out == b"some text"
    assert ch.spawn(**sh("echo one", io1="file:%s" % file)).out == b""
    assert ch.spawn(**sh("echo two", io1="file:%s" % file)).out == b""
    assert file.read_text() == "one\ntwo\n", "appended to"
    assert ch.spawn(file="cat", io0="file:%s" % file).out == b"one\ntwo\n"
    assert ch.spawn(**sh("echo gone", io1="null")).out == b""
    assert ch.spawn(**sh("cat <&5", io5="fd:%s" % file)).out == b"one\ntwo\n"
    assert ch.spawn(**sh("cat <&7", io7="move:%s" % file)).out == b"one\ntwo\n"
    got = ch.spawn(**sh("echo to-three >&3", io3="pipe"))
    assert "out3:9" in got.events and "eof3" in got.events
    got = ch.spawn(**sh("readlink /proc/self/fd/4 >&1; echo $?", io4="null", io1="pipe"))
    assert got.out == b"1\n", "from 3 on null is not open"
    assert ch.spawn(**sh("[ -p /dev/stdout ] && echo pipe")).out == b"pipe\n"
    assert ch.spawn(**sh("echo x > /dev/stdout")).out == b"x\n", "a real pipe"
    ch.await_fds(before)


@shows("node-D5")
@shows("node-D7")
@shows("node-O18")
def test_output_for_the_log(children):
    ch = children()
    ch.spawn(**sh("echo a line; printf 'not ended' >&2", quiet=1))
    ch.c.await_log("a line")
    line = ch.c.await_log("not ended")
    assert "children: sh[" in str(line)
    ch.spawn(**sh("echo the worker would say", io1="inherit"))
    line = ch.c.await_log("the worker would say")
    assert "sh[" not in str(line), "it is the worker's own output"


@shows("node-D1")
@shows("node-P10")
def test_both_ways(children):
    ch = children()
    n = ch.start(**sh("cat; echo end; exec sleep 60", io0="pipe"))
    assert ch.numbers("write", n=n, data="hello") == (0, 1)
    wait.until(lambda: ch.look(n).out == b"hello", what="an echo")
    assert ch.numbers("write", n=n, fd=1, data="x") == (-errno.EPIPE, 0), "that one is read"
    assert ch.numbers("write", n=n, fd=8, data="x") == (-errno.EBADF, 0)
    assert ch.numbers("write", n=n, size=(1 << 20) + 1) == (-errno.EMSGSIZE, 0)
    assert ch.numbers("close", n=n) == (0, 0)
    assert ch.numbers("close", n=n) == (-errno.EPIPE, 0)
    wait.until(lambda: ch.look(n).out == b"helloend\n", what="that it saw the end")
    ch.numbers("kill", n=n, sig=9)
    ch.wait(n)
    assert ch.numbers("write", n=n, data="x") == (-errno.ESTALE, 0)
    n = ch.start(**sh("cat <&0 >&0", io0="socket"))
    assert ch.numbers("write", n=n, data="hello") == (0, 1)
    assert ch.numbers("close", n=n) == (0, 0)
    got = ch.wait(n)
    assert (got.both, got.ended()) == (b"hello", (0, 0, EXIT))


@shows("node-P10")
def test_written_faster_than_it_reads(children):
    ch = children()
    n = ch.start(**sh("exec sleep 60", io0="pipe"))
    error, taken = ch.numbers("write", n=n, size=65536, times=100)
    assert error == -errno.EAGAIN and 16 <= taken <= 18, "1 MiB waits, and what the pipe holds"
    assert "room0" not in ch.look(n).events
    os.kill(ch.pid(n), 0)
    ch.numbers("kill", n=n, sig=9)
    assert ch.wait(n).ended() == (-1, 9, SIGNAL)
    n = ch.start(**sh("read go; cat >/dev/null; echo done", io0="pipe"))
    ch.numbers("write", n=n, data="go\n")
    error, taken = ch.numbers("write", n=n, size=1 << 20, times=50)
    assert error == -errno.EAGAIN
    wait.until(lambda: "room0" in ch.look(n).events, what="room")
    assert ch.numbers("write", n=n, data="x")[0] == 0
    ch.numbers("close", n=n)
    assert ch.wait(n).out == b"done\n"


def test_a_reader_that_is_gone(children):
    ch = children()
    n = ch.start(**sh("exec 0<&-; echo closed; exec sleep 60", io0="pipe"))
    wait.until(lambda: ch.look(n).out == b"closed\n", what="its word")
    assert ch.numbers("write", n=n, data="x") == (-errno.EPIPE, 0)
    ch.numbers("kill", n=n)
    assert ch.wait(n).ended() == (-1, 15, SIGNAL)


@shows("node-P11")
@shows("node-X3")
def test_paused_output_waits_in_the_pipe(children):
    ch = children()
    n = ch.start(**sh("read go; yes | head -c 1000000", io0="pipe"))
    assert ch.numbers("pause", n=n, fd=1) == (0, 0)
    assert ch.numbers("write", n=n, data="go\n") == (0, 1)
    pid = ch.pid(n)
    wait.until(lambda: open("/proc/%d/wchan" % pid).read() or True, what="it")
    assert ch.look(n).total == 0
    assert ch.numbers("pause", n=n, fd=1, on=0) == (0, 0)
    got = ch.wait(n)
    assert got.total == 1000000 and got.ended() == (0, 0, EXIT)


@shows("node-X1")
def test_paused_output_outlives_its_child(children):
    """What a plugin has paused is not lost at the end of linger_ms."""
    ch = children()
    n = ch.start(**sh("read go; echo kept", io0="pipe", linger=100))
    ch.numbers("pause", n=n, fd=1)
    ch.numbers("write", n=n, data="go\n")
    wait.until(lambda: ch.look(n).exited, what="its end")
    deadline = wait.Deadline(0.5)
    wait.until(deadline.passed, what="five times as long as output may last")
    assert not ch.look(n).closed
    ch.numbers("pause", n=n, fd=1, on=0)
    got = ch.wait(n)
    assert (got.out, got.ended()) == (b"kept\n", (0, 0, EXIT))


def rss(pid):
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


@shows("node-P11")
def test_a_slow_client_holds_the_child_and_no_memory(children):
    """100 MB through the worker; the client looks at its memory on the way."""
    ch = children()
    size, step = 100 * 1000 * 1000, 5 * 1000 * 1000
    conn = ch.c.connect(timeout=30)
    ch.ask("many", n=1)
    worker = ch.worker_pid()
    start = most = rss(worker)
    conn.send(http.head("GET", "/stream?file=head&arg=head&arg=-c&arg=%d&arg=/dev/zero" % size, "a"))
    got = 0
    while got < size:
        data = conn.sock.recv(65536)
        assert data, "its end after %d bytes" % got
        if got // step != (got + len(data)) // step:
            most = max(most, rss(worker))
        got += len(data)
    conn.close()
    assert most - start < 16 << 20, "%d MiB more" % ((most - start) >> 20)


@shows("node-P1")
@shows("node-P3")
@shows("node-P8")
@shows("node-P9")
def test_info(children):
    ch = children()
    n = ch.start(file="sleep", arg=["my sleep", "60"])
    info = ch.info(n)
    assert (info["file"], info["argv"]) == ("sleep", "my sleep|60|")
    assert (info["running"], info["connected"], info["referenced"]) == (1, 0, 1)
    assert (info["code"], info["signal"], info["signal_sent"], info["channel"]) == (-1, 0, 0, 0)
    assert info["pid"] in ch.own()
    ch.numbers("ref", n=n, on=0)
    assert ch.info(n)["referenced"] == 0
    assert ch.numbers("kill", n=n, sig=0) == (0, 0)
    ch.numbers("kill", n=n, sig=19)
    assert ch.info(n)["signal_sent"] == 19 and ch.info(n)["running"] == 1
    ch.numbers("kill", n=n, sig=9)
    ch.wait(n)
    n = ch.start(file="sleep 60; true", shell="")
    assert (ch.info(n)["file"], ch.info(n)["argv"]) == ("/bin/sh", "/bin/sh|-c|sleep 60; true|")
    ch.numbers("kill", n=n, sig=9)


@shows("node-X13")
def test_as_many_as_are_allowed(children):
    ch = children(max_children=2)
    for _ in range(2):
        ch.start(file="sleep", arg=["sleep", "60"])
    assert ch.spawn(file="true") == (-errno.EAGAIN, 0)
    ch.numbers("kill", n=0, sig=9)
    ch.wait(0)
    assert ch.spawn(file="true").ended() == (0, 0, EXIT)


@shows("node-X14")
def test_none_is_allowed(children):
    ch = children(max_children=0)
    assert ch.spawn(file="true") == (-errno.EPERM, 0)


# ---- captured output ----------------------------------------------------------------------

@shows("node-F2")
@shows("node-F3")
@shows("node-F7")
@shows("node-O16")
def test_exec(children):
    ch = children()
    before = ch.fds()
    got = ch.state(ch.ask("exec", line="echo out; echo err >&2; exit 3", bare=1))
    assert (got.out, got.err, got.ended()) == (b"out\n", b"err\n", (3, 0, EXIT))
    got = ch.state(ch.ask("exec", line="cat; pwd", io0="data:given", cwd="/usr"))
    assert got.out == b"given/usr\n"
    got = ch.state(ch.ask("exec_file", file="echo", arg=["echo", "a  b"], bare=1))
    assert got.out == b"a  b\n"
    assert ch.numbers("exec_file", file="no-such") == (-errno.ENOENT, 0)
    assert ch.numbers("exec", line="") == (-errno.EINVAL, 0)
    assert ch.own() == []
    ch.await_fds(before)


@shows("node-O12")
def test_more_output_than_is_allowed(children):
    ch = children()
    before = ch.fds()
    line = "seq 100000; echo end"
    text = "".join("%d\n" % n for n in range(1, 100001)) + "end\n"
    text = text.encode()

    got = ch.state(ch.ask("exec", line=line + "; sleep 60", max=1000))
    assert (got.out, got.code, got.cause) == (text[:1000], -1, OVERFLOW)
    got = ch.state(ch.ask("exec", line=line, max=1000, overflow=TRUNCATE))
    assert (got.out, got.ended(), got.total) == (text[:1000], (0, 0, EXIT), len(text) - 1000)
    got = ch.state(ch.ask("exec", line=line, max=1000, overflow=TAIL))
    assert (got.out, got.ended(), got.total) == (text[-1000:], (0, 0, EXIT), len(text) - 1000)
    got = ch.state(ch.ask("exec", line=line, max=1000, overflow=SPILL))
    assert (got.out, got.ended(), got.total) == (text, (0, 0, EXIT), 0)
    assert "spill1" in got.events and "spill2" not in got.events
    got = ch.state(ch.ask("exec", line="{ %s; } >&2" % line))
    assert (got.out, got.err) == (b"", text)
    got = ch.state(ch.ask("exec", line=line, bare=1))
    assert got.out == text and got.total == 0
    got = ch.state(ch.ask("exec", line="yes", bare=1))
    assert (len(got.out), got.cause) == (1 << 20, OVERFLOW), "1 MiB if nothing is said"
    assert ch.own() == []
    ch.await_fds(before)


def test_more_output_than_a_listener_wants(children):
    ch = children()
    got = ch.spawn(**sh("yes", max=1000000))
    assert (got.total, got.cause) == (1000000, OVERFLOW)
    got = ch.spawn(**sh("seq 100000", max=1000, overflow=TRUNCATE))
    assert (got.total, got.ended()) == (1000, (0, 0, EXIT))


# ---- before anything is served ---------------------------------------------------------------

@shows("node-F5")
@shows("node-F6")
def test_run_in_start(children):
    ch = children(plugins={"children": {"start": "echo at start"}})
    got = ch.state(ch.ask("started"))
    assert (got.out, got.ended()) == (b"at start\n", (0, 0, EXIT))
    assert ch.numbers("run", file="true") == (-errno.EDEADLK, 0)
    assert ch.own() == []


@shows("node-F5")
def test_run_in_start_always_ends(children):
    ch = children(plugins={"children": {
        "start": "trap '' TERM; sleep 60; echo", "start_ms": "200ms"}})
    got = ch.state(ch.ask("started"))
    assert got.cause == TIMEOUT
    assert ch.own() == []


# ---- many of them ----------------------------------------------------------------------------

@shows("node-F2")
def test_a_thousand_one_after_the_other(children):
    ch = children()
    before = ch.fds()
    failed, _ = ch.numbers("many", n=1000, timeout=120)
    assert failed == 0
    assert ch.own() == [], "no zombie"
    ch.await_fds(before)


def test_a_start_costs_the_same_whatever_the_heap(children):
    """The figure is in bench/; this bound is ten times that promise."""
    ch = children()
    ch.numbers("many", n=100)
    small = min(ch.numbers("many", n=100)[1] for _ in range(3))
    ch.ask("grow", mb=512)
    large = min(ch.numbers("many", n=100)[1] for _ in range(3))
    assert large < 15 * small, (small, large)
