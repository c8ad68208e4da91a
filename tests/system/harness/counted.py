# SPDX-License-Identifier: MIT
"""Operations of which each call fails once: the k-th alone, or all from the k-th on,
for k = 1, 2 ... until the operation has no more of them.

After each: the operation was done, or refused with words; master and keeper are
the same processes; descriptors are as before; status says ok again.  The fast
set takes some k of each, by a seed that is printed; --all takes all of those that
fail alone, and more of those that go on failing, each of which takes seconds.
"""

import os
import random
import re
import signal
import subprocess

import pytest

from harness import config, http, inject, oracle, slow, stage, wait

SEED = int(os.environ.get("CLUSTERD_TEST_SEED", "1"))
SAMPLE = {"": 10, "+": 2}               # of all k, in the fast set
SAMPLE_ALL = {"": 10**6, "+": 20}

# Of these one at a time.  A signal does not interrupt for ever; the loop's library
# tells nobody that it could not watch a descriptor; and where nobody can be accepted
# or heard, all wait, which is right (test_e.py).
ONCE = ("EINTR", "epoll_ctl", "accept4", "recvmsg")


class Operation:
    """What is done, in which roles calls fail meanwhile, and what may change."""

    def __init__(self, do, role, new_master=False):
        self.do, self.role, self.new_master = do, role, new_master
        self.name = do.__name__


OPERATIONS = []


def operation(role, **how):
    def add(do):
        OPERATIONS.append(Operation(do, role, **how))
        return do
    return add


def ask(c, *args):
    """A command to its end: done, or a failure that says what it is about.  It asks
    a daemon that drops it again for five seconds."""
    result = c.ctl(*args, timeout=60)
    assert result.code in (0, 1, 3), result
    assert_said(result)
    return result.code == 0


# No process of ours dies of such a thing; masters that do so are found by the harness.
CRASH = "SIG(SEGV|BUS|FPE|ILL)"


def assert_said(result):
    assert result.code == 0 or len(result.err.strip()) > 10, result
    assert not re.search("died of " + CRASH, result.err), result


# ---- operations -----------------------------------------------------------------------------

@operation("worker")
def start_of_a_worker(c):
    ask(c, "restart", "web/0")


@operation("checker")
def start_of_a_checker(c):
    ask(c, "config", "check")


@operation("master", new_master=True)
def adoption(c):
    """Of the next masters some do not live: as soon as one has met its failure,
    nothing fails any more.  Begun anew each time, since early deaths count."""
    c.restart_daemon()
    victim = c.master_pid()
    c.meet()
    os.kill(victim, signal.SIGKILL)
    wait.until(lambda: c.has_met() or c.is_served_by_another(victim), 20, "a master that begins")
    c.fi.disarm()
    c.await_state(lambda s: s["master"]["pid"] != victim)


@operation("master")
def reload_accepted(c):
    c.turn += 1
    c.write_config(env="TURN=%d" % c.turn)
    ask(c, "reload")


@operation("master")
def reload_refused(c):
    c.write_config(idle_timeout="soon")
    done = ask(c, "reload")
    c.write_config(idle_timeout="75s")
    assert not done


@operation("master")
def scale_up_and_down(c):
    ask(c, "scale", "web", 3)
    ask(c, "scale", "web", 2)


@operation("master")
def exit_of_a_worker(c):
    victim = c.gone = c.workers_now["web/1"]
    os.kill(victim, signal.SIGKILL)
    # without any memory status cannot tell; that nothing was forgotten is seen after
    wait.until(lambda: c.has_met() or c.is_replaced(victim), 10, "replacement of the worker")


NOUNS = [("status",), ("pools",), ("workers",), ("plugins",), ("listeners",), ("generations",),
         ("events", "--since", "0"), ("why", "web/0"), ("deaths",), ("top", "--once"),
         ("requests",), ("metrics",), ("ping",), ("version",), ("config", "show"),
         ("history", "web/0"), ("commands",), ("audit",)]


@operation("master")
def nouns_of_clusterctl(c):
    for noun in NOUNS:
        assert_shown_or_said(c.ctl("--json", *noun, timeout=10))


@operation("ctl")
def clusterctl_itself(c):
    for noun in NOUNS[:4]:
        assert_shown_or_said(c.ctl(*noun))


def assert_shown_or_said(result):
    """Whatever it shows; an internal error is a failure of the connection to it, and
    a database that cannot be locked is one that does not answer in time (5)."""
    assert result.code in (0, 1, 2, 3, 5), result
    assert_said(result)


@operation("master")
def drain(c):
    ask(c, "drain", "web/1")
    ask(c, "resume", "web/1")


SHAPES = [
    ("GET", "/"), ("HEAD", "/"), ("GET", "/none?x=1"), ("POST", "/echo", (), b"x" * 1000),
    ("POST", "/echo", (), b"x" * 100000),
    ("POST", "/echo", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
    ("GET", "/evil/stream?1"), ("GET", "/evil/status?404"), ("PUT", "/", (), b"y"),
    ("GET", "/" + "a" * 9000), ("POST", "/echo", (), b"x" * 3000000), ("OPTIONS", "*"),
    ("GET", "/hello.so"),
]


@operation("worker")
def requests_of_many_shapes(c):
    for shape in SHAPES:
        with c.connect(timeout=10 if c.fi.once else 2) as client:
            try:
                assert client.request(*shape).status in (
                    200, 204, 400, 404, 405, 413, 414, 500, 501, 503), shape
            except (http.ConnectionLost, ConnectionResetError, BrokenPipeError):
                pass
            except TimeoutError:
                assert not c.fi.once, "who waits for means that never come may wait"


# ---- the loop ---------------------------------------------------------------------------------

class Counted:
    """A cluster and what of it must stay."""

    def __init__(self, c, fi):
        self.c, self.fi = c, fi
        c.turn, c.gone = 0, None
        self.note()

    def note(self):
        self.c.fi = self.fi
        status = self.c.await_state(lambda s: s["state"] == "ok" and s["pools"][0]["ready"] == 2
                                    and all(w["pid"] != self.c.gone for w in s["workers"])
                                    and len(s["workers"]) == 2, 20)
        self.master = status["master"]["pid"]
        self.restarts = status["master"]["restarts"]
        self.c.workers_now = {w["worker"]: w["pid"] for w in status["workers"]}
        self.c.meet = lambda: None

    def is_replaced(self, victim):
        status = self.c.ask_status()
        return status and all(w["pid"] != victim for w in status["workers"]) \
            and status["pools"][0]["ready"] == 2

    def is_served_by_another(self, victim):
        status = self.c.ask_status()
        return status and status["master"]["pid"] != victim

    def calls(self, op, call):
        """How many there are when none fails."""
        self.fi.once = True
        self.c.meet = lambda: self.fi.arm(op.role, "")
        self.c.has_met = lambda: False
        self.c.is_served_by_another = self.is_served_by_another
        self.c.is_replaced = self.is_replaced
        if not op.new_master:
            self.c.meet()
        op.do(self.c)
        self.fi.disarm()
        count = self.fi.calls(op.role, call)
        self.note()
        return count

    def fail(self, op, call, error, counted):
        """One failure; returns how many calls were made to fail."""
        self.fi.once = not counted.endswith("+")

        def arm():
            self.fi.arm(op.role, "%s:%s" % (call, error), counted)
        self.c.meet = arm
        self.c.has_met = lambda: self.fi.injected(op.role) > 0
        self.c.is_served_by_another = self.is_served_by_another
        self.c.is_replaced = self.is_replaced
        if not op.new_master:
            arm()
        try:
            op.do(self.c)
        finally:
            happened = self.fi.injected(op.role)
            self.fi.disarm()
        assert self.c.alive(), "the keeper has ended"
        self.c.write_config(idle_timeout="75s")
        if op.name in ("scale_up_and_down", "drain"):
            # what was refused half-way is undone
            self.c.ctl("scale", "web", 2)
            self.c.ctl("resume", "web/1")
        was, ended = self.restarts, self.master
        self.note()
        if not op.new_master:
            assert (self.restarts, self.master) == (was, ended), "the master has ended"
        return happened


def numbers(count, most):
    if count <= most:
        return range(1, count + 2)
    return sorted(random.Random(SEED).sample(range(1, count + 1), most))


def baseline(c):
    """How many descriptors keeper and master hold, whoever they are by now."""
    return {who: len(oracle.held(pid)) for who, pid in (("keeper", c.keeper.pid),
                                                        ("master", c.master_pid()))}


@pytest.fixture(name="counted")
def counted_(cluster, plugin_dirs):
    """Without load, whose calls would be counted as those of the operation."""
    c = cluster(start=False, routes={"/": "hello", "/echo": "echo", "/evil": "evil",
                                     "/hello.so": "static"},
                plugins={"static": {"root": os.path.dirname(stage.find(plugin_dirs, "hello.so"))}},
                **dict(config.FAULT, workers=2, canary_hold="0s", request_timeout="5s",
                       handler_timeout="5s", max_body_size="1M", restart_burst=10000,
                       restart_rate=6000, start_timeout="2s"))
    fi = inject.injected_into(c)
    c.start()
    yield Counted(c, fi)
    assert not re.search(r"worker \S+: " + CRASH, c.log())


def as_before(c, before):
    now = baseline(c)
    return all(now[who] <= count for who, count in before.items())


def run(counted, op, call, error, samples, part=slice(None)):
    """All k, or some of them: {"": how many alone, "+": how many from there on}."""
    count = counted.calls(op, call)
    if error in ONCE or call in ONCE:
        samples = dict(samples, **{"+": 0})
    for more, most in samples.items():
        for k in numbers(count, most)[part]:
            what = "%s:%s@%d%s of %d, seed %d" % (call, error, k, more, count, SEED)
            try:
                happened = counted.fail(op, call, error, "%d%s" % (k, more))
            except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as failure:
                ends = [line for line in counted.c.log().splitlines()
                        if "lost: " in line or "check failed" in line][:5]
                raise AssertionError("%s: %s\n%s" % (what, failure, "\n".join(ends))) from failure
            print(what, "happened", happened)
            if not happened:
                break
    return count


def named(name):
    return next(op for op in OPERATIONS if op.name == name)


FAST = ["adoption", "reload_accepted", "exit_of_a_worker", "scale_up_and_down",
        "requests_of_many_shapes", "start_of_a_worker"]
EACH = pytest.mark.parametrize("op", [
    pytest.param(op, marks=() if op.name in FAST else slow) for op in OPERATIONS],
    ids=lambda op: op.name)


def everything(request):
    return request.config.getoption("--all") and "CLUSTERD_TEST_SAMPLE" not in os.environ


def warm(counted, op):
    """What is kept from the first times is there: descriptors from now on are ours."""
    for _ in range(2):
        counted.calls(op, "malloc")
    return baseline(counted.c)
