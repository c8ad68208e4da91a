# SPDX-License-Identifier: MIT
"""Starts after deaths, held against what the policy of their pool allows
(restart_burst, restart_rate), by the events of a run."""


def beyond_the_policy(events, keys_of):
    """The starts after deaths for which there cannot have been a token; keys_of(pool)
    are the keys of a pool.  Nothing can be said where the clock of the wall went
    back."""
    times = [event["time"] for event in events]
    if times != sorted(times):
        return []
    wrong, began, starts = [], {}, {}
    for death, start in _after_deaths(events):
        pool = start["pool"]
        burst, per_minute = _limits(keys_of(pool), events, pool)
        began.setdefault(pool, death["time"])
        starts[pool] = starts.get(pool, 0) + 1
        # no cap but at the first: a start may come long after its token was taken
        tokens = burst + per_minute * (start["time"] - began[pool]) / 60000
        if starts[pool] > tokens + 1:
            wrong.append(start)
    return wrong


def _after_deaths(events):
    """(worker.exited, worker.forked) of slots whose worker had died, in order.  One of
    another generation is not for the death: a change has begun."""
    died = {}
    for event in events:
        slot = event["pool"], event["slot"]
        if event["event"] == "worker.exited" and not event["asked"]:
            died[slot] = event
        elif event["event"] == "worker.forked" and slot in died:
            death = died.pop(slot)
            if death["generation"] == event["generation"]:
                yield death, event


def _limits(keys, events, pool):
    """(burst, a minute), by its most slots where that is left to the daemon."""
    slots = 1 + max(event["slot"] for event in events
                    if event["event"] == "worker.forked" and event["pool"] == pool)
    return (int(keys.get("restart_burst", max(6, 2 * slots))),
            int(keys.get("restart_rate", max(12, slots))))
