# SPDX-License-Identifier: MIT
"""The example of Node's cluster in its C form: plugin count, doc/from-node.md."""

import os
import pathlib
import re
import signal

import pytest

from harness import config, http, wait

PAGE = pathlib.Path(__file__).resolve().parents[2] / "doc" / "from-node.md"


def page_config(c):
    """What the page has, at a port of our own."""
    shown = re.search(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S).group(1)
    own = config.render(c.dir, c.plugin_dirs, {}, {}, {})
    return own + shown.replace("127.0.0.1:8000", "127.0.0.1:0")


@pytest.fixture
def example(cluster):
    c = cluster(start=False, scale=1)
    c.write_config(page_config(c))
    c.start()
    assert c.ctl("scale", "web", "3").code == 0
    return c


def counts(c):
    """[(worker, what it said)] in their order."""
    return [(worker, int(number)) for worker, number in re.findall(
        r" (web/\d)\[\d+\]: count: numReqs = (\d+)$", c.log(), re.M)]


def await_count(c, number):
    """(who says it)"""
    return wait.until(lambda: counts(c)[-1:] and counts(c)[-1][1] == number and
                      counts(c)[-1][0], 10, "%d requests" % number)


def ask(c, times):
    """Each over a connection of its own."""
    for _ in range(times):
        with http.Connection(c.address()) as conn:
            assert conn.request("GET", "/").text == "hello world\n"


def test_requests_of_all_workers_are_counted(example):
    """By the leader; when it dies another one knows as many."""
    c = example
    for row in c.workers():
        c.await_log("count: Worker %d started" % row["pid"])
    ask(c, 30)
    leader = await_count(c, 30)
    parts = [row["requests"] for row in c.workers()]
    assert sum(parts) == 30
    assert min(parts) >= 7, "each had its part, but for who is at work just then"
    seen = c.last_event()
    os.kill(c.worker(leader)["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker=leader)
    ask(c, 6)
    other = await_count(c, 36)
    assert other != leader, "its successor has not seen the first thirty"
    follower, = {"web/0", "web/1", "web/2"} - {leader, other}
    os.kill(c.worker(follower)["pid"], signal.SIGKILL)
    line = c.await_log("count: worker %s died" % follower)
    assert " %s[" % other in line
