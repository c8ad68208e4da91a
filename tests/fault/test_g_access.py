# SPDX-License-Identifier: MIT
"""The access log under faults: its disk full, failing or standing still, its file
removed or hostile, its descriptor closed, nobody there to open it.  Lines may be
lost, and are counted; requests never wait."""

import os
import re
import signal
import stat
import time

import pytest

from harness import inject, sanitized, shows, threads, wait
from harness.access import AccessLog
from harness.hostile import put_hostile
from harness.processes import fds
from harness.reopen import reopen
from harness.row import reasons

NOTICE_S = 10                           # between two notices of a worker, unscaled
FORM = "$worker $path $status"


def logging_to(row, path, **how):
    """A row that is not started yet, with this access log: a name in a folder that
    the master may write to, or an absolute path."""
    r = row(start=False, **how)
    log = AccessLog(r, path)
    if path.startswith("/"):
        log.path = path
    r.write_config(access_log=log.path, access_log_format=FORM)
    return r, log


def await_all(r, log):
    """Every worker has the file, which is one of its means from now on."""
    names = {worker["worker"] for worker in r.workers()}
    wait.until(lambda: r.get("/") and names <= {line.split()[0] for line in log.lines()}, 20,
               "a line of each worker")
    r.note_means()


def start(r, log):
    r.start()
    await_all(r, log)


def counts(r):
    """(due, written, lost) at one moment"""
    now = r.metrics()
    return tuple(now["access_log_lines%s_total" % what]
                 for what in ("", "_written", "_dropped"))


def notices(r, worker):
    return re.findall(r"%s\[\d+\]: access log: (\d+) lines were lost: (.*)" % worker, r.log())


def await_notice(r, words, timeout=20):
    def said():
        r.get("/")
        return re.search(r"web/\d\[\d+\]: access log: \d+ lines were lost: .*" + words, r.log())
    return wait.until(said, timeout, "a notice: " + words)


def await_reason(r, name, words=""):
    """It is said in `status`, with these words, and makes it `degraded`."""
    status = r.await_state(lambda s: any(
        one["reason"] == name and words in one["text"] for one in s["reasons"]), 20)
    assert status["state"] == "degraded", status


def await_whole(r, timeout=10):
    """With the load at rest: what was due is written or lost.  A client has its answer
    before that is counted: they stay as they are for some looks."""
    r.rest()
    seen = []

    def settled():
        seen.append(counts(r))
        due, written, lost = seen[-1]
        return due == written + lost and seen[-5:] == [seen[-1]] * 5 and seen[-1]
    return wait.until(settled, timeout, "an end of all lines that wait")


def is_quick(r, seconds=1):
    """No request waited for the log."""
    assert r.book.slowest() < seconds, r.book.slowest()


# ---- full, failing -----------------------------------------------------------------

@threads
@sanitized
@shows("G7")
def test_full_for_ever(row):
    r, _ = logging_to(row, "/dev/full")
    r.start()
    began = time.monotonic()
    await_notice(r, "No space left")
    await_reason(r, "logs_dropped", "lines of the access log are lost")
    r.kill_worker("web/1")
    r.served(2)
    worker = next(w["worker"] for w in r.workers() if notices(r, w["worker"]))
    wait.until(lambda: r.get("/") and len(notices(r, worker)) >= 2, 3 * NOTICE_S / r.scale + 10,
               "a second notice")
    said = len(notices(r, worker))
    assert said <= 2 + (time.monotonic() - began) * r.scale / NOTICE_S
    due, written, lost = await_whole(r)
    assert written == 0 and lost == due > 0
    is_quick(r)
    r.ends_as("degraded")


@shows("G7")
def test_the_disk_is_full(small_disk, row):
    """A file system without room, and later with some.  Where the last block ends a
    line may be cut, and another worker's next one stand behind it; no more."""
    r, log = logging_to(row, "access.log")
    disk = small_disk(log.folder, user="clusterd")
    start(r, log)
    disk.fill()
    await_notice(r, "No space left", 40)
    await_reason(r, "logs_dropped")
    r.kill_worker("web/1")
    disk.free()
    lost = counts(r)[2]
    assert lost > 0
    seen = len(log.lines())
    wait.until(lambda: r.get("/again") and "/again" in log.text()[seen:], 10, "lines again")
    _, written, _ = await_whole(r)
    whole = [line for line in log.lines() if re.fullmatch(r"web/\d \S+ \d{3}", line)]
    assert len(log.lines()) - len(whole) <= len(r.workers())
    assert len(whole) >= written - len(r.workers())
    is_quick(r)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


@shows("G7")
@inject.needs_preload
def test_writes_that_fail(row):
    """All writes of the workers, to their pipes too."""
    r, log = logging_to(row, "access.log")
    fi = inject.injected_into(r)
    start(r, log)
    fi.arm("worker", "write:EIO@5-60")
    wait.until(lambda: fi.injected("worker", "write") >= 56, 20, "56 failures")
    await_reason(r, "logs_dropped")
    fi.disarm("worker")
    due, _, lost = await_whole(r)
    assert 0 < lost < due
    is_quick(r)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


@threads
@sanitized
@shows("G7")
def test_lines_that_fail(row):
    """Each of a write that failed is counted, and no other."""
    r, log = logging_to(row, "access.log",
                        env={"CLUSTERD_FP": "access.write:err=EIO@2,access.write:err=EIO@3"})
    r.start()
    wait.until(lambda: r.get("/") and log.lines() and counts(r)[2] > 0, 20, "losses")
    await_notice(r, "Input/output error")
    r.served(20)
    due, written, lost = await_whole(r)
    assert lost > 0 and written == len(log.lines()) and due == written + lost
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)


# ---- hostile -----------------------------------------------------------------------

HOSTILE = {
    "symlink": "is a symbolic link", "dangling symlink": "is a symbolic link",
    "hard link": "is neither a regular file with one name nor a device",
    "FIFO": "cannot open", "FIFO that is read": "is neither a regular file",
    "directory": "cannot open",
}


@shows("G9")
@pytest.mark.parametrize("how", sorted(HOSTILE))
@pytest.mark.parametrize("when", ["at the start", "at a reopen", "at a reload"])
def test_an_access_log_that_is_not_one(row, when, how):
    r, log = logging_to(row, "access.log")
    precious, reader = log.folder + "/precious", None
    with open(precious, "w", encoding="utf-8") as f:
        f.write("precious\n")
    os.chmod(precious, 0o666)
    path = log.folder + "/hostile.log" if when == "at a reload" else log.path
    if when != "at the start":
        start(r, log)
    if when == "at a reopen":
        os.rename(log.path, log.path + ".1")
    put_hostile(how, path, precious)
    if how == "FIFO that is read":
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if when == "at the start":
        r.start()
    elif when == "at a reload":
        r.write_config(access_log=path)
        assert r.ctl("reload").code == 0, "a log that cannot be written stops no reload"
    else:
        result = reopen(r, code=1)
        assert path in result and HOSTILE[how] in result, result
    await_reason(r, "log_refused", path)
    assert HOSTILE[how] in r.log() and path in r.log()
    r.served(2)
    r.kill_worker("web/1")
    if when != "at the start":          # where it went before: nothing is lost
        before = log.path + ".1" if when == "at a reopen" else log.path
        r.get("/afterwards")
        wait.until(lambda: "/afterwards" in log.text(before) or r.get("/afterwards") is None,
                   10, "it in the file of before")
    with open(precious, encoding="utf-8") as f:
        assert f.read() == "precious\n"
    assert not os.path.exists(precious + ".not")
    if reader is not None:
        assert os.read(reader, 100) == b""
        os.close(reader)
    if how.startswith("FIFO"):
        assert stat.S_ISFIFO(os.stat(path).st_mode)
    (os.rmdir if how == "directory" else os.unlink)(path)
    reopen(r)
    r.await_state(lambda s: "log_refused" not in reasons(s))
    log.path = path
    await_all(r, log)
    assert await_whole(r)[2] < 100, "only what a killed worker had"


# ---- removed, a folder that is gone -------------------------------------------------

@threads
@sanitized
@shows("G14")
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_removed(row, how):
    """Nobody would read what goes to a file without a name: lines wait for the next
    one."""
    r, log = logging_to(row, "access.log")
    start(r, log)
    if how == "removed":
        os.unlink(log.path)
    else:
        with open(log.path + ".new", "w", encoding="utf-8") as f:
            f.write("another\n")
        os.chmod(log.path + ".new", 0o666)
        os.rename(log.path + ".new", log.path)
    log.await_line("200", 20)
    r.await_log("access log: %s was removed; there is a new one" % log.path)
    assert log.text().startswith("another\n") == (how == "replaced")
    assert await_whole(r)[2] == 0


@shows("G14")
def test_removed_and_not_to_be_made(row):
    r, log = logging_to(row, "access.log")
    start(r, log)
    os.rename(log.folder, r.dir + "/other")
    os.unlink(r.dir + "/other/access.log")
    await_reason(r, "log_refused", "No such file")
    r.served(5)
    os.rename(r.dir + "/other", log.folder)
    log.await_line("200", 20)           # without a word from anybody
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)
    assert await_whole(r)[2] == 0, "they waited"


@threads
@sanitized
@shows("G14")
def test_it_cannot_be_opened_at_first(row):
    """A new master, and no descriptor is left for the moment."""
    r, log = logging_to(row, "access.log", env={"CLUSTERD_FP": "access.open:err=EMFILE@1"})
    r.start()
    r.get("/before")
    r.await_log("access log: cannot open %s: Too many open files" % log.path)
    log.await_line("/before", 20)       # without a word from anybody
    await_all(r, log)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)
    assert await_whole(r)[2] == 0, "they waited"


@threads
@shows("G14")
def test_it_cannot_be_opened_for_a_while(row):
    """Each try is like the one before, which is said once."""
    r, log = logging_to(row, "access.log")
    os.rename(log.folder, r.dir + "/other")
    r.start()
    await_reason(r, "log_refused", "No such file")
    r.get("/before")
    r.served(5)
    os.rename(r.dir + "/other", log.folder)
    log.await_line("/before", 20)
    await_all(r, log)
    r.await_state(lambda s: s["state"] == "ok", 2 * NOTICE_S / r.scale + 10)
    assert await_whole(r)[2] == 0, "they waited"
    assert r.log().count("error master: access log: cannot open") == 1


def burst(r):
    """A few MB of lines, all to one worker."""
    request = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n" % (b"x" * 2000)
    with r.connect() as connection:
        for _ in range(100):
            connection.send(request * 16)
            for _ in range(16):
                connection.response()


# ---- a disk that stands still, a reader that sleeps ------------------------------------

@threads
@sanitized
@shows("G15")
def test_its_disk_stands_still(row):
    """No request waits: the ring fills, then lines are lost.  A worker that has
    to go goes, and so does the daemon."""
    r, _ = logging_to(row, "access.log", env={"CLUSTERD_FP": "access.write:sleep=60000@3"})
    r.start()
    wait.until(lambda: burst(r) or counts(r)[2] > 0, 40, "a line that is lost")
    await_notice(r, "it is not written fast enough")
    await_reason(r, "logs_dropped")
    r.kill_worker("web/1")
    assert r.json("restart", "web/0")
    r.served(2)
    is_quick(r)
    r.rest()
    r.ends_as("degraded")


@threads
@shows("G15")
def test_its_open_does_not_return(row):
    r, log = logging_to(row, "access.log", env={"CLUSTERD_FP": "access.open:sleep=60000@2"})
    start(r, log)
    result = r.ctl("log", "reopen")
    assert result.code == 5 and "a file of workers is not open yet" in result, result
    await_reason(r, "log_refused", "its disk does not answer")
    seen = len(log.lines())
    r.kill_worker("web/1")
    wait.until(lambda: len(log.lines()) > seen + 5, 10, "lines, to the file of before")
    is_quick(r)
    r.ends_as("degraded")


@threads
@shows("G15")
def test_nobody_reads_our_stdout(row):
    """A pipe that is full: as a disk that stands still.  When it is read again, lines
    of several workers are whole."""
    r = row(start=False)
    fifo, kept = r.dir + "/stdout", r.dir + "/stderr"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    r.daemon_keys["log"] = kept
    with open(kept, "w", encoding="utf-8"):
        os.chmod(kept, 0o666)
    r.write_config(access_log="stdout", access_log_format="clusterd: " + FORM)
    r.log_file = fifo
    r.start()
    r.log_file = kept                   # where to look from now on
    burst(r)
    r.served(5)
    is_quick(r)
    due, written, _ = counts(r)
    assert due > written, "the pipe holds all of it"
    r.rest()
    data = b""

    def read():
        nonlocal data
        try:
            data += os.read(reader, 1 << 20)
        except BlockingIOError:
            pass
        due, written, lost = counts(r)
        return due == written + lost
    wait.until(read, 20, "all of it")
    while wait.readable(reader, 0):     # the last was written since it was read
        read()
    lines = [line for line in data.decode().split("\n") if "clusterd: web" in line]
    assert len(lines) > 1000
    assert all(re.fullmatch(r"clusterd: web/\d \S+ \d{3}", line) for line in lines)
    os.close(reader)


# ---- a plugin that closes what is not its own -------------------------------------------

@shows("G16")
def test_a_plugin_closes_it(row):
    """Its number may be a client's next: nothing is written to that, and the worker
    is replaced."""
    r, log = logging_to(row, "access.log")
    start(r, log)
    worker = r.blame(r.worker("web/0"))
    connection = r.connection_to(worker)
    number = next(fd for fd, what in fds(worker["pid"]).items() if what == log.path)
    assert connection.request("GET", "/closefd?%d" % number).status == 200
    r.await_state(lambda s: any(w["worker"] == "web/0" and w["id"] != worker["id"] and
                                w["state"] == "ready" for w in s["workers"]))
    connection.close()


# ---- the master dead ------------------------------------------------------------------

@threads
@sanitized
@shows("G11")
def test_masters_die_while_workers_log_requests(row):
    """The file is the workers' own: all lines are there, whoever lives.  The next
    master knows where they go."""
    r, log = logging_to(row, "access.log")
    start(r, log)
    before = r.workers()
    for _ in range(5):
        r.kill_master()
        r.served(1)
    assert [w["pid"] for w in r.workers()] == [w["pid"] for w in before]
    os.rename(log.path, log.path + ".1")
    reopen(r)
    log.await_line("200")
    due, written, lost = await_whole(r)
    assert lost == 0 and due == written == len(log.lines()) + len(log.lines(log.path + ".1"))
    is_quick(r, 2)


@shows("G11")
def test_a_worker_that_no_master_had_time_for(row):
    """Its master dies before it has told it where the log is."""
    r, log = logging_to(row, "access.log",
                        env={"CLUSTERD_FP": "access.open:sleep=60000/1"})
    r.start()
    r.get("/before")
    wait.until(lambda: "/before" not in log.text(), 1, "nothing")
    r.kill_master()
    log.await_line("/before")
    await_all(r, log)
    assert await_whole(r)[2] == 0, "lines wait in the ring"


@shows("G11")
def test_the_keeper_dies_and_workers_write_what_they_have(row):
    r, log = logging_to(row, "access.log")
    start(r, log)
    r.get("/last")
    os.kill(r.pid(), signal.SIGKILL)
    r.keeper_killed()
    log.await_line("/last")
