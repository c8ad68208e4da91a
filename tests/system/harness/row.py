# SPDX-License-Identifier: MIT
"""One row of doc/faults.md: a daemon under light load with the probe beside it,
and the oracle, which is asked at its end whatever the row was about."""

import os
import signal
import time

from harness import accounts, config, oracle, probe, processes, wait
from harness.daemon import Daemon

LOAD = {"keepalive": 2, "new": 1, "pause": 0.02}

# What has been freed is not kept by the thread that did it: it would count as memory
# in use.
ENV = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


class Row(Daemon):
    """A Daemon with the keys of the fault suite, four workers of plugin evil,
    its load (`book`) and its probe, both running from its start.

    A row says what may happen: whose requests may fail (`blame`), that the
    master ends (`master_ends`), which statuses an answer may have
    (`may_answer`).  Everything else fails it.
    """

    def __init__(self, build, plugin_dirs, load=None, **how):
        keys = dict(config.FAULT, routes={"/": "evil"})
        keys.update(how, env=dict(ENV, **how.get("env", {})))
        self.load_keys = LOAD if load is None else load
        self.book = self.probe = self.before = None
        self.blamed, self.blamed_slots = set(), set()
        self.looked_after = 0           # of the runs that have ended
        self.masters_ended = self.in_hand = self.unrecorded = 0
        self.starts_fail = self.judged_elsewhere = False
        self.verdict_at_end = "ok"
        self.records_at_end = True
        self.records_kept = []
        self.statuses = {200}
        self.patience = wait.PATIENCE   # seconds, until things are as before
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

    def master_ends(self, times=1):
        """The row ends so many masters."""
        self.masters_ended += times

    def may_answer(self, *statuses):
        """The load may be answered with these as well."""
        self.statuses |= set(statuses)

    def starts_may_fail(self):
        """Workers that were never ready may die: what is started is no good."""
        self.starts_fail = True

    def may_lose(self, count):
        """So many connections may end without an answer and without a worker to
        blame: what a master had in its hand."""
        self.in_hand = count

    def may_miss_records(self, count):
        """So many deaths may have no record: a master ended within a second of
        them, or the store is closed."""
        self.unrecorded = count

    def lasts(self):
        """Its requests, deaths and masters are judged by whoever runs it: many
        faults at once, of which one may hide another (chaos.py)."""
        self.judged_elsewhere = True

    def keeper_killed(self, timeout=wait.PATIENCE, but=()):
        """The row has killed the keeper: everybody leaves by himself (but these), the
        database is whole, and the next start is looked at like any other."""
        self.rest()
        self.expect_exit(-signal.SIGKILL)
        self.await_exit(timeout)
        wait.until(lambda: set(self._family()) <= set(but), timeout,
                   "end of the last process")
        wrong = oracle.database_is_whole(self)
        assert not wrong, wrong
        self._end_of_life()

    def _end_of_life(self):
        """What was noted and declared is of this one."""
        self.before = None
        self.masters_ended = self.in_hand = 0
        self.verdict_at_end, self.records_at_end = "ok", True

    def _family(self):
        """All processes of this daemon that live, whoever is their parent now."""
        return [pid for pid in processes.descendants(os.getpid())
                if pid not in self.strangers and processes.name(pid) != "?"]

    def last_look(self):
        """The row stops the daemon: the oracle is asked now, with the load at rest,
        and at the end only of what is left behind."""
        self.rest()
        wrong = oracle.ask(self)
        assert not wrong, "\n".join(wrong)
        self._end_of_life()

    def ends_as(self, state, records=True):
        """`status` says this at the end of this life, since the fault stays.
        Without records: there is no database that could tell of deaths."""
        self.verdict_at_end = state
        self.records_at_end = records

    def lose_records(self):
        """What is on record until now the row will destroy: it is noted here."""
        self.records_kept = self.deaths()

    def note_means(self):
        """Only now the daemon has all that it holds from here on: the generation
        that a rollback wants.  The most of some looks, as a worker that takes a
        connection of the load is without its spare descriptor for a moment."""
        now = [self.snapshot() for _ in range(3)]
        fds = {who: max((one["fds"].get(who, {}) for one in now), key=len)
               for who in now[-1]["fds"]}
        self.before.update(fds=fds, heap=now[-1]["heap"])

    # ---- life -----------------------------------------------------------------

    def start(self, *args, ready=True, timeout=wait.PATIENCE):
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
        """All of it of one master."""
        while True:
            status = self.status()
            found = {
                "keeper": self.keeper.pid, "master": status["master"],
                "workers": {row["worker"]: row for row in status["workers"]},
                "fds": oracle.descriptors(self, status), "heap": oracle.heap(self),
            }
            if self.master_pid() == status["master"]["pid"]:
                return found

    def served(self, each=2, timeout=wait.PATIENCE):
        """The load is served on: every client had so many more answers."""
        if self.book is not None:
            self.book.await_each(each, timeout)

    def connection_to(self, worker, timeout=wait.PATIENCE):
        """A connection that this worker has taken (plugin evil)."""
        until = time.monotonic() + timeout
        while time.monotonic() < until:
            connection = self.connect(timeout=timeout)
            if connection.request("GET", "/").header("X-Worker-Id") == str(worker["id"]):
                return connection
            connection.close()
        raise AssertionError("%r takes nothing" % worker)

    def restart_daemon(self):
        """Each of the two runs is looked at."""
        self.last_look()
        super().restart_daemon()

    def freeze(self, seconds):
        """The machine stands still for so long: nobody of the daemon runs."""
        began = time.monotonic()
        all_of_it = processes.Stopped(
            [self.keeper.pid] + processes.descendants(self.keeper.pid))
        all_of_it.stand()
        wait.readable(self.process.pidfd, seconds)
        all_of_it.go_on()
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

    def end_master(self, ends=1):
        """SIGKILL to the master, as the first of so many; the last event before."""
        seen = self.last_event()
        self.master_ends(ends)
        os.kill(self.master_pid(), signal.SIGKILL)
        return seen

    def limit_masters(self, descriptors=None):
        """Those that are started from here on may have so many."""
        script = self.dir + "/master"
        # which their account starts, so from where it can
        master = accounts.program(self.build, "clusterd-master", self.dir)
        with open(script + ".new", "w", encoding="utf-8") as file:
            file.write('#!/bin/sh\n%sexec %s "$@"\n' % (
                "ulimit -n %d\n" % descriptors if descriptors else "", master))
        os.chmod(script + ".new", 0o755)
        os.rename(script + ".new", script)
        self.env["CLUSTERD_MASTER"] = script

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

    def deaths(self):
        if "safe_mode" in [r["reason"] for r in self.status()["reasons"]]:
            return self.records_kept    # nobody can be asked for more
        rows = self.rows("deaths")
        if self.unrecorded and rows and "error" in rows[0]:
            rows = []
        known = {row["id"] for row in rows}
        return [row for row in self.records_kept if row["id"] not in known] + rows

    # ---- the end --------------------------------------------------------------

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
        if self.before is not None:
            if self.alive():
                wrong += oracle.ask(self)
            else:
                wrong.append("the keeper has ended")
        self.before = None
        wrong += super().finish()
        if self.exits[self.looked_after:][-1:] == [0]:
            wrong += oracle.after_the_stop(self)
        self.looked_after = len(self.exits)
        return wrong


def reasons(status):
    """The words of what is wrong."""
    return [reason["reason"] for reason in status["reasons"]]
