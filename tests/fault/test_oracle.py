# SPDX-License-Identifier: MIT
"""The oracle of the rows is worth what it notices: each of its questions meets
a run that it must object to."""

import os
import signal
import sqlite3

import pytest

from harness import control, not_sanitized, oracle, processes, wait


def objections(r, patience=1):
    r.patience = patience
    return "\n".join(r.finish())


def none(r):
    """Nor when it has all its time."""
    return objections(r, r.patience) == ""


def hold_a_request(r):
    """A worker that stands still, with a request of the load in its hands."""
    def held():
        for row in r.workers():
            processes.halt(row["pid"])
            if any(one["id"] == row["id"] for one in r.rows("requests")):
                return row
            os.kill(row["pid"], signal.SIGCONT)
        return None
    return wait.until(held, 10, "requests in a worker's hands")


SLOW = {"keepalive": 4, "new": 1, "path": "/sleep?300", "pause": 0.01}


def test_a_quiet_run_is_not_objected_to(row):
    r = row()
    r.served()
    assert none(r)


def test_a_request_that_nobody_is_blamed_for(row):
    r = row(load=SLOW)
    r.served()
    victim = hold_a_request(r)
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.exited", id=victim["id"])
    assert "oracle, losses: " in objections(r)


def test_a_request_of_another_than_the_blamed(row):
    r = row(load=SLOW)
    r.served()
    victim = hold_a_request(r)
    r.blame(next(w for w in r.workers() if w["id"] != victim["id"]))
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.exited", id=victim["id"])
    assert "oracle, losses: " in objections(r)


def test_a_death_that_nobody_is_blamed_for(row):
    """At rest: no request is lost by it."""
    r = row()
    r.rest()
    victim = r.worker("web/2")
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.exited", id=victim["id"])
    assert "oracle, deaths: 1 died that may not" in objections(r)


def test_starts_beyond_the_policy(row):
    """Ten deaths at once, each replaced at once, where two tokens were to be had."""
    r = row(workers=10, restart_burst=10)
    r.blame_all()
    seen, victims = r.last_event(), r.workers()
    for victim in victims:
        os.kill(victim["pid"], signal.SIGKILL)
    for victim in victims:
        r.await_event("worker.ready", after=seen, worker=victim["worker"])
    assert "starts too many" not in "\n".join(oracle.ask(r))
    r.pools["web"][0].update(restart_burst=2, restart_rate=12)
    assert "oracle, starts: " in objections(r)


def test_a_status_that_may_not_be_answered(row):
    r = row(load={"keepalive": 1, "path": "/status?503", "pause": 0.01}, start=False)
    r.may_answer(503)
    r.start()
    r.served()
    assert none(r)
    r = row(load={"new": 1, "path": "/", "pause": 0.01})
    r.served()
    r.book.path = "/status?503"
    wait.until(r.book.failures, 5, "an answer 503")
    assert "oracle, losses: " in objections(r)


def test_a_master_that_ended(row):
    r = row()
    pid = r.master_pid()
    os.kill(pid, signal.SIGKILL)
    r.await_event("master.adopted")
    assert "oracle, processes: 1 masters ended, not 0" in objections(r)


def test_an_answer_that_is_late(row):
    r = row(scale=1)                    # nobody ends a master that stands still for so long
    pid = r.master_pid()
    wait.until(lambda: len(r.probe.answers) > 2, 5, "answers")
    os.kill(pid, signal.SIGSTOP)
    count = len(r.probe.answers)
    wait.readable(r.process.pidfd, 1.6)     # the fault itself: how long it lasts
    os.kill(pid, signal.SIGCONT)
    wait.until(lambda: len(r.probe.answers) > count, 5, "the late answer")
    assert "oracle, late: status was late" in objections(r)


def test_a_death_without_its_record(row):
    r = row()
    victim = r.blame(r.worker("web/0"))
    os.kill(victim["pid"], signal.SIGKILL)
    r.death(victim["id"])
    with sqlite3.connect(r.dir + "/state/state.db", timeout=10) as db:
        db.execute("DELETE FROM deaths")
    db.close()
    assert "oracle, records: " in objections(r)


def test_a_descriptor_too_many(row):
    r = row()
    r.served()
    r.rest()
    for _ in range(8):
        r.get("/leakfd")
    assert "oracle, means: " in objections(r)


def test_a_descriptor_too_many_of_the_next_master(row):
    r = row()
    r.served()
    r.kill_master()
    held = [control.Client(r.socket) for _ in range(8)]
    assert all(one.ask("ping")["ok"] for one in held)
    assert "oracle, means: " in objections(r)


@not_sanitized("the heap is not asked there")
def test_a_heap_that_grew(row):
    """By half a line of each of four clients."""
    r = row(scale=1)
    r.served()
    held = [control.Client(r.socket) for _ in range(4)]
    for one in held:
        one.sock.sendall(b"a" * 60000)
    wait.until(lambda: oracle.heap(r) - r.before["heap"] > 3 * 60000, 5, "half lines")
    assert "oracle, heap: the heap grew by " in objections(r)


def test_an_event_that_found_no_memory(faulty):
    """The many before it are still the master's, and nothing has grown."""
    r = faulty(load={})
    with control.Client(r.socket) as one:
        for _ in range(300):
            assert one.ask("log level", {"level": "info"})["ok"]
    r.rest()                            # its probe allocates as well
    seen = r.last_event()
    # what else asks for memory meanwhile may take that one turn
    for count in [*range(1, 300)] * 3:
        r.fi.arm("master", "malloc:NULL", counted=count)
        r.ctl("log", "level", "info")
        r.fi.disarm()
        numbers = [e["seq"] for e in r.events(seen)]
        if numbers[-1:] > [seen + len(numbers)]:
            break
    assert numbers[-1] > seen + len(numbers), "an event is missing"
    assert none(r)


@pytest.mark.parametrize("how, said", [
    ("bare line", "oracle, log_lines: "), ("bug", "log: "), ("left", "left in run_dir"),
    ("state", "status is ")])
def test_what_is_left(row, how, said):
    r = row()
    r.served()
    if how in ("bare line", "bug"):
        with open(r.log_file, "a", encoding="ascii") as f:
            f.write({"bare line": "something printed\n",
                     "bug": "2026-01-01T00:00:00.000Z error master: bug.x\n"}[how])
    elif how == "left":
        os.close(os.open(r.dir + "/run/stray", os.O_CREAT, 0o600))
    else:
        assert r.ctl("drain", "web/0").code == 0
        r.ends_as("failed")
    assert said in objections(r)
    r.allow_in_log("bug.x")
