# SPDX-License-Identifier: MIT
"""Another configuration, or the old one untouched."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3

import pytest

from harness import database, processes, shows, sockets, wait
from harness.held import PATIENT, STREAMED, half_sent, rest_of

EVIL = {"/": "evil"}


def hello(c, module):
    """The plugin hello from that module."""
    c.plugins["hello"] = {"module": module}
    c.write_config()


def versions(c, count=8):
    """Which versions answer; None is the hello of the box."""
    return {c.get("/").header("X-Version") for _ in range(count)}


@shows("node-C2")
def test_a_new_version_under_load(cluster):
    c = cluster(workers=4)
    before = c.status()
    old = versions(c)
    with c.load(keepalive=4, new=4, think=4) as ledger:
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
@pytest.mark.parametrize("content", ["nothing", "another version"])
def test_overwriting_the_file_does_no_harm(cluster, content):
    """Whatever is written into the deployed file, in place: those that run and
    those that come back have what was accepted, until a reload."""
    c = cluster(workers=2, start=False)
    deployed = c.dir + "/hello.so"
    shutil.copy(c.built("hello_v2.so"), deployed)
    os.chmod(deployed, 0o644)
    hello(c, deployed)
    c.start()
    assert versions(c) == {"2"}
    before = c.status()["generation"]
    with open(c.built("hello_v3.so"), "rb") as f:
        new = f.read()
    with c.load(keepalive=2, new=2, think=2) as ledger:
        inode = os.stat(deployed).st_ino
        with open(deployed, "r+b") as f:
            f.write(b"\0" * len(new) if content == "nothing" else new)
        assert os.stat(deployed).st_ino == inode
        seen = c.last_event()
        assert c.ctl("restart", "web").code == 0
        ledger.await_more(20)
    ledger.assert_nothing_lost()
    assert versions(c) == {"2"}
    os.kill(c.worker("web/0")["pid"], 9)
    death = c.await_event("worker.exited", after=seen, worker="web/0", signal="SIGKILL")
    c.await_event("worker.ready", after=death, worker="web/0")
    answers = [c.get("/") for _ in range(8)]
    assert "web/0" in {a.header("X-Worker") for a in answers}, "the one that came back"
    assert {a.header("X-Version") for a in answers} == {"2"}
    assert c.status()["generation"] == before
    result = c.ctl("reload")
    assert (result.code == 0) == (content != "nothing"), result
    assert versions(c) == {"2" if content == "nothing" else "3"}


@shows("node-C2")
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


def begin_late_start(c):
    """web/1 is killed, and the next one waits before its exec; (event, that one)."""
    c.arm("keeper.before_exec:sleep=2000/web/1")
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    late = processes.hold_nap(c.pid())
    c.await_state(lambda s: s["workers"][1]["state"] == "starting")
    return c.last_event(), late


def end_late_start(c, seen, late):
    os.kill(late, signal.SIGCONT)
    late = c.await_event("worker.ready", after=seen, worker="web/1")
    assert late["pid"] == c.worker("web/1")["pid"]
    return late["pid"]


@pytest.mark.parametrize("master", ["stays", "dies"])
def test_a_worker_on_its_way_gets_a_new_address(cluster, master):
    """Its start was asked for before that was there."""
    c = cluster(workers=2, schedule="shared", start_timeout="60s", start=False)
    c.arm()
    c.start()
    seen, late = begin_late_start(c)
    c.write_config(listen=["127.0.0.1:0", "[::1]:0"])
    assert c.ctl("reload").code == 0
    assert c.workers()[1]["state"] == "starting"
    if master == "dies":
        os.kill(c.master_pid(), signal.SIGKILL)
    pid = end_late_start(c, seen, late)
    added = sockets.listening(c.pool()["listen"][1])
    assert added
    wait.until(lambda: added <= sockets.polled(pid), 5, "web/1 at the new address")


def test_a_worker_on_its_way_holds_no_address_that_left(cluster):
    """It was named when its start was asked for, and a socket that one process
    holds takes clients whom nobody serves."""
    c = cluster(workers=2, listen=["127.0.0.1:0", "[::1]:0"], start_timeout="60s",
                start=False)
    c.arm()
    c.start()
    address = c.pool()["listen"][1]
    seen, late = begin_late_start(c)
    c.write_config(listen="127.0.0.1:0")
    assert c.ctl("reload").code == 0
    wait.until(lambda: len(c.pool()["listen"]) == 1, 10, "the address has left")
    assert c.workers()[1]["state"] == "starting"
    end_late_start(c, seen, late)
    wait.until(lambda: not sockets.listening(address), 5, "end of its socket")


def test_a_worker_on_its_way_gets_a_socket_made_again(cluster):
    """The one that its start named is shut down by a plugin meanwhile; a port that
    the kernel had chosen takes another socket."""
    c = cluster(workers=2, schedule="shared", routes={"/": "hello", "/listener": "evil"},
                start_timeout="60s", start=False)
    c.arm()
    c.start()
    (seen, late), address = begin_late_start(c), c.address()
    before = sockets.listening(address)
    c.get("/listener")
    c.await_event("listener.healed", after=seen, text=address)
    assert c.workers()[1]["state"] == "starting"
    pid = end_late_start(c, seen, late)
    made = sockets.listening(address)
    assert made and not made & before
    wait.until(lambda: made <= sockets.polled(pid), 5, "web/1 at the new socket")


def test_check_and_diff_are_reads(cluster):
    """They answer while a reload is held, and while one is at work."""
    c = cluster(workers=2, canary_hold="30s")
    hello(c, "hello_v2.so")
    seen = c.last_event()
    running = c.ctl_start("reload", "--hold", "50%")
    c.await_event("reload.canary", after=seen)
    assert c.ctl("config", "check").code == 0
    hello(c, "hello_v3.so")
    assert "hello_v3.so" in c.ctl("config", "diff")
    pass_canary(c, seen)
    assert running.wait(20) == 0
    running.communicate()
    assert "reload_held" in {r["reason"] for r in c.status()["reasons"]}
    assert c.ctl("config", "check").code == 0
    assert "hello_v3.so" in c.ctl("config", "diff")
    assert "is held" in c.ctl("reload")
    assert c.ctl("rollback").code == 0


def test_a_check_waits_for_the_checker_alone(cluster):
    """It is asked for while that of a reload runs, which is on trial for long."""
    c = cluster(workers=1, canary_hold="30s", env={"CLUSTERD_FP": "checker.parsed:sleep=500"})
    hello(c, "hello_v2.so")
    seen = c.last_event()
    reload = c.ctl_start("reload")
    c.await_event("command.started", after=seen)
    check = c.ctl_start("config", "check")
    c.await_event("reload.canary", after=seen)
    assert check.wait(10) == 0 and reload.poll() is None
    check.communicate()
    pass_canary(c, seen)
    assert reload.wait(20) == 0
    reload.communicate()


def pass_canary(c, after):
    """Its twenty requests and more, as soon as the canary of a reload serves."""
    canary = c.await_event("reload.canary", after=after)
    c.await_event("worker.ready", after=canary, worker="web/0")
    for _ in range(30 * (c.pools["web"][0]["workers"] + 1)):
        c.get("/")


def started(c, seen, who):
    return [e for e in c.events(seen) if e["event"] == "command.started"
            and e["command"] == "reload" and who in e["text"]]


def test_reloads_that_wait_are_one(cluster):
    c = cluster(workers=1, canary_hold="30s")
    hello(c, "hello_v2.so")
    before = c.last_event()
    first = c.ctl_start("--json", "reload")
    seen = c.await_event("reload.canary", after=before)["seq"]
    hello(c, "hello_v3.so")
    later = [c.ctl_start("--json", "reload") for _ in range(3)]
    wait.until(lambda: len(started(c, seen, "by ")) == 3, 10, "three that wait")
    pass_canary(c, before)
    pass_canary(c, seen)
    told = [json.loads(one.communicate(timeout=20)[0]) for one in [first] + later]
    assert [one.returncode for one in [first] + later] == [0] * 4
    assert {one["changed"] for one in told} == {True}, told
    assert len({one["generation"] for one in told[1:]}) == 1 and \
        told[0]["generation"] != told[1]["generation"], told
    assert len({one["command_id"] for one in told}) == 4, "each is on record"
    assert versions(c) == {"3"}


def test_what_waits_for_a_master_that_dies_has_its_turn(cluster):
    """The next one begins it, and each client has its verdict.  What could be done
    twice by that is refused instead."""
    c = cluster(workers=1, canary_hold="30s")
    hello(c, "hello_v2.so")
    before = c.last_event()
    first = c.ctl_start("reload")
    seen = c.await_event("reload.canary", after=before)["seq"]
    hello(c, "hello_v3.so")
    later = [c.ctl_start("--json", "reload") for _ in range(3)]
    wait.until(lambda: len(started(c, seen, "by ")) == 3, 10, "three that wait")
    more = [c.ctl_start("--json", "scale", "web", size) for size in ("2", "+1")]

    def waiting():
        return [row for row in c.json("audit") if row["state"] == "waiting"]
    wait.until(lambda: len(waiting()) == 5, 10, "five in line: %r" % waiting())
    os.kill(c.master_pid(), signal.SIGKILL)
    with c.load(new=2):
        out, err = first.communicate(timeout=20)
        assert first.returncode == 1 and "the master was replaced" in err, (out, err)
        told = [json.loads(one.communicate(timeout=20)[0]) for one in later + more]
    assert [one.returncode for one in later + more] == [0, 0, 0, 0, 1], told
    # the first to begin has the line to itself, the others find nothing to do
    assert sorted(one["changed"] for one in told[:3]) == [False, False, True]
    assert "waited in line when its master was replaced" in told[4]["error"]["text"]
    assert versions(c) == {"3"} and c.pool()["desired"] == 2
    assert not waiting()


def test_what_has_begun_does_not_begin_again(cluster):
    """A database that was behind says of what is done that it waits in line."""
    c = cluster(workers=1)
    assert c.ctl("scale", "web", "3").code == 0
    assert c.ctl("restart", "web").code == 0
    assert c.ctl("reload").code == 0
    assert c.ctl("scale", "web", "2").code == 0
    with sqlite3.connect(c.dir + "/state/state.db", timeout=10) as db:
        count = db.execute("UPDATE commands SET state = 'waiting', ended = NULL, code = NULL"
                           " WHERE command IN ('scale', 'restart', 'reload')").rowcount
    db.close()
    assert count == 4
    seen, before = c.last_event(), c.workers()
    pid = c.master_pid()
    os.kill(pid, signal.SIGKILL)
    c.await_event("master.adopted", after=seen)

    def waiting():
        return [row for row in c.json("audit") if row["state"] == "waiting"]
    wait.until(lambda: not waiting(), 10, "a word on each")
    assert not started(c, seen, "by ")
    assert [w["id"] for w in c.workers()] == [w["id"] for w in before]


def test_hups_that_wait_are_one(cluster):
    c = cluster(workers=1, canary_hold="30s")
    hello(c, "hello_v2.so")
    before = c.last_event()
    first = c.ctl_start("reload")
    seen = c.await_event("reload.canary", after=before)["seq"]
    hello(c, "hello_v3.so")
    for _ in range(16):
        c.signal(signal.SIGHUP)
        assert c.ctl("ping").code == 0
    wait.until(lambda: started(c, seen, "signal HUP"), 10, "one that waits")
    pass_canary(c, before)
    pass_canary(c, seen)
    c.await_event("command.done", after=seen, command="reload",
                  text=lambda text: "signal HUP" in text)
    assert first.wait(10) == 0
    first.communicate()
    assert versions(c) == {"3"}
    # the last of the signals may have come when the other had begun
    assert 1 <= len(started(c, seen, "signal HUP")) <= 2


OPTIONS = {"module": "options.so", "name": "x"}


@shows("P8")
@shows("node-C2")
@shows("node-S2")
@pytest.mark.parametrize("options, key, reason", [
    ({"module": "evil_ctor_segv.so"}, "module",
     "module: the check died of SIGSEGV in the constructor of plugin hello"),
    ({"module": "evil_ctor_exit0.so"}, "module",
     "module: the check ended with status 0 in the constructor of plugin hello"),
    # 5 s of CPU, or 10 s where others want the CPU too
    ({"module": "evil_ctor_loop.so"}, "module",
     # 5 s of CPU, or 10 s in all where others have the CPUs
     ("module: the check died of SIGXCPU in the constructor of plugin hello",
      "module: the check took longer than 10 s in the constructor of plugin hello")),
    ({"module": "evil_symbol.so"}, "module", "undefined symbol: nobody_has_this"),
    ({"module": "evil_ctor_flood.so"}, "module",
     "module: the check says too much in the constructor of plugin hello"),
    ({"module": "other_abi.so"}, "module", "is made for ABI 99."),
    ({"module": "other_machine.so"}, "module", "other_machine.so: is not a shared object of this machine"),
    ({"module": "text.so"}, "module", "text.so: is not an ELF file"),
    ({"module": "no_such.so"}, "module", "module: no_such.so is not in plugin_dir"),
    (dict(OPTIONS, level="6"), "level", "level: outside -5 to 5"),
    (dict(OPTIONS, level="high"), "level", "level: is not a number"),
    (dict(OPTIONS, wait="5"), "wait", "wait: a duration needs its unit"),
    ({"module": "options.so"}, "[plugin hello]", "name: is required"),
    ({"greting": "x"}, "greting", 'greting: unknown key; did you mean "greeting"?'),
    ({"greeting": "x\n[plugin hello]\ngreeting = y"}, "[plugin hello]",
     "is there already, in line"),
], ids=lambda word: word if isinstance(word, str) else "")
def test_what_the_check_refuses_changes_nothing(cluster, options, key, reason):
    """Refused with the reason and the line of the file; the old generation
    serves on, by the same processes, and no client notices."""
    c = cluster(workers=2, start=False)
    c.allow_in_log("runtime error")
    c.plugin_dirs = c.plugin_dirs + [misfits(c)]
    c.write_config()
    c.start()
    before = c.status()
    seen = c.last_event()
    with c.load(keepalive=2, new=2, think=2) as ledger:
        ledger.await_more(10)
        c.plugins["hello"] = options
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(10)
    assert result.code == 1, result
    where = "%s:%d: [plugin hello]" % (c.config_file, line_of(c, key))
    said = [line for line in result.err.splitlines() if where in line]
    reasons = (reason,) if isinstance(reason, str) else reason
    assert said and any(words in said[0] for words in reasons), result
    ledger.assert_nothing_lost()
    after = c.status()
    assert after["generation"] == before["generation"]
    assert [w["id"] for w in after["workers"]] == [w["id"] for w in before["workers"]]
    rejected = c.await_event("config.rejected", after=seen)
    assert where in rejected["text"]
    assert any(words in rejected["text"] for words in reasons), rejected
    assert after["master"]["restarts"] == 0


def checkers(c):
    return [pid for pid in processes.children(c.pid()) if "check" in processes.name(pid)]


@shows("P8")
def test_a_check_that_cannot_be_ended_is_given_up(cluster):
    """As where its file lies on a disk that does not answer: SIGKILL is left out."""
    c = cluster(workers=1, start=False)
    c.arm()
    c.start()
    c.arm("keeper.kill9:skip/checker")
    hello(c, "evil_ctor_stuck.so")
    refused = c.ctl("reload", timeout=30)
    assert refused.code == 1 and "its process cannot be ended" in refused, refused
    c.arm()
    hello(c, "hello_v2.so")
    assert c.ctl("scale", "web", 2).code == 0
    assert c.ctl("reload").code == 0, "another one is started beside it"
    left, = checkers(c)
    os.kill(left, signal.SIGKILL)
    wait.until(lambda: not checkers(c), 5, "the end of it")
    assert c.ctl("config", "check").code == 0


def line_of(c, words):
    """The last line of the configuration that begins so."""
    with open(c.config_file, encoding="utf-8") as file:
        lines = file.read().splitlines()
    return max(n for n, line in enumerate(lines, 1) if line.startswith(words))


def misfits(c):
    """A directory with what is no plugin for this host."""
    with open(c.built("hello_v2.so"), "rb") as f:
        data = f.read()
    note = data.index(b"clusterd\0") + 12 + 4     # abi_major, after the magic
    for name, content in (("other_machine.so", data[:18] + b"\x16\0" + data[20:]),
                          ("other_abi.so", data[:note] + b"\x63\0" + data[note + 2:]),
                          ("text.so", b"no plugin at all\n")):
        with open(os.path.join(c.dir, name), "wb") as f:
            f.write(content)
        os.chmod(os.path.join(c.dir, name), 0o644)
    return c.dir


def assert_as_before(c, before):
    after = c.await_state(lambda s: len(s["workers"]) == len(before["workers"]) and all(
        w["state"] == "ready" for w in s["workers"]))
    assert after["generation"] == before["generation"]
    assert {w["generation"] for w in after["workers"]} == {before["generation"]}


@pytest.mark.parametrize("fail", [(1,), (1, 2)])
def test_one_slot_may_fail_once(cluster, fail):
    """It is tried again; two slots that failed are a failure of the version."""
    c = cluster(workers=4, routes=EVIL)
    marks = c.dir + "/marks"
    os.mkdir(marks)
    os.chmod(marks, 0o777)
    for slot in {0, 1, 2, 3} - set(fail):
        os.mkdir("%s/%d" % (marks, slot))
    before = c.status()
    with c.load(keepalive=2, new=2, think=2) as ledger:
        c.plugins["evil"] = {"mode": "init_fail_once=" + marks}
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(20)
    ledger.assert_nothing_lost()
    if len(fail) == 1:
        assert result.code == 0, result
        assert c.status()["generation"] != before["generation"]
        return
    assert result.code == 1 and "web/2" in result, result
    assert_as_before(c, before)


def test_the_canary_is_the_lowest_slot_that_is_wanted(cluster):
    """Slot 0 is drained: its successor would be nobody, and show nothing."""
    c = cluster(workers=3, canary_hold="20s")
    assert c.ctl("drain", "web/0").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    before = c.status()["generation"]
    with c.load(keepalive=2, new=2, accept=(200, 500)) as ledger:
        ledger.await_more(10)
        hello(c, "hello_500.so")
        result = c.ctl("reload")
    assert result.code == 1 and "web/1" in result, result
    assert c.status()["generation"] == before
    assert c.ctl("resume", "web/0").code == 0
    c.await_state(lambda s: [w["generation"] for w in s["workers"]
                             if w["state"] == "ready"] == [before] * 3)


def test_another_canary_is_tried_for_one_that_is_taken_out(cluster):
    """A person takes its slot out while it is on trial: that says nothing of the
    generation, nor for it."""
    c = cluster(workers=3, canary_hold="20s")
    before, seen = c.status()["generation"], c.last_event()
    hello(c, "hello_500.so")
    reload = c.ctl_start("reload")
    begun = c.await_event("reload.canary", after=seen)
    c.await_event("worker.ready", after=begun, worker="web/0")
    assert c.ctl("drain", "web/0").code == 0
    c.await_event("worker.ready", after=begun, worker="web/1")
    with c.load(keepalive=2, new=2, accept=(200, 500)):
        _, err = reload.communicate(timeout=20)
    assert reload.returncode == 1 and "web/1" in err, err
    assert c.status()["generation"] == before
    assert c.ctl("resume", "web/0").code == 0
    c.await_state(lambda s: [w["generation"] for w in s["workers"]
                             if w["state"] == "ready"] == [before] * 3)


def test_a_stop_takes_no_verdict_back(cluster):
    """Of what is committed, and waits for the disk."""
    c = cluster(workers=1, scale=1)
    lock, seen = database.Lock(c), c.last_event()
    hello(c, "hello_v2.so")
    reload = c.ctl_start("--json", "reload")
    c.await_event("reload.committed", after=seen)
    stop = c.ctl_start("stop")
    out, err = reload.communicate(timeout=20)
    lock.release()
    assert reload.returncode == 0, err
    verdict = json.loads(out.splitlines()[-1])
    assert verdict["changed"] and verdict["generation"] == 2, verdict
    assert stop.wait(20) == 0


def test_a_pool_that_is_drained_is_rolled_all_the_same(cluster):
    c = cluster(workers=2)
    assert c.ctl("drain", "web").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    hello(c, "hello_v2.so")
    assert c.ctl("reload").code == 0
    assert c.ctl("resume", "web").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    assert versions(c) == {"2"}


@shows("P2")
def test_a_canary_that_was_well_is_drained_when_another_fails(cluster):
    """Two pools; the canary of the one serves while that of the other does not
    get ready: what it has taken is answered, by itself."""
    c = cluster(workers=1, routes=EVIL, canary_hold="20s",
                plugins={"evil": {"ms": "400ms"}, "other": {"module": "evil.so"}},
                pools={"api": {"workers": 1, "routes": {"/": "other"},
                               "start_timeout": "4s"}})     # the other's serves by then
    before = c.status()
    with c.load(new=6, think=2, path="/sleep") as ledger:
        c.plugins["evil"] = {"ms": "401ms"}
        c.plugins["other"]["mode"] = "init_hang"
        c.write_config()
        result = c.ctl("reload")
        ledger.await_more(10)
    assert result.code == 1 and "api/0" in result, result
    ledger.assert_nothing_lost()
    ids = {w["id"] for w in before["workers"]}
    assert {e.worker_id for e in ledger.requests()} - {str(i) for i in ids}, \
        "the canary had some"
    assert_as_before(c, before)


def await_stable(c):
    """Every worker has been ready for stable_after, and the master has looked."""
    c.await_state(lambda s: s["pools"][0]["ready"] == len(s["workers"]) and all(
        w["uptime_ms"] > 1500 for w in s["workers"]))


def dying_while(c, cause, **more):
    """A plugin that lives well until that file is there."""
    c.plugins["evil"] = dict(more, mode="die_while=" + cause)
    c.write_config()


def break_it(c, cause):
    seen = c.last_event()
    with open(cause, "w", encoding="ascii"):
        pass
    for pid in [row["pid"] for row in c.workers() if row["pid"]]:
        with contextlib.suppress(ProcessLookupError):   # one may die by itself first
            os.kill(pid, signal.SIGKILL)
    return seen


def by_itself(c):
    return [e for e in c.events() if e["event"] == "command.started"
            and "auto_rollback" in e["text"]]


QUICK_LOOP = {"workers": 2, "routes": EVIL, "stable_after": "1s", "backoff_max": "100ms",
              "restart_burst": 1000, "restart_rate": 6000}


@shows("P7")
def test_a_generation_that_serves_nobody_is_taken_back(cluster):
    c = cluster(**QUICK_LOOP)
    c.allow_in_log("abort")
    await_stable(c)
    before = c.status()["generation"]
    cause = c.dir + "/sick"
    dying_while(c, cause)
    assert c.ctl("reload").code == 0
    bad = c.status()["generation"]
    seen = break_it(c, cause)
    back = c.await_event("reload.rolled_back", after=seen, timeout=20)
    assert "web" in back["text"] and back["generation"] == bad
    c.await_event("reload.committed", after=seen, generation=before)
    after = c.await_state(lambda s: [w["generation"] for w in s["workers"]
                                     if w["state"] == "ready"] == [before] * 2)
    assert after["generation"] == before and c.get("/").status == 200
    assert "reload.canary" not in [e["event"] for e in c.events(seen)]
    assert after["state"] == "degraded"
    text, = (r["text"] for r in after["reasons"] if r["reason"] == "rolled_back")
    assert str(bad) in text and "taken back" in text
    assert c.ctl("status").code == 1
    os.kill(c.master_pid(), 9)              # and the next master says so too
    c.await_event("master.adopted", after=back)
    assert "rolled_back" in {r["reason"] for r in c.status()["reasons"]}
    os.unlink(cause)
    c.write_config(max_headers=99)
    assert c.ctl("reload").code == 0
    assert c.status()["state"] == "ok"


@pytest.mark.parametrize("limit, tries", [("10m", 1), ("off", 0)])
def test_it_is_taken_back_once_and_not_at_all_if_so_configured(cluster, limit, tries):
    """The generation before would have lived, but does not now."""
    c = cluster(daemon={"auto_rollback": limit}, start=False, **QUICK_LOOP)
    c.allow_in_log("abort")
    cause = c.dir + "/sick"
    dying_while(c, cause)
    c.start()
    await_stable(c)
    dying_while(c, cause, ms="7ms")
    assert c.ctl("reload").code == 0
    seen = break_it(c, cause)
    if tries:
        wait.until(lambda: by_itself(c), 20, "a try")
    for name in ("web/0", "web/1"):
        last = c.last_event() if tries else seen
        for _ in range(12):
            last = c.await_event("worker.exited", after=last, worker=name)
    assert len(by_itself(c)) == tries
    os.unlink(cause)
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)


def held_up(c, *args):
    """A change that wants a slot in which a worker still drains: as a Popen."""
    seen = c.last_event()
    client = c.ctl_start(*args)
    if args[0] == "restart":
        while "restart begins" not in (line := client.stderr.readline()):
            assert line, "refused"
    else:
        c.await_event("reload.canary", after=seen)
    assert "draining" in [w["state"] for w in c.workers()]      # asked in a later turn
    return client


def end_of(client):
    said = client.communicate(timeout=20)
    assert client.returncode == 0, said


@shows("P2")
@shows("H16")
@pytest.mark.parametrize("second", ["reload", "restart", "rollback"])
def test_a_change_waits_for_what_the_one_before_left(cluster, second):
    """The old workers of the first change have requests in hand when the second
    one wants their slots."""
    c = cluster(workers=2, drain_timeout="30s", routes=STREAMED, **PATIENT)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(half_sent(c.address())) for _ in range(4)]
        c.await_state(lambda s: sum(w["connections"] for w in s["workers"]) >= 4)
        c.write_config(idle_timeout="61s")
        assert c.ctl("reload").code == 0
        # the workers that hold them drain now
        assert len([w for w in c.workers() if w["state"] == "draining"]) == 2
        c.write_config(idle_timeout="62s")
        change = held_up(c, *{"restart": ["restart", "web"]}.get(second, [second]))
        for connection in held:
            assert rest_of(connection).status == 200
        end_of(change)


def is_another(c, row):
    """The worker of that slot, if it is another one and ready."""
    now = c.worker(row["worker"])
    return now if now["id"] != row["id"] and now["state"] == "ready" else None


@shows("P2")
@shows("H16")
def test_a_change_waits_for_it_where_nobody_else_serves_too(cluster):
    """The slot has lost its new worker, and waits, while the old one still has
    requests in hand."""
    c = cluster(workers=1, drain_timeout="30s", backoff_min="1s", routes=STREAMED,
                **PATIENT)
    with half_sent(c.address()) as held:
        c.await_state(lambda s: s["workers"][0]["connections"] >= 1)
        assert c.ctl("restart", "web/0").code == 0
        first = c.worker("web/0")
        os.kill(first["pid"], signal.SIGKILL)
        second = wait.until(lambda: is_another(c, first), 5, "the next one")
        os.kill(second["pid"], signal.SIGKILL)
        c.await_state(lambda s: s["workers"][0]["state"] == "waiting")
        assert [w["state"] for w in c.workers()].count("draining") == 1
        change = held_up(c, "restart", "web/0")
        assert rest_of(held).status == 200
        end_of(change)


@shows("P6")
def test_reloads_that_nobody_waits_for_keep_nobody_else_waiting(cluster):
    """So many at once that no more are taken: what reads, and the end, have room."""
    c = cluster(workers=1, canary_hold="30s")
    hello(c, "hello_v2.so")
    seen = c.last_event()
    running = c.ctl_start("reload")
    c.await_event("reload.canary", after=seen)
    for _ in range(300):
        refused = c.ctl("reload", "--no-wait")
        if refused.code != 0:
            break
    assert "too many commands" in refused
    assert c.status()["pools"][0]["ready"] == 1
    assert c.ctl("config", "check").code == 0
    os.kill(c.pid(), signal.SIGTERM)
    assert c.keeper.wait(10) == 0
    assert "command.done: stop, by signal TERM" in c.log()
    running.communicate(timeout=20)
