# SPDX-License-Identifier: MIT
"""The log under faults: its disk full, failing or standing still, its file
removed, replaced or hostile, its reader asleep.  Lines may be lost, and are
counted; requests, supervision and `status` never wait."""

import os
import re
import signal
import stat
import threading

import pytest

from harness import control, http, processes, sanitized, shows, threads, wait
from harness.hostile import put_hostile
from harness.reopen import reopen
from harness.row import reasons

NOTICE_S = 10                           # between two notices, unscaled


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def logging_to(row, path, **how):
    """A row that is not started yet, whose `log` is this file: a name in a folder
    that the master may write to, or an absolute path."""
    r = row(start=False, **how)
    if not path.startswith("/"):
        os.mkdir(r.dir + "/logs")
        os.chmod(r.dir + "/logs", 0o777)
        path = r.dir + "/logs/" + path
    r.daemon_keys["log"] = r.log_path = path
    r.write_config()
    return r


def await_reason(r, name, words=""):
    """It is said in `status`, with these words, and makes it `degraded`."""
    status = r.await_state(lambda s: name in reasons(s))
    text = next(one["text"] for one in status["reasons"] if one["reason"] == name)
    assert words in text and status["state"] == "degraded", status
    assert r.ctl("status").code == 1


def still_works(r):
    r.served(1)
    r.kill_worker("web/1")
    assert r.json("restart", "web/0")
    r.served(1)


def notices(r):
    return r.log().count("the log cannot be written")


# ---- full, failing -----------------------------------------------------------------

@threads
@sanitized
@shows("G7")
@shows("P12")
def test_full_for_ever(row):
    r = logging_to(row, "/dev/full")
    r.start()
    began = wait.Deadline(60)
    await_reason(r, "logs_dropped", "No space left")
    r.await_log("the log cannot be written: No space left")     # on stderr
    before = r.metric("log_lines_dropped_total")
    assert before > 0 and r.metric("log_lines_total") == 0
    still_works(r)                      # logs a worker's end and two starts
    wait.until(lambda: notices(r) >= 2 or not r.get("/"), 3 * NOTICE_S / r.scale + 5,
               "a second notice")
    assert notices(r) <= 2 + (60 - began.left()) * r.scale / NOTICE_S
    assert r.metric("log_lines_dropped_total") > before
    r.ends_as("degraded")


@shows("G7")
def test_the_disk_is_full(small_disk, row):
    """A file system without room, and later with some."""
    r = logging_to(row, "clusterd.log")
    disk = small_disk(r.dir + "/logs", user="clusterd")
    r.start()
    wait.until(lambda: text_of(r.log_path).count("worker.ready") == 4, 10, "lines")
    disk.fill()
    while "logs_dropped" not in r.reasons():
        still_works(r)                  # until the last block is full
    await_reason(r, "logs_dropped", "No space left")
    dropped = r.metric("log_lines_dropped_total")
    assert dropped > 0 and notices(r) >= 1
    disk.free()
    still_works(r)
    wait.until(lambda: "lines of log were dropped" in text_of(r.log_path), 10,
               "a line of how many are missing")
    said = sum(map(int, re.findall(r"clusterd: (\d+) lines of log were dropped",
                                   text_of(r.log_path))))
    assert said == r.metric("log_lines_dropped_total") >= dropped
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


@shows("G7")
def test_writes_that_fail(faulty):
    """Of the log and of all else that the master writes: a client of its control
    socket may be closed, those of the workers see nothing."""
    r = logging_to(faulty, "clusterd.log").start()
    r.fi.arm("master", "write:EIO@100-300")
    while r.fi.injected("master") < 201:
        r.get("/say?100")
    await_reason(r, "logs_dropped", "Input/output error")
    still_works(r)
    wait.until(lambda: "lines of log were dropped" in text_of(r.log_path), 10, "the count")
    assert 0 < r.metric("log_lines_dropped_total") <= 201
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


@threads
@sanitized
@shows("G7")
def test_lines_that_fail(row):
    """Each of them is counted, and no other."""
    window = range(40, 60)
    r = logging_to(row, "clusterd.log", env={
        "CLUSTERD_FP": ",".join("log.write:err=EIO@%d" % n for n in window)})
    r.start()
    while r.metric("log_lines_dropped_total") < len(window):
        still_works(r)
    wait.until(lambda: "lines of log were dropped" in text_of(r.log_path), 10, "the count")
    assert r.metric("log_lines_dropped_total") == len(window)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


# ---- hostile -----------------------------------------------------------------------

HOSTILE = {
    "symlink": "is a symbolic link", "dangling symlink": "is a symbolic link",
    "hard link": "neither a regular file with one name nor a device",
    "FIFO": "clusterd.log", "socket": "clusterd.log", "directory": "clusterd.log",
}


@shows("G9")
@pytest.mark.parametrize("how", sorted(HOSTILE))
@pytest.mark.parametrize("when", ["at the start", "at a reopen"])
def test_a_log_that_is_not_one(row, when, how):
    r = logging_to(row, "clusterd.log")
    precious = r.dir + "/logs/precious"
    with open(precious, "w", encoding="utf-8") as f:
        f.write("precious\n")
    os.chmod(precious, 0o666)
    if when == "at the start":
        put_hostile(how, r.log_path, precious)
        r.start()
    else:
        r.start()
        wait.until(lambda: "worker.ready" in text_of(r.log_path), 10, "a line")
        os.rename(r.log_path, r.log_path + ".1")
        put_hostile(how, r.log_path, precious)
        result = reopen(r, code=1)
        assert r.log_path in result and HOSTILE[how] in result, result
    await_reason(r, "log_refused", r.log_path)
    still_works(r)
    # where it went before: nothing is lost
    elsewhere = r.log() if when == "at the start" else text_of(r.log_path + ".1")
    assert HOSTILE[how] in elsewhere
    wait.until(lambda: "worker.exited" in (
        r.log() if when == "at the start" else text_of(r.log_path + ".1")), 10, "the line")
    assert r.metric("log_lines_dropped_total") == 0
    assert text_of(precious) == "precious\n" and not os.path.exists(precious + ".not")
    if how == "FIFO":
        assert stat.S_ISFIFO(os.stat(r.log_path).st_mode)
    if how == "directory":
        os.rmdir(r.log_path)
    else:
        os.unlink(r.log_path)
    reopen(r)
    r.await_state(lambda s: s["state"] == "ok")
    still_works(r)
    wait.until(lambda: "worker.exited" in text_of(r.log_path), 10, "a line in the new file")


# ---- removed, replaced, read-only, rotated ------------------------------------------

@threads
@sanitized
@shows("G14")
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_removed(row, how):
    """Nobody would read what goes to a file without a name."""
    r = logging_to(row, "clusterd.log")
    r.start()
    wait.until(lambda: text_of(r.log_path).count("worker.ready") == 4, 10, "lines")
    if how == "removed":
        os.unlink(r.log_path)
    else:
        with open(r.log_path + ".new", "w", encoding="utf-8") as f:
            f.write("another\n")
        os.chmod(r.log_path + ".new", 0o666)
        os.rename(r.log_path + ".new", r.log_path)
    still_works(r)
    wait.until(lambda: os.path.exists(r.log_path)
               and "worker.exited web/1" in text_of(r.log_path), 10, "it in a new file")
    assert "was removed; this is a new one" in text_of(r.log_path)
    assert text_of(r.log_path).startswith("another\n") == (how == "replaced")
    assert r.metric("log_lines_dropped_total") == 0


@shows("G14")
def test_removed_and_not_to_be_made(row):
    """Neither the file nor its folder: lines are counted, until it is there."""
    r = logging_to(row, "clusterd.log")
    r.start()
    os.rename(r.dir + "/logs", r.dir + "/other")
    reopen(r, code=1)
    await_reason(r, "log_refused", "No such file")
    assert r.metric("log_lines_dropped_total") == 0, "it has another name: nothing is lost"
    os.unlink(r.dir + "/other/clusterd.log")
    still_works(r)
    await_reason(r, "logs_dropped", "it was removed; log: cannot open " + r.log_path)
    os.rename(r.dir + "/other", r.dir + "/logs")
    still_works(r)
    wait.until(lambda: "lines of log were dropped" in text_of(r.log_path), 10, "the count")
    reopen(r)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


@shows("G14")
def test_refused_and_then_possible(row):
    """Nobody has to ask: it is tried again."""
    r = logging_to(row, "clusterd.log")
    r.start()
    os.rename(r.dir + "/logs", r.dir + "/other")
    reopen(r, code=1)
    await_reason(r, "log_refused", "No such file")
    os.rename(r.dir + "/other", r.dir + "/logs")
    r.await_state(lambda s: s["state"] == "ok")
    still_works(r)
    wait.until(lambda: "worker.exited web/1" in text_of(r.log_path), 10, "a line in it")
    assert text_of(r.log_path).count("error master: log: cannot open") == 1, "said once"


@shows("G14")
def test_rotated_into_a_folder_that_is_read_only(row):
    r = logging_to(row, "clusterd.log")
    r.start()
    wait.until(lambda: "worker.ready" in text_of(r.log_path), 10, "a line")
    os.rename(r.log_path, r.log_path + ".1")
    os.chmod(r.dir + "/logs", 0o555)
    result = reopen(r, code=1)
    assert "Permission denied" in result, result
    still_works(r)
    wait.until(lambda: "worker.exited" in text_of(r.log_path + ".1"), 10, "it in the old file")
    os.chmod(r.dir + "/logs", 0o777)
    reopen(r)
    r.await_state(lambda s: s["state"] == "ok")


def test_rotated(row):
    r = logging_to(row, "clusterd.log")
    r.start()
    old = r.log_path + ".1"
    wait.until(lambda: text_of(r.log_path).count("worker.ready") == 4, 10, "lines")
    os.rename(r.log_path, old)
    r.kill_worker("web/0")
    wait.until(lambda: text_of(old).count("worker.ready") == 5, 10, "a line in the old log")
    assert not os.path.exists(r.log_path), "a new one is made when it is asked for"
    reopen(r)
    r.kill_worker("web/1")
    wait.until(lambda: "worker.ready" in text_of(r.log_path), 10, "a line in the new log")
    assert text_of(old).count("worker.ready") == 5


# ---- a disk or a reader that stands still --------------------------------------------

@threads
@sanitized
@shows("G15")
@pytest.mark.parametrize("where", ["log.open", "log.write"])
def test_its_disk_stands_still(row, where):
    r = logging_to(row, "clusterd.log", env={"CLUSTERD_FP": "%s:sleep=60000@%d" % (
        where, 2 if where == "log.open" else 60)})
    r.start()
    if where == "log.open":
        result = r.ctl("log", "reopen")
        assert result.code == 5 and "its disk does not answer" in result, result
    while "logs_dropped" not in r.reasons():
        still_works(r)
    await_reason(r, "logs_dropped", "takes no lines")
    result = r.ctl("log", "reopen")
    assert result.code == 5 and "its disk does not answer" in result, result
    still_works(r)
    r.ends_as("degraded")


@shows("G15")
def test_asked_late_in_a_turn_of_the_master(row):
    """Its timers count from the begin of the turn: one that comes before its time
    leaves nobody without an answer."""
    r = logging_to(row, "clusterd.log", load={}, env={
        "CLUSTERD_FP": "log.open:sleep=60000@2,dispatch.after_accept:sleep=50"})
    r.start()
    address, master = r.address(), r.master_pid()
    with control.Client(r.socket, timeout=10) as one:
        assert one.ask("status")["ok"]
        processes.halt(master)
        with http.Connection(address) as before:
            one.send("log reopen")
            os.kill(master, signal.SIGCONT)
            answer = one.final()
            assert "its disk does not answer" in answer["error"]["text"], answer
            assert before.request("GET", "/").status == 200
    r.ends_as("degraded")


class Sleeper:
    """Whoever reads our stderr: asleep until `wake`, then it keeps what comes."""

    def __init__(self, r):
        self.path, self.kept = r.dir + "/stderr", r.dir + "/kept"
        os.mkfifo(self.path)
        self.fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        r.log_file = self.path
        self.row = r
        self.thread = threading.Thread(target=self._read, daemon=True)

    def wake(self):
        os.close(os.open(self.kept, os.O_CREAT | os.O_WRONLY, 0o600))
        self.row.log_file = self.kept
        os.set_blocking(self.fd, True)
        self.thread.start()

    def _read(self):
        with open(self.kept, "ab", buffering=0) as f:
            while data := os.read(self.fd, 65536):
                f.write(data)
        os.close(self.fd)


@threads
@sanitized
@shows("G10")
def test_the_reader_of_our_stderr_sleeps(row):
    r = row(start=False)
    reader = Sleeper(r)
    r.start()
    while "logs_dropped" not in r.reasons():
        r.get("/say?100x200")           # log_level = debug, and plugins that talk
        still_works(r)
    await_reason(r, "logs_dropped", "takes no lines")
    # a master that comes new to it does not wait either
    r.kill_master()
    still_works(r)
    result = r.ctl("reload", timeout=10)
    assert result.code == 0, result
    # until lines are lost, and not only wait
    while not r.metric("log_lines_dropped_total"):
        for _ in range(20):
            r.get("/say?200")
    await_reason(r, "logs_dropped", "lines of log are lost")
    reader.wake()
    wait.until(lambda: "lines of log were dropped" in r.log(), 20, "the count")
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)
    still_works(r)


# ---- the master dead ------------------------------------------------------------------

def five_masters_die(r):
    """The load goes on, and with it the workers."""
    before = [w["pid"] for w in r.workers()]
    for _ in range(5):
        r.kill_master()
        r.served(1)
    assert [w["pid"] for w in r.workers()] == before


@threads
@sanitized
@shows("G11")
def test_masters_die_while_workers_log(row):
    """Nobody reads the pipes of the workers for a while: no worker dies of it or
    waits, and what did not fit is counted."""
    r = row(load={"keepalive": 2, "new": 1, "path": "/say?300x500", "pause": 0.01})
    five_masters_die(r)
    lines = len(re.findall(r"web/\d\[\d+\]: evil: say", r.log()))
    assert lines > 0
    wait.until(lambda: r.metric("lines_dropped_total") > 0, 10, "a count of what was lost")
    seen = len(r.log())
    r.get("/log?afterwards")
    r.rest()
    wait.until(lambda: r.get("/log?afterwards") and "said: afterwards" in r.log()[seen:], 15,
               "a line of a worker")


@shows("G11")
def test_masters_die_while_workers_print(row):
    r = row(load={"keepalive": 2, "new": 1, "path": "/spam?1", "pause": 0.01})
    five_masters_die(r)
    wait.until(lambda: r.metric("output_lines_dropped_total") > 0, 10, "a count")
