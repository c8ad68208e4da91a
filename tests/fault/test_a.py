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


def kill(c, name):
    seen = c.last_event()
    os.kill(c.worker(name)["pid"], signal.SIGKILL)
    return seen


@shows("A9")
@pytest.mark.skipif(os.environ.get("SANITIZED") == "yes", reason="needs little memory")
def test_a_worker_is_who_is_killed_for_want_of_memory(memory_group, cluster):
    with memory_group.inside():
        c = cluster(workers=2, routes={"/": "evil"})
    status = c.status()
    # a kill of somebody else's is none for want of memory
    c.await_event("worker.exited", after=kill(c, "web/1"), cause="signal")
    for _ in range(2):
        seen = c.last_event()
        c.get("/leak?400", expect="connection lost")
        death = c.await_event("worker.exited", after=seen)
        assert death["cause"] == "oom" and death["signal"] == "SIGKILL", death
        c.await_event("worker.ready", after=death, worker=death["worker"])
        record = c.death(death["id"])
        assert record["cause"] == "oom" and record["path"] == "/leak"
        assert record["rss_kb"] > 100 << 10
    c.await_event("worker.exited", after=kill(c, "web/0"), cause="signal")
    now = c.await_state(lambda s: s["state"] == "ok" and s["pools"][0]["ready"] == 2)
    assert (now["pid"], now["master"]["pid"]) == (status["pid"], status["master"]["pid"])
    assert c.pool()["restarts"] == 4 and c.get("/").status == 200
