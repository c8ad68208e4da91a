# SPDX-License-Identifier: MIT
"""The oracle: what is asked of a Row while its daemon still runs and after its
stop, whatever the row was about."""

import os
import re
import sqlite3

from harness import processes, wait

# Bounds what a row may leave in the master's heap: its events and deaths.
HEAP_GROWTH = 4 << 20

# What accepted configurations are kept in, by the keeper.
SNAPSHOT = "memfd:clusterd-snapshot"

# The master has a handle to write and one to read, each with the file and its log,
# and the index.
DATABASE, DATABASE_FDS = "/state/state.db", 5

PREFIXED = re.compile(r"\S+T\S+ |<\d>|clusterd|==|  ")

ONCE = ("worker.forked", "worker.online", "worker.listening", "worker.ready",
        "worker.exited")


def ask(r):
    """What is wrong while it still runs, one line each."""
    wrong = []
    questions = (_verdict, _states, _means, _snapshots, _database, _log_lines)
    if not r.judged_elsewhere:
        questions += (_processes, _losses, _late, _deaths)
    for look in questions:
        try:
            look(r)
        # whatever it is: the daemon is still to be stopped
        except Exception as error:  # pylint: disable=broad-exception-caught
            wrong.append("oracle, %s: %s" % (look.__name__[1:], error or repr(error)))
    return wrong


def _verdict(r):
    r.await_state(lambda s: s["state"] == r.verdict_at_end and (
        r.verdict_at_end != "ok"
        or all(p["ready"] >= p["desired"] for p in s["pools"])), timeout=2 * r.patience)


def _processes(r):
    status = r.status()
    assert r.before["keeper"] == r.keeper.pid
    ended = status["master"]["restarts"] - r.before["master"]["restarts"]
    assert ended == r.masters_ended, \
        "%d masters ended, not %d" % (ended, r.masters_ended)
    if not ended:
        assert status["master"]["pid"] == r.before["master"]["pid"]


def _blames(r, death):
    return ("*" in r.blamed_slots or death["id"] in r.blamed
            or "%s/%d" % (death["pool"], death["slot"]) in r.blamed_slots)


def _losses(r):
    """What failed was taken by a worker that the row names."""
    if r.book is None or not r.records_at_end:
        return
    deaths = {str(d["id"]): d for d in r.deaths() if _blames(r, d)}
    if r.unrecorded:                # all that a worker can have had
        for number in r.blamed:
            deaths.setdefault(str(number), {"connections_lost": len(r.load_keys)})
    bad = r.book.failures()
    if r.drains_cut:
        left = {str(e["id"]) for e in r.events()
                if e["event"] == "worker.exited" and e["asked"]}
        cut = [e for e in bad if e.owner is None or e.owner in left]
        assert len(cut) <= r.drains_lost(), "%d cut: %r" % (len(cut), cut[:5])
        bad = [e for e in bad if e not in cut]
    stray = [e for e in bad if e.action == "connect" or "status" in e.outcome
             or (e.owner is not None and e.owner not in deaths)]
    assert not stray, "%d failed that may not: %r" % (len(stray), stray[:5])
    lost = r.in_hand + sum(d["connections_lost"] for d in deaths.values())
    assert len(bad) <= lost, "%d failed, %d were taken by those who died: %r" % (
        len(bad), lost, bad[:5])


def _late(r):
    late = r.probe.late()
    assert not late, "status was late: %r" % late[:5]
    assert r.probe.answers, "status never answered"


def _deaths(r):
    """`restarts` agree with the records, and no counter went back."""
    if not r.records_at_end:
        return

    def agree():
        counted = sum(p["restarts"] for p in r.status()["pools"])
        # those that were to go have a record too, if they went by a signal
        asked = {e["id"] for e in r.events()
                 if e["event"] == "worker.exited" and e["asked"]}
        missing = counted - len([d for d in r.deaths() if d["id"] not in asked])
        return 0 <= missing <= r.unrecorded or counted > 90
    wait.until(agree, r.patience, "as many records as restarts: %r" % [
        (d["id"], d["cause"]) for d in r.deaths()])
    assert all(d["cause"] != "none" and d["text"] for d in r.deaths())
    for row in r.status()["workers"]:
        was = r.before["workers"].get(row["worker"])
        assert was is None or row["restarts"] >= was["restarts"], (was, row)


def _states(r):
    """Each state of a process is told once, in order of seq."""
    rows = r.events()
    numbers = [row["seq"] for row in rows]
    assert numbers == sorted(set(numbers)), "seq went back"
    seen = set()
    for row in rows:
        if row["event"] in ONCE:
            key = row["event"], row["id"]
            assert key not in seen, "told twice: %r" % row
            seen.add(key)


def _means(r):
    """Descriptors, zombies, memory."""
    alive = {row["pid"] for row in r.workers()} | {r.keeper.pid, r.master_pid()}
    last = {}

    def settled():
        last["now"] = {pid: held(pid) for pid in r.before["fds"] if pid in alive}
        return all(len(now) <= len(r.before["fds"][pid])
                   for pid, now in last["now"].items())
    try:
        wait.until(settled, r.patience, "descriptors as before")
    except AssertionError:
        more = {"%s, %d, then %d" % (
                    processes.name(pid), len(r.before["fds"][pid]), len(now)):
                sorted(set(now.items()) - set(r.before["fds"][pid].items()))
                for pid, now in last["now"].items()
                if len(now) > len(r.before["fds"][pid])}
        raise AssertionError("more descriptors: %r" % more) from None
    wait.until(lambda: not processes.zombies(r.keeper.pid), r.patience, "end of the zombies")
    grown = r.heap() - r.before["heap"]
    assert r.masters_ended or grown < HEAP_GROWTH, "the heap grew by %d" % grown


def _snapshots(r):
    """Of the generation in force and the one before, and of those that
    workers began with."""
    status = r.status()
    generations = 2 + len({w["generation"] for w in status["workers"]})
    kept = [what for what in processes.fds(r.keeper.pid).values() if SNAPSHOT in what]
    # the whole, its text, one for each pool
    assert len(kept) <= generations * (2 + len(status["pools"])), \
        "%d snapshots of %d generations" % (len(kept), generations)


def _database(r):
    """Open as often as it is used, however often it had to be opened again."""
    kept = [what for what in processes.fds(r.master_pid()).values() if DATABASE in what]
    assert len(kept) <= DATABASE_FDS, "the database is open too often: %r" % kept


def _log_lines(r):
    bare = [line for line in r.log().splitlines()
            if line and not PREFIXED.match(line)]
    assert not bare, "lines without a prefix: %r" % bare[:3]


def after_the_stop(r):
    """What it has left behind that it must not."""
    wrong = []
    left = [name for name in os.listdir(r.dir + "/run")
            if name not in ("lock", "workers.lock")]
    if left:
        wrong.append("left in run_dir: %r" % left)
    path = r.dir + "/state/state.db"
    if os.path.exists(path):
        with sqlite3.connect(path) as db:
            said = db.execute("PRAGMA integrity_check").fetchone()[0]
        db.close()
        if said != "ok":
            wrong.append("state.db: " + said)
    return wrong


def held(pid):
    """Its descriptors without snapshots, of which a reload brings some, and without
    the database, which may be closed for a while: they are looked at by themselves."""
    return {number: what for number, what in processes.fds(pid).items()
            if SNAPSHOT not in what and DATABASE not in what}
