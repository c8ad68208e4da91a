# SPDX-License-Identifier: MIT
"""What accepted configurations leave on the disk, and for how long."""

import glob
import os
import pwd
from signal import SIGKILL

import pytest

from harness import memo, processes, wait


def module(c, name):
    c.plugins["hello"] = {"module": name}
    c.write_config()


def snapshots(c):
    """The generations that have files."""
    return {int(name.split(".")[0]) for name in os.listdir(c.dir + "/state/snapshots")}


def stored(c):
    return os.listdir(c.dir + "/state/store")


def await_files(c, generations, plugins):
    wait.until(lambda: snapshots(c) == generations and len(stored(c)) == plugins, 10,
               "files of %s and %d plugins alone" % (generations, plugins))


def go_round(c, count):
    """That many reloads, each to another plugin."""
    for number in range(count):
        module(c, "hello_v%d.so" % (2 + number % 2))
        assert c.ctl("reload").code == 0


def test_what_is_not_kept_goes(cluster):
    c = cluster(workers=1, daemon={"keep_generations": 2})
    await_files(c, {1}, 1)
    go_round(c, 5)
    await_files(c, {5, 6}, 2)
    version = c.get("/").header("X-Version")
    assert c.ctl("rollback").code == 0
    assert c.get("/").header("X-Version") != version
    os.kill(c.worker("web/0")["pid"], SIGKILL)
    c.await_event("worker.ready", after=c.await_event("worker.exited", signal="SIGKILL"))
    assert c.get("/").header("X-Version") != version


def test_what_is_in_use_stays(cluster):
    """However many refused ones are newer; they do not pile up either."""
    c = cluster(workers=1, daemon={"keep_generations": 2})
    go_round(c, 1)
    assert c.ctl("rollback").code == 0
    for number in range(4):
        module(c, "hello_start_fails.so")
        assert c.ctl("reload").code == 1
    await_files(c, {1, 2, 5, 6}, 3)
    os.kill(c.worker("web/0")["pid"], SIGKILL)
    c.await_event("worker.ready", after=c.await_event("worker.exited", signal="SIGKILL"))
    assert c.ctl("rollback").code == 0
    assert c.get("/").header("X-Version") == "2"


def test_what_a_killed_master_left_half_written_goes(cluster):
    c = cluster(workers=1)
    left = [c.dir + "/state/snapshots/7.new", c.dir + "/state/store/%s.so.new" % ("a" * 64)]
    ours = [c.dir + "/state/snapshots/notes", c.dir + "/state/store/notes.so"]
    for path in left + ours:
        with open(path, "w", encoding="ascii") as f:
            f.write("secret")
    go_round(c, 1)
    wait.until(lambda: not any(map(os.path.exists, left)), 10, "no half-written file")
    assert all(map(os.path.exists, ours)), "what is not ours stays"


def test_a_snapshot_that_cannot_be_read_may_name_any_plugin(cluster):
    c = cluster(workers=1, daemon={"keep_generations": 2})
    go_round(c, 2)
    await_files(c, {2, 3}, 2)
    with open(c.dir + "/state/snapshots/3", "r+b") as f:
        f.write(b"\0" * 16)
    module(c, "hello.so")
    assert c.ctl("reload").code == 0
    assert "is not cleaned" in c.await_log("cannot be read")
    assert len(stored(c)) == 3
    assert not glob.glob(c.dir + "/state/snapshots/2*")
    go_round(c, 2)
    await_files(c, {5, 6}, 2)


def account(c, pool):
    """Under which account a pool's first worker runs."""
    uid = os.stat("/proc/%d" % c.worker(pool + "/0")["pid"]).st_uid
    return pwd.getpwuid(uid).pw_name


# The box has these, whatever is installed.
NAMES = ("games", "man", "news")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_earlier_generation_knows_its_accounts(cluster):
    """By what they are, not by their number in a list of another daemon."""
    c = cluster(workers=1, user=NAMES[0], start=False,
                pools={"api": {"workers": 1, "user": NAMES[1]}})
    c.start()
    assert (account(c, "web"), account(c, "api")) == NAMES[:2]
    c.stop()
    c.pools["api"][0]["user"] = NAMES[0]
    c.write_config(user=NAMES[1])
    c.start()
    assert (account(c, "web"), account(c, "api")) == (NAMES[1], NAMES[0])
    assert c.ctl("rollback").code == 0
    assert (account(c, "web"), account(c, "api")) == NAMES[:2]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_an_earlier_generation_with_an_account_of_another_daemon_is_refused(cluster):
    c = cluster(workers=1, user=NAMES[0])
    c.stop()
    c.write_config(user=NAMES[2])
    c.start()
    refused = c.ctl("rollback")
    assert refused.code == 1 and NAMES[0] in refused and "restart" in refused, refused
    assert account(c, "web") == NAMES[2]


def test_workers_of_many_reloads_hold_no_generation(cluster):
    """Of live keys alone, so that no worker is replaced, each adding one."""
    c = cluster(workers=1, daemon={"max_workers": 40})
    first = c.worker("web/0")["id"]
    for workers in range(2, 21):
        c.write_config(workers=workers)
        assert c.ctl("reload").code == 0, "with %d workers" % workers
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 20, timeout=20)
    assert c.worker("web/0")["id"] == first
    assert {w["generation"] for w in status["workers"]} == {status["generation"]}


def test_a_worker_of_an_earlier_reload_is_started_again(cluster):
    """Its own snapshot is long gone, by this master and by the next."""
    c = cluster(workers=2)
    for timeout in range(11, 16):
        c.write_config(handler_timeout="%ds" % timeout)
        assert c.ctl("reload").code == 0
    os.kill(c.master_pid(), SIGKILL)
    seen = c.await_event("master.adopted")
    for slot in ("web/0", "web/1"):
        os.kill(c.worker(slot)["pid"], SIGKILL)
        c.await_event("worker.ready", after=seen, worker=slot)
    status = c.status()
    assert {w["generation"] for w in status["workers"]} == {status["generation"]}


def test_a_memo_made_anew_knows_what_its_workers_were_moved_to(cluster):
    """The keeper knows them by the snapshot that they were started with."""
    c = cluster(workers=1, daemon={"keep_generations": 2})
    for timeout in range(11, 15):
        c.write_config(handler_timeout="%ds" % timeout)
        assert c.ctl("reload").code == 0
    now, pid, seen = c.status()["generation"], c.master_pid(), c.last_event()
    processes.halt(pid)                 # it would write over it
    with memo.Memo(c.pid()) as held:
        held.flip("current", "idle")
    os.kill(pid, SIGKILL)
    c.await_event("master.adopted", after=seen)
    status = c.status()
    assert {w["generation"] for w in status["workers"]} == {now} == {status["generation"]}
    os.kill(c.worker("web/0")["pid"], SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/0")
    assert c.worker("web/0")["generation"] == now


def test_what_the_keeper_cannot_keep_is_refused(cluster):
    """Its workers could never be started; and later it can be kept."""
    c = cluster(workers=1, start=False)
    c.arm()
    c.start()
    before = c.status()
    c.arm("keeper.keep:err=ENOSPC")
    module(c, "hello_v2.so")
    refused = c.ctl("reload")
    assert refused.code == 1 and "the keeper cannot keep generation" in refused, refused
    assert c.status()["generation"] == before["generation"]
    assert c.worker("web/0")["id"] == before["workers"][0]["id"]
    c.arm()
    assert c.ctl("reload").code == 0
    c.arm("keeper.keep:err=ENOSPC")
    assert c.ctl("rollback").code == 0, "it is with the keeper still"


def test_an_earlier_generation_that_cannot_be_kept_is_no_refused_one(cluster):
    """Another daemon's keeper does not have it; to be gone back to all the same."""
    c = cluster(workers=1, start=False)
    c.arm()
    c.start()
    go_round(c, 1)
    c.restart_daemon()
    before = c.json("generations")
    c.arm("keeper.keep:err=ENOSPC")
    refused = c.ctl("rollback")
    assert refused.code == 1 and "cannot keep generation 2" in refused, refused
    assert c.json("generations") == before
    c.arm()
    assert c.ctl("rollback").code == 0
