# SPDX-License-Identifier: MIT
"""Messages between workers while their master dies, and one of them does not read."""

import collections
import errno
import os
import signal

import pytest

from harness import processes, shows, slow
from harness.post import MAIL, Post

EARLY_MS = 60000 / 5 + 500              # by the scale of the row


def kill_master(r):
    seen, pid = r.last_event(), r.master_pid()
    r.master_ends()
    os.kill(pid, signal.SIGKILL)
    r.await_event("master.adopted", after=seen)


def stall(r, p):
    """A worker that no client depends on reads no more; (its row, the others' names)."""
    status = r.await_state(lambda s: any(w["connections"] == 0 for w in s["workers"]))
    victim = r.blame(next(w for w in status["workers"] if w["connections"] == 0))
    assert r.ctl("pause", victim["worker"]).code == 0
    others = [w["worker"] for w in status["workers"] if w["id"] != victim["id"]]
    for worker in others:
        p.to(worker)
    p.forget(victim["worker"])
    r.await_state(lambda s: any(w["id"] == victim["id"] and w["connections"] == 0
                                for w in s["workers"]))
    processes.halt(victim["pid"])
    return victim, others


def each_once(found, outcomes):
    """In order, nothing twice; of what was taken nothing is missing, and what else
    arrived is what a master knew of that is no more."""
    assert found == sorted(set(found)), "in order, each once"
    taken = {n for n, outcome in enumerate(outcomes) if outcome == 0}
    assert taken <= set(found), "who heard `taken' was right"
    assert all(outcomes[n] == -errno.EPIPE for n in set(found) - taken)
    assert len(taken) > 100, collections.Counter(outcomes)


def kill_masters(r, count):
    """After four early deaths one lives: the next five are a reason to close the
    database, which is not what this is about."""
    for n in range(count):
        if n > 0 and n % 4 == 0:
            r.await_state(lambda s: s["master"]["uptime_ms"] > EARLY_MS, 30)
        kill_master(r)


@shows("K17")
@pytest.mark.parametrize("masters", [3, pytest.param(10, marks=slow)])
def test_messages_and_adoption(row, masters):
    r = row(routes=dict(MAIL, **{"/": "evil"}), handler_timeout="1h")
    r.served()
    p = Post(r)
    victim, (one, two, three) = stall(r, p)
    p.ask(one, "/start?to=%s&n=20000&burst=3" % two)
    p.ask(two, "/start?to=%s&n=20000&burst=3" % one)
    p.ask(three, "/start?to=%s&n=3000&burst=5" % victim["worker"])
    kill_masters(r, masters)
    sent = {worker: int(p.ask(worker, "/stop")) for worker in (one, two, three)}
    os.kill(victim["pid"], signal.SIGKILL)
    heard = {worker: p.await_outcomes(worker, count)[1] for worker, count in sent.items()}
    each_once(p.numbers(two, one), heard[one])
    each_once(p.numbers(one, two), heard[two])
    assert set(heard[three]) <= {-errno.EPIPE, -errno.EAGAIN, -errno.ESRCH}
    r.await_state(lambda s: s["pools"][0]["ready"] == 4)
    assert p.got(victim["worker"]) == [], "nothing for its successor"
    p.close()
