# SPDX-License-Identifier: MIT
"""Hangs: who is one, what is done about it and in which order.  Those that spin are
in test_c_alone.py."""

import os
import signal

import pytest

from harness import http, processes, shows, slow, wait

LASTING = {"keepalive": 2, "new": 1, "pause": 0.02, "timeout": 60}


def by_freezing(pids):
    try:
        return processes.Frozen(pids)
    except LookupError as error:
        return pytest.skip(str(error))


@shows("C5")
@pytest.mark.parametrize("seconds", [0.6, 3, pytest.param(12, marks=slow)])
@pytest.mark.parametrize("how", [by_freezing, processes.Stopped])
def test_the_machine_stands_still(row, how, seconds):
    """12 s are a minute at this scale.  Nobody was slow: all stood still."""
    r = row(load=LASTING, request_timeout="1h", header_timeout="1h")
    r.served()
    # the master first: it may see nobody who stands still already
    family = [r.master_pid(), r.pid()] + [w["pid"] for w in r.workers()]
    machine = how(family)
    try:
        seen, before = r.last_event(), r.status()
        with r.probe.pardon():
            machine.stand()
            wait.readable(r.process.pidfd, seconds)     # the fault itself
            machine.go_on()
            r.served()
        r.served(5)
        after = r.status()
        assert after["master"] | {"uptime_ms": 0} == before["master"] | {"uptime_ms": 0}
        assert [w["id"] for w in after["workers"]] == [w["id"] for w in before["workers"]]
        assert not [e for e in r.events(seen) if e["event"].startswith(("worker.", "master."))]
        assert r.metric("stalls_total") == 0
    finally:
        machine.close()


# ---- what a hang is called ---------------------------------------------------------------

def hang(r, path, verdict):
    """A worker hangs in a request: stalled, hung by that name, ended; its death record
    and how long each step took, in ms."""
    victim = r.blame(r.worker("web/1"))
    with r.connection_to(victim) as client:
        seen = r.last_event()
        if path is None:
            os.kill(victim["pid"], signal.SIGSTOP)
        else:
            client.send(http.head("GET", path, "a"))
        stalled = r.await_event("worker.stalled", after=seen, id=victim["id"])
        hung = r.await_event("worker.hung", after=stalled, id=victim["id"])
        assert hung["text"].startswith(verdict), hung
        ended = r.await_event("worker.exited", after=hung, id=victim["id"])
        assert ended["cause"] == "hang"
        with pytest.raises(http.ConnectionLost):
            client.response()
    r.await_event("worker.ready", after=ended, worker="web/1")
    record = r.death(victim["id"])
    assert record["cause"] == "hang" and record["evidence"].startswith(verdict)
    assert record["path"] == path
    r.served()
    return record, hung["time"] - stalled["time"], ended["time"] - hung["time"]


def test_blocked(row):
    """It ends by k1, with its last words: evidence comes first.  Unscaled, as it needs
    the CPU for them."""
    r = row(scale=1)
    record, _, ladder = hang(r, "/block", "blocked")
    assert record["signal"] == "SIGABRT"
    # k1 was enough
    assert ladder < 2000, "never as long as to k2"
    said = r.log()
    assert "worker web/1: SIGABRT" in said and "registers:" in said
    assert said.index("worker.hung") < said.index("worker web/1: SIGABRT")
    assert "do_block+0x" in record["output_tail"], "frames"


def test_stopped(row):
    """SIGABRT is followed by SIGCONT, or it would never hear it."""
    record, _, ladder = hang(row(scale=1), None, "stopped")
    assert record["signal"] == "SIGABRT"
    assert ladder < 2000


def test_uninterruptible(row):
    """The kernel waits for a child of vfork: only SIGKILL ends that."""
    record, _, ladder = hang(row(), "/vfork", "uninterruptible")
    assert record["signal"] == "SIGKILL"
    # k1 has its two seconds (scaled), and ten ticks more
    assert 400 <= ladder < 400 + 1000


def test_one_that_ignores_the_first_step(row):
    r = row()
    victim = r.worker("web/1")
    with r.connection_to(victim) as client:
        assert client.request("GET", "/blocksigs").status == 200
    record, _, ladder = hang(r, "/block", "blocked")
    assert record["signal"] == "SIGKILL"
    assert 400 <= ladder < 400 + 1000


# ---- not hung, and yet replaced -------------------------------------------------------------

@shows("node-B10")
@pytest.mark.parametrize("limit, value, path", [
    ("max_requests", 100, "/"), ("max_age", "1s", "/"), ("max_rss", "64M", "/leak?100"),
    ("max_fds", 64, "/leakfd?70")])
def test_old(row, limit, value, path):
    """Over one of its own limits, with a fresh beat: its successor is there first, and
    no request is lost."""
    r = row(**{limit: value})
    r.plugin_is_reported()
    with r.connect() as client:
        # whoever takes it: another may have gone by now, and this one be about to
        response = client.request("GET", "/")
        victim, slot = int(response.header("X-Worker-Id")), response.header("X-Worker")
        for _ in range({"max_requests": 120, "max_age": 0}.get(limit, 1)):
            if response.closes:         # it drains already
                break
            response = client.request("GET", path)
            assert response.status == 200
    recycled = r.await_event("worker.recycled", id=victim)
    assert recycled["text"] == "over " + limit, recycled
    ended = r.await_event("worker.exited", after=recycled, id=victim)
    assert ended["asked"] and ended["signal"] is None
    between = [e["event"] for e in r.events(recycled["seq"]) if e["seq"] < ended["seq"]
               and e["worker"] == slot]
    assert between.index("worker.ready") < between.index("worker.draining")
    assert r.pool()["restarts"] == 0
    r.served()
