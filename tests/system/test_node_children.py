# SPDX-License-Identifier: MIT
"""Child processes beside those of Node's child_process: rows of
doc/node-parity.md that test_children.py and test_children_end.py do not show whole."""

import errno
import fcntl
import os

import pytest

from harness import shows, wait
from harness.children import EXIT, PATHS, Children


PACKET = 1


@pytest.fixture
def children(cluster):
    def begin(**how):
        how.setdefault("routes", dict(PATHS, **{"/": "hello"}))
        how.setdefault("workers", 1)
        return Children(cluster(**how))
    return begin


def sh(line, **how):
    return dict(how, file="sh", arg=["sh", "-c", line])


@shows("node-D5")
@shows("node-O18")
def test_output_into_the_log(children):
    """As the worker's own, or with the name of the child; its input is empty."""
    ch = children()
    line = "cat; echo inherited; echo too >&2"
    got = ch.spawn(**sh(line, io0="inherit", io1="inherit", io2="inherit"))
    assert (got.out, got.err, got.ended()) == (b"", b"", (0, 0, EXIT))
    for words in ("inherited", "too"):
        assert " web/0[%d]: %s" % (ch.worker_pid(), words) in ch.c.await_log(words)
    got = ch.spawn(**sh("echo of the child", io1="log", io2="log"))
    assert got.ended() == (0, 0, EXIT) and got.out == b""
    assert " web/0[" in (said := ch.c.await_log("of the child")) and "children: sh[" in said


@shows("node-D8")
@shows("node-O16")
def test_data_as_input_is_sealed(children):
    """It is there as a whole: nobody writes it, nobody can change it."""
    ch = children()
    got = ch.spawn(file="wc", arg=["wc", "-c"], io0="data:" + "x" * 6000)
    assert got.out.split() == [b"6000"]
    script = "import fcntl; print(fcntl.fcntl(0, fcntl.F_GET_SEALS))"
    got = ch.spawn(file="python3", arg=["python3", "-c", script], io0="data:text")
    wanted = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    assert int(got.out) & wanted == wanted


@shows("node-D4")
@shows("node-D9")
def test_nothing_at_all_three(children):
    ch = children()
    null = " && ".join("[ /dev/null -ef /proc/self/fd/%d ]" % fd for fd in range(3))
    got = ch.spawn(**sh(null, io0="null", io1="null", io2="null"))
    assert got.ended() == (0, 0, EXIT)


@shows("node-H1")
def test_no_callback_before_the_return(children):
    ch = children()
    for _ in range(20):
        got = ch.spawn(file="true")
        assert got.ended() == (0, 0, EXIT) and "early" not in got.events
        assert got.events[-1] == "close"


@shows("node-X1")
def test_output_goes_on_after_the_end(children):
    """Of somebody whom it has left its pipes; nobody writes to them any more."""
    ch = children()
    fifo = ch.c.dir + "/go"
    os.mkfifo(fifo)
    os.chmod(fifo, 0o666)
    n = ch.start(**sh("echo before; (read go <%s; echo late) & exit 3" % fifo, io0="pipe",
                      linger=20000))
    wait.until(lambda: ch.look(n).exited, what="its end")
    assert not ch.look(n).closed and ch.look(n).out == b"before\n"
    assert ch.numbers("write", n=n, data="x") == (-errno.EPIPE, 0)
    with open(fifo, "w", encoding="ascii") as f:
        f.write("go\n")
    got = ch.wait(n)
    assert (got.out, got.ended()) == (b"before\nlate\n", (3, 0, EXIT))
    after = got.events[got.events.index("exit"):]
    assert "out1:5" in after and after[-1] == "close"


@shows("node-X13")
def test_it_has_no_more_rights_than_its_worker(children):
    ch = children()
    fields = "Uid|Gid|Groups|CapPrm|CapEff|CapBnd|NoNewPrivs|Seccomp"
    got = ch.spawn(file="grep", arg=["grep", "-E", "^(%s):" % fields, "/proc/self/status"])
    with open("/proc/%d/status" % ch.worker_pid(), encoding="ascii") as f:
        own = [line for line in f if line.split(":")[0] in fields.split("|")]
    assert got.out.decode().splitlines(keepends=True) == own and len(own) == 8
    assert "NoNewPrivs:\t1\n" in own and "Seccomp:\t2\n" in own


@shows("node-P7")
def test_one_that_no_drain_awaits(children):
    """As was said of it when it ran already."""
    ch = children(drain_timeout="1h", stop_timeout="20s")
    n = ch.start(file="sleep", arg=["sleep", "600"])
    pid = ch.pid(n)
    assert ch.numbers("ref", n=n, on=0) == (0, 0)
    assert ch.c.ctl("drain", "web/0").code == 0
    ended = ch.c.await_event("worker.exited")
    assert (ended["asked"], ended["code"]) == (True, 0)
    wait.until(lambda: not os.path.exists("/proc/%d" % pid), 5, "its end")


@shows("node-F5")
@shows("node-F6")
@pytest.mark.parametrize("start, out, code", [
    ("/bin/pwd", b"/\n", 0), ("echo words; exit 7", b"words\n", 7)])
def test_one_that_is_waited_for(children, start, out, code):
    """A program, and a line for the shell; before anything is served."""
    ch = children(plugins={"children": {"start": '"%s"' % start}})
    got = ch.state(ch.ask("started"))
    assert (got.out, got.ended()) == (out, (code, 0, EXIT))


@shows("node-P4")
@shows("node-P14")
def test_connected_until_one_side_closes(children):
    """From the call on, or when the child does it; it runs on."""
    ch = children()
    n = ch.start(file="sleep", arg=["sleep", "600"], channel=PACKET)
    info = ch.info(n)
    assert (info["connected"], info["channel"]) == (1, PACKET)
    assert ch.numbers("disconnect", n=n) == (0, 0)
    assert (ch.info(n)["connected"], ch.info(n)["running"]) == (0, 1)
    assert ch.numbers("disconnect", n=n) == (-errno.EPIPE, 0)
    n = ch.start(**sh('eval "exec $CLUSTERD_CHANNEL_FD>&-"; exec sleep 600', channel=PACKET))
    wait.until(lambda: not ch.info(n)["connected"], 5, "its end of the channel")
    assert ch.info(n)["running"] == 1
