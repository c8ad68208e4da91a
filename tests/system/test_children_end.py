# SPDX-License-Identifier: MIT
"""How child processes end: signals, times, tokens, requests, the worker's end."""

import errno
import os
import signal

import pytest

from harness import not_sanitized, processes, shows, wait
from harness.children import (
    CANCELLED, DETACHED, EXIT, GROUP, ONE, OOM, PATHS, SIGNAL, TIMEOUT, TREE, UNREF,
    Children)


@pytest.fixture
def children(cluster):
    def begin(**how):
        how.setdefault("routes", dict(PATHS, **{"/": "hello"}))
        how.setdefault("workers", 1)
        return Children(cluster(**how))
    return begin


def sh(line, **how):
    return dict(how, file="sh", arg=["sh", "-c", line])


def lives(pid):
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def await_gone(*pids, timeout=5):
    wait.until(lambda: not any(lives(pid) for pid in pids), timeout=timeout,
               what="end of %s" % (pids,))


def pids_of(ch, n, count):
    """Numbers that the child has written, one a line."""
    wait.until(lambda: ch.look(n).out.count(b"\n") >= count, what="%d numbers" % count)
    return [int(word) for word in ch.look(n).out.split()[:count]]


# ---- signals ---------------------------------------------------------------------------

@shows("node-O11")
@shows("node-P12")
@shows("node-X4")
def test_scopes_of_a_signal(children):
    ch = children()
    line = "sleep 300 & echo $!; setsid sleep 300 & echo $!; echo $$; wait"
    for scope, dead in ((ONE, 1), (GROUP, 2), (TREE, 3)):
        n = ch.start(**sh(line, linger=100))
        member, stranger, leader = pids_of(ch, n, 3)
        assert leader == ch.pid(n)
        wait.until(lambda: os.getsid(stranger) == stranger, what="a session")
        assert ch.numbers("kill", n=n, sig=9, scope=scope) == (0, 0)
        await_gone(*[leader, member, stranger][:dead])
        assert lives(stranger) == (scope != TREE)
        got = ch.wait(n)
        assert got.ended() == (-1, 9, SIGNAL)
        if lives(stranger):
            processes.end_all([stranger])
        await_gone(member)


@shows("node-P12")
def test_kill_misuse(children):
    ch = children()
    n = ch.start(**sh("trap '' USR1; echo ready; sleep 300 & wait"))
    wait.until(lambda: ch.look(n).out, what="its word")
    for sig in (-1, 65, 1000):
        assert ch.numbers("kill", n=n, sig=sig) == (-errno.EINVAL, 0)
    assert ch.numbers("kill", n=n, sig=15, scope=7) == (-errno.EINVAL, 0)
    assert ch.numbers("kill", n=n, sig=10) == (0, 0)
    assert ch.numbers("kill", n=n, sig=9) == (0, 0)
    ch.wait(n)
    assert ch.numbers("kill", n=n) == (-errno.ESTALE, 0)


@shows("node-P2")
def test_a_kill_after_its_end(children):
    """It has ended, and somebody still holds its pipe."""
    ch = children()
    n = ch.start(**sh("setsid sleep 300 & echo $!; exit 4", linger=60000))
    other, = pids_of(ch, n, 1)
    wait.until(lambda: ch.look(n).exited, what="its end")
    assert ch.info(n)["running"] == 0 and ch.info(n)["code"] == 4
    assert ch.numbers("kill", n=n) == (-errno.ESRCH, 0)
    processes.end_all([other])
    assert ch.wait(n).ended() == (4, 0, EXIT)


@not_sanitized("needs little memory")
@shows("node-H3")
def test_killed_for_want_of_memory(memory_group, children):
    with memory_group.inside():
        ch = children()
    n = ch.start(file="sleep", arg=["sleep", "300"])
    os.kill(ch.pid(n), signal.SIGKILL)
    assert ch.wait(n).ended() == (-1, 9, SIGNAL), "that was somebody else"
    # it shall be the one who is chosen
    got = ch.spawn(**sh("echo 1000 >/proc/self/oom_score_adj; "
                        "exec python3 -c 'b = bytearray(400 << 20); b[::4096] = b[::4096]'"))
    assert got.ended() == (-1, 9, OOM)


# ---- times -----------------------------------------------------------------------------

def out_of_time(ch, line, **how):
    """(n, its end): it has said `up' before its time was over, which is as long as it
    needs for that."""
    for ms in (300, 1500, 7500):
        n = ch.start(**sh(line, timeout_ms=ms, **how))
        got = ch.wait(n)
        if got.out and b"up\n" in got.out + got.err:
            return n, got
    raise AssertionError("not up in time: %r" % vars(got))


@shows("node-O10")
@shows("node-O11")
@shows("node-H2")
def test_timeout(children):
    ch = children()
    got = ch.spawn(file="sleep", arg=["sleep", "300"], timeout_ms=200)
    assert got.ended() == (-1, 15, TIMEOUT) and 200 <= got.wall_ms < 10000
    got = ch.spawn(file="sleep", arg=["sleep", "300"], timeout_ms=100, kill_signal=2)
    assert got.ended() == (-1, 2, TIMEOUT)
    _, got = out_of_time(ch, "trap 'echo bye; exit 7' TERM; echo up; sleep 300 & wait")
    assert got.ended() == (7, 0, TIMEOUT) and got.out == b"up\nbye\n"
    assert ch.spawn(file="true", timeout_ms=60000).ended() == (0, 0, EXIT)


@shows("node-O10")
def test_who_ignores_the_signal_is_killed(children):
    ch = children()
    n, got = out_of_time(ch, "trap '' TERM; sleep 300 & echo $!; setsid sleep 300 & echo $!; "
                         "echo up; wait", kill_after=200, scope=TREE)
    pids = pids_of(ch, n, 2)
    assert got.ended() == (-1, 9, TIMEOUT)
    await_gone(*pids)
    assert ch.own() == []


@shows("node-X4")
@shows("node-O11")
def test_grandchildren_that_ignore_it_are_killed(children):
    """The child itself has ended at the first signal."""
    ch = children()
    n, got = out_of_time(ch, "(trap '' TERM; echo up; sleep 300; echo x; sleep 300) >&2 & "
                         "echo $!; wait", kill_after=300)
    pid, = pids_of(ch, n, 1)
    assert got.ended()[2] == TIMEOUT
    await_gone(pid)


def test_full_pipes_do_not_hold_it(children):
    ch = children()
    n = ch.start(**sh("trap '' PIPE TERM; exec yes", timeout_ms=300, kill_after=200))
    ch.numbers("pause", n=n, fd=1)
    got = ch.wait(n)
    assert got.ended() == (-1, 15, TIMEOUT) or got.ended() == (-1, 9, TIMEOUT)
    assert ch.own() == []


@shows("node-H4")
@shows("node-X1")
@shows("node-X2")
def test_who_holds_the_pipe_does_not_hold_its_end(children):
    ch = children()
    n = ch.start(**sh("sleep 300 & echo $!; exit 3", linger=200))
    pid, = pids_of(ch, n, 1)
    got = ch.wait(n)
    assert got.ended() == (3, 0, EXIT)
    assert got.events.index("exit") < got.events.index("close")
    await_gone(pid)
    n = ch.start(**sh("setsid sleep 300 & echo $!; exit 3", linger=200))
    pid, = pids_of(ch, n, 1)
    assert ch.wait(n).ended() == (3, 0, EXIT), "and one that has left the group"
    assert lives(pid)
    processes.end_all([pid])


def test_a_detached_one_leaves_its_daemon_alone(children):
    ch = children()
    n = ch.start(**sh("sleep 300 & echo $!; exit 3", linger=100, flags=DETACHED))
    pid, = pids_of(ch, n, 1)
    assert ch.wait(n).ended() == (3, 0, EXIT)
    assert lives(pid)
    processes.end_all([pid])


# ---- tokens and requests ---------------------------------------------------------------------

@shows("node-O13")
def test_a_token(children):
    ch = children()
    assert ch.numbers("token", do="new") == (1, 0)
    a = ch.start(file="sleep", arg=["sleep", "300"], cancel=1)
    b = ch.start(file="sleep", arg=["sleep", "300"], cancel=1)
    c = ch.start(file="sleep", arg=["sleep", "300"])
    ch.numbers("token", do="cancel")
    assert [ch.wait(n).ended() for n in (a, b)] == [(-1, 15, CANCELLED)] * 2
    assert ch.info(c)["running"] == 1
    assert ch.spawn(file="true", cancel=1) == (-errno.ECANCELED, 0)
    ch.numbers("token", do="free")
    assert ch.spawn(file="true", cancel=1) == (-errno.ESTALE, 0)
    before = ch.c.metric("misused_total")
    ch.numbers("token", do="free"), ch.numbers("token", do="cancel")
    assert ch.c.metric("misused_total") == before + 2
    ch.numbers("token", do="new")
    n = ch.start(file="sleep", arg=["sleep", "300"], cancel=1)
    ch.numbers("token", do="free")
    assert ch.info(n)["running"] == 1, "what was bound to it goes on"


@shows("node-O13")
@shows("node-P13")
def test_a_client_that_leaves_ends_its_child(children):
    ch = children()
    conn = ch.c.connect()
    conn.send(b"GET /spawn?with=1&file=sh&arg=sh&arg=-c&arg=" +
              b"sleep%20300%20%26%20echo%20%24%21%3B%20wait HTTP/1.1\r\nHost: a\r\n\r\n")
    wait.until(ch.own, what="a child")
    pid, = ch.own()
    member, = pids_of(ch, 0, 1)
    conn.close()
    await_gone(pid, member, timeout=5)
    assert ch.wait(0).ended() == (-1, 15, CANCELLED)


def test_a_request_whose_time_is_over_ends_its_child(children):
    ch = children(request_timeout="300ms")
    answer = ch.c.get("/spawn?with=1&file=sleep&arg=sleep&arg=300")
    assert answer.status == 503 or answer.status == 504
    assert ch.wait(0).ended() == (-1, 15, CANCELLED)


def test_an_answer_ends_what_is_bound_to_it(children):
    ch = children()
    n = ch.start(file="sleep", arg=["sleep", "300"], with_=1)
    assert ch.wait(n).ended() == (-1, 15, CANCELLED)


# ---- the worker's end ------------------------------------------------------------------------

@shows("node-P7")
def test_a_drain_awaits_a_child(children):
    ch = children(drain_timeout="20s")
    n = ch.start(**sh("read go; exit 5", io0="pipe"))
    other = ch.start(file="sleep", arg=["sleep", "300"], flags=UNREF)
    unref = ch.pid(other)
    pid, worker = ch.pid(n), ch.worker_pid()
    assert ch.c.ctl("drain", "web/0").code == 0
    await_gone(unref)
    assert lives(pid) and lives(worker)
    processes.end_all([pid])
    await_gone(worker)
    exited = ch.c.await_event("worker.exited")
    assert (exited["code"], exited["asked"]) == (0, True)


def test_a_drain_does_not_await_it_for_ever(children):
    ch = children(drain_timeout="500ms", stop_timeout="10s")
    n = ch.start(**sh("trap '' TERM; sleep 300 & echo $!; echo $$; wait"))
    pids = pids_of(ch, n, 2)
    ch.c.ctl("drain", "web/0")
    exited = ch.c.await_event("worker.exited")
    assert (exited["code"], exited["asked"]) == (0, True)
    await_gone(*pids)


@shows("node-O7")
@shows("node-X10")
def test_a_stop_ends_them_and_leaves_the_detached(children):
    ch = children()
    ends = [ch.pid(ch.start(**sh(line))) for line in (
        "exec sleep 300", "trap '' TERM; sleep 300; echo x", "exec setsid -w sleep 300")]
    stays = ch.pid(ch.start(file="sleep", arg=["sleep", "300"], flags=DETACHED, io1="null",
                            io2="null"))
    assert os.getsid(stays) == stays
    ch.c.stop()
    await_gone(*ends)
    assert lives(stays)
    processes.end_all([stays])


def test_a_master_that_dies_is_nothing_to_them(children):
    ch = children()
    n = ch.start(**sh("read go; echo went; exit 5", io0="pipe"))
    seen = ch.c.last_event()
    os.kill(ch.c.master_pid(), signal.SIGKILL)
    ch.c.await_event("master.adopted", after=seen)
    assert ch.numbers("write", n=n, data="go\n") == (0, 1)
    got = ch.wait(n)
    assert (got.out, got.ended()) == (b"went\n", (5, 0, EXIT))


@shows("node-X10")
@shows("node-O7")
def test_a_worker_that_is_killed_leaves_none(children):
    ch = children()
    pids = [ch.pid(ch.start(**sh("trap '' TERM; exec sleep 300"))) for _ in range(50)]
    os.kill(ch.worker_pid(), signal.SIGKILL)
    await_gone(*pids)
