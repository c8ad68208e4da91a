# SPDX-License-Identifier: MIT
"""Accounts, executables, secrets."""

import errno
import json
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess

import pytest

from harness import boxes, processes, shows, wait
from harness.row import reasons
from harness.tracer import Tracer

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="of a daemon not started as root")
needs_root = boxes.needs_root


# ---- a plugin operates the daemon ----------------------------------------------------

REFUSED = {errno.EACCES, errno.EPERM}
ROUTES = {"/": "evil", "/reach/": "reach"}


def reach(r, what, path):
    """What the plugin heard when it tried this with a file: 0 or an errno."""
    return int(r.get("/reach/%s?%s" % (what, path)).text)


def stored(r):
    """{path: content} of the plugin store."""
    found = {}
    for name in os.listdir(r.dir + "/state/store"):
        path = "%s/state/store/%s" % (r.dir, name)
        with open(path, "rb") as f:
            found[path] = (f.read(), os.stat(path).st_mode)
    return found


def logged(row, **how):
    """A row with a log of its own, which the master alone may write."""
    r = row(start=False, routes=ROUTES, **how)
    os.mkdir(r.dir + "/logs")
    if os.geteuid() == 0:
        shutil.chown(r.dir + "/logs", "clusterd")
    r.daemon_keys["log"] = r.log_path = r.dir + "/logs/clusterd.log"
    r.write_config()
    return r.start()


@shows("N1")
@needs_root
def test_a_plugin_tries_to_operate_the_daemon(row):
    r = logged(row)
    before = stored(r)
    state, run = r.dir + "/state", r.dir + "/run"
    files = [state + "/state.db", state + "/state.db-wal", r.log_path, r.config_file,
             run + "/lock", run + "/workers.lock", run + "/clusterd.pid", *before]
    folders = [state, state + "/store", state + "/snapshots", run, r.dir + "/logs"]
    tries = [("write", path) for path in files]
    tries += [("chmod", path) for path in files + folders + [run + "/control.sock"]]
    tries += [("make", path + "/mine") for path in folders]
    tries += [(what, path) for what in ("rename", "remove")
              for path in files + [run + "/control.sock"]]
    tries += [("stop", run + "/control.sock")]
    done = [one for one in tries if reach(r, *one) not in REFUSED]
    assert not done, done
    assert stored(r) == before
    for name in ("web/0", "web/1", "web/2", "web/3"):
        r.kill_worker(name)             # its successor starts from the same files
    assert r.ctl("reload").code == 0


@shows("N1")
@needs_root
def test_a_plugin_that_may_connect_is_denied(row):
    """Where everybody may read, a worker is still refused, and it is on record."""
    r = row(routes=ROUTES, daemon={"control_read": "all"})
    said = r.get("/reach/stop?%s" % r.socket).text
    assert json.loads(said)["error"]["code"] == "denied", said
    worker = pwd.getpwnam("clusterd-worker").pw_uid
    rows = wait.until(lambda: [one for one in r.json("audit") if one["uid"] == worker], 5,
                      "the row of the attempt")
    assert [(one["command"], one["state"], one["code"]) for one in rows] == [
        ("connect", "denied", "denied")]
    assert rows[0]["pid"] in [one["pid"] for one in r.workers()]
    r.await_event("command.denied", text=lambda text: "clusterd-worker" in text)
    r.served()


@shows("N1")
def test_nothing_is_claimed_of_one_account(row):
    """Not as root there is nothing between a plugin and the daemon, and one line
    at the start says so."""
    r = row(start=False, routes=ROUTES)
    if os.geteuid() == 0:
        uid = pwd.getpwnam("nobody").pw_uid
        r.through = boxes.as_uid(uid)
        os.chown(r.dir, uid, uid)
    r.start()
    uid = os.stat("/proc/%d" % r.master_pid()).st_uid
    line = "master, workers and plugins share the account of uid %d" % uid
    assert r.log().count(line) == 1
    assert reach(r, "write", r.dir + "/run/lock") == 0


# ---- privileges ------------------------------------------------------------------------

KEPT = {0, 1, 3, 5, 6, 7, 8, 10, 23, 24}        # capabilities of the keeper, by number
CAPS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def rights(pid):
    """What /proc says of a process: ids, capabilities, flags."""
    with open("/proc/%d/status" % pid, encoding="ascii", errors="replace") as f:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    found = {key: set(map(int, lines[key].split())) for key in ("Uid", "Gid", "Groups")}
    found.update((key, {bit for bit in range(64) if int(lines[key], 16) >> bit & 1})
                 for key in CAPS)
    found.update((key, int(lines[key])) for key in ("NoNewPrivs", "Seccomp"))
    return found


def assert_is_only(pid, account):
    """This account and its groups, no capability, and no way back."""
    entry = pwd.getpwnam(account)
    has = rights(pid)
    assert has["Uid"] == {entry.pw_uid} and has["Gid"] == {entry.pw_gid}, (account, has)
    assert has["Groups"] == set(os.getgrouplist(account, entry.pw_gid)), (account, has)
    assert not any(has[key] for key in CAPS), (account, has)
    assert has["NoNewPrivs"] == 1, (account, has)
    return has


def checker_of(r):
    """The checker of a reload that stands still."""
    return wait.until(lambda: next((pid for pid in processes.children(r.pid())
                                    if processes.name(pid).startswith("clusterd: checker")), None),
                      10, "a checker")


@shows("N2")
@needs_root
def test_what_each_process_may(row):
    r = row(start=False, env={"CLUSTERD_FP": "checker.before_open:sleep=1500"})
    r.start()
    keeper = rights(r.pid())
    assert keeper["Uid"] == {0}
    assert all(keeper[key] <= KEPT for key in CAPS) and not keeper["CapInh"], keeper
    assert_is_only(r.master_pid(), "clusterd")
    for worker in r.workers():
        assert assert_is_only(worker["pid"], "clusterd-worker")["Seccomp"] == 2
    reload = r.ctl_start("reload")
    assert_is_only(checker_of(r), "clusterd-worker")
    assert reload.wait(20) == 0


HOW = {"fails": "error=EPERM", "has no effect": "retval=0"}
CALLS = ("setgroups", "setresgid", "setresuid", "prctl", "capset")
EACH = [(call, how) for call in CALLS for how in sorted(HOW)]


def named_children(r):
    """The processes below the keeper that have become something."""
    return [pid for pid in processes.descendants(r.pid())
            if processes.name(pid).startswith("clusterd: ")]


@shows("N2")
@needs_root
@pytest.mark.parametrize("call, how", [
    one for one in EACH
    if one != ("capset", "has no effect")])     # there is nothing left to take then
def test_a_worker_that_cannot_be_made_less(row, call, how):
    """It is not started; there is no process with more than it should have."""
    r = row()
    seen = r.last_event()
    victim = r.blame(r.worker("web/1"))
    with Tracer(r.pid(), [call], HOW[how], children=True):
        os.kill(victim["pid"], signal.SIGKILL)
        r.await_state(lambda s: "spawn_failing" in reasons(s))
        waits = r.await_event("worker.backoff", after=seen, worker="web/1")
        assert "cannot be started: " in waits["text"], waits
        assert "Operation not permitted" in waits["text"], waits
        for pid in named_children(r):
            assert 0 not in rights(pid)["Uid"] and not rights(pid)["CapEff"]
        r.served()
    r.await_ready()
    assert r.worker("web/1")["restarts"] == 1
    assert_is_only(r.worker("web/1")["pid"], "clusterd-worker")


@shows("N2")
@shows("P12")
@needs_root
@needs_strace
@pytest.mark.parametrize("call, how", EACH)
def test_a_start_that_cannot_be_made_less(row, call, how):
    r = row(start=False)
    before = processes.descendants(os.getpid())
    r.through = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + call,
                 "-e", "inject=%s:%s" % (call, HOW[how])]
    result = r.clusterd()
    assert result.code == 1 and "clusterd: cannot " in result.err, result
    assert not os.path.exists(r.dir + "/run")
    # -D: the tracer is nobody's child and ends after what it traced
    wait.until(lambda: set(processes.descendants(os.getpid())) <= set(before), 5,
               "end of strace")
