# SPDX-License-Identifier: MIT
"""A disk that stands still under a master that writes an accepted generation: no
call of it fails, none returns."""

import glob
import os

import pytest

from harness import processes, sanitized, threads, wait

# Two threads share what is tested here.
pytestmark = [threads, sanitized]


def hello(c, module):
    """The plugin hello from that module."""
    c.plugins["hello"] = {"module": module}
    c.write_config()


def versions(c, count=8):
    """Which versions answer; None is the hello of the box."""
    return {c.get("/").header("X-Version") for _ in range(count)}


def stands_still(ms, nth):
    """At the nth file that a master writes.  The first start has three: a
    plugin, the snapshot, its text."""
    return {"CLUSTERD_FP": "disk.before_write:sleep=%d@%d" % (ms, nth)}


def begin_reload(c, of="store"):
    """A reload that has come to the disk, with the plugin or the snapshot."""
    hello(c, "hello_v2.so")
    reload = c.ctl_start("reload")
    wait.until(lambda: glob.glob("%s/state/%s/*.new" % (c.dir, of)), 10,
               "a file that is being written")
    return reload


def end_of(reload, timeout=20):
    out, err = reload.communicate(timeout=timeout)
    return reload.returncode, out + err


def same_workers(before, after):
    return [w["id"] for w in before["workers"]] == [w["id"] for w in after["workers"]]


@pytest.mark.parametrize("nth, of", [(4, "store"), (5, "snapshots")])
def test_a_disk_that_stands_still_rejects_a_reload(cluster, nth, of):
    """Within its bound and by its name; the same master serves and answers."""
    c = cluster(workers=2, env=stands_still(30000, nth))
    before, old, seen = c.status(), versions(c), c.last_event()
    with c.load(keepalive=2, new=2) as ledger:
        reload = begin_reload(c, of)
        assert c.status()["state"] == "ok"
        assert c.ctl("config", "check").code == 0
        code, words = end_of(reload)
        assert code == 1 and "the disk does not answer" in words, words
        assert "/state/%s/" % of in words, words
        ledger.await_more(20)
    ledger.assert_nothing_lost()
    c.await_event("config.rejected", after=seen,
                  text=lambda text: "the disk does not answer" in text)
    # still the same disk, and the same words, as often as one tries
    again = c.ctl("reload")
    assert again.code == 1 and "the disk does not answer" in again, again
    assert c.ctl("scale", "web", "+1").code == 0
    after = c.status()
    assert after["master"]["pid"] == before["master"]["pid"]
    assert after["master"]["restarts"] == 0
    assert after["generation"] == before["generation"]
    assert same_workers(before, {"workers": after["workers"][:2]})
    assert versions(c) == old


def test_a_slow_disk_only_makes_a_reload_slow(cluster):
    c = cluster(workers=1, env={"CLUSTERD_FP": "disk.before_write:sleep=300"})
    old, before = versions(c), c.status()
    hello(c, "hello_v2.so")
    assert c.ctl("reload").code == 0
    assert versions(c) != old
    assert c.status()["master"]["pid"] == before["master"]["pid"]
    assert c.ctl("rollback").code == 0
    assert versions(c) == old


def test_a_disk_that_answers_again(cluster):
    """What it says too late is dropped; the next reload finds it well."""
    c = cluster(workers=1, env=stands_still(4000, 4))
    old = versions(c)
    code, words = end_of(begin_reload(c))
    assert code == 1 and "the disk does not answer" in words, words
    c.await_log("the disk answers again")
    assert versions(c) == old
    assert not glob.glob(c.dir + "/state/snapshots/2*"), "no file was begun after it"
    assert c.ctl("reload").code == 0
    assert versions(c) != old


def test_a_change_behind_a_disk_that_stands_still_has_its_turn(cluster):
    c = cluster(workers=1, env=stands_still(30000, 4))
    reload = begin_reload(c)
    scale = c.ctl_start("scale", "web", "2")
    assert end_of(reload)[0] == 1
    assert end_of(scale)[0] == 0
    assert c.pool()["desired"] == 2
    assert c.status()["master"]["restarts"] == 0


def test_a_stop_does_not_wait_for_the_disk(cluster):
    """Nor for the bound of what it interrupts: a scale of 1 makes that 10 s."""
    c = cluster(workers=1, env=stands_still(30000, 4), scale=1)
    reload = begin_reload(c)
    assert c.stop(timeout=5) == 0
    code, words = end_of(reload)
    assert code != 0 and "stopping" in words, words


def test_a_master_killed_at_the_disk_leaves_the_old_generation(cluster):
    c = cluster(workers=2, env=stands_still(30000, 4))
    before, old, seen = c.status(), versions(c), c.last_event()
    reload = begin_reload(c)
    os.kill(before["master"]["pid"], 9)
    c.await_event("master.adopted", after=seen)
    code, words = end_of(reload)
    assert code == 1 and "the master was replaced" in words, words
    after = c.status()
    assert after["generation"] == before["generation"] and same_workers(before, after)
    assert versions(c) == old
    assert c.ctl("reload").code == 0, "what it left behind is in nobody's way"
    assert versions(c) != old


def test_a_disk_that_fails_is_named(cluster):
    c = cluster(workers=1, env={"CLUSTERD_FP": "disk.before_write:err=ENOSPC@4"})
    before = c.status()
    hello(c, "hello_v2.so")
    result = c.ctl("reload")
    assert result.code == 1 and "No space left" in result, result
    assert not glob.glob(c.dir + "/state/store/*.new")
    assert c.status()["generation"] == before["generation"]
    assert c.ctl("reload").code == 0


def test_the_text_of_a_generation_is_not_worth_a_reload(cluster):
    c = cluster(workers=1, env={"CLUSTERD_FP": "disk.before_write:err=EIO@6"})
    hello(c, "hello_v2.so")
    assert c.ctl("reload").code == 0
    c.await_log("2.txt: Input/output error")


def test_a_first_start_on_a_disk_that_stands_still(cluster):
    """It ends by itself, and says what is wrong."""
    c = cluster(workers=1, start=False, env=stands_still(30000, 1))
    c.expect_exit(1)
    c.start(ready=False)
    assert c.await_exit() == 1
    assert "the disk does not answer" in c.log()


def begin_first_start(c):
    c.start(ready=False)
    wait.until(lambda: glob.glob(c.dir + "/state/store/*.new"), 10,
               "a file that is being written")


def test_a_first_start_is_stopped_at_the_disk(cluster):
    c = cluster(workers=1, start=False, env=stands_still(30000, 1), scale=1)
    begin_first_start(c)
    assert c.stop(timeout=5) == 0


def test_a_master_killed_at_the_disk_of_a_first_start_is_followed(cluster):
    c = cluster(workers=1, start=False, env=stands_still(1000, 1))
    begin_first_start(c)
    master, = [pid for pid in processes.descendants(c.pid())
               if processes.name(pid) == "clusterd: master"]
    os.kill(master, 9)
    c.await_ready()
    assert c.status()["master"]["pid"] != master
    assert c.get("/").status == 200
