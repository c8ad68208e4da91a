# SPDX-License-Identifier: MIT
"""Plugins that are no good, or do what they must not."""

import os
import signal

import pytest

from harness import http, processes, shows, wait


@shows("B15")
@pytest.mark.parametrize("how", ["", "raw"])
def test_fork_in_a_handler(row, how):
    """Both come back from it and answer: one of them may."""
    r = row()
    with r.connect() as conn:
        name = conn.request("GET", "/").header("X-Worker")
        parent = r.worker(name)
        for _ in range(3):
            answer = conn.request("GET", "/fork?" + how)
            said, pid = answer.text.split()
            assert said == "parent", answer
            assert answer.header("X-Worker-Id") == str(parent["id"])
            gone(int(pid))
            # the next answer is that of the next request: there was no second one
            assert conn.request("GET", "/").text == "evil\n" and conn.rest == b""
    assert r.worker(name)["id"] == parent["id"]
    assert "a child of a plugin came back" in r.log()
    r.served()


@shows("B15")
def test_a_signal_at_a_child_is_not_its_parents(row):
    """It has the handlers of its parent, and the descriptors that they wake."""
    r = row()
    with r.connect() as conn:
        answer = conn.request("GET", "/daemonize")
        parent = r.worker(answer.header("X-Worker"))
        child = processes.Process(int(answer.text))
        child.send(signal.SIGTERM)
        child.await_end(5)
        child.close()
        for _ in range(3):
            answer = conn.request("GET", "/")
            assert not answer.closes and answer.header("X-Worker-Id") == str(parent["id"])
    r.served(each=5)
    assert r.worker(parent["worker"])["id"] == parent["id"]


def gone(pid):
    """It has ended; its parent need not have waited for it."""
    wait.until(lambda: processes.table().get(pid, ("Z",))[0] == "Z", 5, "the end of the child")
