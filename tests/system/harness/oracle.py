# SPDX-License-Identifier: MIT
"""The oracle: what is asked of a Row while its daemon still runs and after its
stop, whatever the row was about."""

import os
import re
import sqlite3

from harness import processes, starts, wait

# What a row may leave in the master's heap: a generation to go back to.  Not counted
# are the last events and verdicts, and what the database has in memory.
HEAP_GROWTH = 64 << 10
# SQLite keeps pages of 2,000 KiB for each of the two handles, and has some more.
STORE_MEMORY = 5 << 20

# What accepted configurations are kept in, by the keeper.
SNAPSHOT = "memfd:clusterd-snapshot"

# The master has a handle to write and one to read, each with the file and its log,
# and the index.
DATABASE, DATABASE_FDS = "/state/state.db", 5

# What the database keeps of a slot's deaths.
SLOT_RECORDS = 100

PREFIXED = re.compile(r"\S+T\S+ |<\d>|clusterd|==|  ")

ONCE = ("worker.forked", "worker.online", "worker.listening", "worker.ready",
        "worker.exited")


def ask(r):
    """What is wrong while it still runs, one line each."""
    wrong = []
    questions = (_verdict, _states, _starts, _means, _heap, _snapshots, _database,
                 _log_lines)
    if not r.judged_elsewhere:
        questions += (_processes, _losses, _late, _deaths, _records)
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
    if r.book is None:
        return
    lost = _lost_by_the_blamed(r)
    bad = r.book.failures()
    stray = [e for e in bad if e.action == "connect" or "status" in e.outcome
             or (e.owner is not None and e.owner not in lost)]
    assert not stray, "%d failed that may not: %r" % (len(stray), stray[:5])
    most = r.in_hand + sum(lost.values())
    assert len(bad) <= most, "%d failed, %d were taken by those who died: %r" % (
        len(bad), most, bad[:5])


def _lost_by_the_blamed(r):
    """{id: how many connections ended with it}, by its record, or by the event
    where there are no records; where there is neither, all that there can be."""
    lost = {str(d["id"]): d["connections_lost"]
            for d in _exits(r) + (r.deaths() if r.records_at_end else [])
            if _blames(r, d)}
    if r.unrecorded:
        for number in r.blamed:
            lost.setdefault(str(number), len(r.book.clients()))
    return lost


def _exits(r):
    return [e for e in r.events() if e["event"] == "worker.exited"]


def _late(r):
    late = r.probe.late()
    assert not late, "status was late: %r" % late[:5]
    assert r.probe.answers, "status never answered"


def _deaths(r):
    """Nobody died but those whom the row names, and no counter went back."""
    ready = {e["id"] for e in r.events() if e["event"] == "worker.ready"}
    stray = [e for e in _exits(r) if not e["asked"] and not _blames(r, e)
             and not (r.starts_fail and e["id"] not in ready)]
    assert not stray, "%d died that may not: %r" % (len(stray), stray[:5])
    for row in r.status()["workers"]:
        was = r.before["workers"].get(row["worker"])
        assert was is None or row["restarts"] >= was["restarts"], (was, row)


def _records(r):
    """`restarts` agree with the records that are kept, each with its cause."""
    if not r.records_at_end:
        return

    def agree():
        # those that were to go have a record too, if they went by a signal
        asked = {e["id"] for e in _exits(r) if e["asked"]}
        records = [d for d in r.deaths() if d["id"] not in asked]
        counted = sum(p["restarts"] for p in r.status()["pools"])
        return 0 <= counted - len(records) - _trimmed(r, counted, records) <= r.unrecorded
    wait.until(agree, r.patience, "as many records as restarts: %r" % [
        (d["id"], d["cause"]) for d in r.deaths()])
    assert all(d["cause"] != "none" and d["text"] for d in r.deaths())


def _trimmed(r, counted, records):
    """How many deaths have no record any more, since so many followed."""
    of_slots = sum(max(0, w["restarts"] - SLOT_RECORDS) for w in r.workers() if w["current"])
    in_all = int(r.daemon_keys.get("keep_deaths", 1000))
    gone = max(of_slots, counted - in_all)
    # they go a while after
    return min(gone, counted - len(records))


def _states(r):
    """Each state of a process is told once, in order of seq."""
    rows = r.events()
    numbers = [row["seq"] for row in rows]
    assert numbers == sorted(set(numbers)), "seq went back"
    seen = set()
    for row in rows:
        if row["event"] in ONCE:
            key = row["event"], row["id"], row.get("address")
            assert key not in seen, "told twice: %r" % row
            seen.add(key)


def _starts(r):
    """None beyond the restart policy."""
    more = starts.beyond_the_policy(r.events(), lambda pool: r.pools[pool][0])
    assert not more, "%d starts too many: %r" % (len(more), more[:3])


def _means(r):
    """The descriptors of all that were there before, a master's successor for the
    master; and zombies."""
    last = {}

    def grown():
        now = descriptors(r, r.status())
        last.update((who, (r.before["fds"][who], held)) for who, held in now.items()
                    if who in r.before["fds"])
        return [who for who, (before, held) in last.items() if len(held) > len(before)]
    try:
        wait.until(lambda: not grown(), r.patience, "descriptors as before")
    except AssertionError:
        more = {"%s, %d, then %d" % (who, *map(len, last[who])):
                sorted(set(last[who][1].items()) - set(last[who][0].items()))
                for who in grown()}
        raise AssertionError("more descriptors: %r" % more) from None
    wait.until(lambda: not processes.zombies(r.keeper.pid), r.patience, "end of the zombies")


def _heap(r):
    """What the master, or its successor, has in use is what it had before.  The
    allocator of the sanitizers does not tell."""
    grown = []
    if r.metric("master_heap_bytes") == 0:
        return

    def settled():
        grown.append(heap(r) - r.before["heap"])
        return grown[-1] < HEAP_GROWTH
    try:
        wait.until(settled, r.patience)
    except AssertionError:
        raise AssertionError("the heap grew by %d" % grown[-1]) from None


def _snapshots(r):
    """Of the generation in force and the one before, and of those that
    workers began with."""
    last = []

    def bounded():
        status = r.status()
        generations = 2 + len({w["generation"] for w in status["workers"]})
        kept = [what for what in processes.fds(r.keeper.pid).values() if SNAPSHOT in what]
        last[:] = len(kept), generations
        # the whole, its text, one for each pool
        return len(kept) <= generations * (2 + len(status["pools"]))
    try:
        # the keeper drops what is no longer wanted when it is told to
        wait.until(bounded, r.patience)
    except AssertionError:
        raise AssertionError("%d snapshots of %d generations" % tuple(last)) from None


def _database(r):
    """Open as often as it is used, however often it had to be opened again, and with
    bounded memory."""
    kept = [what for what in processes.fds(r.master_pid()).values() if DATABASE in what]
    assert len(kept) <= DATABASE_FDS, "the database is open too often: %r" % kept
    assert r.metric("store_memory_bytes") < STORE_MEMORY


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
    return wrong + database_is_whole(r)


def database_is_whole(r):
    """What is wrong with it, if it is there."""
    path = r.dir + "/state/state.db"
    if not os.path.exists(path):
        return []
    # to read only: the next start finds what was left to it
    db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
    said = db.execute("PRAGMA integrity_check").fetchone()[0]
    db.close()
    return [] if said == "ok" else ["state.db: " + said]


def descriptors(r, status):
    """{who: {number: what}} of keeper, master and the workers; one that begins has not
    all of them yet."""
    pids = {"keeper": r.keeper.pid, "master": status["master"]["pid"]}
    pids.update(("%s, %d" % (w["worker"], w["id"]), w["pid"])
                for w in status["workers"] if w["pid"] and w["state"] != "starting")
    return {who: held(pid) for who, pid in pids.items()}


def held(pid):
    """Its descriptors without snapshots, of which a reload brings some, and without
    the database, which may be closed for a while: they are looked at by themselves."""
    return {number: what for number, what in processes.fds_of_worker(pid).items()
            if SNAPSHOT not in what and DATABASE not in what}


def heap(r):
    """Bytes in use on the master's heap, but for what has a bound of its own: as two
    looks have it, since the store's thread may take some, or give it back, between
    two numbers of one look."""
    looks = []

    def agreed():
        now = r.metrics()
        looks.append(now["master_heap_bytes"] - sum(
            now[what + "_memory_bytes"] for what in ("store", "events", "verdicts")))
        return len(looks) > 1 and abs(looks[-1] - looks[-2]) < HEAP_GROWTH // 16
    wait.until(agreed, r.patience, "two looks at the heap that agree")
    return looks[-1]
