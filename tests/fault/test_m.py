# SPDX-License-Identifier: MIT
"""Modes of work."""

import re
import time

import pytest

from harness import shows, slow, wait


@shows("M6")
def test_recycling_under_load(row):
    """Each of four workers after about 50 requests, and after other about 50s.
    Four seconds (20 unscaled) under load, then all have gone more than once."""
    r = row(max_requests=50, load={"keepalive": 2, "new": 2, "pause": 0.01})
    seen, limits = r.last_event(), []
    for _ in range(12):
        seen = r.await_event("worker.recycled", after=seen, timeout=20)
        assert seen["text"] == "over max_requests"
        limits.append(seen["id"])
        r.await_event("worker.exited", after=seen, id=seen["id"])
    assert len(set(limits)) == 12
    r.rest()
    counts = r.book.by_worker()
    ended = [counts[str(number)] for number in limits]
    assert min(ended) >= 45, "10 % less is the least"
    assert len(set(ended)) > 1, "each has a limit of its own"
    assert all(a.ready >= 4 for a in r.probe.answers), "never fewer than wanted"
    assert r.pool()["restarts"] == 0


def square_wave(r, periods, seconds, **load):
    """So many periods of that length: one half under this load, one without."""
    for _ in range(periods):
        with r.load(**load) as book:
            wait.readable(r.process.pidfd, seconds / 2)
        book.assert_nothing_lost()
        wait.readable(r.process.pidfd, seconds / 2)


@shows("M3")
@pytest.mark.parametrize("periods", [11, pytest.param(40, marks=slow)])
def test_a_size_by_load_does_not_flap(row, periods):
    """The load comes and goes within the hold, and the thresholds are so close
    that each wave goes past both."""
    r = row(workers="2..8", scale_hold="1s", scale_up_busy="50%", scale_down_busy="49%")
    began = time.monotonic()
    square_wave(r, periods, 0.8, new=8, path="/block?5", pause=0)
    seconds = time.monotonic() - began
    steps = [e for e in r.events() if e["event"] == "pool.scaled"]
    assert len(steps) > 1, "the waves are no reason"
    for step in steps:
        assert abs(step["to"] - step["from"]) == 1 and 2 <= step["to"] <= 8, step
        busy = int(re.search(r"busy (\d+) %", step["text"]).group(1))
        assert busy > 50 if step["to"] > step["from"] else busy < 49, step
    times = [row["time"] for row in r.commands("scale", len(steps))]
    assert all(b - a >= 1000 for a, b in zip(times, times[1:])), times
    assert len(times) == len(steps) <= 1 + seconds
    r.rest()
    sizes = {a.status["pools"][0]["desired"] for a in r.probe.answers}
    assert min(sizes) >= 2 and max(sizes) <= 8
    busy = [a.status["pools"][0]["busy_percent"] for a in r.probe.answers]
    assert max(b for b in busy if b is not None) > 50
    assert r.pool()["restarts"] == 0
