# SPDX-License-Identifier: MIT
"""Each allocation of an operation fails (harness/counted.py)."""

import pytest

from harness import control, inject, shows, wait
from harness.counted import (                       # noqa: F401 pylint: disable=unused-import
    EACH, SAMPLE, SAMPLE_ALL, as_before, counted_, everything, named, run, warm)

pytestmark = inject.needs_preload


@shows("D8")
@EACH
@pytest.mark.limit(1800)
def test_memory(counted, op, request):
    before = warm(counted, op)
    whole = everything(request) and op.name != "adoption"
    run(counted, op, "malloc", "NULL", SAMPLE_ALL if whole else SAMPLE)
    wait.until(lambda: as_before(counted.c, before), 10, "descriptors as before")


@shows("D8")
@pytest.mark.parametrize("call, error", [("mmap", "ENOMEM"), ("epoll_ctl", "ENOSPC")])
def test_an_adoption_without_means(counted, call, error):
    """Neither the service nor a snapshot is given up for it, and this master or the
    next one can be asked."""
    run(counted, named("adoption"), call, error, {"": 10**6})


@shows("E3")
def test_a_master_that_wakes_before_its_welcome(counted):
    """What it hears first is that nothing can be heard now: it waits for it."""
    assert counted.fail(named("adoption"), "recvmsg", "ENOMEM", "1") == 1
    assert counted.restarts == 1, "it was this master that went on"


@shows("D8")
def test_a_request_without_memory_is_not_forgotten(counted):
    """Answered, or its connection is closed at once: nobody waits for nothing."""
    for k in range(1, 200):
        with control.Client(counted.c.socket, timeout=5) as one:
            assert one.ask("ping")["ok"]
            counted.fi.arm("master", "malloc:NULL", "%d+" % k)
            try:
                whole = one.ask("plugins")["ok"]
            except (ConnectionResetError, BrokenPipeError):
                whole = False
            counted.fi.disarm()
        if whole:
            break
    assert k > 5 and whole
    counted.note()


@shows("D8")
@pytest.mark.parametrize("noun", ["pools", "workers", "plugins", "listeners"])
def test_a_list_is_whole_or_refused(counted, noun):
    def rows():
        with control.Client(counted.c.socket) as one:
            one.send(noun)
            answers = [one.answer()]
            while "ok" not in answers[-1]:
                answers.append(one.answer())
        return len(answers) - 1 if answers[-1]["ok"] else None

    whole, failed, k = rows(), 1, 0
    while failed:
        k += 1
        counted.fi.arm("master", "malloc:NULL", k)
        try:
            assert rows() in (whole, None), "allocation %d" % k
        except (ConnectionResetError, BrokenPipeError):
            pass
        failed = counted.fi.injected("master")
        counted.fi.disarm()
        assert k < 1000
    assert k > 5
    counted.note()


@shows("D8")
def test_a_change_asked_for_again_is_not_done_twice(counted):
    """Nor where there was no memory to remember how it ended."""
    def ask_for(name):
        try:
            with control.Client(counted.c.socket) as one:
                return one.ask("log level", {"level": "info"}, command_id=name)
        except (ConnectionResetError, BrokenPipeError):
            return None

    seen = counted.c.last_event()
    for k in range(1, 150):
        counted.fi.arm("master", "malloc:NULL", k)
        ask_for("again-%d" % k)
        counted.fi.disarm()
        assert ask_for("again-%d" % k) is not None
    begun = [e["command_id"] for e in counted.c.events(seen) if e["event"] == "command.started"]
    assert len(begun) == len(set(begun)) > 100
    counted.note()
