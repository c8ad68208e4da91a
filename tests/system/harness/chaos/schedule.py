# SPDX-License-Identifier: MIT
"""What chaos does when: a function of the seed, and of nothing else."""

import collections
import random

# index: its place in the schedule of the seed, which it keeps in any part of it
Action = collections.namedtuple("Action", "index at_ms name arguments")

DEADLY = ("/segv", "/abort", "/exit", "/badsys", "/recurse", "/fpe", "/threadsegv")
HANGING = ("/spin", "/block", "/deadlock")
SLOW = ("/forget", "/sleep?700", "/late", "/double")

BROKEN = ("syntax", "unknown key", "no such plugin", "range", "init_error",
          "init_segv", "die_after_ready")


def _slot(random_):
    return (random_.randrange(8),)


def _slot_and_time(shortest, longest):
    return lambda r: (r.randrange(8), r.randint(shortest, longest))


def _time(shortest, longest):
    return lambda r: (r.randint(shortest, longest),)


# name: (how often, its arguments)
KINDS = {
    "kill_worker": (14, _slot),
    "stop_worker": (6, _slot_and_time(50, 2500)),
    "deadly_request": (12, lambda r: (r.choice(DEADLY),)),
    "hanging_request": (5, lambda r: (r.choice(HANGING),)),
    "slow_request": (6, lambda r: (r.choice(SLOW),)),
    "kill_master": (6, lambda r: ()),
    "stop_master": (2, _time(50, 4000)),
    "reload": (6, lambda r: (r.randint(1, 6),)),
    "bad_reload": (6, lambda r: (r.choice(BROKEN),)),
    "rollback": (2, lambda r: ()),
    "scale": (8, lambda r: (r.randint(1, 8),)),
    "restart": (3, lambda r: ()),
    "pause": (3, _slot_and_time(50, 1500)),
    "lock_database": (4, lambda r: (r.choice(("IMMEDIATE", "EXCLUSIVE")),
                                    r.randint(100, 4000))),
    "delete_database": (1, lambda r: ()),
    "starve_worker": (5, _slot_and_time(100, 2500)),
    "starve_master": (4, _time(100, 2500)),
    "slow_client": (5, lambda r: (r.randint(5, 40),)),
    "leaving_client": (5, lambda r: (r.randint(1, 20),)),
    "control_noise": (4, lambda r: (r.randrange(1 << 30),)),
}


def make(seed, seconds, mean_ms=250):
    """The actions of so many seconds, in order of time."""
    random_ = random.Random(seed)
    names = list(KINDS)
    weights = [KINDS[name][0] for name in names]
    actions, at = [], 500
    while True:
        at += max(1, int(random_.expovariate(1 / mean_ms)))
        if at >= seconds * 1000:
            return actions
        name = random_.choices(names, weights)[0]
        actions.append(Action(len(actions), at, name, KINDS[name][1](random_)))


def text(action):
    return "%4d %7d ms  %s%s" % (action.index, action.at_ms, action.name,
                                 "".join(" %s" % a for a in action.arguments))
