# SPDX-License-Identifier: MIT
"""Where stdout and stderr of workers go: the log, nowhere, or a file."""

import os
import signal

import pytest

from harness import shows, wait
from harness.access import AccessLog
from harness.children import Children, PATHS
from harness.reopen import reopen
from harness.row import reasons

EVIL = {"/": "evil"}


def at(c, number, name="web/0"):
    """What that descriptor of the worker is."""
    return os.readlink("/proc/%d/fd/%d" % (c.worker(name)["pid"], number))


def await_at(c, number, path, name="web/0"):
    wait.until(lambda: at(c, number, name) == path, 10, "%s at %d" % (path, number))


def say(c, number, words):
    assert c.get("/print?%d,%s" % (number, words)).text == "%d\n" % (len(words) + 1)


def printing(cluster, keys, **how):
    """A cluster whose workers have these keys, `@' for the file: (cluster, file)."""
    c = cluster(start=False, **dict(dict(workers=1, routes=EVIL), **how))
    file = AccessLog(c, "output.log")
    c.write_config(**{key: value.replace("@", file.path) for key, value in keys.items()})
    c.start()
    for row in c.workers():
        for number, key in enumerate(("stdout", "stderr"), 1):
            if keys.get(key, "")[:1] == "@":
                await_at(c, number, keys[key].replace("@", file.path), row["worker"])
    return c, file


@shows("node-S7")
@pytest.mark.parametrize("number, key", [(1, "stdout"), (2, "stderr")])
def test_null(cluster, number, key):
    """From the first moment on; the other one is as it was, and nothing comes in."""
    c, _ = printing(cluster, {key: "null"})
    assert at(c, number) == "/dev/null" and at(c, 3 - number).startswith("pipe:")
    assert at(c, 0) == "/dev/null"
    say(c, number, "nobody-hears")
    say(c, 3 - number, "somebody-hears")
    c.await_log("somebody-hears")
    assert "nobody-hears" not in c.log()


@shows("node-S7")
def test_both_in_one_file(cluster):
    """In the order of their writes; the log has none of it."""
    c, file = printing(cluster, {"stdout": "@", "stderr": "@"}, workers=2)
    for n in range(20):
        say(c, 1 + n % 2, "line-%d" % n)
    assert file.lines() == ["line-%d" % n for n in range(20)]
    assert "line-" not in c.log()


@shows("node-S6")
@shows("node-S7")
@pytest.mark.parametrize("to", ["log", "@"])
def test_lines_of_stdio(cluster, to):
    """Each comes when it is printed, not when 4 KiB of them have come together."""
    c, file = printing(cluster, {"stdout": to})
    assert int(c.get("/print?stdio,a-line").text) >= 0
    if to == "log":
        c.await_log("]: a-line")
    else:
        assert file.lines() == ["a-line"]


@shows("node-S7")
def test_files_of_their_own(cluster):
    c, file = printing(cluster, {"stdout": "@", "stderr": "@.err"})
    say(c, 1, "out")
    say(c, 2, "err")
    assert (file.lines(), file.lines(file.path + ".err")) == (["out"], ["err"])


@shows("node-S7")
def test_children_that_inherit_it(cluster):
    """And what they print for the log is in the log."""
    c, file = printing(cluster, {"stdout": "@"}, routes=dict(PATHS, **EVIL))
    children = Children(c)
    children.spawn(file="echo", arg=["echo", "inherited"], io1="inherit")
    assert file.lines() == ["inherited"]
    children.spawn(file="echo", arg=["echo", "for the log"], io1="log")
    c.await_log("for the log")
    assert file.lines() == ["inherited"]


@shows("node-S7")
@pytest.mark.parametrize("how", ["command", "signal", "removed"])
def test_rotated(cluster, how):
    c, file = printing(cluster, {"stdout": "@", "stderr": "@"})
    old = file.path + ".1"
    say(c, 1, "1")
    os.rename(file.path, old)
    say(c, 2, "2")
    assert file.lines(old) == ["1", "2"], "a file that was renamed is followed"
    if how == "command":
        reopen(c)
    elif how == "signal":
        c.signal(signal.SIGUSR1)
    else:
        os.unlink(old)
        c.await_log("stdout: %s was removed; there is a new one" % file.path)
    await_at(c, 1, file.path)
    await_at(c, 2, file.path)
    say(c, 1, "3")
    say(c, 2, "4")
    assert file.lines() == ["3", "4"]


@shows("node-S7")
def test_it_cannot_be_opened_for_a_while(cluster):
    """Until then it goes to the log; each try is like the one before, which is said
    once."""
    c = cluster(workers=2, routes=EVIL, start=False)
    file = AccessLog(c, "output.log")
    c.write_config(stdout=file.path)
    os.rename(file.folder, c.dir + "/other")
    c.start()
    state = c.await_state(lambda s: "log_refused" in reasons(s))
    assert "stdout: cannot open %s: No such file" % file.path in str(state)
    assert file.path in reopen(c, 1)
    say(c, 1, "where-it-was")
    c.await_log("where-it-was")
    os.rename(c.dir + "/other", file.folder)
    for name in ("web/0", "web/1"):
        await_at(c, 1, file.path, name)
    c.await_state(lambda s: s["state"] == "ok")
    say(c, 1, "where-it-should-be")
    assert file.lines() == ["where-it-should-be"]
    assert c.log().count("error master: stdout: cannot open") == 1


@shows("node-S7")
@pytest.mark.parametrize("to", ["@", "null"])
def test_evidence_of_a_crash(cluster, to):
    """What the worker itself says at its end stays on record, and is not in the
    plugin's file."""
    c, file = printing(cluster, {"stdout": to, "stderr": to})
    last = c.worker("web/0")
    say(c, 2, "of-the-plugin")
    c.get("/segv", expect="connection lost")
    death = c.await_event("worker.exited", id=last["id"])
    assert "worker web/0: SIGSEGV" in c.death(death["id"])["output_tail"]
    why = c.ctl("why", "web/0").out
    assert "last output\n" in why and "do_segv" in why, why
    assert file.text() == ("of-the-plugin\n" if to == "@" else "")


@shows("node-S7")
def test_changed_by_a_reload(cluster):
    """Workers are replaced: those that leave print where they did."""
    c = cluster(workers=2, routes=EVIL)
    file = AccessLog(c, "output.log")
    other = AccessLog(c, "other.log")
    printed = []
    for to, is_at in (("log", "pipe:"), (file.path, file.path), (other.path, other.path),
                      ("null", "/dev/null"), ("log", "pipe:")):
        before = {row["id"] for row in c.workers()}
        c.write_config(stdout=to, stderr="log")
        assert c.ctl("reload").code == 0
        after = {row["id"] for row in c.workers() if row["current"]}
        assert bool(before & after) == (not printed), "the default is no change"
        for name in ("web/0", "web/1"):
            wait.until(lambda name=name: at(c, 1, name).startswith(is_at), 10, is_at)
        printed.append("to-%d" % len(printed))
        say(c, 1, printed[-1])
    c.await_log("to-4")
    assert [words for words in printed if words in c.log()] == ["to-0", "to-4"]
    assert (file.lines(), other.lines()) == (["to-1"], ["to-2"])


@shows("node-S7")
def test_of_each_next_worker_and_master(cluster):
    c, file = printing(cluster, {"stderr": "@"})
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    c.await_event("worker.exited", worker="web/0")
    c.await_ready()
    await_at(c, 2, file.path)
    say(c, 2, "1")
    os.rename(file.path, file.path + ".1")
    say(c, 2, "2")
    os.kill(c.master_pid(), signal.SIGKILL)
    await_at(c, 2, file.path)
    say(c, 2, "3")
    assert (file.lines(file.path + ".1"), file.lines()) == (["1", "2"], ["3"])


@shows("node-S7")
def test_a_number_that_a_plugin_has_taken(cluster):
    """It may be a client's by now."""
    c, file = printing(cluster, {"stdout": "@"})
    assert c.get("/closefd?1").text == "0\n"
    with c.connect() as connection:
        connection.request("GET", "/said")
        assert at(c, 1).startswith("socket:")
        reopen(c)
        c.await_log("stdout is no longer ours: it stays as a plugin has left it")
        assert connection.request("GET", "/said").status == 200
    assert file.text() == ""
