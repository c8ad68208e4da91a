# SPDX-License-Identifier: MIT
"""Death at every failpoint of the programs, with something under way.

Afterwards memory, memo, database and workers are of exactly one generation, the
old or the new, and the same command given again succeeds.
"""

import os
import signal
import sqlite3

import pytest

from harness import http, memo, processes, shows, slow, wait

ROUTES = {"/": "evil", "/hello": "hello"}


# ---- what is under way --------------------------------------------------------------
#
# Each leaves a command behind that has begun and is held up, for `arm' to have its
# time: the new worker takes a while to get ready, or the commit to come back.

HELD_UP = "worker.before_ready:sleep=600"


class Idle:
    """Nothing but the load; a pause now and then is something to decide."""

    hold, running = (), None

    def begin(self, r):
        pass

    def finish(self, r):
        for _ in range(200):
            if r.status()["master"]["restarts"] > 0:
                break
            r.ctl("pause", "web/0")
            r.ctl("resume", "web/0")

    def again(self, r):
        reload(r, "hello_v3.so")


class Command:
    """One clusterctl, from its first event to its verdict."""

    hold = (HELD_UP,)
    words, first_event, running = (), "", None

    def change(self, r):
        pass

    def begin(self, r):
        self.change(r)
        seen = r.last_event()
        self.running = r.ctl_start(*self.words)
        if self.first_event:
            r.await_event(self.first_event, after=seen)

    def finish(self, r):
        out, err = self.running.communicate(timeout=30)
        assert self.running.returncode == 0 or err.strip(), out
        return self.running.returncode == 0

    def again(self, r):
        done = r.ctl(*self.words)
        assert done.code == 0, done


class Reload(Command):
    words, first_event = ("reload",), "reload.canary"

    def change(self, r):
        hello(r, "hello_v3.so")


class Scale(Command):
    words, first_event = ("scale", "web", "5"), "pool.scaled"

    def again(self, r):
        super().again(r)
        assert r.pool()["desired"] == 5


class Commit(Scale):
    """The size is decided, and its record on the way to the disk."""

    hold = ("store.before_commit:sleep=700/1",)

    def begin(self, r):
        super().begin(r)
        wait.until(lambda: naps(r.master_pid()), 10, "a commit that takes its time")


class FromTheStart:
    """The same, with the rule laid before: its first step may be the point."""

    hold, first_event = (), ""


class ReloadFromTheStart(FromTheStart, Reload):
    pass


class ScaleFromTheStart(FromTheStart, Scale):
    pass


class Held(ReloadFromTheStart):
    """Half of the slots are rolled; then it waits for a word."""

    words = ("reload", "--hold", "50%")

    def finish(self, r):
        return super().finish(r) and r.ctl("reload", "--continue").code == 0

    def again(self, r):
        super().again(r)
        r.ctl("reload", "--continue")


def hello(r, module):
    r.plugins["hello"] = {"module": module}
    r.write_config()


def reload(r, module):
    hello(r, module)
    done = r.ctl("reload")
    assert done.code == 0, done


def naps(pid):
    """A thread of it sleeps in a failpoint."""
    for task in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/syscall" % (pid, task), encoding="ascii") as f:
                # clock_nanosleep of x86-64 and arm64
                if f.read().split()[0] in ("230", "115"):
                    return True
        except OSError:
            pass                        # a thread that has just ended
    return False


# ---- what makes a point come by ------------------------------------------------------

def nothing(_r):
    """The load does, and the command."""


def kill_the_first(r):
    """The one that dies there is the second, which adopts."""
    os.kill(r.master_pid(), signal.SIGKILL)


def stall(r):
    """A worker stands still: what it had not taken is taken back."""
    worker = processes.Process(r.worker("web/3")["pid"])
    worker.send(signal.SIGSTOP)
    try:
        r.await_state(lambda s: s["master"]["restarts"] > 0)
    finally:
        worker.send(signal.SIGCONT)
        worker.close()


def die_with_a_queue(r):
    """A worker stands still, is given what it does not take, and dies."""
    victim = r.blame(r.worker("web/3"))
    worker = processes.Process(victim["pid"])
    processes.halt(victim["pid"])
    address = r.address()
    clients = [http.Connection(address) for _ in range(8)]
    for client in clients:
        client.send(http.head("GET", "/", address))
    worker.send(signal.SIGKILL)
    worker.close()
    for client in clients:
        with client:
            assert client.response().status == 200


def hang(r):
    """A handler blocks, and the worker is to be ended."""
    victim = r.blame(r.worker("web/3"))
    with r.connection_to(victim) as client:
        client.send(http.head("GET", "/block", "a"))
        with pytest.raises(http.ConnectionLost):
            client.response()


def move_the_lead(r):
    """Whoever is paused leads no longer."""
    for worker in ("web/0", "web/1", "web/2", "web/3"):
        r.ctl("pause", worker)
        r.ctl("resume", worker)


def check(r):
    """Asked of the next master when the first one is gone."""
    assert r.ctl("config", "check").code == 0


def reopen_the_log(r):
    """Whoever asks hears of it from the next master, or that nobody knows."""
    r.ctl("log", "reopen")


# Under load these come by at any time, in whatever is under way.
ANYWHERE = ["master.loop", "master.before_flip", "master.after_flip",
            "master.roster", "dispatch.outq", "dispatch.after_accept", "dispatch.send",
            "dispatch.after_send", "store.before_commit", "store.after_commit",
            "log.write"]

# The next master passes these before it serves.
ADOPTING = ["master.after_inventory", "master.adopt", "store.open"]

# Steps of a reload, and of a scale, in order.
RELOADING = ["check.asked", "reload.after_check", "disk.before_write",
             "reload.after_store", "reload.after_plan", "reload.canary_started",
             "reload.canary_ready", "reload.roll_slot", "reload.before_commit",
             "reload.after_commit", "reload.flipped"]
SCALING = ["scale.roll", "store.before_sync", "scale.after_store"]

# Of a worker that is not well, or not to be used.
SICK = {"dispatch.read_back": stall, "dispatch.take_back": die_with_a_queue,
        "dispatch.taken_back": die_with_a_queue, "ladder.k1": hang,
        "master.leader": move_the_lead}


def cases():
    for point in ANYWHERE:
        yield point, Idle, nothing
        for work in (Reload, Scale, Commit):
            if work is not Commit or point != "store.before_commit":
                yield point, work, nothing
    for point in ADOPTING:
        for work in (Idle, Reload, Scale, Commit):
            yield point, work, kill_the_first
    for point in RELOADING:
        yield point, ReloadFromTheStart, nothing
    yield "reload.held", Held, nothing
    yield "check.asked", Idle, check
    for work in (Idle, Reload, Scale, Commit):
        yield "log.open", work, reopen_the_log
    for point in SCALING:
        yield point, ScaleFromTheStart, nothing
    for point, occasion in SICK.items():
        for work in (Idle, Reload, Scale):
            yield point, work, occasion


def parameters():
    """Each point once for every day, in all situations with --all."""
    met = set()
    for point, work, occasion in cases():
        yield pytest.param(point, work, occasion, id="%s-%s" % (point, work.__name__),
                           marks=[slow] if point in met else [])
        met.add(point)


def master_points():
    return {point for point, _, _ in cases()}


# ---- what must be seen ------------------------------------------------------------------

def assert_one_generation(r):
    """Memory, memo, database and workers agree; returns which, and the version of
    hello that answers."""
    status = r.await_state(lambda s: len(s["workers"]) == s["pools"][0]["desired"]
                           == s["pools"][0]["ready"])
    number = status["generation"]
    assert {w["generation"] for w in status["workers"]} == {number}
    with memo.Memo(r.pid()) as held:
        assert held.is_whole(held.copy())
        assert set(held.generations().values()) == {number}, held.generations()
    wait.until(lambda: stored(r) == (number, {number}), 10,
               "generation %d in the database, there is %r" % (number, stored(r)))
    found = {r.get("/hello").header("X-Version") for _ in range(8)}
    assert len(found) == 1
    return number, found.pop()


def stored(r):
    """(newest generation committed, those of the slots)"""
    db = sqlite3.connect("file:%s/state/state.db?mode=ro" % r.dir, uri=True, timeout=5)
    try:
        newest, = db.execute("SELECT max(number) FROM generations "
                             "WHERE state = 'committed'").fetchone()
        return newest, {number for number, in db.execute(
            "SELECT generation FROM workers WHERE wanted")}
    finally:
        db.close()


# It has one in its hand: accepted and not sent, or read from a worker that may wake
# up and read, too.
IN_HAND = ["dispatch.after_accept", "dispatch.send", "dispatch.read_back"]


def start(row, *rules):
    """A second generation is in force: one to go back to is kept."""
    # two workers at once: the roll is quick
    r = row(start=False, routes=ROUTES, max_surge="2", backoff_min="10ms",
            handler_timeout="500ms")
    r.arm()
    r.start()
    reload(r, "hello_v2.so")
    number, version = assert_one_generation(r)
    assert version == "2"
    r.note_means()
    r.arm(*rules)
    return r, number


@shows("D3")
@pytest.mark.parametrize("point, work, occasion", parameters())
def test_master_dies_at(row, point, work, occasion):
    deaths = 2 if occasion is kill_the_first else 1
    rule = "%s:kill/%d" % (point, deaths)
    r, old = start(row, *work.hold)
    r.master_ends(deaths)
    if occasion in (die_with_a_queue, hang):
        r.may_miss_records(1)
    if point in IN_HAND:
        r.may_lose(1)
    under_way = work()
    if isinstance(under_way, FromTheStart):
        r.arm(rule)
        under_way.begin(r)
    else:
        under_way.begin(r)
        r.arm(*work.hold, rule)
    occasion(r)
    under_way.finish(r)
    r.await_state(lambda s: s["master"]["restarts"] == deaths)
    r.arm()
    number, version = assert_one_generation(r)
    assert (number, version) == (old, "2") or number > old and version == "3"
    r.served(1)
    under_way.again(r)
    number, version = assert_one_generation(r)
    assert (version == "3") == (number > old)
    if isinstance(under_way, (Idle, Reload)):
        assert version == "3"
    assert r.ctl("scale", "web", 4).code == 0
    r.served(1)


@slow
@shows("D3")
@pytest.mark.parametrize("point", RELOADING[1:] + ["reload.held"])
def test_all_masters_die_at(row, point):
    """Each successor too, so that none of them gets far with it."""
    r, old = start(row)
    under_way = Held() if point == "reload.held" else ReloadFromTheStart()
    r.arm(point + ":kill")
    under_way.begin(r)
    succeeded = under_way.finish(r)
    number, version = assert_one_generation(r)
    assert (number, version) == (old, "2") or number > old and version == "3"
    assert not succeeded or number > old
    r.arm()
    ended = r.status()["master"]["restarts"]
    assert ended > 0
    r.master_ends(ended)
    if ended > 9:
        r.ends_as("degraded")           # in safe_mode
    under_way.again(r)
    assert assert_one_generation(r)[1] == "3"
    r.served(1)


# ---- the keeper ---------------------------------------------------------------------------

def kill_a_worker(r):
    """Its successor is the next child."""
    os.kill(r.blame(r.worker("web/3"))["pid"], signal.SIGKILL)


def end_a_worker(r):
    """By word; nobody waits for the answer."""
    r.ctl_start("kill", "web/3").communicate(timeout=30)


KEEPER = {"keeper.after_clone": kill_a_worker, "keeper.kill9": end_a_worker,
          "keeper.before_have_end": kill_the_first}


@slow
@shows("P9")
@pytest.mark.parametrize("work", [Idle, Reload, Scale, Commit])
@pytest.mark.parametrize("point", KEEPER)
def test_keeper_dies_at(row, point, work):
    """Everybody leaves; the next start reads the file, and takes the size from the
    database."""
    r, old = start(row, *work.hold)
    under_way = work()
    under_way.begin(r)
    r.arm(*work.hold, point + ":kill")
    KEEPER[point](r)
    r.keeper_killed(20)
    if under_way.running is not None:
        under_way.running.communicate(timeout=30)
    r.arm()
    r.start()
    r.note_means()
    number, _ = assert_one_generation(r)
    assert number > old
    assert r.pool()["desired"] in (4, 5)
    under_way.again(r)
    assert_one_generation(r)
    r.note_means()
    r.served(1)


# ---- children: workers and checkers ----------------------------------------------------------

def stays_as_it_was(r, old):
    """A reload that meets the rule is refused; without it, it is done."""
    hello(r, "hello_v3.so")
    done = r.ctl("reload")
    assert done.code == 1, done
    assert assert_one_generation(r) == (old, "2")


def a_roll(r, old):
    """The canary dies before it serves."""
    r.blame("web/0")
    stays_as_it_was(r, old)


def a_drain(r, _old):
    """It has nothing left to do; the roll goes on."""
    hello(r, "hello_v3.so")
    assert r.ctl("reload").code == 0
    assert assert_one_generation(r)[1] == "3"


CHILDREN = {"keeper.before_exec:kill/web/0": a_roll,
            "worker.before_ready:kill/web/0": a_roll,
            "worker.drained:kill/web/0": a_drain,
            "checker.parsed:kill": stays_as_it_was,
            "checker.before_open:kill": stays_as_it_was}


@shows("P8")
@pytest.mark.parametrize("rule", CHILDREN)
def test_child_dies_at(row, rule):
    r, old = start(row)
    r.arm(rule)
    CHILDREN[rule](r, old)
    r.arm()
    reload(r, "hello_v3.so")
    assert assert_one_generation(r)[1] == "3"
    r.served(1)


# ---- none is forgotten -----------------------------------------------------------------------

# A place where something else than a death is wanted, and the test that does it.
ELSEWHERE = {
    "access.open": "test_g_access.py", "access.write": "test_g_access.py",
    "checker.not_root": "../system/test_config.py",
    "child.clone": "../system/test_children.py",
    "keeper.keep": "../system/test_generations.py",
    "keeper.master_lost": "../system/test_reuseport.py",
    "listener.bound": "../system/test_reuseport.py",
    "listener.disarm": "../system/test_reuseport.py", "master.tick": "test_j.py",
    "process.say": "../system/test_untold.py", "worker.said_ready": "test_d.py"}


def test_no_failpoint_is_forgotten(cluster):
    """No load: nothing is started."""
    c = cluster(start=False)
    listed = set()
    for program in ("clusterd", "clusterd-master", "clusterd-worker"):
        listed |= set(c.run_program(program, "--list-failpoints").out.split())
    children = {rule.split(":", maxsplit=1)[0] for rule in CHILDREN}
    here = master_points() | {*KEEPER} | children
    assert sorted(listed) == sorted(here | {*ELSEWHERE}) and not here & {*ELSEWHERE}
    for point, file in ELSEWHERE.items():
        path = os.path.join(os.path.dirname(__file__), file)
        with open(path, encoding="utf-8") as f:
            assert point in f.read(), (point, file)
