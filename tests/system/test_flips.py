# SPDX-License-Identifier: MIT
"""The master dies between what it has heard and the flip that would have kept
it: the next one must not need to hear it again."""

import pytest

from harness import shows


@shows("P1")
@pytest.mark.parametrize("number", range(4, 13))
def test_killed_before_a_flip_of_the_start(cluster, number):
    """Nearly each event of a start is lost once; no worker pays for it."""
    c = cluster(workers=3, env={"CLUSTERD_FP": "master.before_flip:kill@%d" % number},
                start_timeout="3s", start=False)
    c.start(ready=False)
    status = c.await_state(lambda s: s["pools"] and s["pools"][0]["ready"] == 3)
    for _ in range(20):                 # a start may be done in fewer flips
        if c.status()["master"]["restarts"] > 0:
            break
        c.ctl("pause", "web/0")
        c.ctl("resume", "web/0")
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 3)
    assert status["master"]["restarts"] >= 1, "it was killed"
    assert [w["restarts"] for w in status["workers"]] == [0, 0, 0]
    pids = {w["pid"] for w in status["workers"]}
    with c.load(keepalive=2, new=2) as ledger:
        ledger.await_more(50)
    ledger.assert_nothing_lost()
    assert {w["pid"] for w in c.workers()} == pids
    assert "worker.exited" not in [e["event"] for e in c.events()]
