# SPDX-License-Identifier: MIT
"""A worker that stood still past the end of a time: what came within it counts."""

import contextlib
import errno
import os
import signal
import time

import pytest

from harness import processes, shows, wait
from harness.children import CANCELLED, EXIT, PATHS, TIMEOUT, Children
from harness.post import MAIL, Post
from harness.talk import TALK, Talk, python, wake

pytestmark = shows("C8")

# It stands still: the test sees so, and lets it go on.
STANDS = "kill -STOP $$; "

LONG = 2000                             # ms, in which a slow machine has come so far


@pytest.fixture
def children(cluster):
    return Children(cluster(routes=dict(PATHS, **{"/": "hello"}), workers=1, scale=1))


@pytest.fixture
def talk(cluster):
    c = cluster(workers=1, routes=dict(TALK, **{"/": "hello"}), scale=1)

    def begin(channel, *words, **query):
        return Talk(c, "start", *words, channel=channel, **query)
    return begin


def sh(line, **how):
    return dict(how, file="sh", arg=["sh", "-c", line])


@contextlib.contextmanager
def stopped(pid, ms):
    """It stands still for so long at least."""
    os.kill(pid, signal.SIGSTOP)
    over = time.monotonic() + ms / 1000
    try:
        wait.until(lambda: processes.is_stopped(pid), what="its standing still")
        yield
        wait.until(lambda: time.monotonic() > over, ms / 1000 + 5, "the end of that time")
    finally:
        os.kill(pid, signal.SIGCONT)


def await_stopped(pid):
    wait.until(lambda: processes.is_stopped(pid), what="the child standing still")


def await_end(pid):
    wait.until(lambda: pid not in processes.table() or processes.table()[pid][0] == "Z",
               what="the end of the child")


# ---- ends ------------------------------------------------------------------------------

def test_who_ended_in_time_has_not_timed_out(children):
    worker = children.worker_pid()
    n = children.start(**sh(STANDS + "echo good; exit 3", timeout_ms=LONG))
    pid = children.pid(n)
    await_stopped(pid)
    with stopped(worker, LONG + 200):
        os.kill(pid, signal.SIGCONT)
        await_end(pid)
    got = children.wait(n)
    assert (got.out, got.ended()) == (b"good\n", (3, 0, EXIT))


def test_who_stood_still_with_the_worker_has_a_little_more(children):
    """Past its timeout, and past the time after the signal."""
    worker = children.worker_pid()
    n = children.start(**sh(STANDS + "exit 3", timeout_ms=LONG))
    pid = children.pid(n)
    await_stopped(pid)
    with stopped(worker, LONG + 400):
        pass
    assert children.info(n)["running"] == 1
    os.kill(pid, signal.SIGCONT)
    assert children.wait(n).ended() == (3, 0, EXIT)
    assert children.numbers("token", do="new") == (1, 0)
    n = children.start(**sh("trap 'exit 5' TERM; " + STANDS + "sleep 1", kill_after=500, cancel=1))
    pid = children.pid(n)
    await_stopped(pid)
    children.numbers("token", do="cancel")
    with stopped(worker, 1000):
        pass
    assert children.info(n)["running"] == 1
    os.kill(pid, signal.SIGCONT)
    assert children.wait(n).ended() == (5, 0, CANCELLED)


def test_whose_output_lingers_may_end_it(children):
    """A pipe holds less than it writes."""
    worker = children.worker_pid()
    n = children.start(**sh("sh -c 'echo $$; kill -STOP $$; head -c 300000 /dev/zero' & exit 3",
                            linger=LONG))
    wait.until(lambda: children.look(n).exited, what="its end")
    member = wait.until(lambda: int(children.look(n).out or 0), what="who holds its pipe")
    with stopped(worker, LONG + 300):
        await_stopped(member)
        os.kill(member, signal.SIGCONT)
    got = children.wait(n)
    assert len(got.out) > 300000 and got.ended() == (3, 0, EXIT)


def test_nobody_has_more_for_ever(children):
    n = children.start(**sh("trap '' TERM; echo ready; exec sleep 300",
                            timeout_ms=300, kill_after=300))
    for _ in range(2):
        with stopped(children.worker_pid(), 600):
            pass
    got = children.wait(n, timeout=10)
    assert got.ended() == (-1, 9, TIMEOUT) and 600 <= got.wall_ms < 5000
    assert children.own() == []


# ---- messages to a child -----------------------------------------------------------------

# It reads one more, and stands still when it has it.
READS = """
say(b"up")
wait()
assert channel.recv(100)
os.kill(os.getpid(), signal.SIGSTOP)
wait()
"""


@pytest.mark.parametrize("channel", ["packet", "lines"])
def test_what_a_child_took_in_time_has_arrived(talk, channel):
    script = READS if channel == "packet" else READS.replace(
        'say(b"up")', 'channel.sendall(b"1\\n")')
    t = talk(channel, *python(script))
    t.messages()
    worker = t.c.worker("web/0")["pid"]
    assert t.send(b"x", done=1, timeout=LONG) == 0
    with stopped(worker, LONG + 300):
        wake(t)
        await_stopped(t.pid)
    assert t.await_heard("done") == [["done", "1", "0", "1", "0"]]
    wake(t)
    os.kill(t.pid, signal.SIGCONT)
    t.await_heard("close")


def test_a_child_that_stood_still_too_may_take_it_yet(talk):
    t = talk("packet", *python(READS))
    t.messages()
    worker = t.c.worker("web/0")["pid"]
    assert t.send(b"x", done=1, timeout=LONG) == 0
    assert t.send(b"y", done=2, timeout=LONG) == 0
    with stopped(worker, LONG + 300):
        pass
    assert t.heard("done") == []
    wake(t)
    assert t.await_heard("done", 2) == [
        ["done", "1", "0", "1", "0"], ["done", "2", str(-errno.ETIMEDOUT), "0", "0"]]


def test_what_a_child_said_before_its_channel_was_given_up_comes(talk):
    """cluster_child_disconnect() gives it a second."""
    t = talk("packet", *python("""
        say(b"up")
        wait()
        say(b"last")
        os.kill(os.getpid(), signal.SIGSTOP)
        wait()
        """))
    t.messages()
    worker = t.c.worker("web/0")["pid"]
    assert t.disconnect() == 0
    with stopped(worker, 1500):
        wake(t)
        await_stopped(t.pid)
    t.await_heard("disconnect")
    assert [m.data for m in t.messages(2)] == [b"up", b"last"]


# ---- questions ---------------------------------------------------------------------------

def test_an_answer_that_came_in_time_counts(cluster):
    c = cluster(routes=dict(MAIL, **{"/": "hello"}), workers=2, scale=1)
    p = Post(c)
    p.to("web/1")
    conn = p.to("web/0")
    asks, answers = (c.worker(name)["pid"] for name in ("web/0", "web/1"))
    with stopped(answers, 0):
        conn.send(b"GET /ask?to=web/1&data=ab&timeout=%d HTTP/1.1\r\nHost: a\r\n\r\n" % LONG)
        wait.until(lambda: c.metric("messages_sent_total") == 1 and
                   not c.worker("web/0")["doing"], what="a question under way")
        with stopped(asks, LONG + 200):
            os.kill(answers, signal.SIGCONT)
            wait.until(lambda: p.ask("web/1", "/answers").split()[1] == str(-errno.EALREADY),
                       what="its answer")
    assert conn.response().text.split() == ["0", "web/1", "ab", "1"]
    conn.send(b"GET /ask?to=web/1&data=quiet&timeout=300 HTTP/1.1\r\nHost: a\r\n\r\n")
    with stopped(asks, 600):
        pass
    assert conn.response().text.split()[0] == str(-errno.ETIMEDOUT), "there is none"
