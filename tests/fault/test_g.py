# SPDX-License-Identifier: MIT
"""Bookkeeping under faults: the database locked, full, read-only, corrupt,
deleted, replaced, newer or stalled, under load.  Requests, supervision and
`status` go on; what is missing is said, and is there in the end."""

import json
import os
import random
import signal
import sqlite3
import threading

import pytest

from harness import database, memo, processes, sanitized, shows, slow, threads, wait
from harness.daemon import Daemon
from harness.row import reasons


def aside(r):
    """What was moved aside, by the name of its database."""
    return sorted(name for name in os.listdir(r.dir + "/state")
                  if ".corrupt-" in name and not name.endswith(("-wal", "-shm")))


def still_works(r, deaths):
    """Requests and supervision, whatever the disk does; the probe asks `status`
    all the while."""
    r.served(1)
    r.kill_worker("web/0")
    assert r.worker("web/0")["restarts"] == deaths
    r.served(1)


def await_behind(r, words="", timeout=10):
    """Said in `status`, which then is `degraded`."""
    status = r.await_state(lambda s: any(one["reason"] == "store_behind"
                                         and words in one["text"]
                                         for one in s["reasons"]), timeout)
    assert status["state"] == "degraded"


def await_stored(r, deaths):
    """All of it is there, and nothing is wrong any more."""
    r.await_state(lambda s: s["state"] == "ok")
    database.await_number(r, "SELECT count(*) FROM deaths", deaths)
    database.await_number(r, "SELECT sum(restarts) FROM workers", deaths)


def as_before(r):
    """The size of the start, for the oracle."""
    result = r.json("scale", "web", "4")
    assert result["to"] == 4, result
    # it need not be within the time that the command waits for it
    database.await_number(r, "SELECT desired FROM pools", 4)


def all_events_are_there(r):
    """The database has what was followed live, without a gap."""
    r.rest()
    live = [row["seq"] for row in r.events()]
    database.await_number(r, "SELECT count(*) FROM events WHERE seq <= %d" % live[-1],
                          len(live))
    if not r.masters_ended:             # whose successor begins with a new block
        assert live == list(range(live[0], live[-1] + 1))


# ---- locked ---------------------------------------------------------------------------

@threads
@sanitized
@shows("G1")
def test_locked(row):
    r = row()
    since = r.last_event()
    lock = database.Lock(r)
    held = wait.Deadline(60 / r.scale)
    still_works(r, deaths=1)
    behind = r.await_event("store.behind", after=since)
    assert "locked" in behind["reason"]
    await_behind(r, "locked")
    assert r.ctl("status").code == 1
    for name in ("web/1", "web/2", "web/3"):
        victim = r.kill_worker(name)
        # followed live, while nothing can be stored
        r.await_event("worker.exited", after=behind, timeout=5, id=victim["id"])
    result = r.json("scale", "web", "5")
    assert result["to"] == 5 and result["stored"] is False, result
    still_works(r, deaths=2)
    while not held.passed():
        r.served(1)
    r.await_state(lambda s: reasons(s) == ["store_behind"])
    lock.release()
    recovered = r.await_event("store.recovered", after=behind)
    assert recovered["lost"] == 0
    await_stored(r, deaths=5)
    database.await_number(r, "SELECT desired FROM pools", 5)
    as_before(r)
    assert database.number(
        r, "SELECT count(*) FROM events WHERE event = 'store.behind'") == 1
    all_events_are_there(r)


@shows("G1")
def test_locked_at_the_start(row):
    r = row()
    r.last_look()
    assert r.stop() == 0
    lock = database.Lock(r)
    r.start()
    still_works(r, deaths=1)
    await_behind(r, "locked")
    lock.release()
    await_stored(r, deaths=1)


# ---- unusable at the start --------------------------------------------------------------

def foreign(path):
    """A good database, of somebody else."""
    os.unlink(path)
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE theirs (a)")
    db.commit()
    db.close()


def written(content):
    def write(path):
        with open(path, "wb") as f:
            f.write(content)
    return write


def rotten(path):
    """Ours by its head, with a hole where the tables are."""
    with open(path, "r+b") as f:
        f.seek(4096)
        f.write(os.urandom(16384))


UNUSABLE = {
    "zero length": written(b""), "random bytes": written(os.urandom(65536)),
    "a text": written(b"this is no database\n" * 1000),
    "only a head": written(b"SQLite format 3\0cut"), "foreign": foreign, "rotten": rotten,
}


@threads
@sanitized
@shows("G2")
@pytest.mark.parametrize("how", sorted(UNUSABLE))
def test_unusable_at_the_start(row, how):
    r = row()
    r.kill_worker()
    r.last_look()
    assert r.stop() == 0
    path = database.path(r)
    owner = os.stat(path)
    UNUSABLE[how](path)
    os.chown(path, owner.st_uid, owner.st_gid)
    with open(path, "rb") as f:
        content = f.read()
    r.start()
    told = r.await_event("store.recovered", text=lambda text: ".corrupt-" in text)
    kept, = aside(r)
    assert kept in told["text"]
    with open("%s/state/%s" % (r.dir, kept), "rb") as f:
        assert f.read() == content, "kept as it was"
    status = r.await_state(lambda s: "store_replaced" in reasons(s))
    assert status["state"] == "ok" and r.ctl("status").code == 0
    still_works(r, deaths=1)            # counted from 0 again, which is said
    await_stored(r, deaths=1)


@shows("G2")
@pytest.mark.parametrize("beside", ["no file", "an empty file", "another file"])
def test_a_stale_log_beside_a_new_file(row, beside):
    """It is never played into a file that it does not belong to."""
    r = row()
    r.kill_worker()
    database.await_number(r, "SELECT sum(restarts) FROM workers", 1)
    path, other = database.path(r), r.dir + "/other.db"
    stale = {}
    for part in ("-wal", "-shm"):
        with open(path + part, "rb") as f:
            stale[part] = f.read()
    assert len(stale["-wal"]) > 4096
    r.last_look()
    assert r.stop() == 0
    owner = os.stat(path)
    if beside == "another file":        # of the same tables, with other content
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM events")
            db.execute("UPDATE workers SET restarts = 7 WHERE slot = 1")
        db.execute("VACUUM INTO '%s'" % other)
        db.close()
        os.rename(other, path)
    elif beside == "an empty file":
        written(b"")(path)
    else:
        os.unlink(path)
    for part, content in stale.items():
        written(content)(path + part)
    for name in os.listdir(r.dir + "/state"):
        if name.startswith("state.db"):
            os.chown("%s/state/%s" % (r.dir, name), owner.st_uid, owner.st_gid)
    r.start()
    if beside != "another file":
        wait.until(lambda: [name for name in os.listdir(r.dir + "/state")
                            if ".corrupt-" in name and name.endswith("-wal")], 10,
                   "the log moved aside")
        assert r.pool()["restarts"] == 0
    still_works(r, deaths=r.worker("web/0")["restarts"] + 1)
    r.await_state(lambda s: s["state"] == "ok")
    wait.until(lambda: database.is_whole(r), 10, "a database that is whole")


# ---- newer ------------------------------------------------------------------------------

@shows("G2")
def test_newer(row):
    r = row()
    r.last_look()
    assert r.stop() == 0
    database.change(r, "PRAGMA user_version = 99")
    with open(database.path(r), "rb") as f:
        before = f.read()
    r.expect_exit(5)
    Daemon.start(r, ready=False)
    assert r.await_exit() == 5
    with open(database.path(r), "rb") as f:
        assert f.read() == before
    assert "99" in r.log() and not aside(r)


@shows("G2")
def test_found_newer_later(row):
    """Locked at the start, and newer when the lock is gone: it stays closed."""
    r = row()
    r.last_look()
    assert r.stop() == 0
    lock = database.Lock(r, "EXCLUSIVE")
    r.start()
    lock.run("PRAGMA user_version = 99")
    lock.release("COMMIT")
    r.await_state(lambda s: "store_newer" in reasons(s) and s["state"] == "degraded")
    still_works(r, deaths=1)
    assert database.number(r, "PRAGMA user_version") == 99
    assert database.number(r, "SELECT count(*) FROM deaths") == 0
    assert not aside(r)
    r.ends_as("degraded", records=False)        # until the next start


@shows("G2")
@pytest.mark.parametrize("lost", [(), ("current", "idle")], ids=["memo", "no-memo"])
def test_found_newer_by_the_next_master(row, lost):
    """It stays closed, and that is no reason for another master."""
    r = row()
    r.rest()
    r.lose_records()
    # it holds no lock when it stands still
    wait.until(lambda: r.metric("store_waiting") == 0, 10, "all records written")
    master, seen = r.master_pid(), r.last_event()
    processes.halt(master)
    with memo.Memo(r.pid()) as held:
        held.flip(*lost)
    database.change(r, "PRAGMA user_version = 99")
    r.master_ends()
    os.kill(master, signal.SIGKILL)
    r.await_event("master.adopted", after=seen)
    r.await_state(lambda s: "store_newer" in reasons(s) and s["state"] == "degraded")
    assert "safe_mode" not in reasons(r.status())
    assert r.ctl("scale", "web", 3).code == 0
    assert database.number(r, "PRAGMA user_version") == 99
    r.ends_as("degraded", records=False)


# ---- full -------------------------------------------------------------------------------

def scale_is_not_stored(r, to):
    result = r.json("scale", "web", to)
    assert result["to"] == to and result["stored"] is False, result


@threads
@sanitized
@shows("G4")
def test_full(row):
    """Commits fail as on a full disk, nine times."""
    failing = ",".join("store.before_commit:err=ENOSPC@%d" % n for n in range(3, 12))
    r = row(env={"CLUSTERD_FP": failing})
    still_works(r, deaths=1)
    behind = r.await_event("store.behind")
    recovered = r.await_event("store.recovered", after=behind)
    assert recovered["lost"] == 0
    still_works(r, deaths=2)
    await_stored(r, deaths=2)
    all_events_are_there(r)


@threads
@sanitized
@shows("G4")
def test_the_disk_is_full(small_disk, row):
    """A file system without room: it recovers by itself when there is some."""
    r = row(start=False)
    disk = small_disk(r.dir + "/state", user="clusterd")
    r.start()
    disk.fill()
    still_works(r, deaths=1)
    for name in ("web/1", "web/2", "web/3"):
        r.kill_worker(name)
    await_behind(r, "full")
    scale_is_not_stored(r, 5)
    behind = r.await_event("store.behind")
    disk.free()
    recovered = r.await_event("store.recovered", after=behind)
    assert recovered["lost"] == 0
    await_stored(r, deaths=4)
    database.await_number(r, "SELECT desired FROM pools", 5)
    as_before(r)
    all_events_are_there(r)


@shows("G4")
def test_writes_that_find_no_room(faulty):
    r = faulty()
    r.fi.arm("master", "pwrite64:ENOSPC@5-400")
    deaths = 0
    while "store_behind" not in r.reasons():
        deaths += 1
        still_works(r, deaths)
    await_behind(r)                     # SQLite calls some of it an I/O error
    scale_is_not_stored(r, 5)
    assert r.fi.injected("master") > 0
    r.fi.disarm("master")
    behind = r.await_event("store.behind")
    assert r.await_event("store.recovered", after=behind)["lost"] == 0
    await_stored(r, deaths)
    as_before(r)
    all_events_are_there(r)


@shows("G4")
@shows("P12")
def test_full_from_the_start(row):
    """The file may not grow at all, as long as the daemon runs."""
    r = row(env={"CLUSTERD_TEST_PRAGMA": "max_page_count=1"})
    for count in range(1, 4):
        still_works(r, deaths=count)
    await_behind(r, "full")
    scale_is_not_stored(r, 5)
    scale_is_not_stored(r, 4)
    assert r.ctl("status").code == 1
    r.ends_as("degraded", records=False)
    r.last_look()
    del r.env["CLUSTERD_TEST_PRAGMA"]
    assert r.stop() == 0
    r.start()                           # what was never written is not there
    await_stored(r, deaths=0)


# ---- read-only, errors of the disk --------------------------------------------------------

@threads
@sanitized
@shows("G5")
@pytest.mark.parametrize("where", ["store.before_commit", "store.open"])
def test_errors_of_the_disk(row, where):
    """After one the whole state is written anew, whatever the file has become."""
    r = row(start=False)
    r.arm()
    r.start()
    # until it is seen and the file is another: a number of errors may be over by then
    r.arm(*{"store.before_commit:err=EIO", "%s:err=EIO" % where})
    still_works(r, deaths=1)
    await_behind(r, "nput/output error" if where == "store.open" else "")
    database.change(r, "DELETE FROM workers")
    database.change(r, "DELETE FROM pools")
    behind = r.await_event("store.behind")
    r.arm()
    recovered = r.await_event("store.recovered", after=behind)
    assert recovered["lost"] == 0
    await_stored(r, deaths=1)
    database.await_number(r, "SELECT desired FROM pools", 4)
    all_events_are_there(r)


@shows("G5")
def test_a_sync_that_fails(faulty):
    """What the system may have forgotten is written anew, all of it."""
    r = faulty()
    still_works(r, deaths=1)
    database.await_number(r, "SELECT sum(restarts) FROM workers", 1)
    r.fi.arm("master", "fsync:EIO@1+;fdatasync:EIO@1+")
    scale_is_not_stored(r, 5)           # a size is only stored when it is synced
    await_behind(r, "disk I/O error")
    assert r.fi.injected("master") > 0
    database.change(r, "DELETE FROM workers")
    database.change(r, "DELETE FROM pools")
    r.fi.disarm("master")
    behind = r.await_event("store.behind")
    assert r.await_event("store.recovered", after=behind)["lost"] == 0
    await_stored(r, deaths=1)
    database.await_number(r, "SELECT desired FROM pools", 5)
    as_before(r)
    all_events_are_there(r)


@shows("G5")
def test_read_only(row):
    """The file may only be read, and nothing be made beside it."""
    r = row(env={"CLUSTERD_FP": "store.before_commit:err=EIO@6"})
    database.await_number(r, "SELECT count(*) FROM workers WHERE state = 'ready'", 4)
    state = r.dir + "/state"
    kept = {name: os.stat("%s/%s" % (state, name)).st_mode for name in os.listdir(state)
            if name.startswith("state.db")}
    for name in kept:
        os.chmod("%s/%s" % (state, name), 0o400)
    os.chmod(state, 0o551)         # workers pass, as ever
    deaths = 0
    while "store_behind" not in r.reasons():    # until it has to open the file
        deaths += 1
        still_works(r, deaths)
    await_behind(r)
    scale_is_not_stored(r, 5)
    os.chmod(state, 0o751)
    for name, mode in kept.items():
        os.chmod("%s/%s" % (state, name), mode)
    await_stored(r, deaths)
    database.await_number(r, "SELECT desired FROM pools", 5)
    as_before(r)


@shows("G5")
def test_remounted_read_only(small_disk, row):
    """As a system does it that meets an error of its disk.  It may only when nobody
    writes there: after an error the file is closed, and it cannot be opened again."""
    r = row(start=False)
    disk = small_disk(r.dir + "/state", user="clusterd")
    r.arm()
    r.start()
    r.arm("store.before_commit:err=EIO", "store.open:err=EIO")
    still_works(r, deaths=1)
    await_behind(r)
    wait.until(lambda: not any(database.path(r) in what for what in
                               processes.fds(r.master_pid()).values()), 10, "a closed file")
    disk.read_only()
    r.arm()
    await_behind(r, "readonly")
    scale_is_not_stored(r, 5)
    for deaths in (2, 3):
        still_works(r, deaths)
    behind = r.await_event("store.behind")
    disk.writable()
    assert r.await_event("store.recovered", after=behind)["lost"] == 0
    await_stored(r, deaths=3)
    database.await_number(r, "SELECT desired FROM pools", 5)
    as_before(r)
    all_events_are_there(r)


# ---- deleted, replaced, overwritten ---------------------------------------------------------

@threads
@sanitized
@shows("G12")
@pytest.mark.parametrize("parts", [[""], ["", "-wal", "-shm"], ["-wal"]], ids=" ".join)
def test_deleted(row, parts):
    r = row()
    r.death(r.kill_worker()["id"])
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 1)
    r.lose_records()
    since = r.last_event()
    for part in parts:
        os.unlink(database.path(r) + part)
    still_works(r, deaths=2)            # noticed or not yet
    r.await_event("store.recovered", after=since)
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 2)
    still_works(r, deaths=3)
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 3)
    r.await_state(lambda s: s["state"] == "ok")
    said = [one["text"] for one in r.status()["reasons"]]
    assert said == [] or "removed" in said[0], said


@shows("G12")
@pytest.mark.parametrize("how", ["renamed over", "overwritten", "another of ours"])
def test_replaced(row, how):
    r = row()
    r.death(r.kill_worker()["id"])
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 1)
    r.lose_records()
    since = r.last_event()
    target = database.path(r) if how == "overwritten" else r.dir + "/other"
    if how == "another of ours":
        assert r.ctl("db", "backup", r.dir + "/state/other").code == 0
        target = r.dir + "/state/other"
    else:
        written(b"this is no database\n" * 1000)(target)
    if how != "overwritten":
        os.rename(target, database.path(r))
    still_works(r, deaths=2)            # noticed or not yet
    r.await_event("store.recovered", after=since)
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 2)
    still_works(r, deaths=3)
    database.await_number(r, "SELECT restarts FROM workers WHERE slot = 0", 3)
    r.await_state(lambda s: s["state"] == "ok")
    assert bool(aside(r)) == (how != "another of ours")


# ---- stalled --------------------------------------------------------------------------------

@threads
@sanitized
@shows("G13")
@pytest.mark.parametrize("where", ["before_commit", "before_sync"])
def test_a_disk_that_stands_still(row, where):
    """No call fails, none returns: verdicts do not wait for it, and questions to
    it are answered in their time."""
    r = row(env={"CLUSTERD_FP": "store.%s:sleep=60000" % where})
    # each in far less than the minute for which the disk stands still
    result = r.json("scale", "web", "5")
    assert result["to"] == 5 and result["stored"] is False, result
    await_behind(r, "does not answer")
    assert r.ctl("reload").code == 0
    still_works(r, deaths=1)
    r.plugins["evil"] = {"module": "no_such.so"}
    r.write_config()
    assert r.ctl("reload").code == 1
    for command in ("deaths", "audit"):
        result = r.ctl(command, timeout=10)
        assert result.code == 5 and "the database does not answer" in result, result
    assert r.worker("web/0")["restarts"] == 1
    assert r.ctl("why", "web/0", timeout=10).code in (0, 1)
    # what is in memory is told, and that it is not all
    told = r.ctl("events", "--since", "0", timeout=10)
    assert "worker.exited" in told.out and "the database cannot be read" in told.err, told
    assert r.json("scale", "web", "4")["to"] == 4
    r.ends_as("degraded", records=False)


# ---- killed in a commit -----------------------------------------------------------------------

def scale(r, to):
    """Returns whether it was said to be done, and whether to be stored."""
    result = r.ctl("--json", "scale", "web", to)
    said = json.loads(result.out) if result.code == 0 else {}
    return result.code == 0, said.get("stored", True)


@shows("G6")
@pytest.mark.parametrize("where", ["store.before_commit", "store.after_commit"])
def test_killed_in_a_commit(row, where):
    r = row(env={"CLUSTERD_FP": "%s:kill@12/1" % where})
    r.master_ends()
    to = 4
    while not r.status()["master"]["restarts"]:
        to = 9 - to
        done, stored = scale(r, to)
        assert done, "the next master tells the verdict"
        if stored:
            database.await_number(r, "SELECT desired FROM pools", to)
    r.await_event("master.adopted")
    assert r.pool()["desired"] == to
    # whose log the next master plays back, alone
    wait.until(lambda: database.is_whole(r), 10, "a database that is whole")
    database.await_number(r, "SELECT desired FROM pools", to)
    still_works(r, deaths=1)
    as_before(r)
    await_stored(r, deaths=1)
    all_events_are_there(r)


def kill_at_random(r, commits, kills):
    """So many commits of changes, and a master killed at any moment of them:
    yields what was last said to be stored."""
    moments = sorted(random.sample(range(commits), kills))
    to = 4
    for n in range(commits):
        if n in moments:
            timer = threading.Timer(random.random() * 0.02, os.kill,
                                    (r.master_pid(), signal.SIGKILL))
            timer.start()
        to = 9 - to
        done, stored = scale(r, to)
        if n in moments:
            timer.join()
            r.master_ends()
            r.await_state(lambda s: s["master"]["restarts"] == r.masters_ended)
        yield to if done and stored else None


@shows("G6")
@pytest.mark.parametrize("commits, kills", [
    (10, 3), pytest.param(200, 8, marks=[slow, pytest.mark.limit(400)])])
def test_masters_killed_while_commits_go_on(row, commits, kills):
    """Fewer kills than make the next master do without the database."""
    r = row()
    r.may_lose(1)                       # what a master has in its hand
    for to in kill_at_random(r, commits, kills):
        if to is not None:
            database.await_number(r, "SELECT desired FROM pools", to)
            assert r.pool()["desired"] == to
    wait.until(lambda: database.is_whole(r), 10, "a database that is whole")
    as_before(r)


@shows("G6")
def test_the_keeper_killed_while_commits_go_on(row):
    """All is gone at any moment: what was stored is in the next."""
    r = row(workers=6)
    for n in range(3):
        r.death(r.kill_worker("web/%d" % n)["id"])
        to = 5 - n
        done, _ = scale(r, to)
        assert done
        database.await_number(r, "SELECT desired FROM pools", to)
        database.await_number(r, "SELECT sum(restarts) FROM workers", n + 1)
        r.last_look()
        r.ctl_start("restart", "web/0").stdout.readline()
        r.signal(signal.SIGKILL)
        r.keeper_killed()
        assert database.number(r, "SELECT count(*) FROM deaths") == n + 1
        r.start()
        assert r.pool()["desired"] == to
        assert r.pool()["restarts"] == n + 1
