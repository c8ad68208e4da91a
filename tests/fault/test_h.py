# SPDX-License-Identifier: MIT
"""A roll to another generation, and what goes wrong in it: it ends whole, one
way or the other."""

import contextlib
import hashlib
import os
import signal
import time

import pytest

from harness import http, processes, shows, slow, wait
from harness.tracer import Tracer


def evil(r, **options):
    """Another configuration of the plugin."""
    r.plugins["evil"] = options
    r.write_config()


def kill(row):
    os.kill(row["pid"], signal.SIGKILL)


def assert_all_of(r, generation):
    """Every slot has one worker, ready, of that generation, which is in force."""
    status = r.await_state(lambda s: s["pools"][0]["ready"] == len(s["workers"])
                           == s["pools"][0]["desired"])
    assert status["generation"] == generation
    assert {w["generation"] for w in status["workers"]} == {generation}


def assert_current_of(r, generation):
    """The same, while those before may still drain."""
    rows = [w for w in r.workers() if w["current"]]
    assert {(w["state"], w["generation"]) for w in rows} == {("ready", generation)}
    assert r.status()["generation"] == generation


def assert_never_more(r, seen, processes_at_once=2):
    """Of a slot: one worker in charge, and no more processes than that."""
    for answer in r.probe.answers:
        for name, rows in answer.slots().items():
            assert sum(row["current"] for row in rows) <= 1, (name, rows)
    alive = {}
    for event in r.events(seen):
        if event["event"] == "worker.forked":
            alive.setdefault(event["worker"], set()).add(event["id"])
        elif event["event"] == "worker.exited":
            alive.setdefault(event["worker"], set()).discard(event["id"])
        for name, ids in alive.items():
            # those from before the first event are not in it
            assert len(ids) <= processes_at_once, (name, ids)


# ---- H3: edited between check and use --------------------------------------------------

def deploy(r, module):
    """Write that module into the deployed file, in place; its hash."""
    with open(r.built(module), "rb") as f:
        data = f.read()
    with open(r.dir + "/hello.so", "wb") as f:
        f.write(data)
    os.chmod(r.dir + "/hello.so", 0o644)
    return hashlib.sha256(data).hexdigest()


@shows("H3")
@pytest.mark.parametrize("point, whose", [("checker.before_open:sleep=700@1", "checker"),
                                          ("reload.after_check:sleep=600", "master")])
def test_edited_between_check_and_use(row, point, whose):
    """File and plugin, while the checker is about to run the first constructor
    and when it has ended: what it read is what runs, and its hash is shown."""
    r = row(routes={"/": "evil", "/hello": "hello"}, start=False,
            env={"CLUSTERD_FP": point})
    deploy(r, "hello_v2.so")
    r.plugins["hello"] = {"module": r.dir + "/hello.so"}
    r.write_config()
    r.start()
    checked = deploy(r, "hello_v3.so")
    r.write_config(max_headers=77)
    reload = r.ctl_start("reload")
    pid = processes.hold_nap(r.pid())
    assert whose in processes.name(pid)
    deploy(r, "hello.so")
    r.write_config(max_headers=78)
    os.kill(pid, signal.SIGCONT)
    out, err = reload.communicate(timeout=20)
    assert reload.returncode == 0, (out, err)
    assert {r.get("/hello").header("X-Version") for _ in range(8)} == {"3"}
    shown, = [p["sha256"] for p in r.json("plugins") if p["plugin"] == "hello"]
    assert shown == checked
    assert os.path.exists("%s/state/store/%s.so" % (r.dir, shown))
    assert "max_headers = 77" in r.json("config", "show")["text"], "as it was read"
    assert "78" in r.ctl("config", "diff").out


# ---- H4, H5: a version that is no good ----------------------------------------------------

@shows("H4")
@pytest.mark.parametrize("mode, slot, reason", [
    ("init_fail_slot=0", "web/0", "failed to start"),
    ("init_fail_slot=2", "web/2", "failed to start"),
    ("init_error", "web/0", "failed to start"),
    ("init_hang", "web/0", "not ready in start_timeout")])
def test_new_workers_are_never_ready(row, mode, slot, reason):
    """Slot and reason at the terminal, in the history and in the database."""
    # only one that hangs needs its limit: any other may come late to its failure
    r = row(start_timeout="1s" if mode == "init_hang" else "10s")
    r.starts_may_fail()
    before, seen = r.status(), r.last_event()
    evil(r, mode=mode)
    result = r.ctl("reload")
    assert result.code == 1, result
    for words in (slot + ": ", reason, "generation %d is in force" % before["generation"]):
        assert words in result.err, result
    back = r.await_event("reload.rolled_back", after=seen)
    assert slot in back["text"] and reason in back["text"]
    refused, = wait.until(lambda: [g for g in r.json("generations")
                                   if g["state"] == "rolled_back"], 5, "its record")
    assert slot in refused["verdict"] and reason in refused["verdict"]
    command, = r.commands("reload", 1)
    assert command["state"] == "failed" and slot in command["text"]
    assert_all_of(r, before["generation"])
    r.served()
    assert not [a for a in r.probe.answers if a.missing()], "fewer ready than wanted"
    if slot == "web/0":
        assert [w["id"] for w in r.workers()] == [w["id"] for w in before["workers"]]


@shows("H4")
def test_one_dies_after_it_took_over(row):
    """It serves well in two workers; in a third it dies with each request.  The last
    takes its time, so that somebody asks the third before the roll is over."""
    r = row(workers=5, env={"CLUSTERD_FP": "worker.before_ready:sleep=1500/web/4"})
    r.blame("web/2")
    before, seen = r.status(), r.last_event()
    evil(r, mode="segv_slot=2")
    result = r.ctl("reload")
    assert result.code == 1 and "web/2: " in result.err, result
    assert "web/2" in r.await_event("reload.rolled_back", after=seen)["text"]
    assert_all_of(r, before["generation"])
    r.served()


@shows("H5")
@pytest.mark.parametrize("number", [1, 10])
def test_it_crashes_while_it_is_on_trial(row, number):
    r = row(canary_hold="30s")          # it is asked so often while it is on trial
    r.blame("web/0")
    before, seen = r.status(), r.last_event()
    evil(r, mode="segv_request=%d" % number)
    result = r.ctl("reload", timeout=50)
    assert result.code == 1 and "web/0: " in result.err and "SIGSEGV" in result.err, result
    back = r.await_event("reload.rolled_back", after=seen)
    assert back["text"] in result.err
    assert_all_of(r, before["generation"])
    dead = [(d["slot"], d["requests"]) for d in wait.until(r.deaths, 5, "its record")]
    assert dead == [(0, number - 1)], "the canary alone"
    assert not [a for a in r.probe.answers if a.missing()], "fewer ready than wanted"


@shows("H5")
def test_it_crashes_when_it_is_in_force(row):
    """The whole pool, for good: the one before comes back by itself, once."""
    r = row(stable_after="1s", backoff_max="20s", restart_burst=1000, restart_rate=6000)
    r.blame_all()
    r.may_answer(503)
    r.ends_as("degraded")                   # until a person has changed something
    r.await_state(lambda s: all(w["uptime_ms"] > 1500 for w in s["workers"]))
    before, sick = r.status()["generation"], r.dir + "/sick"
    evil(r, mode="segv_while=" + sick)
    assert r.ctl("reload").code == 0
    bad, seen = r.status()["generation"], r.last_event()
    with open(sick, "w", encoding="ascii"):
        pass
    back = r.await_event("reload.rolled_back", after=seen, timeout=20)
    assert back["generation"] == bad and "web" in back["text"]
    r.await_event("reload.committed", after=back, generation=before)
    assert_all_of(r, before)
    status = r.await_state(lambda s: s["state"] == "degraded")
    text, = [reason["text"] for reason in status["reasons"]
             if reason["reason"] == "rolled_back"]
    assert str(bad) in text
    wait.until(lambda: {"failed", "degraded"} <= set(r.probe.states()), 10,
               "a probe that saw both")
    assert len([e for e in r.events(seen) if e["event"] == "reload.rolled_back"]) == 1


# ---- H7: deaths during a roll ----------------------------------------------------------------

# So that there is a time between a start and its READY.
STARTS_SLOWLY = {"CLUSTERD_FP": "worker.before_ready:sleep=250"}


def unhurried(row, **how):
    """For such a time in one slot alone, once it runs."""
    r = row(start=False, start_timeout="20s", **how)
    r.arm()
    return r.start()


def begin_reload(r):
    seen = r.last_event()
    evil(r, ms="1ms")
    return seen, r.ctl_start("reload")


def end_of(reload):
    out, err = reload.communicate(timeout=40)
    return reload.returncode, out + err


@shows("H7")
@pytest.mark.parametrize("slot", ["web/0", "web/2"])
def test_the_old_one_dies_before_its_successor_is_ready(row, slot):
    """Of the canary's slot, and of a later one: the slot waits for the successor."""
    r = unhurried(row)
    old = r.blame(r.worker(slot))
    r.arm("worker.before_ready:sleep=1500/" + slot)
    seen, reload = begin_reload(r)
    new = r.await_event("worker.forked", after=seen, worker=slot)
    wait.until(lambda: processes.is_asleep(new["pid"]), 10, "a worker that is not ready")
    processes.halt(new["pid"])          # until the other has died
    kill(old)
    r.await_event("worker.exited", after=new, id=old["id"])
    os.kill(new["pid"], signal.SIGCONT)
    assert end_of(reload)[0] == 0
    assert_all_of(r, r.status()["generation"])
    assert r.worker(slot)["id"] == new["id"], "nobody else was started there"
    assert_never_more(r, seen)
    assert r.worker(slot)["restarts"] == 1


@shows("H7")
def test_the_new_one_dies_before_it_is_ready(row):
    """It is tried once more."""
    r = row(env=STARTS_SLOWLY)
    r.blame("web/2")
    seen, reload = begin_reload(r)
    kill(r.await_event("worker.forked", after=seen, worker="web/2"))
    assert end_of(reload)[0] == 0
    assert_all_of(r, r.status()["generation"])
    assert_never_more(r, seen)


@shows("H7")
def test_the_new_one_dies_just_after_it_took_over(row):
    """Nobody stands behind it: the next one is of the new generation as well."""
    r = row(env=STARTS_SLOWLY)
    r.blame("web/1")
    seen, reload = begin_reload(r)
    kill(r.await_event("worker.ready", after=seen, worker="web/1"))
    assert end_of(reload)[0] == 0
    assert_all_of(r, r.status()["generation"])
    assert_never_more(r, seen)
    assert r.worker("web/1")["restarts"] == 1


@shows("H7")
def test_both_die_at_once(row):
    r = unhurried(row)
    r.blame("web/2")
    old = r.worker("web/2")
    r.arm("worker.before_ready:sleep=8000/web/2")
    seen, reload = begin_reload(r)
    new = r.await_event("worker.forked", after=seen, worker="web/2")
    wait.until(lambda: processes.is_asleep(new["pid"]), 10, "a worker that is not ready")
    r.arm()                             # whoever comes after it is
    kill(new)
    kill(old)
    assert end_of(reload)[0] == 0
    assert_all_of(r, r.status()["generation"])
    assert_never_more(r, seen)


@shows("H7")
@pytest.mark.parametrize("event", ["worker.forked", "worker.ready"])
def test_the_canary_dies(row, event):
    """It is on trial, so that refuses the generation."""
    r = row(env=STARTS_SLOWLY, canary_hold="20s")
    before = r.status()["generation"]
    r.blame("web/0")
    seen, reload = begin_reload(r)
    kill(r.await_event(event, after=seen, worker="web/0"))
    code, said = end_of(reload)
    assert code == 1 and "web/0: " in said and "SIGKILL" in said, said
    assert_all_of(r, before)
    assert_never_more(r, seen)


@slow
@shows("H7")
@pytest.mark.limit(120)
def test_each_worker_dies_at_each_step(row):
    """Whoever is there, one after the other, all through one roll after another."""
    r = row(env=STARTS_SLOWLY, restart_burst=1000, restart_rate=6000)
    r.blame_all()
    steps = [(name, event) for name in ("web/0", "web/1", "web/2", "web/3") for event in
             ("worker.forked", "worker.online", "worker.ready", "worker.draining")]
    for number, (name, event) in enumerate(steps):
        seen = r.last_event()
        evil(r, ms="%dms" % (number + 1))
        reload = r.ctl_start("reload")
        victim = r.await_event(event, after=seen, worker=name)
        with contextlib.suppress(ProcessLookupError):
            kill(victim)
        code, said = end_of(reload)
        # a canary that dies refuses it, any other death does not
        may_fail = name == "web/0" and event != "worker.draining"
        assert code == 0 or (may_fail and code == 1), (name, event, said)
        assert_all_of(r, r.status()["generation"])
        assert_never_more(r, seen)


# ---- H8: long answers ----------------------------------------------------------------------------

def streams(r, count, pieces):
    """That many downloads under way: their heads are here."""
    clients = [r.connect() for _ in range(count)]
    for client in clients:
        client.send(http.head("GET", "/stream?%d" % pieces, client.address))
    for client in clients:
        client.await_head()
    return clients


def ends(clients):
    """Their bodies, None for one that was cut; and how long the last one took."""
    began, bodies = time.monotonic(), []
    for client in clients:
        try:
            bodies.append(client.response().body)
        except http.ConnectionLost:
            bodies.append(None)
        client.close()
    return bodies, time.monotonic() - began


@shows("H8")
def test_long_answers_during_a_reload(row):
    """What ends in drain_timeout is whole; the rest is cut then, and counted."""
    r = row(drain_timeout="12s")
    short, endless = streams(r, 50, 200), streams(r, 50, 1000000)
    evil(r, ms="1ms")
    before, seen = r.status()["generation"], r.last_event()
    assert r.ctl("reload").code == 0
    assert_current_of(r, before + 1)
    bodies, _ = ends(short)
    assert bodies == [b"piece\n" * 200] * 50
    rows = [w for w in r.workers() if not w["current"]]
    assert rows and {w["state"] for w in rows} == {"draining"}

    def held_by_old():
        return sum(w["connections"] for w in r.workers() if not w["current"])
    # those of the short ones have ended as soon as their workers read that; a client of
    # the load may have one there, too, until its next request
    wait.until(lambda: held_by_old() <= 53, what="end of the short ones")
    assert held_by_old() >= 50
    bodies, took = ends(endless)
    assert bodies == [None] * 50, "none looks complete"
    assert took < 10 * 2, "drain_timeout"
    r.await_state(lambda s: len(s["workers"]) == 4)
    assert r.metric("drain_aborted_total") == 50
    exits = [e for e in r.events(seen) if e["event"] == "worker.exited"]
    assert sum(e["connections_lost"] for e in exits) == 50, exits
    assert r.log().count(" connections cut at the end of the drain") >= 1


@shows("H8")
def test_long_answers_that_are_told(row):
    """on_drain is called in each worker that goes: its streams end by themselves."""
    r = row(plugins={"evil": {"mode": "bye"}}, drain_timeout="20s")
    clients = streams(r, 50, 1000000)
    evil(r, mode="bye", ms="1ms")
    seen = r.last_event()
    assert r.ctl("reload").code == 0
    bodies, took = ends(clients)
    assert all(body.endswith(b"piece\nbye\n") for body in bodies)
    assert took < 10, "long before drain_timeout"
    for _ in range(4):
        seen = r.await_event("worker.exited", after=seen, asked=True, code=0)
    assert r.metric("drain_aborted_total") == 0


# ---- H10: connections that wait ---------------------------------------------------------------------

@shows("H10")
@pytest.mark.parametrize("how", ["reload", "scale"])
@pytest.mark.parametrize("schedule", ["round-robin", "least-connections", "shared",
                                      "reuseport"])
def test_connections_that_wait(row, schedule, how):
    """Four hundred with a request each, while nobody serves; none is lost."""
    r = row(schedule=schedule, load={})
    address, before = r.address(), r.worker("web/0")["id"]
    assert r.ctl("pause", "web").code == 0
    clients = []
    for _ in range(400):
        clients.append(http.connect(address, 20))
        clients[-1].sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert not any(wait.readable(client, 0) for client in clients)
    if how == "reload":
        evil(r, ms="1ms")
        assert r.ctl("reload").code == 0
        assert r.worker("web/0")["id"] != before
    else:
        assert r.ctl("scale", "web", "1").code == 0
        assert not any(wait.readable(client, 0) for client in clients)
    assert r.ctl("resume", "web").code == 0
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    r.await_state(lambda s: len(s["workers"]) == (4 if how == "reload" else 1))
    assert r.get("/").status == 200


# ---- H15: a held roll ----------------------------------------------------------------------------

def generations(r):
    """{"web/0": generation} of the workers that are ready."""
    return {w["worker"]: w["generation"] for w in r.workers()
            if w["state"] == "ready" and w["current"]}


@shows("H15")
@pytest.mark.parametrize("workers, part, done", [(1, "50%", 1), (2, "0%", 1), (2, "100%", 2)])
def test_a_part_that_is_all_or_nothing(row, workers, part, done):
    """It holds all the same: that is what was asked for."""
    r = row(workers=workers)
    old = r.status()["generation"]
    evil(r, ms="1ms")
    held = r.json("reload", "--hold", part)
    assert (held["held"], held["done"], held["of"]) == (True, done, workers), held
    assert r.status()["generation"] == old
    r.served()
    assert r.ctl("rollback").code == 0
    assert set(generations(r).values()) == {old}
    r.served()


@shows("H15")
@shows("node-C2")
@pytest.mark.parametrize("end", ["continue", "rollback"])
def test_held_while_things_die(row, end):
    """A quarter of eight is new; the master, an old and a new one die: each comes
    back as what it was."""
    r = row(workers=8)
    r.master_ends()
    old = r.status()["generation"]
    seen = r.last_event()
    evil(r, ms="1ms")
    held = r.json("reload", "--hold", "25%")
    assert (held["held"], held["done"], held["of"]) == (True, 2, 8), held
    new = held["generation"]
    expected = {"web/%d" % n: new if n < 2 else old for n in range(8)}
    assert generations(r) == expected
    assert "reload_held" in {reason["reason"] for reason in r.status()["reasons"]}
    r.served()
    os.kill(r.master_pid(), signal.SIGKILL)
    r.await_event("master.adopted", after=seen)
    for name in ("web/1", "web/6"):
        kill(r.blame(r.worker(name)))
        r.await_event("worker.ready", after=r.await_event(
            "worker.exited", after=seen, worker=name, signal="SIGKILL"), worker=name)
    assert generations(r) == expected
    for command in (["reload"], ["scale", "web", "7"], ["restart", "web/3"]):
        refused = r.json(*command)
        assert refused["error"]["code"] == "conflict", refused
        assert "a reload is held" in refused["error"]["text"]
    assert generations(r) == expected
    result = r.ctl(*(["reload", "--continue"] if end == "continue" else ["rollback"]))
    assert result.code == 0, result
    assert_all_of(r, new if end == "continue" else old)
    names = [e["event"] for e in r.events(seen)]
    assert ("reload.committed" in names) == (end == "continue")
    assert ("reload.rolled_back" in names) == (end == "rollback")
    r.served()
    assert_never_more(r, seen)


@shows("H15")
def test_master_dies_while_a_held_roll_goes_back(row):
    """It goes on, and who asked for it hears that it is done."""
    r = row(workers=4, env=STARTS_SLOWLY)
    old = r.status()["generation"]
    evil(r, ms="1ms")
    assert r.json("reload", "--hold", "50%")["held"] is True
    seen = r.last_event()
    back = r.ctl_start("rollback")
    r.await_event("worker.forked", after=seen)
    r.end_master()
    code, words = end_of(back)
    assert code == 0, words
    assert_all_of(r, old)
    told, = r.commands("rollback", 1)
    assert (told["state"], told["result"]["rolled_back"]) == ("done", True), told
    r.served()


# ---- a roll for which no process can be had ---------------------------------------------------------

@shows("H7")
def test_the_new_one_dies_and_no_process_can_be_had(row):
    """It dies when its slot has nobody else; the reload ends all the same, and
    what could not go back does so when there are processes again."""
    r = unhurried(row, workers=3)
    r.blame("web/1")
    before = r.status()["generation"]
    r.arm("worker.before_ready:sleep=4000/web/2")
    seen, reload = begin_reload(r)
    new = r.await_event("worker.ready", after=seen, worker="web/1")
    other = r.await_event("worker.forked", after=new, worker="web/2")
    wait.until(lambda: processes.is_asleep(other["pid"]), 10, "a worker that is not ready")
    processes.halt(other["pid"])        # nor becomes it
    r.arm()                             # whoever comes after it is
    with Tracer(r.pid(), ("clone3", "clone", "fork", "vfork"), "error=EAGAIN"):
        kill(new)
        code, said = end_of(reload)
        assert code == 1 and "web/1: no process can be started" in said, said
        status = r.status()
        assert status["generation"] == before
        ready = [w for w in status["workers"] if w["state"] == "ready"]
        assert {w["worker"] for w in ready} == {"web/0", "web/2"}, "they serve on"
        assert "spawn_failing" in {reason["reason"] for reason in status["reasons"]}
    r.await_state(lambda s: {(w["state"], w["generation"]) for w in s["workers"]}
                  == {("ready", before)} and len(s["workers"]) == 3, timeout=25)
    r.served()
    assert_never_more(r, seen)
