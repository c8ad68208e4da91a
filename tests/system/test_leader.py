# SPDX-License-Identifier: MIT
"""The leader of a pool: one at any time, whoever ends.

Plugin leader acts each few milliseconds where its worker leads; it holds an address
meanwhile, and says in the log if it could not have it."""

import itertools
import json
import os
import random
import signal

import pytest

from harness import http, memo, shows, slow, wait
from harness.post import Post

ROUTES = {"/": "leader"}
LOCKS = itertools.count()


class Led(Post):
    def leaders(self, at=None):
        """{name: id} of the workers that lead, as one of them knows; None: nobody
        answered."""
        try:
            words = json.loads(self.ask(at, "/who-leads") if at else
                               self.c.get("/who-leads").text)
        except (OSError, http.ConnectionLost):
            return None
        return dict(zip(words[::2], words[1::2]))

    def await_leader(self, pool="web", other_than=None, at=None, timeout=15):
        """Its (name, id)."""
        def one():
            leaders = self.leaders(at) or {}
            found = [(name, number) for name, number in leaders.items()
                     if name.startswith(pool + "/") and number != other_than]
            assert len(found) <= 1, found
            return found and found[0]
        return wait.until(one, timeout, "a leader")

    def await_leading(self):
        """Somebody leads, and acts.  What is known of who does may be old: it is asked
        again, until whoever is named acts."""
        seen = {}

        def one():
            leader = self.await_leader(timeout=30)
            try:
                acts = self.led(leader[0])[0]
            except (OSError, http.ConnectionLost):
                self.forget(leader[0])
                return False
            return acts >= seen.setdefault(leader, acts) + 3
        wait.until(one, 30, "acts of the leader")

    def led(self, worker):
        """How often it acted as the leader, and by the timer of one time."""
        return json.loads(self.ask(worker, "/led"))

    def await_more(self, worker, times=3):
        before = self.led(worker)[0]
        wait.until(lambda: self.led(worker)[0] >= before + times, 10, "acts of the leader")

    def assert_one_at_a_time(self):
        for words in ("two leaders", "a timer without the lead"):
            assert words not in self.c.log()


@pytest.fixture
def led(cluster):
    made = []

    def begin(workers=3, **how):
        plugins = how.setdefault("plugins", {})
        plugins["leader"] = {"lock": "clusterd-%d-%d" % (os.getpid(), next(LOCKS))}
        how.setdefault("routes", ROUTES)
        made.append(Led(cluster(workers=workers, **how)))
        return made[-1]
    yield begin
    for one in made:
        one.assert_one_at_a_time()


def kill(c, worker, number=signal.SIGKILL):
    os.kill(c.worker(worker)["pid"], number)


# ---- one -----------------------------------------------------------------------------

def test_one_in_each_pool(led):
    lock = "clusterd-%d-api" % os.getpid()
    d = led(pools={"api": {"workers": 2, "routes": {"/": "other"}}},
            plugins={"other": {"module": "leader.so", "lock": lock}})
    web, api = d.await_leader("web"), d.await_leader("api")
    d.await_more(web[0])
    assert len(d.leaders()) == 2 and web[1] != api[1]
    for worker in ("web/0", "web/1", "web/2"):
        acted, once, leads = d.led(worker)
        assert (acted > 0, once, leads) == ((True, 1, 1) if worker == web[0] else
                                            (False, 0, 0)), worker


def test_everyone_knows_who(led):
    d = led()
    name, number = d.await_leader()
    for worker in ("web/0", "web/1", "web/2"):
        assert d.leaders(worker) == {name: number}


@shows("node-B21")
def test_its_timers_pass_on_with_the_lead(led):
    d = led()
    old = d.await_leader()
    d.await_more(old[0])
    kill(d.c, old[0])
    d.forget(old[0])
    new = d.await_leader(other_than=old[1])
    d.await_more(new[0])
    wait.until(lambda: d.led(new[0])[1] == 1, 10, "the timer that waited for the lead")


# ---- it moves ------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["kill", "restart", "drain", "pause", "exit"])
def test_it_moves_when_its_worker_leaves(led, how):
    d = led(routes={"/": "leader", "/stop": "evil"})
    old = d.await_leader()
    seen = d.c.last_event()
    if how == "kill":
        kill(d.c, old[0])
    elif how == "exit":
        kill(d.c, old[0], signal.SIGTERM)
    else:
        d.c.ctl(how, old[0])
    new = d.await_leader(other_than=old[1])
    d.forget(new[0])
    d.await_more(new[0])
    if how == "pause":
        d.c.ctl("resume", old[0])
        assert d.await_leader() == new, "it does not come back"
    elif how != "drain":
        d.c.await_event("worker.ready", after=seen, worker=old[0])


def test_a_roll_moves_it_no_more_than_once(led):
    d = led()
    seen = d.await_leader()
    moves = []
    command = d.c.ctl_start("restart", "web")
    while command.poll() is None:
        leaders = d.leaders()
        for one in (leaders or {}).items():
            if one != seen and one not in moves:
                moves.append(one)
    assert command.communicate()[0] is not None and command.returncode == 0
    new = d.await_leader(other_than=seen[1])
    assert set(moves) <= {new}
    d.forget(new[0])
    d.await_more(new[0])


def test_a_pool_of_one_has_it_again(led):
    d = led(workers=1)
    old = d.await_leader()
    kill(d.c, "web/0")
    assert d.await_leader(other_than=old[1])[0] == "web/0"


# ---- without a master ------------------------------------------------------------------

def test_it_survives_the_master(led):
    d = led(scale=1)                    # else it is soon called silent, and ended
    old, seen = d.await_leader(), d.c.last_event()
    d.led(old[0])
    master = d.c.master_pid()
    os.kill(master, signal.SIGSTOP)     # there is none for a while
    d.await_more(old[0], times=20)
    os.kill(master, signal.SIGKILL)
    d.c.await_event("master.adopted", after=seen)
    d.await_more(old[0], times=20)
    assert d.await_leader() == old


def test_nobody_is_named_before_the_next_master(led):
    d = led()
    old, seen = d.await_leader(), d.c.last_event()
    other = next(w for w in ("web/0", "web/1") if w != old[0])
    d.led(other)
    victim, master = d.c.worker(old[0]), d.c.master_pid()
    os.kill(master, signal.SIGSTOP)
    os.kill(victim["pid"], signal.SIGKILL)
    os.kill(master, signal.SIGKILL)
    d.c.await_event("master.adopted", after=seen)
    new = d.await_leader(other_than=old[1])
    d.forget(new[0])
    d.await_more(new[0])


def test_a_master_that_dies_between_two_leaders(led):
    d = led(start=False)
    d.c.arm()
    d.c.start()
    old = d.await_leader()
    d.c.arm("master.leader:kill/1")
    kill(d.c, old[0])
    d.c.await_state(lambda s: s["master"]["restarts"] == 1)
    new = d.await_leader(other_than=old[1])
    d.forget(new[0])
    d.await_more(new[0])


def test_a_memo_made_anew_changes_nothing(led):
    d = led()
    old, seen = d.await_leader(), d.c.last_event()
    d.await_more(old[0])
    master = d.c.master_pid()
    os.kill(master, signal.SIGSTOP)
    with memo.Memo(d.c.pid()) as held:
        held.flip("current", "idle")
    os.kill(master, signal.SIGKILL)
    d.c.await_event("master.adopted", after=seen)
    d.c.await_state(lambda s: s["pools"][0]["ready"] == 3)
    assert d.await_leader() == old
    d.await_more(old[0])


# ---- it stands still -------------------------------------------------------------------

def test_one_that_is_stopped_comes_too_late(led):
    """In its sleep, or in the middle of what it does as the leader: then another one
    is named when it is dead."""
    d = led(handler_timeout="2s")
    old = d.await_leader()
    d.await_more(old[0])
    victim = d.c.worker(old[0])
    os.kill(victim["pid"], signal.SIGSTOP)
    try:
        new = d.await_leader(other_than=old[1])
        d.forget(new[0])
        d.await_more(new[0])
    finally:
        try:
            os.kill(victim["pid"], signal.SIGCONT)
        except ProcessLookupError:
            pass
    d.await_more(new[0], times=50)
    assert d.await_leader() == new


def test_one_that_takes_its_time_is_waited_for(led):
    """It is slow, and stalled by all that the master sees; nobody else acts."""
    d = led(handler_timeout="10s")
    old = d.await_leader()
    others = [w for w in ("web/0", "web/1", "web/2") if w != old[0]]
    for worker in others:
        assert d.led(worker)[0] == 0
    seen = d.c.last_event()
    d.ask(old[0], "/stall?4000")
    d.c.await_event("worker.stalled", after=seen, worker=old[0])
    wait.until(lambda: d.leaders(others[0]) == {}, 10, "end of its lead")
    for worker in others:
        assert d.led(worker)[0] == 0
    new = d.await_leader(at=others[0])  # the same, if it is well again by then
    d.await_more(new[0])


def test_one_that_hangs_is_ended_before(led):
    d = led(handler_timeout="1s")
    old, seen = d.await_leader(), d.c.last_event()
    d.c.plugin_is_reported()
    other = next(w for w in ("web/0", "web/1") if w != old[0])
    d.led(other)
    d.ask(old[0], "/stall?30000")
    d.forget(old[0])
    new = d.await_leader(other_than=old[1], at=other)
    assert d.c.await_event("worker.exited", after=seen, id=old[1])
    d.await_more(new[0])


# ---- all of it at once -------------------------------------------------------------------

def storm(d, seed, steps):
    """Whatever can happen to those that lead, and to who names them."""
    choose = random.Random(seed)
    for _ in range(steps):
        leader = d.await_leader(timeout=30)
        try:
            victim = d.c.worker(leader[0])
            if not victim["pid"]:       # it has ended meanwhile
                continue
            what = choose.choice(["kill", "stop", "restart", "pause", "master", "both"])
            if what in ("kill", "both"):
                os.kill(victim["pid"], signal.SIGKILL)
            if what == "stop":
                os.kill(victim["pid"], signal.SIGSTOP)
                d.await_leader(other_than=leader[1], timeout=30)
                os.kill(victim["pid"], signal.SIGCONT)
            if what in ("restart", "pause"):
                d.c.ctl(what, leader[0])
                d.c.ctl("resume", leader[0])
            if what in ("master", "both"):
                os.kill(d.c.master_pid(), signal.SIGKILL)
                d.c.await_state(lambda s: s is not None)
        except (ProcessLookupError, AssertionError) as error:
            if isinstance(error, AssertionError) and "no worker" not in str(error):
                raise
    d.c.await_ready(timeout=40)
    d.c.await_state(lambda s: s["pools"][0]["ready"] == 3, timeout=40)
    for worker in list(d.conns):
        d.forget(worker)
    d.await_leading()


@pytest.mark.parametrize("seed", [1, 2])
def test_never_two_in_a_storm(led, seed):
    storm(led(handler_timeout="2s", restart_burst=100), seed, 6)


@slow
@pytest.mark.limit(300)
@pytest.mark.parametrize("seed", range(10, 16))
def test_never_two_in_a_long_storm(led, seed):
    storm(led(handler_timeout="2s", restart_burst=1000), seed, 40)
