# SPDX-License-Identifier: MIT
"""Hangs that want a CPU for themselves, or whose times are looked at closely."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from harness import alone, http, memo, processes, shows, slow

pytestmark = alone

TICK_S = 0.1                            # at the scale of the rows


def memory(r, slot):
    """What the memo has of that slot."""
    with memo.Memo(r.pid()) as held:
        return held.plain()["slots"][slot]


@shows("C3")
def test_one_that_does_not_die(row):
    """SIGKILL is left out for web/1, which ignores SIGABRT and spins."""
    r = row(start=False)
    r.arm("keeper.kill9:skip/web/1")
    r.start()
    r.served()
    victim = r.blame(r.worker("web/1"))
    process = processes.Process(victim["pid"])
    with r.connection_to(victim) as client:
        assert client.request("GET", "/blocksigs").status == 200
        requests = r.worker("web/1")["requests"]
        seen = r.last_event()
        client.send(http.head("GET", "/spin", "a"))
        # where others want the CPU, it is left alone first
        hung = r.await_event("worker.hung", after=seen, id=victim["id"],
                             text=lambda text: "left alone" not in text)
        left = r.await_event("worker.unkillable", after=hung, id=victim["id"])
    # two seconds of k1 and five of k2, scaled; then ten ticks
    took = left["time"] - hung["time"]
    assert 1400 <= took < 1400 + 10 * TICK_S * 1000
    r.await_event("worker.ready", after=left, worker="web/1")
    row_ = r.worker("web/1")
    assert row_["id"] != victim["id"] and row_["restarts"] == 1
    assert memory(r, 1)["requests"] >= requests, "those of its page are the slot's now"
    status = r.status()
    assert status["state"] == "degraded"
    reason, = status["reasons"]
    assert reason["reason"] == "unkillable" and str(victim["pid"]) in reason["text"]
    assert process.alive()
    assert r.death(victim["id"])["cause"] == "hang"
    with r.connection_to(row_) as client:
        assert client.request("GET", "/").header("X-Worker") == "web/1"
    r.served()
    process.send(signal.SIGKILL)        # the kernel lets it go at last
    process.await_end()
    process.close()
    r.await_state(lambda s: s["state"] == "ok")
    assert memory(r, 1)["restarts"] == 1, "counted once"
    assert not [e for e in r.events(left["seq"]) if e["event"] == "worker.exited"]


def mode(r, what):
    r.plugins["evil"] = {"mode": what}
    r.write_config()


def late_by(row_, began, limit_s):
    """How much later than a limit it ended, in s."""
    return (row_["time"] - began) / 1000 - limit_s


@shows("C6")
def test_hangs_at_the_start(row):
    r = row(start_timeout="2s")
    r.starts_may_fail()
    mode(r, "init_hang")
    seen = r.last_event()
    done = r.ctl("reload")
    assert done.code == 1 and "web/0" in done, done
    # it is started after the one, and before the other is told
    canary = r.await_event("reload.canary", after=seen)
    forked = r.await_event("worker.forked", after=canary)
    ended = r.await_event("worker.exited", after=forked, id=forked["id"])
    assert ended["cause"] == "start_timeout" and ended["signal"] == "SIGABRT"
    assert late_by(ended, canary["time"], 2) >= 0
    assert late_by(ended, forked["time"], 2) < 10 * TICK_S
    assert r.death(forked["id"])["cause"] == "start_timeout"


@shows("C6")
@pytest.mark.parametrize("what, cause, event, limit_s", [
    # D, and what the worker may need to end by itself (2 s, scaled)
    ("hang_drain", "drain_timeout", "worker.draining", 2 + 0.4),
    ("hang_stop", "stop_timeout", "worker.disconnected", 1)])
def test_hangs_at_its_end(row, what, cause, event, limit_s):
    r = row(plugins={"evil": {"mode": what}}, handler_timeout="10s")
    r.served()
    victim = r.blame(r.worker("web/1"))
    seen = r.last_event()
    assert r.ctl("restart", "web/1").code == 0
    began = r.await_event(event, after=seen, id=victim["id"])
    ended = r.await_event("worker.exited", after=began, id=victim["id"])
    assert ended["asked"] and ended["signal"] == "SIGABRT"
    assert -0.02 <= late_by(ended, began["time"], limit_s) < 10 * TICK_S
    record = r.death(victim["id"])
    assert record["cause"] == cause, record
    assert r.worker("web/1")["restarts"] == 0, "it was asked to go"
    r.served()
    mode(r, "")                         # or the others end like this, too
    r.blame_all()
    assert r.ctl("reload").code == 0
    r.await_state(lambda s: len(s["workers"]) == 4, 20)


@contextlib.contextmanager
def busy_cpus(each):
    """So many loops on every CPU that we may use.  Each is a session of its own: the
    kernel may give every session the same, whatever the niceness in it."""
    loops = [subprocess.Popen([sys.executable, "-uc", "print()\nwhile True: pass"],
                              stdout=subprocess.PIPE, start_new_session=True)
             for _ in range(each * len(os.sched_getaffinity(0)))]
    try:
        for loop in loops:
            loop.stdout.readline()      # it has begun
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.communicate()


@shows("C7")
@pytest.mark.limit(240)
@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=slow)])
def test_starved(row, seconds):
    """A handler that needs the CPU for a moment gets next to nothing of it, longer
    than handler_timeout: it only waits, so nobody is ended for it."""
    r = row(nice="19", load={"keepalive": 1, "new": 1, "pause": 0.05, "timeout": 30},
            request_timeout="30s")
    victim = r.worker("web/1")
    with r.connection_to(victim) as client, busy_cpus(4):
        seen, until = r.last_event(), time.monotonic() + seconds
        while True:
            client.send(http.head("GET", "/spin?2000", "a"))
            hung = r.await_event("worker.hung", after=seen, id=victim["id"])
            assert hung["text"].startswith("starved of CPU for 1."), hung
            assert "left alone until 4.0 s" in hung["text"], hung
            stalled = [w for w in r.status()["reasons"] if w["worker"] == "web/1"]
            assert not stalled or "starved of CPU" in stalled[0]["text"]
            assert client.response().text == "spun\n"
            seen = hung
            if time.monotonic() > until:
                break
    assert "worker.exited" not in [e["event"] for e in r.events()]
    r.served()


def test_busy(row):
    """One that says that it will be busy is left alone for that long, in that request
    alone, and up to ten times handler_timeout."""
    r = row(handler_timeout="300ms")
    victim = r.blame(r.worker("web/1"))
    with r.connection_to(victim) as client:
        seen = r.last_event()
        assert client.request("GET", "/busy?1500").text == "0\n"
        r.await_event("worker.stalled", after=seen, id=victim["id"])
        assert int(client.request("GET", "/busy?3001").text) < 0, "that is too long"
        assert "worker.hung" not in [e["event"] for e in r.events(seen)]
        client.send(http.head("GET", "/spin", "a"))
        r.await_event("worker.hung", after=seen, id=victim["id"])
        with pytest.raises(http.ConnectionLost):
            client.response()
    r.await_state(lambda s: s["pools"][0]["restarts"] == 1)
