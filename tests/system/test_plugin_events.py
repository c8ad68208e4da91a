# SPDX-License-Identifier: MIT
"""Events that plugins watch."""

import errno
import json
import os
from signal import SIGKILL

import pytest

from harness import http, shows, wait
from harness.held import Held
from harness.operators import ROUTES, Operator


@pytest.fixture
def observer(cluster):
    def begin(watches="", **how):
        how.setdefault("routes", ROUTES)
        how.setdefault("plugins", {"control": {"watches": watches}})
        return Operator(cluster(**how))
    return begin


def stir(c, count):
    """So many commands that are recorded, and two events for each."""
    with http.connect("unix:" + c.socket, 30) as client:
        client.sendall(b'{"id":1,"command":"log level","args":{"level":"debug"}}\n' * count)
        with client.makefile("rb") as lines:
            left = count
            while left:
                left -= b'"ok":' in next(lines)


def plain(events):
    """As the journal has them, without what clusterctl says of itself."""
    return [{key: value for key, value in event.items() if key != "api"}
            for event in events]


def is_in_order(events):
    seqs = [event["seq"] for event in events]
    return seqs == sorted(set(seqs))


@shows("node-C11")
@shows("node-W12")
def test_the_life_of_a_worker(observer):
    o = observer(scale=1)               # else it is soon called stalled
    assert o.observe("web/0", "worker.*") == 0
    victim = o.c.worker("web/1")
    os.kill(victim["pid"], SIGKILL)
    o.await_seen("web/0", "worker.ready", worker="web/1")
    # who gets no CPU for a while is told of as well
    seen = [event for event in o.seen("web/0")
            if event["event"] not in ("worker.stalled", "worker.recovered")]
    assert is_in_order(seen)
    exited = seen[0]
    assert (exited["event"], exited["worker"], exited["id"]) == \
        ("worker.exited", "web/1", victim["id"])
    assert exited["json"]["signal"] == "SIGKILL"
    assert [event["event"] for event in seen[1:]][-4:] == \
        ["worker.forked", "worker.online", "worker.listening", "worker.ready"]
    told = {event["seq"]: event for event in plain(o.c.events())}
    for event in seen:
        assert told[event["seq"]] == event["json"], "as `events --json' has it"
        assert event["time_ms"] == event["json"]["time"]


@shows("node-E2")
@shows("node-E3")
@shows("node-E6")
@shows("node-E7")
@shows("node-B31")
def test_each_life_has_its_order(observer):
    o = observer()
    assert o.observe("web/0", "worker.*") == 0
    old = o.c.worker("web/1")["id"]
    assert o.c.ctl("restart", "web/1").code == 0
    new = o.c.worker("web/1")["id"]
    o.await_seen("web/0", "worker.exited", worker="web/1")
    # who gets no CPU for a while is told of as well
    seen = [event for event in o.seen("web/0")
            if event["event"] not in ("worker.stalled", "worker.recovered")]
    assert [event["event"] for event in seen if event["id"] == new] == \
        ["worker.forked", "worker.online", "worker.listening", "worker.ready"]
    assert [event["event"] for event in seen if event["id"] == old] == \
        ["worker.draining", "worker.disconnected", "worker.exited"]
    assert is_in_order(seen) and {event["worker"] for event in seen} == {"web/1"}
    exited = seen[-1]["json"]
    assert (exited["asked"], exited["code"], exited["signal"]) == (True, 0, None)


@shows("node-E1")
def test_configurations(observer):
    o = observer(workers=1)
    assert o.observe("web/0", "config.*") == 0
    o.c.write_config(handler_timeout="never")
    assert o.c.ctl("reload").code == 1
    o.c.write_config(handler_timeout="7s")
    assert o.c.ctl("reload").code == 0, "of a key that is live: the worker stays"
    o.await_seen("web/0", "config.applied")
    assert o.names("web/0") == ["config.rejected", "config.applied"]
    assert "handler_timeout" in o.seen("web/0")[0]["json"]["text"]


@pytest.mark.parametrize("pattern, names", [
    ("*", {"worker.exited", "command.started", "command.done"}),
    ("command.*", {"command.started", "command.done"}),
    ("worker.exited,command.done", {"worker.exited", "command.done"}),
    ("config.*", set()),
])
def test_a_pattern_chooses(observer, pattern, names):
    o = observer()
    assert o.observe("web/0", pattern) == 0
    assert o.observe("web/0", "command.done") == 1
    o.c.ask("log level", {"level": "debug"})
    os.kill(o.c.worker("web/1")["pid"], SIGKILL)
    o.c.await_event("worker.ready", worker="web/1", after=o.c.await_event("worker.exited"))
    o.c.ask("log level", {"level": "debug"})
    wait.until(lambda: len(o.seen("web/0", 1)) == 2, 5, "the second command")
    found = set(o.names("web/0"))
    assert found >= names and (pattern == "*" or found == names)


@pytest.mark.parametrize("pattern", [
    "", "worker", "worker.redy", "worker.*,", "worker.* ", "worker.* since",
    "worker.* since ", "worker.* since x", "worker.* since -1", "worker.* until 3",
    " worker.*", "*.ready", "worker.ready," * 20 + "worker.ready", "worker.*!",
])
def test_a_wrong_pattern(observer, pattern):
    o = observer()
    assert o.observe("web/0", pattern) == -errno.EINVAL
    assert o.c.pool()["restarts"] == 0


def test_from_its_start_on(observer):
    """In start(): what happened meanwhile is told as soon as the loop runs."""
    o = observer(watches="worker.ready")
    o.await_seen("web/0", "worker.ready", worker="web/0")


@shows("node-E5")
def test_messages_to_the_master(observer):
    """With data that needs a file: 4 KiB of it are more in JSON."""
    o = observer(routes=dict(ROUTES, **{"/send": "mail"}))
    assert o.observe("web/0", "worker.message") == 0
    assert o.ask("web/1", "/send?to=master&topic=t&data=hello&flags=1") == "0 1\n"
    assert o.ask("web/1", "/send?to=master&size=4096") == "0 1\n"
    wait.until(lambda: len(o.seen("web/0")) == 2, 5, "both")
    small, large = o.seen("web/0")
    assert (small["worker"], small["json"]["topic"], small["json"]["data"]) == \
        ("web/1", "t", "hello")
    assert len(json.dumps(large["json"])) > 16384


@shows("node-C11")
def test_replay_from_a_sequence_number(observer):
    o = observer()
    stir(o.c, 20)
    told = [event for event in o.c.events() if event["event"].startswith("command.")]
    since = told[10]["seq"]
    assert o.observe("web/0", "command.* since %d" % since) == 0
    stir(o.c, 1)
    wait.until(lambda: len(o.seen("web/0")) == 32, 5, "30 of the past and two more")
    assert [event["seq"] for event in o.seen("web/0")][:30] == \
        [event["seq"] for event in told[10:]]
    assert is_in_order(o.seen("web/0"))


@shows("node-C11")
def test_replay_from_the_database(observer):
    """Beyond what a master has in memory, and what was before it."""
    o = observer()
    stir(o.c, 50)
    first = o.c.events()[0]["seq"]
    o.kill_master()
    stir(o.c, 10)
    assert o.observe("web/0", "* since 0") == 0
    assert o.observe("web/0", "command.done since 1h") == 1
    last = o.c.last_event()
    wait.until(lambda: o.seen("web/0")[-1:] and o.seen("web/0")[-1]["seq"] >= last, 5,
               "all of it")
    wait.until(lambda: len(o.seen("web/0", 1)) >= 60, 5, "all of the other")
    seen = o.seen("web/0")
    assert seen[0]["seq"] == first and is_in_order(seen) and "lost" not in o.names("web/0")
    assert [event["json"] for event in seen] == plain(o.c.events())[:len(seen)]
    assert o.names("web/0", 1) == ["command.done"] * 60


def test_replay_without_the_database(observer):
    """What cannot be had is said, and that nobody knows how much it is."""
    o = observer(env={"CLUSTERD_FP": "store.open:err=EIO/2"})
    stir(o.c, 5)
    o.kill_master()
    o.c.allow_in_log("store")
    assert o.observe("web/0", "command.* since 0") == 0
    stir(o.c, 2)
    wait.until(lambda: len(o.seen("web/0")) == 5, 10, "what there is")
    lost, *rest = o.seen("web/0")
    assert (lost["event"], lost["worker"], lost["json"]["count"]) == ("lost", "", None)
    assert is_in_order(o.seen("web/0"))
    assert [event["event"] for event in rest] == ["command.started", "command.done"] * 2


@shows("node-C11")
def test_over_the_loss_of_a_master(observer):
    """Nothing is missed, and nothing told twice."""
    o = observer()
    assert o.observe("web/0", "*") == 0
    begin = o.c.last_event()
    for _ in range(3):
        stir(o.c, 5)
        o.kill_master()
    os.kill(o.c.worker("web/1")["pid"], SIGKILL)
    end = o.c.await_event("worker.ready", worker="web/1",
                          after=o.c.await_event("worker.exited"))
    o.await_seen("web/0", "worker.ready", worker="web/1", id=end["id"])
    seen = o.seen("web/0")
    assert is_in_order(seen) and "lost" not in o.names("web/0")
    told = [event["seq"] for event in o.c.events(begin) if event["seq"] <= end["seq"]]
    assert [event["seq"] for event in seen if begin < event["seq"] <= end["seq"]] == told


def test_one_that_reads_slowly_is_told(observer):
    """While its loop is held more happens than waits for it."""
    o = observer(handler_timeout="60s", request_timeout="60s", workers=1)
    assert o.observe("web/0", "command.*") == 0
    assert o.observe("web/0", "worker.*") == 1
    stir(o.c, 1)
    held, client = Held(o.c), o.to("web/0")
    client.send(http.head("GET", "/block?" + held.path, "a"))
    wait.until(lambda: o.c.worker("web/0")["doing"], 10, "a loop that is held")
    stir(o.c, 1500)
    held.let_go()
    assert client.response().status == 200
    stir(o.c, 1)
    last = [event for event in o.c.events() if event["event"] == "command.done"][-1]["seq"]
    wait.until(lambda: o.seen("web/0")[-1]["seq"] >= last, 20, "the last")
    seen = o.seen("web/0")
    lost = [event for event in seen if event["event"] == "lost"]
    assert lost and is_in_order(seen)
    missed = sum(event["json"]["count"] for event in lost)
    assert missed > 0 and len(seen) - len(lost) + missed == 2 * 1502
    assert "lost" not in o.names("web/0", 1), "it has missed none of its own"
    assert o.c.pool()["restarts"] == 0


def test_it_is_let_go(observer):
    o = observer()
    assert o.observe("web/0", "command.done") == 0
    assert o.observe("web/0", "command.done", free_after=1) == 1
    stir(o.c, 1)
    wait.until(lambda: len(o.seen("web/0")) == len(o.seen("web/0", 1)) == 1, 5, "one each")
    assert o.read("web/0", "/free?0") == {"rc": 0}
    assert o.read("web/0", "/free?0") == {"rc": -errno.ESTALE}
    assert o.read("web/0", "/free?1") == {"rc": -errno.ESTALE}, "within its callback"
    assert o.observe("web/0", "command.done") == 2
    stir(o.c, 2)
    wait.until(lambda: len(o.seen("web/0", 2)) == 2, 5, "those since then")
    assert len(o.seen("web/0")) == len(o.seen("web/0", 1)) == 1


def test_sixteen_at_once(observer):
    o = observer()
    assert [o.observe("web/0", "*") for _ in range(16)] == list(range(16))
    assert o.observe("web/0", "*") == -errno.ENOSPC
    assert o.observe("web/1", "*") == 0
    assert o.read("web/0", "/free?3") == {"rc": 0}
    assert o.observe("web/0", "command.done") >= 0
    stir(o.c, 1)
    wait.until(lambda: o.names("web/0", 15)[-1:] == ["command.done"], 5, "all are told")
    assert o.c.pool()["restarts"] == 0
