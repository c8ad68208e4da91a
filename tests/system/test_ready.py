# SPDX-License-Identifier: MIT
"""How a plugin says that it is ready, has work under way, or has had enough."""

import errno

import pytest

from harness import http, shows, wait
from harness.post import MAIL, Post

ROUTES = {"/": "late"}


@pytest.fixture
def late(cluster):
    """Plugin late, with its options."""
    def begin(after="50ms", outcome="ready", **how):
        how.setdefault("routes", ROUTES)
        how.setdefault("plugins", {})["late"] = {"after": after, "outcome": outcome}
        return cluster(**how)
    return begin


# ---- ready -------------------------------------------------------------------------

def test_a_worker_is_ready_when_its_plugin_says_so(late):
    c = late(after="700ms")
    events = c.events()
    for worker in ("web/0", "web/1"):
        listening, = [e for e in events if (e["event"], e["worker"]) ==
                      ("worker.listening", worker)]
        ready, = [e for e in events if (e["event"], e["worker"]) == ("worker.ready", worker)]
        assert ready["time"] - listening["time"] >= 500
    assert c.get("/").text == "late\n"
    assert c.get("/early").text == "%d" % -errno.EAGAIN
    assert all(row["restarts"] == 0 for row in c.workers())


def test_one_that_is_ready_before_it_returns(late):
    assert late(outcome="at_once").get("/").text == "late\n"


def test_all_that_are_late_are_waited_for(late):
    c = late(after="100ms", routes={"/": "late", "/slow": "slow"},
             plugins={"slow": {"module": "late.so", "after": "800ms"}})
    online, = [e for e in c.events() if (e["event"], e["worker"]) == ("worker.online", "web/0")]
    ready, = [e for e in c.events() if (e["event"], e["worker"]) == ("worker.ready", "web/0")]
    assert ready["time"] - online["time"] >= 600
    assert c.get("/slow").text == "late\n"


def test_a_plugin_that_never_is(late):
    """start_timeout ends it; a person need not wait as long."""
    c = late(after="0", start=False, workers=1, start_timeout="1s")
    c.plugin_is_reported()
    c.start(ready=False)
    dead = c.await_event("worker.exited")
    assert "not ready in start_timeout" in c.ctl("why", "web/0").out
    c.await_event("worker.online", after=dead)
    c.stop()


def test_a_worker_that_waits_for_its_plugin_can_be_stopped(late):
    c = late(after="0", start=False, workers=1, start_timeout="30s")
    c.start(ready=False)
    c.await_event("worker.listening")
    c.stop()


def test_it_may_be_a_failure(late):
    c = late(after="10ms", outcome="exit", start=False, workers=1)
    c.plugin_is_reported()
    c.start(ready=False)
    c.await_event("worker.backoff")
    assert "could not begin" in c.ctl("why", "web/0").out
    c.stop()


def test_it_may_be_a_failure_for_good(late):
    c = late(after="10ms", outcome="fatal", start=False, workers=1)
    c.plugin_is_reported()
    c.start(ready=False)
    c.await_state(lambda s: s["workers"][0]["state"] == "failed")
    assert "not in this world" in c.ctl("why", "web/0").out
    c.stop()


# ---- work that a drain awaits --------------------------------------------------------

@shows("node-W9")
def test_a_drain_awaits_what_is_held(late):
    c = late(drain_timeout="20s")
    p, seen, old = Post(c), c.last_event(), c.worker("web/0")
    assert p.ask("web/0", "/hold-for?4000") == "0"
    c.await_state(lambda s: [w["holds"] for w in s["workers"]] == [1, 0])
    p.forget("web/0")
    c.ctl("restart", "web/0")
    began = c.await_event("worker.draining", after=seen, id=old["id"])
    ended = c.await_event("worker.exited", after=seen, id=old["id"])
    assert 300 < ended["time"] - began["time"] < 10000 and ended["asked"]


def test_not_for_ever(late):
    c = late(drain_timeout="1s")
    p, seen, old = Post(c), c.last_event(), c.worker("web/0")
    assert p.ask("web/0", "/hold?3") == "0"
    p.forget("web/0")
    c.ctl("restart", "web/0")
    assert c.await_event("worker.exited", after=seen, id=old["id"])["asked"]


def test_more_cannot_end_than_began(late):
    p = Post(late())
    said = [p.ask("web/0", "/hold?%d" % delta) for delta in (-1, 2, -3, -2, -1)]
    wrong = str(-errno.ERANGE)
    assert said == [wrong, "0", wrong, "0", wrong]


# ---- the end -------------------------------------------------------------------------

@shows("node-W11")
def test_a_plugin_ends_its_worker(late):
    c = late()
    p, seen, old = Post(c), c.last_event(), c.worker("web/0")
    c.plugin_is_reported()
    p.to("web/0").send(http.head("GET", "/exit?the%20well%20is%20dry", "a"))
    dead = c.await_event("worker.exited", after=seen, id=old["id"])
    assert (dead["code"], dead["signal"], dead["asked"]) == (0, None, False)
    assert "late: the%20well%20is%20dry" in dead["text"]
    c.await_event("worker.ready", after=dead, worker="web/0")
    why = c.ctl("why", "web/0").out
    assert "the%20well%20is%20dry" in why and "/exit" in why
    assert c.worker("web/0")["restarts"] == 1


@shows("node-W11")
def test_one_that_does_so_again_and_again_is_delayed(late):
    c = late(after="5ms", workers=1, backoff_min="300ms")
    c.plugin_is_reported()
    seen = c.last_event()
    for _ in range(4):
        with c.connect() as conn:
            conn.send(http.head("GET", "/exit?again", "a"))
            conn.sock.recv(1)
        c.await_ready()
    assert c.await_event("worker.backoff", after=seen)


@shows("node-X9")
@shows("node-W11")
def test_what_was_sent_before_it_arrives(late):
    c = late(routes=dict(MAIL, **{"/": "late"}))
    p, seen, old = Post(c), c.last_event(), c.worker("web/0")
    p.to("web/1")
    c.plugin_is_reported()
    p.to("web/0").send(http.head("GET", "/send-exit?1000", "a"))
    c.await_event("worker.exited", after=seen, id=old["id"])
    # it reads them at its own pace
    assert [(got.data, got.id) for got in p.await_got("web/1", 1000)] == \
        [("last", old["id"])] * 1000
    p.forget("web/0")


# ---- to be replaced --------------------------------------------------------------------

@shows("node-W9")
def test_it_asks_once_to_be_replaced(late):
    c = late()
    p, seen, old = Post(c), c.last_event(), c.worker("web/0")
    assert [p.ask("web/0", "/disconnect?tired") for _ in range(3)] == \
        ["0"] + [str(-errno.EALREADY)] * 2
    p.forget("web/0")
    new = c.await_event("worker.ready", after=seen, worker="web/0")
    assert c.await_event("worker.exited", after=new, id=old["id"])["asked"]
    wait.until(lambda: c.pool()["ready"] == 2, 10, "two workers again")
    assert p.ask("web/0", "/disconnect?again") == "0", "its successor may ask as well"
