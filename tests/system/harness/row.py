# SPDX-License-Identifier: MIT
"""One row of doc/faults.md: a daemon under light load with the probe beside it,
and the oracle, which is asked at its end whatever the row was about."""

import os
import re
import signal
import sqlite3
import time

from harness import config, probe, processes, wait
from harness.daemon import Daemon

LOAD = {"keepalive": 2, "new": 1, "pause": 0.02}

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


class Row(Daemon):
    """A Daemon with the keys of the fault suite, four workers of plugin evil,
    its load (`book`) and its probe, both running from its start.

    A row says what may happen: whose requests may fail (`blame`), that the
    master ends (`master_ends`), which statuses an answer may have
    (`may_answer`).  Everything else fails it.
    """

    def __init__(self, build, plugin_dirs, load=None, **how):
        keys = dict(config.FAULT, routes={"/": "evil"})
        keys.update(how)
        self.load_keys = LOAD if load is None else load
        self.book = self.probe = self.before = None
        self.blamed, self.blamed_slots = set(), set()
        self.looked_after = 0           # of the runs that have ended
        self.masters_ended = self.in_hand = self.unrecorded = 0
        self.drains_cut = self.keeper_ends = self.judged_elsewhere = False
        self.verdict_at_end = "ok"
        self.records_at_end = True
        self.records_kept = []
        self.statuses = {200}
        self.patience = 10              # seconds, until things are as before
        self.strangers = set(processes.descendants(os.getpid()))
        super().__init__(build, plugin_dirs, **keys)

    # ---- what the row may do ------------------------------------------------------

    def blame(self, *workers):
        """Requests of these may fail: rows of `status` or names of slots (all
        processes there, those still to come included)."""
        for worker in workers:
            if isinstance(worker, str):
                self.blamed_slots.add(worker)
            else:
                self.blamed.add(worker["id"])
        return workers[0] if len(workers) == 1 else workers

    def blame_all(self):
        """Every worker that dies may lose what it had taken."""
        self.blamed_slots.add("*")

    def may_cut_drains(self):
        """Workers that leave have not all the time they want: what they had may
        fail when they have counted it."""
        self.drains_cut = True

    def master_ends(self, times=1):
        """The row ends so many masters."""
        self.masters_ended += times

    def may_answer(self, *statuses):
        """The load may be answered with these as well."""
        self.statuses |= set(statuses)

    def may_lose(self, count):
        """So many connections may end without an answer and without a worker to
        blame: what a master had in its hand."""
        self.in_hand = count

    def may_miss_records(self, count):
        """So many deaths may have no record: a master ended within a second of
        them, or the store is closed."""
        self.unrecorded = count

    def keeper_may_end(self):
        """The row ends the keeper: only what is left behind is looked at."""
        self.keeper_ends = True

    def lasts(self):
        """Its requests, deaths and masters are judged by whoever runs it: many
        faults at once, of which one may hide another (chaos.py)."""
        self.judged_elsewhere = True

    def keeper_killed(self, timeout=10):
        """The row has killed the keeper: everybody leaves by himself, and the next
        start is looked at like any other."""
        self.rest()
        self.expect_exit(-signal.SIGKILL)
        self.await_exit(timeout)
        wait.until(lambda: not self._family(), timeout, "end of the last process")
        self.before = None

    def _family(self):
        """All processes of this daemon that live, whoever is their parent now."""
        return [pid for pid in processes.descendants(os.getpid())
                if pid not in self.strangers and processes.name(pid) != "?"]

    def last_look(self):
        """The row stops the daemon: the oracle is asked now, with the load at rest,
        and at the end only of what is left behind."""
        self.rest()
        wrong = self._ask_oracle()
        assert not wrong, "\n".join(wrong)
        self.before = None

    def ends_as(self, state, records=True):
        """`status` says this at the end, since the fault stays.  Without
        records: there is no database that could tell of deaths."""
        self.verdict_at_end = state
        self.records_at_end = records

    def lose_records(self):
        """What is on record until now the row will destroy: it is noted here."""
        self.records_kept = self.deaths()

    def note_means(self):
        """Only now the daemon has all that it holds from here on: a database that
        is open, the snapshot that a rollback wants."""
        now = self.snapshot()
        self.before.update(fds=now["fds"], heap=now["heap"])

    # ---- life -----------------------------------------------------------------

    def start(self, *args, ready=True, timeout=20):
        super().start(*args, ready=ready, timeout=timeout)
        if ready:
            self.begin()
        return self

    def begin(self):
        """Note what is there, then let load and probe run."""
        self.before = self.snapshot()
        self.probe = probe.Probe(self.socket).start()
        if self.load_keys:
            self.book = self.load(accept=self.statuses, **self.load_keys)
            self.book.start()

    def snapshot(self):
        status = self.status()
        return {
            "keeper": self.keeper.pid, "master": status["master"],
            "workers": {row["worker"]: row for row in status["workers"]},
            "fds": {pid: held(pid) for pid in
                    [self.keeper.pid, status["master"]["pid"]]
                    + [row["pid"] for row in status["workers"] if row["pid"]]},
            "heap": self.heap(),
        }

    def heap(self):
        """Bytes in use on the master's heap."""
        return self.metric("master_heap_bytes")

    def drains_lost(self):
        """Connections that were cut at the end of a drain, or crossed it."""
        return (self.metric("drain_aborted_total")
                + self.metric("drain_race_lost_total"))

    def served(self, each=2, timeout=20):
        """The load is served on: every client had so many more answers."""
        if self.book is not None:
            self.book.await_each(each, timeout)

    def connection_to(self, worker):
        """A connection that this worker has taken (plugin evil)."""
        for _ in range(200):
            connection = self.connect()
            if connection.request("GET", "/").header("X-Worker-Id") == str(worker["id"]):
                return connection
            connection.close()
        raise AssertionError("%r takes nothing" % worker)

    def restart_daemon(self):
        """The second run is another keeper: what was noted is noted anew."""
        self.rest()
        super().stop()
        self.start()

    def freeze(self, seconds):
        """The machine stands still for so long: nobody of the daemon runs."""
        began = time.monotonic()
        pids = [self.keeper.pid] + processes.descendants(self.keeper.pid)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        wait.readable(self.process.pidfd, seconds)
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        self.probe.pardon_span(began, time.monotonic())

    def kill_worker(self, name="web/0"):
        """A death: SIGKILL, and another process is ready in the slot.  Asks
        nothing but `status`, so it does without the database."""
        before = self.blame(self.worker(name))
        os.kill(before["pid"], signal.SIGKILL)
        self.await_state(lambda status: any(
            row["worker"] == name and row["state"] == "ready" and row["id"] != before["id"]
            for row in status["workers"]))
        return before

    def kill_master(self):
        """SIGKILL to the master, when each death is on record: what it has not
        written yet goes with it.  Returns when the next one has adopted."""
        wait.until(lambda: sum(p["restarts"] for p in self.status()["pools"])
                   == len(self.deaths()), self.patience, "as many records as restarts")
        self.master_ends()
        os.kill(self.master_pid(), signal.SIGKILL)
        self.await_state(lambda s: s["master"]["restarts"] == self.masters_ended)

    def reasons(self):
        return reasons(self.status())

    # ---- the oracle -----------------------------------------------------------

    def rest(self):
        """End load and probe, each after its request."""
        if self.book is not None:
            self.book.stop()
        if self.probe is not None:
            self.probe.stop()
            self.probe.record()

    def finish(self):
        wrong = []
        self.rest()
        if self.before is not None and not self.keeper_ends:
            if self.alive():
                wrong += self._ask_oracle()
            else:
                wrong.append("the keeper has ended")
        self.before = None
        wrong += super().finish()
        if self.exits[self.looked_after:][-1:] == [0] and not self.keeper_ends:
            wrong += self._after_the_stop()
        self.looked_after = len(self.exits)
        return wrong

    def _ask_oracle(self):
        """What is wrong while it still runs, one line each."""
        wrong = []
        questions = (self._verdict, self._states, self._means, self._snapshots,
                     self._database, self._log_lines)
        if not self.judged_elsewhere:
            questions += (self._processes, self._losses, self._late, self._deaths)
        for look in questions:
            try:
                look()
            # whatever it is: the daemon is still to be stopped
            except Exception as error:  # pylint: disable=broad-exception-caught
                wrong.append("oracle, %s: %s" % (look.__name__[1:], error or repr(error)))
        return wrong

    def _verdict(self):
        self.await_state(lambda s: s["state"] == self.verdict_at_end and (
            self.verdict_at_end != "ok" or all(p["ready"] >= p["desired"]
                                               for p in s["pools"])), timeout=2 * self.patience)

    def _processes(self):
        status = self.status()
        assert self.before["keeper"] == self.keeper.pid
        ended = status["master"]["restarts"] - self.before["master"]["restarts"]
        assert ended == self.masters_ended, \
            "%d masters ended, not %d" % (ended, self.masters_ended)
        if not ended:
            assert status["master"]["pid"] == self.before["master"]["pid"]

    def _blames(self, death):
        return ("*" in self.blamed_slots or death["id"] in self.blamed
                or "%s/%d" % (death["pool"], death["slot"]) in self.blamed_slots)

    def _losses(self):
        """What failed was taken by a worker that the row names."""
        if self.book is None or not self.records_at_end:
            return
        deaths = {str(d["id"]): d for d in self.deaths() if self._blames(d)}
        if self.unrecorded:                # all that a worker can have had
            for number in self.blamed:
                deaths.setdefault(str(number), {"connections_lost": len(self.load_keys)})
        bad = self.book.failures()
        if self.drains_cut:
            left = {str(e["id"]) for e in self.events()
                    if e["event"] == "worker.exited" and e["asked"]}
            cut = [e for e in bad if e.owner is None or e.owner in left]
            assert len(cut) <= self.drains_lost(), "%d cut: %r" % (len(cut), cut[:5])
            bad = [e for e in bad if e not in cut]
        stray = [e for e in bad if e.action == "connect" or "status" in e.outcome
                 or (e.owner is not None and e.owner not in deaths)]
        assert not stray, "%d failed that may not: %r" % (len(stray), stray[:5])
        lost = self.in_hand + sum(d["connections_lost"] for d in deaths.values())
        assert len(bad) <= lost, "%d failed, %d were taken by those who died: %r" % (
            len(bad), lost, bad[:5])

    def _late(self):
        late = self.probe.late()
        assert not late, "status was late: %r" % late[:5]
        assert self.probe.answers, "status never answered"

    def deaths(self):
        if "safe_mode" in [r["reason"] for r in self.status()["reasons"]]:
            return self.records_kept    # nobody can be asked for more
        rows = self.json("deaths")
        if isinstance(rows, dict) and "error" in rows and self.unrecorded:
            rows = []
        rows = rows if isinstance(rows, list) else [rows]
        known = {row["id"] for row in rows}
        return [row for row in self.records_kept if row["id"] not in known] + rows

    def _deaths(self):
        """`restarts` agree with the records, and no counter went back."""
        if not self.records_at_end:
            return

        def agree():
            counted = sum(p["restarts"] for p in self.status()["pools"])
            # those that were to go have a record too, if they went by a signal
            asked = {e["id"] for e in self.events()
                     if e["event"] == "worker.exited" and e["asked"]}
            missing = counted - len([d for d in self.deaths() if d["id"] not in asked])
            return 0 <= missing <= self.unrecorded or counted > 90
        wait.until(agree, self.patience, "as many records as restarts: %r" % [
            (d["id"], d["cause"]) for d in self.deaths()])
        assert all(d["cause"] != "none" and d["text"] for d in self.deaths())
        for row in self.status()["workers"]:
            was = self.before["workers"].get(row["worker"])
            assert was is None or row["restarts"] >= was["restarts"], (was, row)

    def _states(self):
        """Each state of a process is told once, in order of seq."""
        rows = self.events()
        numbers = [row["seq"] for row in rows]
        assert numbers == sorted(set(numbers)), "seq went back"
        seen = set()
        for row in rows:
            if row["event"] in ONCE:
                key = row["event"], row["id"]
                assert key not in seen, "told twice: %r" % row
                seen.add(key)

    def _means(self):
        """Descriptors, zombies, memory."""
        alive = {row["pid"] for row in self.workers()} | {
            self.keeper.pid, self.master_pid()}
        last = {}

        def settled():
            last["now"] = {pid: held(pid) for pid in self.before["fds"] if pid in alive}
            return all(len(now) <= len(self.before["fds"][pid])
                       for pid, now in last["now"].items())
        try:
            wait.until(settled, self.patience, "descriptors as before")
        except AssertionError:
            more = {"%s, %d, then %d" % (processes.name(pid), len(self.before["fds"][pid]),
                                         len(now)):
                    sorted(set(now.items()) - set(self.before["fds"][pid].items()))
                    for pid, now in last["now"].items()
                    if len(now) > len(self.before["fds"][pid])}
            raise AssertionError("more descriptors: %r" % more) from None
        wait.until(lambda: not zombies(self.keeper.pid), self.patience, "end of the zombies")
        grown = self.heap() - self.before["heap"]
        assert self.masters_ended or grown < HEAP_GROWTH, "the heap grew by %d" % grown

    def _snapshots(self):
        """Of the generation in force and the one before, and of those that
        workers began with."""
        status = self.status()
        generations = 2 + len({w["generation"] for w in status["workers"]})
        kept = [what for what in fds(self.keeper.pid).values() if SNAPSHOT in what]
        # the whole, its text, one for each pool
        assert len(kept) <= generations * (2 + len(status["pools"])), \
            "%d snapshots of %d generations" % (len(kept), generations)

    def _database(self):
        """Open as often as it is used, however often it had to be opened again."""
        kept = [what for what in fds(self.master_pid()).values() if DATABASE in what]
        assert len(kept) <= DATABASE_FDS, "the database is open too often: %r" % kept

    def _log_lines(self):
        bare = [line for line in self.log().splitlines()
                if line and not PREFIXED.match(line)]
        assert not bare, "lines without a prefix: %r" % bare[:3]

    def _after_the_stop(self):
        wrong = []
        left = [name for name in os.listdir(self.dir + "/run")
                if name not in ("lock", "workers.lock")]
        if left:
            wrong.append("left in run_dir: %r" % left)
        path = self.dir + "/state/state.db"
        if os.path.exists(path):
            with sqlite3.connect(path) as db:
                said = db.execute("PRAGMA integrity_check").fetchone()[0]
            db.close()
            if said != "ok":
                wrong.append("state.db: " + said)
        return wrong


def reasons(status):
    """The words of what is wrong."""
    return [reason["reason"] for reason in status["reasons"]]


def fds(pid):
    """{number: what} of a process's descriptors; {} when it is gone."""
    found = {}
    try:
        for number in os.listdir("/proc/%d/fd" % pid):
            try:
                found[int(number)] = os.readlink("/proc/%d/fd/%s" % (pid, number))
            except OSError:
                continue
    except OSError:
        pass
    return found


def held(pid):
    """The same without snapshots, of which a reload brings some, and without the
    database, which may be closed for a while: they are looked at by themselves."""
    return {number: what for number, what in fds(pid).items()
            if SNAPSHOT not in what and DATABASE not in what}


def zombies(of):
    return [pid for pid, (state, ppid) in processes.table().items()
            if ppid == of and state == "Z"]
