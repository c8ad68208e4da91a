# SPDX-License-Identifier: MIT
"""workers = MIN..MAX: as many as the load wants, one step at a time."""

import os
import re
import time
from signal import SIGKILL

from harness import database, held, http, memo, processes

# Each client keeps a worker busy all the time, without using the CPU; for so long that
# a client without a CPU between two requests leaves it busy for most of the time.
BUSY = {"path": "/block?50", "pause": 0}

REASON = re.compile(r"^(\d+) -> (\d+) workers: busy (\d+) % over (\d+) workers?$")


def autoscaled(cluster, workers, **keys):
    keys = dict({"scale_hold": "1s", "routes": {"/": "evil"}}, **keys)
    return cluster(workers=workers, **keys)


def await_size(c, size, after=0, timeout=20):
    """The step that brings this size; the pool is then as large.  The next step may
    come a second later: for sizes at which it stays."""
    step = c.await_event("pool.scaled", after=after, to=size, timeout=timeout)
    c.await_state(lambda s: s["pools"][0]["ready"] == s["pools"][0]["desired"] == size)
    return step


def pauses(rows):
    """ms from each command to the next, by when they were given: one less than the
    hold, where the first stamp is later by one than what the hold counts from."""
    return [b["time"] - a["time"] for a, b in zip(rows, rows[1:])]


def may_step(status):
    """Nothing but the load decides now."""
    return status["pools"][0]["next_step"] <= time.time() * 1000


def test_more_under_load_and_fewer_when_it_is_gone(cluster):
    c = autoscaled(cluster, "1..3")
    pool = c.pool()
    assert (pool["min"], pool["max"], pool["desired"], pool["automatic"]) == (1, 3, 1, True)
    with c.load(new=4, **BUSY) as ledger:
        second = c.await_event("pool.scaled", to=2, timeout=20)
        third = await_size(c, 3, after=second)
        c.await_state(lambda s: (s["pools"][0]["busy_percent"] or 0) > 50)
    ledger.assert_nothing_lost()
    steps = [second, third, c.await_event("pool.scaled", after=third, to=2, timeout=20)]
    steps.append(await_size(c, 1, after=steps[-1]))
    for step in steps:
        was, size, busy, over = map(int, REASON.match(step["text"]).groups())
        assert (was, size, over) == (step["from"], step["to"], was), step
        assert busy > 50 if size > was else busy < 25, step
        assert step["who"] == "autoscale"
    c.await_state(lambda s: len(s["workers"]) == 1 and s["state"] == "ok")
    rows = c.commands("scale", 4)
    assert [row["state"] for row in rows] == ["done"] * 4, rows
    assert min(pauses(rows)) >= 1000 - 1, rows
    assert c.pool()["restarts"] == 0


def test_a_worker_that_cannot_say_that_it_is_busy_is(cluster):
    """It stands still in one request, so that its page tells nothing."""
    c = autoscaled(cluster, "1..2", handler_timeout="30s", request_timeout="30s")
    fifo = held.Held(c)
    with c.connect() as one:
        one.send(http.head("GET", "/block?" + fifo.path, "x"))
        step = await_size(c, 2)
        fifo.let_go()
        assert one.response().status == 200
    assert "over 1 worker" in step["text"], step


def test_what_it_waits_for_is_not_time_of_the_loop(cluster):
    """Requests that take long and hold nobody up want no worker more."""
    c = autoscaled(cluster, "1..2")
    with c.load(keepalive=8, path="/sleep?200", pause=0):
        pool = c.await_state(may_step)["pools"][0]
    assert (pool["desired"], pool["busy_percent"] < 40) == (1, True), pool


def test_a_reload_changes_the_bounds(cluster):
    c = autoscaled(cluster, "2..4", scale_down_busy="0%")    # nothing but the bounds
    first = {w["worker"]: w["id"] for w in c.workers()}
    for workers, size in (("3..4", 3), ("1..2", 2), ("4", 4), ("1..8", 4)):
        c.write_config(workers=workers)
        assert c.ctl("reload").code == 0
        c.await_state(lambda s, size=size: [p["ready"] for p in s["pools"]] == [size])
        pool = c.pool()
        assert pool["desired"] == size
        assert (pool["next_step"] is None) == (".." not in workers), pool
    now = {w["worker"]: w["id"] for w in c.workers() if w["current"]}
    assert now["web/0"] == first["web/0"] and now["web/1"] == first["web/1"], "live"


def test_the_hold_survives_the_master(cluster):
    c = autoscaled(cluster, "1..3", scale_hold="8s")
    with c.load(new=4, **BUSY) as ledger:
        step = await_size(c, 2)
        done, = c.commands("scale", 1)
        before = c.pool()["next_step"]
        assert before >= done["time"] + 7999
        os.kill(c.master_pid(), SIGKILL)
        adopted = c.await_event("master.adopted", after=step)
        pool = c.pool()
        assert pool["desired"] == 2
        assert abs(pool["next_step"] - before) < 50, (pool, before)
        later = c.await_event("pool.scaled", after=adopted, timeout=20)
    assert (later["from"], later["to"]) == (2, 3)
    assert min(pauses(c.commands("scale", 2))) >= 8000
    assert len(ledger.failures()) <= 1, "at most what the master had in its hand"


def test_a_number_by_hand_holds_until_auto(cluster):
    c = autoscaled(cluster, "1..2")
    result = c.ctl("scale", "web", "4")
    assert result.code == 0 and "scale web auto" in result and "1..2" in result, result
    pool = c.pool()
    assert (pool["desired"], pool["automatic"], pool["next_step"]) == (4, False, None)
    c.restart_daemon()
    pool = c.pool()
    assert (pool["desired"], pool["automatic"], pool["next_step"]) == (4, False, None)
    seen = c.last_event()
    assert c.ctl("scale", "web", "auto").code == 0
    back = c.await_event("pool.scaled", after=seen)
    assert (back["from"], back["to"]) == (4, 2), "the nearest within the bounds"
    await_size(c, 1, after=back)
    assert pauses(c.commands("scale", 3))[-1] >= 1000 - 1


def test_the_file_ends_a_number_by_hand(cluster):
    c = autoscaled(cluster, "1..2", scale_down_busy="0%")
    assert c.ctl("scale", "web", "4").code == 0
    c.write_config(workers="1..3")
    assert c.ctl("reload").code == 0
    c.await_log("3 workers by the configuration, no longer 4 by command")
    pool = c.pool()
    assert (pool["desired"], pool["automatic"]) == (3, True)


def test_a_size_by_load_survives_the_daemon(cluster):
    c = autoscaled(cluster, "1..2", scale_down_busy="0%")
    with c.load(new=2, **BUSY):
        await_size(c, 2)
    c.restart_daemon()
    assert (c.pool()["desired"], c.pool()["automatic"]) == (2, True)
    c.stop()
    c.write_config(workers="1")
    c.start()
    assert c.pool()["desired"] == 1


def test_a_size_by_load_survives_the_memo(cluster):
    """A new master knows of it by the database alone: no worker leaves."""
    c = autoscaled(cluster, "1..2", scale_down_busy="0%")
    with c.load(new=2, **BUSY):
        await_size(c, 2)
    before = {w["worker"]: w["id"] for w in c.workers()}
    c.commands("scale", 1)              # it is stored, and so is the size
    pid, seen = c.master_pid(), c.last_event()
    processes.halt(pid)                 # it would write over it
    with memo.Memo(c.pid()) as copies:
        copies.flip("current", "idle")
    killed = time.time() * 1000
    os.kill(pid, SIGKILL)
    assert "rebuilt" in c.await_event("master.adopted", after=seen)["text"]
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    assert {w["worker"]: w["id"] for w in status["workers"]} == before
    pool, = status["pools"]
    assert (pool["desired"], pool["automatic"]) == (2, True)
    assert pool["next_step"] >= killed + 1000 - 1, "the hold begins anew"


def test_auto_survives_a_memo_made_anew_and_a_database_that_is_behind(cluster):
    """It knows of the number by hand, and not of its end."""
    c = autoscaled(cluster, "1..2")
    assert c.ctl("scale", "web", "3").code == 0
    c.commands("scale", 1)
    lock = database.Lock(c)
    try:
        assert c.ctl("scale", "web", "auto").code == 0
        for command in ("pause", "resume"):     # both copies know of it
            assert c.ctl(command, "web/0").code == 0
        pid, seen = c.master_pid(), c.last_event()
        processes.halt(pid)
        with memo.Memo(c.pid()) as copies:
            copies.flip("current")
        os.kill(pid, SIGKILL)
        assert "rebuilt" in c.await_event("master.adopted", after=seen)["text"]
        assert c.pool()["automatic"] is True
    finally:
        lock.release()


def test_a_step_that_does_not_start_is_taken_back_and_held(cluster):
    c = autoscaled(cluster, "1..2", scale_hold="3s",
                   env={"CLUSTERD_FP": "worker.before_ready:abort/web/1"})
    c.allow_in_log("abort")
    with c.load(new=2, **BUSY):
        up = c.await_event("pool.scaled", to=2, timeout=20)
        back = c.await_event("pool.scaled", after=up)
        assert back["to"] == 1 and "web/1 does not start" in back["text"], back
        pool = c.pool()
        assert pool["automatic"] and pool["desired"] == 1
        assert pool["next_step"] >= up["time"] + 2000
        c.await_event("pool.scaled", after=back, timeout=20)
    assert min(pauses(c.commands("scale", 2))) >= 3000 - 1


def test_max_workers_is_a_bound_too(cluster):
    """One try each hold, on record; the others keep what they have."""
    c = autoscaled(cluster, "1..4", daemon={"max_workers": 2},
                   pools={"api": {"workers": 1}})
    with c.load(new=3, **BUSY):
        failed = c.await_event("command.failed", timeout=20)
        c.await_event("command.failed", after=failed, timeout=20)
    assert "max_workers" in failed["text"], failed
    assert min(pauses(c.commands("scale", 2))) >= 1000 - 1
    assert c.pool()["desired"] == 1
