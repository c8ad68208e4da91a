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

from harness import boxes, http, processes, shows, wait

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
