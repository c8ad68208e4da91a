# SPDX-License-Identifier: MIT
"""A worker dies."""

import os
import signal

import pytest

from harness import http, shows


@shows("A1")
def test_killed_while_idle(row):
    r = row()
    victim = r.blame(r.worker("web/1"))
    r.served()
    seen = r.last_event()
    os.kill(victim["pid"], signal.SIGKILL)
    death = r.await_event("worker.exited", after=seen, worker="web/1")
    ready = r.await_event("worker.ready", after=death, worker="web/1")
    assert (death["cause"], death["signal"]) == ("signal", "SIGKILL")
    assert not [e for e in r.events(seen) if e["event"] == "worker.backoff"]
    # ten times what is promised
    assert ready["time"] - death["time"] < 5000, (death, ready)
    r.served()
