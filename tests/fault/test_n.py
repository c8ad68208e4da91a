# SPDX-License-Identifier: MIT
"""Accounts, executables, secrets."""

import errno
import json
import os
import pwd
import re
import shutil
import signal

import pytest

from harness import boxes, http, processes, shows, wait
from harness.held import Held
from harness.row import reasons
from harness.tracer import Tracer

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
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
        r.run_as(pwd.getpwnam("nobody").pw_uid)
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


# ---- accounts ----------------------------------------------------------------------------

ACCOUNTS = {
    "worker_user that is not there": (
        {"worker_user": "nobody-there"}, {},
        'worker_user: there is no user "nobody-there"'),
    "user that is not there": (
        {"user": "nobody-there"}, {}, 'user: there is no user "nobody-there"'),
    "worker_user that is user": (
        {"worker_user": "clusterd"}, {}, 'worker_user: "clusterd" is also "user"'),
    "user that is worker_user": (
        {"user": "clusterd-worker"}, {}, 'worker_user: "clusterd-worker" is also "user"'),
    "both by another name": (
        {"user": "nobody", "worker_user": "nobody"}, {}, 'worker_user: "nobody" is also "user"'),
    "user that is root": ({"user": "root"}, {}, 'user: "root" is root'),
    "worker_user that is root": ({"worker_user": "root"}, {}, 'worker_user: "root" is root'),
    "pool that has the master's": (
        {}, {"user": "clusterd"}, '[pool web] user: "clusterd" is also "user" of [daemon]'),
    "pool that has root": ({}, {"user": "root"}, '[pool web] user: "root" is root'),
    "pool of nobody": ({}, {"user": "nobody-there"}, '[pool web] user: there is no user'),
    "pool of no group": ({}, {"group": "nobody-there"}, '[pool web] group: there is no group'),
}


@shows("N3")
@shows("node-S8")
@needs_root
@pytest.mark.parametrize("what", sorted(ACCOUNTS))
def test_an_account_that_is_refused(row, what):
    daemon, pool, words = ACCOUNTS[what]
    r = row(start=False, daemon=daemon, **pool)
    for mode in (["-t"], []):
        result = r.clusterd(*mode)
        assert result.code == 78 and words in result.err, result
        assert "%s:" % r.config_file in result.err
    assert not os.path.exists(r.dir + "/run")


@shows("N3")
@needs_root
def test_an_account_that_a_reload_adds(row):
    """It needs a restart, which is said; nothing changes before."""
    r = row()
    before = [(w["worker"], w["id"]) for w in r.workers()]
    r.write_config(user="nobody")
    result = r.ctl("reload")
    assert result.code == 1 and "[pool web] user" in result and "restart" in result, result
    assert [(w["worker"], w["id"]) for w in r.workers()] == before
    r.served()
    r.restart_daemon()
    for worker in r.workers():
        assert_is_only(worker["pid"], "nobody")


@shows("N3")
@needs_root
def test_accounts_of_two_pools(row):
    r = row(pools={"api": {"user": "nobody", "workers": 1, "routes": {"/": "evil"}}})
    for worker in r.workers():
        assert_is_only(worker["pid"], "nobody" if worker["pool"] == "api" else "clusterd-worker")


# ---- executables --------------------------------------------------------------------------

OTHERS = ("clusterd-master", "clusterd-worker")
MARK = b"clusterd-build-stamp:"


def another_build(path):
    with open(path, "rb") as f:
        data = f.read()
    with open(path, "wb") as f:
        f.write(data.replace(MARK + b"0", MARK + b"9"))


BROKEN = {
    "absent": (os.unlink, "can be opened: No such file"),
    "not executable": (lambda path: os.chmod(path, 0o644), "is not executable"),
    "of another build": (another_build, "is of another build"),
    "a text": (lambda path: written(path, b"#!/bin/sh\n"), "it carries no build stamp"),
    "empty": (lambda path: written(path, b""), "not a program"),
    "a folder": (lambda path: (os.unlink(path), os.mkdir(path)), "not a program"),
}


def written(path, content):
    with open(path, "wb") as f:
        f.write(content)


@shows("N4")
@pytest.mark.parametrize("how", sorted(BROKEN))
@pytest.mark.parametrize("name", OTHERS)
def test_a_program_that_is_refused(row, name, how):
    r = row(start=False)
    path = r.copy_programs() + "/" + name
    BROKEN[how][0](path)
    result = r.clusterd()
    assert result.code == 1 and path in result.err and BROKEN[how][1] in result.err, result
    if how == "of another build":
        stamps = re.search(r"\((\S+), this is (\S+)\)", result.err)
        assert stamps and stamps[1] != stamps[2], result
    assert not os.path.exists(r.dir + "/run")


@shows("N4")
@pytest.mark.parametrize("how", ["absent", "of another build", "a text"])
def test_programs_that_are_replaced_while_they_run(row, how):
    """Those that were opened at the start go on, for workers and masters, too."""
    r = row(start=False)
    folder = r.copy_programs()
    r.start()
    for name in OTHERS:
        path = "%s/%s" % (folder, name)
        shutil.copy(path, path + ".new")
        if how != "absent":
            BROKEN[how][0](path + ".new")
            os.rename(path + ".new", path)
        else:
            os.unlink(path)
    for slot in ("web/0", "web/1"):
        r.kill_worker(slot)
    r.kill_master()
    r.kill_worker("web/2")
    assert r.ctl("reload").code == 0, "the checker, too"
    assert r.ctl("restart", "web").code == 0
    r.served()


# ---- secrets and queries ---------------------------------------------------------------------

SECRETS = {"as a value": "Sesam-7261", "by a file": "Sesam-9034"}
TOKEN = "token-5519"


def keeping_secrets(row, **daemon):
    """A row with a secret of each kind, and evil beside it."""
    r = row(start=False, daemon=daemon, routes={
        "/": "evil", "/one/": "one", "/two/": "two"}, plugins={
            "one": {"module": "options.so", "name": "one", "password": SECRETS["as a value"]},
            "two": {"module": "options.so", "name": "two"}})
    path = r.dir + "/password"
    with open(path, "w", encoding="ascii") as f:
        f.write(SECRETS["by a file"] + "\n")
    os.chmod(path, 0o644)
    r.plugins["two"]["password"] = "file:" + path
    r.write_config()
    return r


def suffer(r):
    """A crash, a hang and a 504, each at a path with a query; two of them die."""
    ids = []
    for path in ("/segv", "/block"):
        seen = r.last_event()
        r.get("%s?x=%s" % (path, TOKEN), expect="connection lost")
        death = r.await_event("worker.exited", after=seen)
        r.blame({"id": death["id"]})
        r.death(death["id"])            # which is told from now on
        ids.append(death["id"])
    r.get("/sleep?5000&x=%s" % TOKEN, expect=504)
    r.await_ready()
    return ids


def said_in_a_handler(r, command):
    """What this command says, if one is in /block; None if nobody is."""
    said = r.ctl("--json", command).out
    rows = json.loads(said)
    rows = rows["workers"] if command == "status" else rows
    return said if any((w["doing"] or {}).get("path") == "/block" for w in rows) else None


def everything_said(r):
    """{where: text} of all that the daemon tells."""
    said = {"log": r.log(), "-T": r.clusterd("-T").out}
    for words in ("status", "pools", "workers", "plugins", "listeners", "generations", "deaths",
                  "why all", "requests", "metrics", "audit", "config show", "config diff",
                  "reload --plan", "events --since 0"):
        for options in ([], ["--json"]):
            result = r.ctl(*options, *words.split())
            said[" ".join(options + [words])] = result.out + result.err
    for part in ("", "-wal"):
        with open(r.dir + "/state/state.db" + part, "rb") as f:
            said["state.db" + part] = f.read().decode("latin-1")
    return said


def found(said, word):
    return sorted(where for where, text in said.items() if word in text)


@shows("N5")
def test_secrets_and_queries_are_told_to_nobody(row):
    r = keeping_secrets(row)
    r.start()
    suffer(r)
    # and changed ones, in the file but not in force
    r.plugins["one"]["password"] = "Sesam-0000"
    r.write_config(handler_timeout="30s")
    said = everything_said(r)
    for word in (*SECRETS.values(), "Sesam-0000", TOKEN):
        assert not found(said, word), (word, found(said, word))
    assert "***" in said["config show"] and "***" in said["-T"] and "***" in said["config diff"]
    # of each worker, the last one
    assert "/block" in said["why all"] and "/segv" in said["why all"] + said["deaths"]
    assert r.ctl("reload").code == 0
    said = everything_said(r)
    assert not found(said, "Sesam-"), found(said, "Sesam-")
    for name in os.listdir(r.dir + "/state/snapshots"):
        path = "%s/state/snapshots/%s" % (r.dir, name)
        with open(path, "rb") as f:
            if b"Sesam-" in f.read():
                assert os.stat(path).st_mode & 0o077 == 0, name
    # and what a request is at, while it is
    held = Held(r)
    os.rename(held.path, held.path + "&x=" + TOKEN)
    held.path += "&x=" + TOKEN
    with r.connect() as connection:
        connection.send(http.head("GET", "/block?" + held.path, r.address()))
        for command in ("status", "workers"):
            said = wait.until(lambda command=command: said_in_a_handler(r, command), 10,
                              "the request in " + command)
            assert TOKEN not in said, said
        held.let_go()
        assert connection.response().status == 200
    r.served()


@shows("N5")
def test_queries_that_are_wanted(row):
    r = keeping_secrets(row, record_query="yes")
    r.start()
    suffer(r)
    said = everything_said(r)
    for where in ("deaths", "--json deaths"):
        assert "/segv?x=" + TOKEN in said[where], said[where]
        assert "/block?x=" + TOKEN in said[where], said[where]
    # of each worker, the last one
    assert "/block?x=" + TOKEN in said["why all"], said["why all"]
    for secret in SECRETS.values():
        assert not found(said, secret), found(said, secret)


@shows("N5")
@pytest.mark.parametrize("what, words", [
    ("absent", "No such file"), ("a folder", ""), ("unreadable", "")])
def test_a_secret_that_cannot_be_read(row, what, words):
    """Its file is named, and nothing of what is in it."""
    r = keeping_secrets(row)
    path = r.dir + "/password"
    if what != "unreadable":
        os.unlink(path)
    if what == "a folder":
        os.mkdir(path)
    elif what == "unreadable":
        os.chmod(path, 0)
        if os.geteuid() != 0:
            os.chmod(path, 0o200)
    result = r.clusterd()
    assert result.code == 78 and path in result.err and words in result.err, result
    assert "[plugin two] password" in result.err
    assert not found({"": result.err}, "Sesam-")
