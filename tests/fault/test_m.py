# SPDX-License-Identifier: MIT
"""Modes of work."""

from harness import shows


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
