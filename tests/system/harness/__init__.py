# SPDX-License-Identifier: MIT
"""What a system test is written with.

    from harness import shows

    @shows("A2")
    def test_a_crashed_worker_is_replaced(cluster):
        c = cluster(workers=2, routes={"/": "hello", "/crash": "crash"})
        seen = c.last_event()
        c.get("/crash", expect="connection lost")
        death = c.await_event("worker.exited", after=seen)

`cluster` starts the real programs of the build under test (CLUSTERD_BUILD) in
a directory of their own, on a port of their own.  A test never sleeps: it
awaits an event, a state or an end, each with a deadline.  Whatever it leaves
behind (a process, a line of a bug in the log) fails it.

`row` does so for a row of doc/faults.md: four workers of plugin evil under load,
a probe of `status`, and at the end the oracle (row.py):

    @shows("A1")
    def test_killed_while_idle(row):
        r = row()
        victim = r.blame(r.worker("web/1"))
        os.kill(victim["pid"], signal.SIGKILL)

`arm` lays rules of failpoints while the daemon runs; memo.py reads the memo and
damages it.
"""

import os

import pytest

# The programs under test are built with sanitizers, which have a heap and words of
# their own, and want to be the first library.
SANITIZED = os.environ.get("SANITIZED") == "yes"


def not_sanitized(reason):
    """A mark: skipped there."""
    return pytest.mark.skipif(SANITIZED, reason=reason)


shows = pytest.mark.shows
slow = pytest.mark.slow
alone = pytest.mark.alone
sanitized = pytest.mark.sanitized
threads = pytest.mark.threads
