# SPDX-License-Identifier: MIT
"""Tasks: functions of a plugin in processes of their own."""

import errno
import os
import signal

import pytest

from harness import processes, shows, sockets
from harness.talk import TALK, Talk

ROLE_TASK = 2


def sockets_of(pid):
    """Their inodes."""
    return {int(name[8:-1]) for name in processes.fds(pid).values()
            if name.startswith("socket:[")}


@pytest.fixture
def task(cluster):
    c = cluster(workers=1, routes=dict(TALK, **{"/": "hello"}),
                plugins={"talk": {"word": "hello"}})

    def begin(name, *words, **query):
        return Talk(c, "task", *words, name=name, **query)
    return begin


@shows("node-C5")
@shows("node-F4")
def test_a_task_has_the_options_and_its_arguments(task):
    t = task("who")
    one, = t.messages()
    assert (one.topic, one.data) == ("who", b"1 who hello web/0 %d 1" % ROLE_TASK)
    assert t.await_heard("exit") == [["exit", "41", "0"]]
    assert t.c.await_log("a task says hello")
    more = task("who", "first", "a b", "")
    assert more.messages()[0].data.startswith(b"3 first hello")
    assert more.await_heard("exit") == [["exit", "43", "0"]]


@shows("node-F4")
def test_a_task_talks_to_the_plugin_that_started_it(task):
    t = task("echo")
    for size in (0, 5, 1 << 20):
        assert t.send(size=size, topic="back", done=size + 1) == 0
    assert [m.len for m in t.messages(3)] == [0, 5, 1 << 20]
    assert [line[2] for line in t.await_heard("done", 3)] == ["0"] * 3
    assert t.disconnect() == 0
    assert t.await_heard("exit") == [["exit", "0", "0"]]


@pytest.mark.parametrize("size", [10, 70000])
def test_what_a_task_sends_to_others_is_passed_on(task, size):
    t = task("mail", "mail", "web/0", str(size))
    assert t.messages()[0].data == b"0 %d" % -errno.EINVAL
    assert t.await_heard("mail") == \
        [["mail", "from a task", "web/0", "1", str(size), "d" * min(size, 64)]]
    assert t.await_heard("exit") == [["exit", "0", "0"]]
    wrong = task("mail", "mail", "no such worker!")
    assert wrong.messages()[0].data.split()[0] == b"%d" % -errno.EINVAL


@shows("node-F5")
def test_what_a_task_has_not_is_refused(task):
    t = task("misuse")
    one, = t.messages()
    assert one.data == b"0 1 1 %d %d %d" % (-errno.ESTALE, -errno.ESHUTDOWN, -errno.EINVAL)
    assert t.await_heard("exit") == [["exit", "0", "0"]]


@shows("node-F5")
def test_what_would_come_later_in_a_task_is_refused(task):
    """It has no loop: a timer, descriptors, to be replaced, what a drain awaits, answers."""
    t = task("later")
    one, = t.messages()
    assert list(map(int, one.data.split())) == \
        [0] + [-errno.EPERM] * 5 + [-errno.ESHUTDOWN] * 4
    assert t.await_heard("exit") == [["exit", "0", "0"]]


def test_a_thread_of_a_task_is_refused(task):
    t = task("thread")
    one, = t.messages()
    assert (one.topic, one.data) == ("thread", b"%d" % -errno.EPERM)
    assert t.await_heard("exit") == [["exit", "0", "0"]]


def test_what_is_no_task_is_refused(task):
    assert task("nothing").error == -errno.ENOENT
    assert task("who", file="sh").error == -errno.EINVAL


def test_a_task_that_crashes_is_a_child_that_crashed(task):
    t = task("abort")
    assert t.await_heard("close")
    assert t.heard("exit") == [["exit", "-1", str(int(signal.SIGABRT))]]
    assert t.c.get("/").status == 200


@shows("node-F4")
def test_a_task_has_no_listener_and_no_client(cluster):
    """Of all sockets of its worker, of which it was started."""
    c = cluster(workers=1, schedule="shared", routes=dict(TALK, **{"/": "hello"}))
    with c.connect() as conn:
        assert conn.request("GET", "/").status == 200
        t = Talk(c, "task", name="echo")
        assert t.send(b"up") == 0
        t.messages()
        worker, own = sockets_of(c.worker("web/0")["pid"]), sockets_of(t.pid)
    assert sockets.listening(c.address()) <= worker
    assert len(own) == 1 and not own & worker, "its channel, and nothing else"


def test_a_task_may_leave_with_a_reason(task):
    t = task("leave")
    assert t.await_heard("exit") == [["exit", "1", "0"]]
    assert t.c.await_log("talk: enough")
    assert t.c.await_log("written before")


@shows("node-X10")
def test_a_task_ends_with_its_worker(task):
    t = task("echo")
    assert t.send(b"up") == 0
    t.messages()
    assert os.path.realpath("/proc/%d/exe" % t.pid).endswith("/clusterd-worker")
    process = processes.Process(t.pid)
    processes.Process(t.c.worker("web/0")["pid"]).send(signal.SIGKILL)
    process.await_end()
