#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Bounded chaos: many faults at once, in an order that a seed gives.

The schedule is printed first and depends on the seed and the seconds alone.
At the end every request that failed must have been taken by a worker that
died, `status` must have answered within a second whenever a master lived, and
the daemon must be well and stop as if nothing had been.
"""

import argparse
import contextlib
import heapq
import itertools
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

# pylint: disable=wrong-import-position
from harness import processes, stage, wait                      # noqa: E402
from harness.chaos import actions, explain, schedule            # noqa: E402
from harness.row import Row                                     # noqa: E402

KEYS = {
    "backoff_max": "200ms", "restart_burst": 1000, "restart_rate": 6000,
    "stable_after": "1s", "max_requests": 2000, "start_timeout": "2s",
}
# Masters may be killed as they come for more than ten seconds, beside the one worker
# that is left and hangs: no client gives up before somebody can end that.
LOAD = {"keepalive": 6, "new": 2, "think": 2, "rate": 20, "path": "/sleep?20",
        "pause": 0.02, "think_time": 0.2, "timeout": 30}

# Exit statuses of a command: done, refused or turned back, unknown since its
# master was lost and none came in time.
VERDICTS = (0, 1, 3)


class Chaos:
    """One run of a schedule."""

    def __init__(self, row):
        self.row = row
        self.actions = actions.Actions(row)
        self.follower = explain.Follower(row.socket).start()
        self.wrong = []

    def run(self, plan):
        began = time.monotonic()
        undo, tie = [], itertools.count()
        for action in plan:
            due = began + action.at_ms / 1000
            while undo and undo[0][0] <= due:
                self._wait(undo[0][0])
                heapq.heappop(undo)[2]()
            self._wait(due)
            later = getattr(self.actions, action.name)(*action.arguments)
            if later is not None:
                ms, function = later
                heapq.heappush(undo, (time.monotonic() + ms / 1000, next(tie), function))
        while undo:
            self._wait(undo[0][0])
            heapq.heappop(undo)[2]()

    def _wait(self, until):
        """Nothing is to be done before; the end of the daemon ends it too."""
        if wait.readable(self.row.process.pidfd, max(0, until - time.monotonic())):
            raise AssertionError("the keeper has ended")

    def settle(self):
        """Everything is given back: now it must get well by itself."""
        late = self.actions.settle()
        if late:
            self.wrong.append("without an end: %r" % late)
        self.row.plugins["evil"].pop("mode", None)
        self.row.write_config(idle_timeout="75s")
        for words in (("reload",), ("resume", "web"), ("scale", "web", "4")):
            result = self.row.ctl(*words, timeout=60)
            if result.code != 0:
                self.wrong.append("at the end: %r" % result)
        self.row.await_state(lambda s: s["state"] == "ok", timeout=30)
        self.row.served()
        self.row.rest()
        self.follower.stop()

    def judge(self):
        """What is wrong, one line each; and a line that sums up."""
        row, did = self.row, self.actions
        spans = [(a.asked - 1, a.asked + a.seconds + 1) for a in row.probe.answers
                 + row.probe.first if a.state == "failed"]
        deaths = list(self.follower.deaths.values())
        masters = did.masters_killed + [s for s, _ in did.masters_stopped]
        unexplained, in_hand = explain.explain(row.book, deaths, masters, spans)
        unexplained, unrecorded = explain.unrecorded(
            unexplained, masters, {w["id"] for w in row.workers()} | set(self.follower.deaths),
            explain.only_logged(row.log(), deaths))
        self.wrong += ["not explained: %r; %r" % (entry, explain.suspects(entry, deaths))
                       for entry in unexplained]
        for entry in in_hand:
            print("in a master's hand: %r; killed at %s" % (
                entry, ["%.3f" % at for at in did.masters_killed]))
        self.wrong += ["late: %r" % a for a in row.probe.late()
                       if not any(s <= a.asked + a.seconds and a.asked <= e
                                  for s, e in did.masters_stopped)]
        self.wrong += ["%s ended with %d" % one for one in did.verdicts
                       if one[1] not in VERDICTS]
        counted = sum(pool["restarts"] for pool in row.status()["pools"])
        told = len([d for d in deaths if not d.asked])
        if counted < told:
            self.wrong.append("%d restarts, %d deaths were told" % (counted, told))
        failures = row.book.failures()
        explained = len(failures) - len(unexplained) - len(in_hand) - len(unrecorded)
        return ("%d requests, %d failed: %d by %d deaths on record, %d by deaths within a "
                "second of a master's, %d in a master's hand; %d masters killed, "
                "%d commands, status at most %.0f ms, %d without an object" % (
                    len(row.book.requests()), len(failures), explained, len(deaths),
                    len(unrecorded), len(in_hand), len(did.masters_killed),
                    len(did.verdicts), max(a.seconds for a in row.probe.answers) * 1e3,
                    did.skipped))


def run(build, plan):
    """(what is wrong, summary) of one run of a schedule."""
    with stage.plugins(build) as plugin_dirs:
        row = Row(build, plugin_dirs, load=LOAD, daemon={"keep_deaths": 10000},
                  start=False, **KEYS)
        summary = "it did not come to its end"
        row.lasts()
        row.allow_in_log("abort")       # frames of those who call it
        try:
            row.start()
            chaos = Chaos(row)
            try:
                chaos.run(plan)
                chaos.settle()
                summary = chaos.judge()
            except AssertionError as error:
                chaos.wrong.append(str(error))
            wrong = chaos.wrong
        finally:
            end = row.finish()
        wrong += end
        wrong += processes.left_behind()
        if wrong:
            print("its log: " + keep_log(row), flush=True)
        row.remove()
    return wrong, summary


def keep_log(row):
    """A copy that outlives the row; its name."""
    path = "/tmp/chaos.%d.log" % os.getpid()
    with open(path, "w", encoding="utf-8") as f:
        f.write(row.log())
    return path


def shrink(build, plan):
    """Halve the schedule as long as it still fails; returns what is left."""
    while len(plan) > 1:
        half = len(plan) // 2
        for part in (plan[:half], plan[half:]):
            wrong, _ = run(build, part)
            print("   %d to %d: %s" % (part[0].index, part[-1].index,
                                       wrong[0] if wrong else "well"), flush=True)
            if wrong:
                plan = part
                break
        else:
            return plan
    return plan


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=int)
    parser.add_argument("--build", default=os.environ.get("CLUSTERD_BUILD"))
    parser.add_argument("--part", metavar="FROM-TO",
                        help="only these actions of the schedule")
    parser.add_argument("--only", metavar="NAME,...", help="only these kinds of actions")
    parser.add_argument("--show", action="store_true", help="print the schedule only")
    parser.add_argument("--shrink", action="store_true",
                        help="when it fails, look for a shorter schedule that does")
    return parser.parse_args(arguments)


def main(arguments):
    options = parse(arguments)
    plan = schedule.make(options.seed, options.seconds)
    if options.part:
        first, last = map(int, options.part.split("-"))
        plan = plan[first:last + 1]
    if options.only:
        plan = [action for action in plan if action.name in options.only.split(",")]
    print("seed %d, %d s, %d actions" % (options.seed, options.seconds, len(plan)))
    print("\n".join(map(schedule.text, plan)), flush=True)
    if options.show:
        return 0
    processes.adopt_orphans()
    build = os.path.abspath(options.build)
    wrong, summary = run(build, plan)
    print("\n".join(wrong[:40] + [summary]))
    if wrong and options.shrink:
        with contextlib.suppress(KeyboardInterrupt):
            plan = shrink(build, plan)
        print("the shortest that fails:\n" + "\n".join(map(schedule.text, plan)))
    print("seed %d: %s" % (options.seed, "%d wrong" % len(wrong) if wrong else "well"))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
