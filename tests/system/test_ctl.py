# SPDX-License-Identifier: MIT
"""clusterctl with a daemon: shapes of --json, tables, exit statuses."""

import json
import os

import pytest

from harness import processes, shows

POOL = {"pool", "protocol", "schedule", "listen", "desired", "ready", "restarts",
        "requests", "connections"}
WORKER = {"worker", "pool", "slot", "id", "pid", "generation", "state", "uptime_ms",
          "restarts", "connections", "requests", "rss_kb", "cpu_ms", "doing", "current"}
STATES = "down starting ready draining stopping killing waiting failed".split()


@shows("node-W4")
def test_status_json_has_the_promised_shape(cluster):
    c = cluster(workers=2)
    status = c.json("status")
    assert status["api"] == 1
    assert status["state"] in ("ok", "degraded")
    assert isinstance(status["reasons"], list)
    assert status["pid"] == c.pid()
    assert set(status["master"]) >= {"pid", "uptime_ms", "restarts"}
    assert status["master"]["restarts"] == 0
    assert isinstance(status["generation"], int)
    pool, = status["pools"]
    assert set(pool) >= POOL
    assert (pool["pool"], pool["desired"], pool["ready"]) == ("web", 2, 2)
    assert pool["listen"][0].startswith("127.0.0.1:") and pool["listen"][0][-2:] != ":0"
    assert len(status["workers"]) == 2
    for worker in status["workers"]:
        assert set(worker) >= WORKER
        assert worker["worker"] == "%s/%d" % (worker["pool"], worker["slot"])
        assert worker["state"] in STATES
        assert worker["current"] is True
        assert worker["pid"] in processes.descendants(c.pid())
    assert len({worker["id"] for worker in status["workers"]}) == 2


def test_tables_are_arrays_of_the_same_objects(cluster):
    c = cluster(workers=2)
    assert [set(row) for row in c.json("workers")] == \
        [set(row) for row in c.json("status")["workers"]]
    assert set(c.json("pools")[0]) == set(c.json("status")["pools"][0])
    assert c.json("workers", "web") and c.json("deaths") == []
    assert c.json("listeners")[0]["pool"] == "web"
    assert c.json("plugins")[0]["plugin"] == "hello"
    assert len(c.json("generations")) == 1
    for command in ("ping", "version", "metrics"):
        assert c.json(command)["api"] == 1
    assert c.json("config", "show")["text"].count("[pool web]") == 1


def test_tables_for_people_are_aligned(cluster):
    c = cluster(workers=2)
    result = c.ctl("workers")
    lines = result.out.splitlines()
    assert len(lines) == 3 and "\033" not in result.out
    assert lines[0].split()[:2] == ["WORKER", "STATE"]
    column = lines[0].index("STATE")
    assert [line[column:].split()[0] for line in lines[1:]] == ["ready", "ready"]
    screen = c.ctl("status")
    assert screen.code == 0
    for words in ("generation", "WORKER", "POOL", "web/0", "web/1"):
        assert words in screen.out


def test_exit_statuses(cluster):
    c = cluster(workers=1)
    assert c.ctl("ping").code == 0
    assert c.ctl("scale", "nope", "1").code == 1
    assert c.ctl("scale", "web", "many").code == 2
    assert c.ctl("frobnicate").code == 2
    assert c.ctl("top").code == 2
    assert "not in this version" in c.ctl("history")
    assert c.ctl("kill", "web/7").code == 1
    assert c.run_program("clusterctl", "-s", c.dir + "/nobody", "status").code == 3
    failed = c.ctl("--json", "scale", "nope", "1")
    assert json.loads(failed.out)["error"]["code"] == "not_found"


def test_status_follows_the_state(cluster):
    c = cluster(workers=1)
    assert c.ctl("status").code == 0
    c.ctl("drain", "web")
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    drained = c.ctl("status")
    assert drained.code == 0 and "drained" in drained.out
    assert c.ctl("resume", "web").code == 0
    c.await_ready()


def test_no_worker_account_may_ask(cluster):
    if os.geteuid() != 0:
        pytest.skip("needs root: workers have an account of their own only then")
    c = cluster(workers=1)
    uid = os.stat("/proc/%d" % c.worker("web/0")["pid"]).st_uid
    if uid in (0, os.stat("/proc/%d" % c.master_pid()).st_uid):
        pytest.skip("workers share the daemon's account")
    refused = c.ctl("status", uid=uid)
    assert refused.code == 4, refused


def test_changes_are_recorded(cluster):
    c = cluster(workers=1)
    result = c.json("scale", "web", "2", timeout=30)
    assert result["api"] == 1 and result["command_id"]
    row, = [row for row in c.json("audit") if row["command_id"] == result["command_id"]]
    assert (row["command"], row["state"], row["uid"]) == ("scale", "done", os.geteuid())
    assert row["args"] == {"pool": "web", "workers": "2"}
    seen = [row["event"] for row in c.events()]
    assert "command.started" in seen and "command.done" in seen


def test_events_stream_and_end_at_their_event(cluster):
    c = cluster(workers=1)
    follower = c.ctl_start("--json", "events", "--until", "pool.scaled")
    # what it will follow begins after it is there: ask until it is heard
    assert c.ctl("scale", "web", "2", timeout=30).code == 0
    while follower.poll() is None and c.ctl("scale", "web", "+1", timeout=30).code == 0:
        if c.pool()["desired"] > 8:
            break
    out, err = follower.communicate(timeout=20)
    assert follower.returncode == 0, err
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows[-1]["event"] == "pool.scaled"
    assert all({"seq", "time", "event", "worker", "pid"} <= set(row) for row in rows)


def test_a_verdict_survives_the_master(cluster):
    """kill -9 of the master while a command runs: clusterctl connects again and
    has one verdict."""
    c = cluster(workers=2, canary_hold="1500ms")
    runner = c.ctl_start("--json", "restart", "all")
    started = c.await_event("command.started")
    master = processes.Process(c.master_pid())
    master.send(9)
    master.await_end()
    master.close()
    out, err = runner.communicate(timeout=40)
    assert runner.returncode in (0, 1), (out, err)
    answer = json.loads(out)
    assert answer["command_id"] == started["command_id"]
    verdict = c.ask("verdict", {"command_id": started["command_id"]}, timeout=30)[-1]
    assert verdict["ok"] is (runner.returncode == 0)


def test_why_tells_at_once_what_happened(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/segv": "evil"})
    c.get("/segv", expect="connection lost")
    death = c.await_event("worker.exited")
    said = c.ctl("why", "web/0")
    assert said.code == 0
    for words in ("SIGSEGV", "GET /segv", "plugin       evil",
                  "pid %d," % death["pid"], "worker %d," % death["id"]):
        assert words in said.out, said.out
    row, = c.json("why", "web/0")["workers"]
    assert row["death"]["signal"] == "SIGSEGV" and row["death"]["code"] is None
    assert [row["pid"] for row in c.json("deaths", "web/0")] == [death["pid"]]
    assert c.worker("web/0")["restarts"] == 1


def test_stop_ends_the_daemon(cluster):
    c = cluster(workers=1)
    assert c.ctl("stop", timeout=30).code == 0
    assert c.await_exit() == 0
