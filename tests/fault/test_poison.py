# SPDX-License-Identifier: MIT
"""A route that kills whoever serves it: reported, or shut."""

import os
import signal
import time

from harness import http, shows, wait

ROUTES = {"/": "evil", "/segv": "evil", "/poison": "evil"}
# Twenty clients that ask for what kills, and count 503 as an answer.
POISON = {"new": 20, "pause": 0.02, "accept": (503,), "hopeful": False}
WORKERS = 4


def poisoned(fixture, **keys):
    """A cluster with a route that kills as long as c.cause exists: c.poison."""
    c = fixture(workers=WORKERS, routes=ROUTES, quarantine="on", restart_burst=100,
                restart_rate=600, start=False, **keys)
    c.cause = c.dir + "/cause"
    c.poison = "/poison?" + c.cause
    with open(c.cause, "w", encoding="ascii"):
        pass
    c.start()
    return c


def deaths(c, since=0, until=None):
    return [e for e in c.events(since) if e["event"] == "worker.exited"
            and not e["asked"] and (until is None or e["seq"] <= until["seq"])]


def reasons(c):
    return [r["text"] for r in c.status()["reasons"] if r["reason"] == "quarantine"]


@shows("B23")
def test_a_poison_request_is_reported(row):
    """By default nothing is blocked, and starts are paced."""
    c = row(workers=WORKERS, routes=ROUTES, restart_burst=8, restart_rate=60, scale=10,
            start=False)
    c.blame_all()
    c.may_answer(503)                   # while there is no worker
    c.start()
    seen, began = c.last_event(), time.monotonic()
    with c.load(path="/segv?secret", **POISON):
        told = c.await_event("quarantine.reported", after=seen)
        first = deaths(c, seen, told)
        c.await_event("worker.backoff", after=told, next_ms=lambda ms: ms > 500)
        for _ in range(3):
            told_of = c.await_event("worker.exited", after=c.last_event())
        starts = len([e for e in c.events(seen) if e["event"] == "worker.forked"])
        took = time.monotonic() - began
    assert starts <= 8 + took + 1, (starts, took)
    assert len(first) == 5, "said at the fifth"
    assert (told["pool"], told["plugin"], told["route"]) == ("web", "evil", "/segv")
    record = c.death(told_of["id"])
    assert (record["plugin"], record["route"], record["path"]) == ("evil", "/segv", "/segv")
    why = c.ctl("why", told_of["worker"])
    assert "route /segv of plugin evil ended 5 workers within 60 s" in why, why
    assert "nothing is blocked" in why and "secret" not in why, why
    assert reasons(c), "in status, too"
    # once, and it is over when it is over
    assert [e["event"] for e in c.events(seen)].count("quarantine.reported") == 1
    assert "quarantine.began" not in [e["event"] for e in c.events(seen)]
    c.await_state(lambda s: s["state"] == "ok" and not s["reasons"], timeout=30)
    c.get("/segv", expect="connection lost")
    assert c.get("/").status == 200


@shows("B23")
def test_a_poison_route_is_shut(row):
    """From the fifth death on it answers 503, and nothing else fails."""
    # unscaled: there is no probe before all of this has been seen
    c = poisoned(row, load={"keepalive": 4, "new": 4, "path": "/sleep?10"}, scale=1)
    c.blame_all()
    c.served()
    seen = c.last_event()
    with c.load(path=c.poison, **POISON) as poison:
        shut = c.await_event("quarantine.began", after=seen)
        assert len(deaths(c, seen, shut)) == 5
        poison.await_each(3)
        whole = time.monotonic()
        # what was on its way already; then nobody dies any more
        lost = deaths(c, seen)
        assert len(lost) < 5 + WORKERS, lost
        c.await_state(lambda s: s["pools"][0]["ready"] == WORKERS)
        assert c.status()["state"] == "degraded" and "answers 503" in reasons(c)[0]
        c.served(3)
        # who comes later knows from the start
        assert c.ctl("scale", "web", WORKERS + 2).code == 0
        poison.await_each(10)
        assert c.ctl("scale", "web", WORKERS).code == 0
    assert not c.book.failures(since=whole), c.book.failures(since=whole)
    refused = [e for e in poison.requests() if e.ended > whole]
    assert {e.outcome for e in refused} == {"ok"}, "503 each of them"
    assert len(deaths(c, seen)) == len(lost)
    assert (shut["pool"], shut["plugin"], shut["route"]) == ("web", "evil", "/poison")
    why = c.ctl("why", lost[-1]["worker"])
    assert "route /poison of plugin evil ended 5 workers within 60 s: it answers 503" in why
    assert c.get("/segv/is/another").status == 200
    os.unlink(c.cause)
    assert c.ctl("retry", "web").code == 0


@shows("B23")
def test_one_probe_decides(row):
    c = poisoned(row, scale=20)
    c.blame_all()
    seen = c.last_event()
    with c.load(path=c.poison, **POISON) as poison:
        shut = c.await_event("quarantine.began", after=seen)
        poison.await_each(3)
        asked = c.await_event("quarantine.probed", after=shut)
        before = len(deaths(c, seen, asked))
        assert asked["time"] - shut["time"] >= 30000 / c.scale - 2
        again = c.await_event("quarantine.began", after=asked)
        assert "probe" in again["text"]
        poison.await_each(3)
        assert len(deaths(c, seen, again)) == before + 1, "one of them all"
        os.unlink(c.cause)
        asked = c.await_event("quarantine.probed", after=again)
        lifted = c.await_event("quarantine.lifted", after=asked)
        poison.accept = (200,)
        poison.await_each(2)
    assert "answered" in lifted["text"]
    assert c.get(c.poison).text == "well\n"
    c.await_state(lambda s: s["state"] == "ok" and not s["reasons"])


def close(c):
    """Get the poisonous route shut."""
    seen = c.last_event()
    with c.load(path=c.poison, **POISON) as poison:
        shut = c.await_event("quarantine.began", after=seen)
        poison.await_each(3)
    c.await_state(lambda s: s["pools"][0]["ready"] == WORKERS)
    return shut


def assert_shut_everywhere(c, seen):
    with c.load(path=c.poison, **POISON) as ledger:
        ledger.await_each(5)
    ledger.assert_nothing_lost()
    assert not deaths(c, seen)


@shows("B23")
def test_a_shut_route_stays_shut_when_the_master_dies(row):
    c = poisoned(row, scale=2)
    c.blame_all()
    shut = close(c)
    seen = c.last_event()
    c.master_ends()
    os.kill(c.master_pid(), signal.SIGKILL)
    c.await_event("master.adopted", after=seen)
    # those that there are, and one that this master starts
    victim = c.worker("web/1")
    os.kill(victim["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/1")
    seen = c.last_event()
    assert_shut_everywhere(c, seen)
    assert reasons(c)
    os.unlink(c.cause)
    with c.load(path=c.poison, new=4, accept=(200, 503)):
        lifted = c.await_event("quarantine.lifted", after=seen, timeout=30)
    assert lifted["time"] - shut["time"] >= 30000 / c.scale - 2


@shows("B23")
def test_leave_that_is_not_used_is_given_to_another(row):
    """The one client that comes again is served by another worker each time."""
    c = poisoned(row, scale=20)
    c.blame_all()
    shut = close(c)
    os.unlink(c.cause)

    def ask():
        c.get(c.poison)
        return [e for e in c.events(shut["seq"]) if e["event"] == "quarantine.probed"]
    wait.until(ask, 10, "a probe")
    # the fault itself: nobody asks until it is over
    wait.readable(c.process.pidfd, 5 / c.scale + 1)
    wait.until(lambda: c.get(c.poison).status == 200, 10, "another probe")


@shows("B23")
def test_what_opens_a_shut_route(row):
    """The key, a command, a reload of its pool: no waiting for a probe."""
    c = poisoned(row, scale=1)
    c.blame_all()
    for act in (lambda: c.ctl("retry", "web"), lambda: change(c, max_uri_size="4k"),
                lambda: change(c, quarantine="report"), lambda: change(c, quarantine="off")):
        shut = close(c)
        ids = {w["id"] for w in c.workers()}
        assert act().code == 0
        lifted = c.await_event("quarantine.lifted", after=shut)
        assert lifted["route"] == "/poison"
        wait.until(lambda: kills(c), 10, "that it is let in")
        if c.pools["web"][0]["quarantine"] == "on":
            continue
        assert {w["id"] for w in c.workers()} & ids, "a live key"
        c.write_config(quarantine="on")
        assert c.ctl("reload").code == 0
        c.await_state(lambda s: s["pools"][0]["ready"] == WORKERS)


def kills(c):
    try:
        c.get(c.poison, expect=503)
    except http.ConnectionLost:
        return True
    return False


def change(c, **keys):
    c.write_config(**keys)
    return c.ctl("reload")
