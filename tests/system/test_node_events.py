# SPDX-License-Identifier: MIT
"""What the events of Node's cluster are here, and their order: rows of
doc/node-parity.md that no other test shows whole."""

import json
import os
import re
import signal

import pytest

from harness import shows
from harness.held import PATIENT, STREAMED, half_sent, rest_of
from harness.post import MAIL, Post

LIFE = ["worker.forked", "worker.online", "worker.listening", "worker.ready",
        "worker.draining", "worker.disconnected", "worker.exited"]


def told(c, since, worker_id):
    """The events of one process, in their order; who gets no CPU for a while is told
    of as well, and left out."""
    return [event for event in c.events(since) if event.get("id") == worker_id
            and event["event"] not in ("worker.stalled", "worker.recovered")]


def names(rows):
    return [row["event"] for row in rows]


@shows("node-B31")
@shows("node-E3")
@pytest.mark.parametrize("how", ["restart", "reload", "scale", "stop"])
def test_each_event_of_a_life_comes_once_and_in_order(cluster, how):
    """All its messages before its end."""
    routes = dict(MAIL, **{"/": "hello"})
    c = cluster(workers=2, routes=routes, plugins={"mail": {"greets": "master"}},
                scale=1)                # else it is soon called stalled
    last = c.worker("web/1")
    assert {row["event"] for row in told(c, 0, last["id"])} == {*LIFE[:4], "worker.message"}
    if how == "reload":
        c.write_config(max_headers=50)
    arguments = {"restart": ["web/1"], "scale": ["web", "1"]}.get(how, [])
    assert c.ctl(how, *arguments).code == 0
    if how == "stop":
        assert c.await_exit() == 0
        c.start()
    else:
        c.await_event("worker.exited", id=last["id"])
    rows = told(c, 0, last["id"])
    assert [row for row in names(rows) if row != "worker.message"] == LIFE
    words = [row["data"] for row in rows if row["event"] == "worker.message"]
    assert words == ["born", "gone"]
    assert rows[-1]["event"] == "worker.exited" and rows[-1]["asked"] is True
    numbers = [row["seq"] for row in c.events()]
    assert numbers == sorted(set(numbers)), "one sequence for everything"


@shows("node-E4")
@shows("node-B11")
@pytest.mark.parametrize("schedule", ["least-connections", "reuseport"])
def test_each_address_is_told(cluster, tmp_path, schedule):
    """In the order of the configuration, with the port that the kernel has chosen."""
    listen = ["127.0.0.1:0", "[::1]:0"]
    if schedule != "reuseport":
        listen.append("unix:%s/front" % tmp_path)
    c = cluster(workers=2, listen=listen, schedule=schedule, scale=1)
    bound = c.pool()["listen"]
    assert len(bound) == len(listen) and not any(one.endswith(":0") for one in bound)
    rows = c.json("listeners")
    for row in c.workers():
        life = told(c, 0, row["id"])
        assert names(life) == LIFE[:2] + ["worker.listening"] * len(listen) + ["worker.ready"]
        assert [event["address"] for event in life[2:-1]] == bound
        for event in life[2:-1]:
            assert event["text"] == event["address"]
            assert (event["address"], event["configured"]) in {
                (one["address"], one["configured"]) for one in rows}


@shows("node-E4")
def test_an_address_that_is_on_trial(cluster):
    """A canary is told to listen where its own configuration says; a worker that stays
    is not told of anything again."""
    c = cluster(workers=2, listen=["127.0.0.1:0"])
    stays, seen = c.worker("web/1"), c.last_event()
    c.write_config(listen=["127.0.0.1:0", "[::1]:0"])
    assert c.ctl("reload").code == 0
    first, second = c.pool()["listen"]
    assert c.ctl("kill", "web/0").code == 0
    c.await_event("worker.ready", after=seen, worker="web/0")
    listening = [event for event in c.events(seen) if event["event"] == "worker.listening"]
    assert [event["address"] for event in listening] == [first, second]
    assert stays["id"] not in {event["id"] for event in listening}
    assert c.worker("web/1")["id"] == stays["id"]


@shows("node-B31")
def test_of_one_that_is_killed(cluster):
    c = cluster(workers=1, scale=1)
    last = c.worker("web/0")
    os.kill(last["pid"], signal.SIGKILL)
    c.await_event("worker.exited", id=last["id"])
    assert names(told(c, 0, last["id"])) == LIFE[:4] + LIFE[-1:]


@shows("node-E1")
def test_what_is_in_force_is_told(cluster):
    """And what is refused, with its place."""
    c = cluster(workers=1)
    first = c.await_event("config.applied")
    assert first["generation"] == c.status()["generation"]
    c.write_config(colour="blue")
    assert c.ctl("reload").code == 1
    refused = c.await_event("config.rejected", after=first)
    assert re.search(re.escape(c.config_file) + r":\d+: \[pool web\] colour: unknown key",
                     refused["text"]), refused
    c.pools["web"][0].pop("colour")
    c.write_config(workers=2)
    assert c.ctl("reload").code == 0
    applied = c.await_event("config.applied", after=refused)
    assert applied["generation"] == c.status()["generation"] != first["generation"]


@shows("node-E2")
def test_a_fork_is_told_when_there_is_a_process(cluster):
    """A try that fails is none."""
    c = cluster(workers=2, start=False, scale=20,
                env={"CLUSTERD_FP": "keeper.before_exec:err=EAGAIN/web/1"})
    c.start(ready=False)
    seen = 0
    for _ in range(3):
        seen = c.await_event("worker.backoff", after=seen, worker="web/1")
    forked = [event for event in c.events() if event["event"] == "worker.forked"]
    assert [(event["worker"], event["pid"]) for event in forked] == \
        [("web/0", c.worker("web/0")["pid"])]


@shows("node-E5")
def test_a_message_for_everybody_is_kept(cluster):
    """In the history, which outlives the daemon; those between workers are not there."""
    p = Post(cluster(workers=2, routes=dict(MAIL, **{"/": "hello"})))
    seen = p.c.last_event()
    assert p.send("web/0", "to=master&topic=note&data=words") == (0, 1)
    assert p.send("web/0", "to=web/1&topic=note&data=private") == (0, 1)
    assert p.await_got("web/1", 1)[0].data == "private"
    event = p.c.await_event("worker.message", after=seen)
    p.close()
    p.c.restart_daemon()
    kept = [row for row in p.c.events(seen) if row["event"] == "worker.message"]
    assert kept == [event] and event["data"] == "words" and event["worker"] == "web/0"


@shows("node-E6")
def test_what_holds_a_worker_that_leaves_is_shown(cluster):
    c = cluster(workers=1, routes=STREAMED, drain_timeout="20s", **PATIENT)
    last, seen = c.worker("web/0"), c.last_event()
    with half_sent(c.address()) as conn:
        c.await_state(lambda s: s["workers"][0]["connections"] == 1)
        draining = c.ctl_start("restart", "web/0")
        c.await_event("worker.draining", after=seen, id=last["id"])
        row, = [one for one in c.rows("requests") if one["id"] == last["id"]]
        assert (row["worker"], row["method"], row["path"]) == ("web/0", "POST", "/stream")
        assert "worker.disconnected" not in names(told(c, seen, last["id"]))
        assert rest_of(conn).status == 200
    disconnected = c.await_event("worker.disconnected", after=seen, id=last["id"])
    c.await_event("worker.exited", after=disconnected, id=last["id"])
    assert draining.wait(20) == 0
    draining.communicate()


@shows("node-C11")
def test_events_are_followed_from_anywhere(cluster):
    """From a number, from a time, out of the history of an earlier run, and until one
    that is to come."""
    c = cluster(workers=1)
    first = c.events()
    assert names(first)[:1] == ["master.started"]
    c.restart_daemon()
    rows = c.events()
    assert rows[:len(first)] == first and rows[len(first)]["seq"] == first[-1]["seq"] + 1
    middle = rows[len(rows) // 2]
    assert [row["seq"] for row in c.events(middle["seq"])] == \
        [row["seq"] for row in rows if row["seq"] > middle["seq"]]
    recent = c.ctl("--json", "events", "--since", "1h").out.splitlines()
    assert [json.loads(line) for line in recent] == rows
    assert c.ctl("--json", "events", "--since", "2999-01-01T00:00:00").out == ""
    follower = c.ctl_start("--json", "events", "--until", "worker.exited", "--since",
                           str(rows[-1]["seq"]))
    assert c.ctl("kill", "web/0").code == 0
    out, err = follower.communicate(timeout=20)
    assert follower.returncode == 0, err
    assert json.loads(out.splitlines()[-1])["event"] == "worker.exited"


@shows("node-W1")
def test_an_id_is_used_once(cluster):
    """Whoever is started again: workers, the master, the daemon, and after a reload."""
    c = cluster(workers=2)
    for change in ("kill", "restart", "master", "daemon", "reload"):
        before = max(row["id"] for row in c.workers())
        seen = c.last_event()
        if change == "kill":
            assert c.ctl("kill", "web").code == 0
        elif change == "restart":
            assert c.ctl("restart", "web").code == 0
        elif change == "master":
            os.kill(c.master_pid(), signal.SIGKILL)
            c.await_event("master.adopted", after=seen)
            assert c.ctl("kill", "web").code == 0
        elif change == "daemon":
            c.restart_daemon()
        else:
            c.write_config(max_headers=50)
            assert c.ctl("reload").code == 0
        c.await_state(lambda s, before=before: [
            (row["worker"], row["state"]) for row in s["workers"] if row["id"] > before] == [
                ("web/0", "ready"), ("web/1", "ready")])
    forked = [event["id"] for event in c.events() if event["event"] == "worker.forked"]
    assert len(forked) == len(set(forked)) == 12
