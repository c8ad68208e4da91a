# SPDX-License-Identifier: MIT
"""Another configuration, or the old one untouched."""

import os
import shutil

import pytest

EVIL = {"/": "evil"}

from harness import shows, wait


def hello(c, module):
    """The plugin hello from that module."""
    c.plugins["hello"] = {"module": module}
    c.write_config()


def versions(c, count=8):
    """Which versions answer; None is the hello of the box."""
    return {c.get("/").header("X-Version") for _ in range(count)}


def test_a_new_version_under_load(cluster):
    c = cluster(workers=4)
    before = c.status()
    old = versions(c)
    with c.load(keepalive=4, new=4) as ledger:
        ledger.await_more(20)
        hello(c, "hello_v2.so")
        result = c.ctl("reload")
        assert result.code == 0, result
        assert len(versions(c)) == 1 and versions(c) != old
        ledger.await_more(20)
        assert c.ctl("rollback").code == 0
        assert versions(c) == old
    ledger.assert_nothing_lost()
    after = c.status()
    assert after["generation"] == before["generation"]
    assert after["pools"][0]["restarts"] == 0
    names = [e["event"] for e in c.events()]
    for name in ("reload.started", "reload.canary", "reload.committed"):
        assert name in names


@pytest.mark.parametrize("module", ["evil_ctor_segv.so", "evil_ctor_exit0.so",
                                    "evil_ctor_loop.so", "no_such.so"])
def test_what_the_check_refuses_leaves_the_generation(cluster, module):
    c = cluster(workers=2)
    c.allow_in_log("runtime error")
    before = c.status()
    hello(c, module)
    result = c.ctl("reload")
    assert result.code == 1, result
    assert "hello" in result, result
    after = c.status()
    assert after["generation"] == before["generation"]
    assert [w["id"] for w in after["workers"]] == [w["id"] for w in before["workers"]]
    assert "config.rejected" in [e["event"] for e in c.events()]
    assert c.get("/").status == 200


def test_a_mistake_is_named_with_file_and_line(cluster):
    c = cluster(workers=1)
    c.write_config(colour="blue")
    result = c.ctl("reload")
    assert result.code == 1 and "clusterd.ini:" in result and "colour" in result


@shows("P8")
@pytest.mark.parametrize("module", ["hello_start_fails.so", "hello_dies.so",
                                    "hello_500.so"])
def test_what_the_canary_shows_is_rolled_back(cluster, module):
    c = cluster(workers=3, canary_hold="1s")
    c.allow_in_log("abort")
    before = c.status()
    old = versions(c)
    with c.load(keepalive=2, new=2, accept=(200, 500)) as ledger:
        hello(c, module)
        result = c.ctl("reload")
    assert result.code == 1, result
    assert not [f for f in ledger.failures() if "status" in f.outcome]
    c.await_state(lambda s: s["pools"][0]["ready"] == 3)
    assert c.status()["generation"] == before["generation"]
    assert "reload.rolled_back" in [e["event"] for e in c.events()]
    assert versions(c) == old


@shows("B4")
def test_overwriting_the_file_does_no_harm(cluster):
    c = cluster(workers=2, start=False)
    deployed = c.dir + "/hello.so"
    source = next(os.path.join(d, "hello.so") for d in c.plugin_dirs
                  if os.path.exists(os.path.join(d, "hello.so")))
    shutil.copy(source, deployed)
    os.chmod(deployed, 0o644)
    hello(c, deployed)
    c.start()
    old = versions(c)
    with open(deployed, "r+b") as f:
        f.write(b"\0" * os.path.getsize(deployed))
    seen = c.last_event()
    assert c.ctl("restart", "web").code == 0
    os.kill(c.worker("web/0")["pid"], 9)
    c.await_event("worker.ready", after=c.await_event("worker.exited", after=seen,
                                                      signal="SIGKILL"))
    assert versions(c) == old


def test_live_keys_replace_nobody(cluster):
    c = cluster(workers=2)
    before = [w["id"] for w in c.workers()]
    c.write_config(handler_timeout="7s", backlog=200)
    assert c.ctl("reload").code == 0
    assert [w["id"] for w in c.workers()] == before


def test_a_key_that_needs_a_restart_is_refused_by_name(cluster):
    c = cluster(workers=1)
    c.daemon_keys["orphan_grace"] = "9s"
    c.write_config()
    result = c.ctl("reload")
    assert result.code == 1 and "orphan_grace" in result, result


def test_a_plan_changes_nothing(cluster):
    c = cluster(workers=1)
    before = c.status()
    c.write_config(workers=2)
    result = c.ctl("reload", "--plan")
    assert result.code == 0 and "workers" in result, result
    assert c.status()["generation"] == before["generation"]
    assert c.pool()["desired"] == 1
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)


def test_an_address_and_a_pool_come_and_go(cluster):
    c = cluster(workers=1)
    c.add_pool("api", {"workers": 1}, {"/": "hello"})
    c.write_config()
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: all(p["ready"] == p["desired"] for p in s["pools"])
                  and len(s["pools"]) == 2)
    assert c.get("/", pool="api").status == 200
    del c.pools["api"]
    c.write_config()
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: len(s["pools"]) == 1)
    assert c.get("/").status == 200


def test_held_continued_and_taken_back(cluster):
    c = cluster(workers=4)
    old = versions(c)
    hello(c, "hello_v2.so")
    result = c.ctl("reload", "--hold", "25%")
    assert result.code == 0, result
    wait.until(lambda: len(versions(c, 16)) == 2, what="an answer of the one that is new")
    assert c.ctl("scale", "web", "5").code == 1
    os.kill(c.master_pid(), 9)
    c.await_event("master.adopted")
    # until its beat is fresh the workers accept for themselves, not in turn
    wait.until(lambda: len(versions(c, 16)) == 2, what="answers of both")
    assert c.ctl("reload", "--continue").code == 0
    assert len(versions(c, 16)) == 1 and versions(c) != old
    hello(c, "hello_v3.so")
    assert c.ctl("reload", "--hold", "50%").code == 0
    new = versions(c, 16)
    assert c.ctl("rollback").code == 0
    assert len(versions(c, 16)) == 1 and versions(c) <= new


@pytest.mark.parametrize("point", [
    "reload.after_check", "reload.after_store", "reload.after_plan",
    "reload.canary_started", "reload.canary_ready", "reload.roll_slot",
    "reload.before_commit", "reload.after_commit"])
def test_killed_at_each_step(cluster, point):
    c = cluster(workers=2, env={"CLUSTERD_FP": point + ":kill@1"})
    old = versions(c)
    before = c.status()["generation"]
    with c.load(keepalive=2, new=2) as ledger:
        hello(c, "hello_v2.so")
        first = c.ctl("reload")
        c.await_state(lambda s: s["pools"][0]["ready"] == 2
                      and len(s["workers"]) == 2, timeout=15)
    ledger.assert_nothing_lost()
    assert c.status()["master"]["restarts"] >= 1
    generation = c.status()["generation"]
    assert (generation == before) == (versions(c) == old), "one or the other"
    assert len(versions(c)) == 1
    assert (first.code == 0) == (generation != before), first


@shows("H4")
def test_what_fails_in_a_later_slot_is_rolled_back(cluster):
    c = cluster(workers=4, routes={"/": "evil"})
    before = c.status()
    with c.load(keepalive=2, new=2) as ledger:
        c.plugins["evil"] = {"mode": "init_fail_slot=2"}
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(20)
    assert result.code == 1 and "web/2" in result, result
    ledger.assert_nothing_lost()
    after = c.await_state(lambda s: len(s["workers"]) == 4 and all(
        w["state"] == "ready" for w in s["workers"]))
    assert after["generation"] == before["generation"]
    assert {w["generation"] for w in after["workers"]} == {before["generation"]}


@pytest.mark.parametrize("words, reason", [
    ({"greting": "x"}, "greting"),
    ({"module": "other_machine.so"}, "other_machine.so"),
    ({"module": "other_abi.so"}, "abi"), ({"module": "text.so"}, "text.so")])
def test_a_plugin_that_does_not_fit_is_refused(cluster, words, reason):
    c = cluster(workers=2, start=False)
    source = next(os.path.join(d, "hello_v2.so") for d in c.plugin_dirs
                  if os.path.exists(os.path.join(d, "hello_v2.so")))
    with open(source, "rb") as f:
        data = f.read()
    note = data.index(b"clusterd\0") + 12 + 4     # abi_major, after the magic
    for name, content in (("other_machine.so", data[:18] + b"\x16\0" + data[20:]),
                          ("other_abi.so", data[:note] + b"\x63\0" + data[note + 2:]),
                          ("text.so", b"no plugin at all\n")):
        with open(os.path.join(c.dir, name), "wb") as f:
            f.write(content)
        os.chmod(os.path.join(c.dir, name), 0o644)
    c.plugin_dirs = c.plugin_dirs + [c.dir]
    c.write_config()
    c.start()
    before = c.status()
    with c.load(keepalive=2, new=2, think=2) as ledger:
        c.plugins["hello"] = words
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(10)
    assert result.code == 1 and reason in (result.out + result.err).lower(), result
    assert "clusterd.ini:" in result, result
    ledger.assert_nothing_lost()
    after = c.status()
    assert after["generation"] == before["generation"]
    assert [w["id"] for w in after["workers"]] == [w["id"] for w in before["workers"]]


def test_a_version_that_dies_on_its_first_request_is_rolled_back(cluster):
    c = cluster(workers=4, routes={"/": "evil"}, canary_hold="1s")
    c.allow_in_log("runtime error")
    before = c.status()
    seen = c.last_event()
    with c.load(keepalive=2, new=4, think=2) as ledger:
        c.plugins["evil"] = {"mode": "segv_first_request"}
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(20)
    assert result.code == 1, result
    c.await_event("reload.rolled_back", after=seen)
    deaths = [e for e in c.events(seen) if e["event"] == "worker.exited"
              and not e["asked"]]
    assert len({e["worker"] for e in deaths}) == 1, "the canary alone"
    # each of the eight clients can have one request at the worker that dies
    assert len(ledger.failures()) <= 8 * len(deaths), ledger.failures()
    after = c.await_state(lambda s: len(s["workers"]) == 4 and all(
        w["state"] == "ready" for w in s["workers"]))
    assert after["generation"] == before["generation"]
