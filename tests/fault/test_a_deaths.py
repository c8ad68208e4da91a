# SPDX-License-Identifier: MIT
"""Workers die by the hundred: what the dead leave behind is nothing."""

import os
import signal

import pytest

from harness import http, memo, oracle, processes, shows, slow, wait


WORKERS = 4
AT_ONCE = {"restart_burst": 10000, "restart_rate": 6000, "backoff_min": "10ms",
           "backoff_max": "10ms"}


def die(r, count):
    """So many deaths, all workers in one go: most by SIGKILL, some by requests."""
    for number in range(count // WORKERS):
        seen = r.last_event()
        if number % 10 == 9:
            kill_by_requests(r)
        else:
            for worker in r.workers():
                os.kill(worker["pid"], signal.SIGKILL)
        for slot in range(WORKERS):
            r.await_event("worker.ready", after=seen, worker="web/%d" % slot, timeout=20)


def kill_by_requests(r):
    hands = {}
    while len(hands) < WORKERS:
        conn = r.connect()
        hands.setdefault(conn.request("GET", "/").header("X-Worker"), []).append(conn)
    for conns, path in zip(hands.values(), ("/segv", "/exit?3", "/abort", "/recurse")):
        with pytest.raises(http.ConnectionLost):
            conns[0].request("GET", path)
        for conn in conns:
            conn.close()


@shows("A11")
def test_two_hundred_deaths_leave_no_zombie(row):
    r = row(**AT_ONCE)
    r.blame_all()
    r.may_answer(503)
    r.allow_in_log("(abort+")
    die(r, 200)
    wait.until(lambda: not processes.zombies(r.keeper.pid), 10, "end of the zombies")
    assert r.pool()["restarts"] == 200
    r.served()


# ---- A14 ------------------------------------------------------------------------

# The last 4,096 events are kept for followers, and a death has six.
WARM_UP = 700
HEAP_NOISE = 32 << 10                   # numbers in texts get longer


def pages(pid):
    """How many pages of workers a process has mapped."""
    with open("/proc/%d/maps" % pid, encoding="ascii") as f:
        return sum("clusterd-page" in line for line in f)


def heap_of_keeper(r):
    with open("/proc/%d/status" % r.keeper.pid, encoding="ascii") as f:
        return next(line for line in f if line.startswith("VmData:"))


def means(r, master):
    """What must not grow, but the heap of the master.  Nobody is asked: a client of
    the control socket would be counted."""
    return {
        "files of the master": len(processes.fds(master)),
        "files of the keeper": len(processes.fds(r.pid())),
        "rows of the memo": memo.rows(r.pid()), "pages mapped": pages(master),
        "heap of the keeper": heap_of_keeper(r),
        "processes": len(processes.descendants(r.pid())),
        "zombies": processes.zombies(r.pid()),
    }


def at_rest(r):
    """means() as soon as they have been the same for a while, and the heap then."""
    wait.until(lambda: r.metric("store_waiting") == 0, 10, "all records written")
    master = r.master_pid()
    return (settled(lambda: means(r, master), lambda those: all(one == those[0] for one in those)),
            settled(lambda: oracle.heap(r), lambda those: max(those) - min(those) < HEAP_NOISE / 4))


def settled(look, are_alike):
    """The last of ten looks in a row that are alike."""
    seen = []

    def for_a_while():
        seen.append(look())
        return len(seen) >= 10 and are_alike(seen[-10:])
    wait.until(for_a_while, 10, "rest")
    return seen[-1]


@shows("A14")
@shows("P11")
@pytest.mark.limit(300)
@pytest.mark.parametrize("count", [1000, pytest.param(2000, marks=slow)])
def test_a_thousand_deaths_leave_nothing_behind(row, count):
    """The records of most of them are out of retention at the end, so that the
    load's losses cannot be matched with them: it is not the oracle's."""
    r = row(**AT_ONCE, stable_after="1h", load={},
            daemon={"keep_deaths": 100, "keep_events": 1000})
    r.blame_all()
    r.allow_in_log("(abort+")
    # each death is an early one, or they would not all tell as much
    with r.load(keepalive=2, new=1, pause=0.02):
        die(r, WARM_UP)
    before, heap = at_rest(r)
    assert before["processes"] == 1 + WORKERS and not before["zombies"]
    with r.load(keepalive=2, new=1, pause=0.02):
        die(r, count - WARM_UP)
    after, heap_after = at_rest(r)
    assert after == before and abs(heap_after - heap) < HEAP_NOISE
    assert r.pool()["restarts"] == count
    wait.until(lambda: len(r.deaths()) == 100 and len(r.events()) <= 1000 + 10, 10,
               "records within their retention")
    r.write_config(stable_after="1s")
    assert r.ctl("reload").code == 0, "no crash loop any more"
