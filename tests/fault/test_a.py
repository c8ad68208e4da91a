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


@shows("A9")
@pytest.mark.skipif(os.environ.get("SANITIZED") == "yes", reason="needs little memory")
def test_killed_for_want_of_memory(memory_group, row):
    with memory_group.inside():
        r = row()
    r.blame_all()
    r.served()
    # a kill of somebody else's is none for want of memory
    seen = r.last_event()
    os.kill(r.worker("web/1")["pid"], signal.SIGKILL)
    r.await_event("worker.exited", after=seen, cause="signal")
    for _ in range(2):
        seen = r.last_event()
        r.get("/leak?400", expect="connection lost")
        death = r.await_event("worker.exited", after=seen)
        assert (death["cause"], death["signal"]) == ("oom", "SIGKILL"), death
        r.await_event("worker.ready", after=death, worker=death["worker"])
        record = r.death(death["id"])
        assert (record["cause"], record["path"]) == ("oom", "/leak")
        assert record["rss_kb"] > 100 << 10
    r.served()
    assert r.pool()["restarts"] == 3
