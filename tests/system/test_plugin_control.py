# SPDX-License-Identifier: MIT
"""Commands that plugins give the daemon."""

import errno
import json
import os
import signal
import time

import pytest

from harness import http, processes, shows, wait
from harness.held import Held
from harness.operators import ROUTES, Operator


@pytest.fixture
def operator(cluster):
    def begin(may="", **how):
        how.setdefault("routes", ROUTES)
        how.setdefault("plugins", {"control": {"may": may}})
        return Operator(cluster(**how))
    return begin


def test_what_only_reads_needs_no_grant(operator):
    o = operator()
    said = o.command("web/0", "workers")
    assert said["error"] == 0 and said["answer"] == {"ok": True, "result": None}
    assert [row["worker"] for row in said["rows"]] == ["web/0", "web/1"]
    assert o.command("web/0", "workers", {"pool": "web"})["rows"][0]["pool"] == "web"
    status = o.command("web/1", "status")["answer"]
    assert status["ok"] and status["result"]["state"] == "ok"
    text = o.command("web/1", "config show")["answer"]["result"]["text"]
    assert text == o.c.json("config", "show")["text"]


def test_a_long_answer_comes_whole(operator):
    """Over what a message of the channel holds: in a file beside it."""
    env = ["LONG%d=%s" % (i, "x" * 1000) for i in range(100)]
    o = operator(env=None, pools={"api": {"env": env, "routes": {"/": "hello"}}})
    fds = len(processes.fds_of_worker(o.c.worker("web/0")["pid"]))
    for _ in range(3):
        text = o.command("web/0", "config show")["answer"]["result"]["text"]
        assert len(text) > 100000 and text == o.c.json("config", "show")["text"]
    assert len(processes.fds_of_worker(o.c.worker("web/0")["pid"])) <= fds + 1


def test_many_rows(operator):
    """More than wait in the channel of a worker that reads slowly."""
    o = operator(handler_timeout="30s", request_timeout="60s")
    for _ in range(700):
        o.c.ask("log level", {"level": "notice"})
    seen = o.c.last_event()
    held, client = Held(o.c), o.to("web/0")
    # in one turn of its loop
    client.send(http.head("POST", "/command?quiet", "a", body=b"events") + b"events" +
                http.head("GET", "/block?" + held.path, "a"))
    pid = o.c.worker("web/0")["pid"]
    wait.until(lambda: processes.unread(pid, 3) > 20000, 10, "a full channel")
    held.let_go()
    assert [client.response().status for _ in range(2)] == [200, 200]
    said, = o.await_ended("web/0")
    seqs = [row["seq"] for row in said["rows"]]
    assert said["error"] == 0 and len(seqs) > 1400
    assert seqs == sorted(set(seqs)) and seqs[-1] >= seen


@pytest.mark.parametrize("name, args, error, code", [
    ("scale", {"pool": "web", "workers": "many"}, errno.EINVAL, "bad_argument"),
    ("scale", {"pool": "web"}, errno.EINVAL, "bad_argument"),
    ("scale", {"pool": "shop", "workers": "1"}, errno.ENOENT, "not_found"),
    ("scale", '{"pool": "web", "workers": ', errno.EINVAL, "bad_request"),
    ("scale", '{"pool": "web", "pool": "web"}', errno.EINVAL, "bad_request"),
    ("ping", "[]", errno.EINVAL, "bad_request"),
    ("verdict", {"command_id": "never"}, errno.ENOENT, "not_found"),
    ("why", {"worker": "web/77"}, errno.ENOENT, "not_found"),
])
def test_a_wrong_one_is_answered(operator, name, args, error, code):
    o = operator(may="scale")
    said = o.command("web/0", name, args)
    assert said["error"] == -error, said
    assert said["answer"]["ok"] is False and said["answer"]["error"]["code"] == code
    assert o.c.pool()["restarts"] == 0, "it is no breach of the protocol"


def test_misuse(operator):
    o = operator()
    said = [int(word) for word in o.ask("web/0", "/misuse").split()]
    assert said == 6 * [-errno.EINVAL] + 2 * [-errno.ESTALE]
    assert o.command("web/0", "wrokers") == -errno.ENOENT
    assert o.command("web/0", "workers", "{%s}" % (" " * 15360)) == -errno.EMSGSIZE
    assert o.command("web/0", "workers", "{%s}" % (" " * 15358))["error"] == 0


@shows("node-C1")
def test_scale(operator):
    o = operator(may="scale")
    said = o.scale("web/0", "web", "+1")
    assert said["error"] == 0 and o.c.pool()["desired"] == 3
    assert o.c.worker("web/2")["state"] == "ready", "answered when it is"
    said = o.scale("web/0", "web", "2")
    assert said["error"] == 0 and o.c.pool()["desired"] == 2
    assert o.scale("web/0", 'we"b', "2")["error"] == -errno.EINVAL
    assert o.scale("web/0", "x" * 60, "2") == -errno.EINVAL


@pytest.mark.parametrize("name", ["scale", "stop", "audit", "config check", "log level"])
def test_without_a_grant(operator, name):
    o = operator(may="restart, send")
    args = {"pool": "web", "workers": "3"} if name == "scale" else {}
    assert o.command("web/0", name, args) == -errno.EACCES
    assert o.scale("web/0", "web", "3") == -errno.EACCES
    assert o.c.pool()["desired"] == 2 and o.c.pool()["restarts"] == 0


def test_each_plugin_has_its_own_grants(operator):
    """Though the master, which cannot tell them apart, goes by all of a worker's."""
    routes = dict(ROUTES, **{"/other/command": "other", "/other": "other"})
    o = operator(routes=routes, plugins={"control": {}, "other": {
        "module": "control.so", "may": "scale"}})
    assert o.scale("web/0", "web", "3") == -errno.EACCES


def test_a_grant_comes_with_a_reload(operator):
    o = operator()
    assert o.scale("web/0", "web", "1") == -errno.EACCES
    o.c.plugins["control"]["may"] = "scale"
    o.c.write_config()
    assert o.c.ctl("reload").code == 0
    o.close()
    assert o.scale("web/0", "web", "1")["error"] == 0
    o.c.plugins["control"]["may"] = "scale, stop"
    o.c.write_config()
    refused = o.c.ctl("reload")
    assert refused.code == 1 and '"stop" is not for plugins' in refused.err + refused.out


def test_on_record(operator):
    o = operator(may="restart")
    said = o.command("web/0", "restart", {"worker": "web/1"})
    assert said["error"] == 0, said
    command_id = said["answer"]["result"]["command_id"]
    worker = o.c.worker("web/0")
    row = next(row for row in o.c.rows("audit") if row["command_id"] == command_id)
    assert (row["command"], row["state"]) == ("restart", "done")
    assert (row["exe"], row["pid"]) == ("plugin:control@web/0", worker["pid"])
    assert row["uid"] == os.stat("/proc/%d" % worker["pid"]).st_uid
    assert row["args"] == {"worker": "web/1"}
    done = o.c.await_event("command.done", command_id=command_id)
    assert done["who"] == "plugin:control@web/0"
    assert o.command("web/1", "verdict", {"command_id": command_id})["answer"] == said["answer"]


def test_it_may_restart_its_own_worker(operator):
    """The answer goes to one that is not there any more; the change is done."""
    o = operator(may="restart")
    before, seen = o.c.worker("web/0")["id"], o.c.last_event()
    o.begin("web/0", "restart", {"worker": "web/0"})
    o.c.await_event("command.done", after=seen, command="restart")
    assert o.c.worker("web/0")["id"] > before
    o.forget("web/0")
    assert o.ended("web/0") == [], "another process"


def test_eight_at_once(operator):
    o = operator()
    for _ in range(8):
        o.begin("web/0", "events", {"follow": True})
    assert o.command("web/0", "ping") == -errno.EAGAIN
    assert o.command("web/1", "ping")["error"] == 0
    o.close()
    o.c.signal(15)
    assert o.c.await_exit() == 0
    assert o.c.log().count("ended as we stop") == 8, "each has its end"


def test_a_hundred_a_second(operator):
    """One that asks without a pause is refused here, and not punished there."""
    o = operator(workers=1)
    # one after the other, each from end to end, might be less on a slow machine
    conns = [o.c.connect(timeout=30) for _ in range(8)]
    ping = http.head("POST", "/command", "a", body=b"ping\n{}") + b"ping\n{}"
    refused = 0
    for _ in range(10):
        for conn in conns:
            conn.send(8 * ping)
        for conn in conns:
            said = [json.loads(conn.response().text) for _ in range(8)]
            refused += sum(one.get("rc") == -errno.EAGAIN for one in said)
    assert refused > 0
    for conn in conns:
        conn.close()
    wait.until(lambda: o.command("web/0", "ping") != -errno.EAGAIN, 5, "to be heard again")
    assert o.c.pool()["restarts"] == 0


# ---- the master is lost ------------------------------------------------------------

def test_master_killed_while_a_command_runs(operator):
    o = operator(may="scale", env={"CLUSTERD_FP": "worker.before_ready:sleep=4000/web/2"})
    seen = o.c.last_event()
    o.begin("web/0", "scale", {"pool": "web", "workers": "+1"})
    o.c.await_event("worker.forked", after=seen, worker="web/2")
    started = processes.hold_nap(o.c.pid())
    o.kill_master()
    assert o.ended("web/0") == [], "it runs on"
    os.kill(started, signal.SIGCONT)
    said, = o.await_ended("web/0")
    assert said["error"] == 0, said
    assert o.c.worker("web/2")["state"] == "ready" and o.c.pool()["desired"] == 3
    command_id = said["answer"]["result"]["command_id"]
    rows = [row for row in o.c.rows("audit") if row["command"] == "scale"]
    assert [(row["command_id"], row["state"]) for row in rows] == [(command_id, "done")]


def test_master_killed_and_the_command_with_it(operator):
    """A restart ends with its master; that is its verdict, and told as such."""
    o = operator(may="restart", env={"CLUSTERD_FP": "worker.before_ready:sleep=1500@2/web/1"})
    seen = o.c.last_event()
    o.begin("web/0", "restart", {"worker": "web/1"})
    o.c.await_event("worker.forked", after=seen, worker="web/1")
    o.kill_master()
    said, = o.await_ended("web/0")
    row, = [row for row in o.c.rows("audit") if row["command"] == "restart"]
    assert (said["error"] == 0) == (row["state"] == "done") and said["answer"], said


def test_master_killed_before_it_has_read_it(operator):
    """It lies in the channel: the next one reads it there, and runs it once."""
    o = operator(may="scale")
    o.begin_unread("web/0", "scale", {"pool": "web", "workers": "+1"})
    said, = o.await_ended("web/0")
    assert said["error"] == 0, said
    assert o.c.pool()["desired"] == 3
    rows = [row for row in o.c.rows("audit") if row["command"] == "scale"]
    assert len(rows) == 1


def test_master_killed_again_and_again(operator):
    """Each +1 that is done was done once."""
    o = operator(may="scale")
    done = 0
    for n in range(4):
        o.begin("web/0", "scale", {"pool": "web", "workers": "+1"})
        o.kill_master()
        said = o.await_ended("web/0", n + 1)[n]
        done += said["error"] == 0
        assert said["error"] in (0, -errno.ECANCELED), said
        assert o.c.pool()["desired"] == 2 + done
    assert o.c.pool()["restarts"] == 0


def test_no_master_takes_it_up(operator):
    """-EPIPE after 5 s, here a fifth of that: what became of it is not known."""
    o = operator(may="scale", env={"CLUSTERD_FP": "master.adopt:sleep=8000/2"})
    begun = o.begin_unread("web/0", "scale", {"pool": "web", "workers": "3"})
    said, = o.await_ended("web/0")
    assert (said["error"], said["answer"]) == (-errno.EPIPE, None)
    assert time.monotonic() - begun >= 1
    o.c.await_event("master.adopted", timeout=20)
    wait.until(lambda: o.c.pool()["desired"] == 3, 10, "what had been asked")
    assert o.command("web/0", "ping")["error"] == 0


def test_a_read_is_asked_again(operator):
    o = operator()
    o.begin_unread("web/0", "workers")
    said, = o.await_ended("web/0")
    assert said["error"] == 0 and len(said["rows"]) == 2


def test_a_read_of_which_rows_were_told_is_not(operator):
    o = operator()
    o.begin("web/0", "events", {"follow": True, "since": "0"})
    o.command("web/0", "ping")          # by now there are rows
    o.kill_master()
    said, = o.await_ended("web/0")
    assert said["error"] == -errno.EPIPE and said["rows"] and said["answer"] is None
