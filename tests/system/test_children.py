# SPDX-License-Identifier: MIT
"""Child processes of plugins."""

import errno

import pytest

from harness.children import EXIT, PATHS, Children


@pytest.fixture
def children(cluster):
    def begin(**how):
        how.setdefault("routes", dict(PATHS, **{"/": "hello"}))
        how.setdefault("workers", 1)
        return Children(cluster(**how))
    return begin


def test_a_program_runs_and_ends(children):
    ch = children()
    before = ch.fds()
    got = ch.spawn(file="sh", arg=["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (got.out, got.err, got.ended()) == (b"out\n", b"err\n", (3, 0, EXIT))
    assert got.events[-2:] == ["exit", "close"] or "close" == got.events[-1]
    assert sorted(e for e in got.events if not e.startswith("out")) == \
        ["close", "eof1", "eof2", "exit"]
    assert ch.own() == [], "reaped"
    assert ch.fds() == before, "nothing is left open"
    assert ch.info(0) == -errno.ESTALE
