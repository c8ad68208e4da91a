# SPDX-License-Identifier: MIT
"""Modes of work."""

import collections
import os
import re
import signal
import time

import pytest

from harness import http, processes, shows, slow, sockets, wait


@shows("M6")
def test_recycling_under_load(row):
    """Each of four workers after about 50 requests, and after other about 50s.
    Four seconds (20 unscaled) under load, then all have gone more than once."""
    r = row(max_requests=50, load={"keepalive": 2, "new": 2, "pause": 0.01})
    seen, limits = r.last_event(), []
    for _ in range(12):
        seen = r.await_event("worker.recycled", after=seen, timeout=20)
        assert seen["text"] == "over max_requests"
        limits.append(seen["id"])
        r.await_event("worker.exited", after=seen, id=seen["id"])
    assert len(set(limits)) == 12
    r.rest()
    counts = r.book.by_worker()
    ended = [counts[str(number)] for number in limits]
    assert min(ended) >= 45, "10 % less is the least"
    assert len(set(ended)) > 1, "each has a limit of its own"
    assert all(a.ready >= 4 for a in r.probe.answers), "never fewer than wanted"
    assert r.pool()["restarts"] == 0


# ---- M1, M2: reuseport --------------------------------------------------------------------------

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def owners(r):
    """{number of a socket: slot that polls it} of its first pool."""
    return {row["socket"]: row["owner"] for row in r.json("listeners")}


def await_owners(r, *slots):
    """Socket by socket."""
    wait.until(lambda: owners(r) == {number: "web/%d" % slot for number, slot in
                                     enumerate(slots)}, 10, "owners %r" % (slots,))


def await_polled_once(r):
    """Each socket by one worker: asked of the kernel."""
    def once():
        workers = [w for w in r.workers() if w["state"] == "ready"]
        counts = collections.Counter(inode for w in workers
                                     for inode in sockets.polled(w["pid"]))
        return {counts[inode] for inode in sockets.listening(r.address())} == {1}
    wait.until(once, 10, "one worker for each socket")


def queue_up(r, count=400):
    """So many connections with a request each that nobody takes, in all queues.  No
    load beside them, which nobody would take either."""
    assert r.ctl("pause", "web").code == 0
    address, clients = r.address(), []
    for _ in range(count):
        clients.append(http.connect(address, 20))
        clients[-1].sendall(REQUEST)
    assert not any(wait.readable(client, 0) for client in clients)
    queues = [row["queued"] for row in r.json("listeners")]
    assert sum(queues) == count and min(queues) > 0, queues
    return clients


def all_served(clients):
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()


@shows("M1")
@shows("node-B16")
def test_reuseport_a_worker_dies(row):
    """Its neighbour polls its socket as long as its successor starts."""
    r = row(schedule="reuseport", load={}, start_timeout="30s", start=False)
    r.arm()
    r.start()
    await_owners(r, 0, 1, 2, 3)
    clients = queue_up(r)
    victim, seen = r.blame(r.worker("web/2")), r.last_event()
    r.arm("worker.before_ready:sleep=1500/web/2")
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.exited", after=seen, worker="web/2")
    successor = r.await_event("worker.forked", after=seen, worker="web/2")["pid"]
    wait.until(lambda: processes.is_asleep(successor), 10, "its nap before it is ready")
    processes.halt(successor)           # which may be shorter than what comes now
    assert r.ctl("resume", "web").code == 0
    await_owners(r, 0, 1, 3, 3)
    all_served(clients)
    assert not [e for e in r.events(seen) if e["event"] == "worker.ready"]
    os.kill(successor, signal.SIGCONT)
    r.await_event("worker.ready", after=seen, worker="web/2")
    await_owners(r, 0, 1, 2, 3)
    await_polled_once(r)
    assert r.death(victim["id"])["connections_lost"] == 0


@shows("M1")
def test_reuseport_a_worker_is_stopped(row):
    """Its socket goes to the neighbour as soon as it is stalled, and comes back
    with its successor."""
    r = row(schedule="reuseport", load={}, handler_timeout="60s")
    clients = queue_up(r)
    victim, seen = r.blame(r.worker("web/2")), r.last_event()
    os.kill(victim["pid"], signal.SIGSTOP)
    assert r.ctl("resume", "web").code == 0
    stalled = r.await_event("worker.stalled", after=seen, worker="web/2")
    await_owners(r, 0, 1, 3, 3)
    all_served(clients)
    r.write_config(handler_timeout="1s")
    assert r.ctl("reload").code == 0    # a live key: it takes no time from the above
    hung = r.await_event("worker.hung", after=stalled, worker="web/2")
    assert "stopped" in hung["text"], hung
    r.await_event("worker.ready", after=hung, worker="web/2")
    await_owners(r, 0, 1, 2, 3)
    await_polled_once(r)
    death = r.death(victim["id"])
    assert (death["cause"], death["connections_lost"]) == ("hang", 0), death


@shows("M1")
def test_reuseport_a_worker_wakes_up(row):
    """Stalled for a while: its socket goes and comes, and nobody starts."""
    r = row(schedule="reuseport", handler_timeout="60s")
    worker, seen = r.worker("web/1"), r.last_event()
    os.kill(worker["pid"], signal.SIGSTOP)
    r.await_event("worker.stalled", after=seen, worker="web/1")
    await_owners(r, 0, 2, 2, 3)
    os.kill(worker["pid"], signal.SIGCONT)
    await_owners(r, 0, 1, 2, 3)
    await_polled_once(r)
    r.served()
    assert r.worker("web/1")["id"] == worker["id"]


@shows("M1")
def test_reuseport_a_worker_dies_without_a_master(row):
    """Everybody polls everything until the next master has thought it out anew."""
    r = row(schedule="reuseport", load={}, env={
        "CLUSTERD_FP": "master.adopt:sleep=1500/2"})
    clients = queue_up(r)
    victim, seen = r.blame(r.worker("web/2")), r.last_event()
    r.master_ends()
    master = r.master_pid()
    processes.halt(master)              # it does nothing about the death
    os.kill(victim["pid"], signal.SIGKILL)
    os.kill(master, signal.SIGKILL)     # from here on they poll what they hold
    all_served(clients)
    for _ in range(40):                 # whichever socket they come to
        with http.connect(r.address()) as client:
            client.sendall(REQUEST)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    r.await_event("master.adopted", after=seen)
    r.await_event("worker.ready", after=seen, worker="web/2")
    # the others are paused still
    wait.until(lambda: set(owners(r).values()) == {"web/2"}, 10, "one owner of all")
    assert r.ctl("resume", "web").code == 0
    await_owners(r, 0, 1, 2, 3)
    await_polled_once(r)


@shows("M1")
@pytest.mark.parametrize("times", [2, pytest.param(6, marks=slow)])
def test_reuseport_under_load_master_and_workers_die(row, times):
    r = row(schedule="reuseport", load={"new": 3, "keepalive": 2, "pause": 0.01})
    made = sockets.listening(r.address())
    for number in range(times):
        r.kill_worker("web/%d" % (number % 4))
        r.kill_master()
        await_owners(r, 0, 1, 2, 3)
        await_polled_once(r)
        r.served()
    assert sockets.listening(r.address()) == made


SIZES = (2, 4, 8)


@shows("M2")
def test_reuseport_another_size(row):
    """Four, two, four, eight, and once more: then there is nothing to be made."""
    r = row(schedule="reuseport", load={"new": 4, "keepalive": 1, "pause": 0.005})
    made = sockets.listening(r.address())
    assert len(made) == 4
    for size in SIZES:
        assert r.ctl("scale", "web", str(size)).code == 0
        r.served()
        await_owners(r, *[n % size for n in range(max(4, size))])
        await_polled_once(r)
        assert made <= sockets.listening(r.address()), "one was closed"
    r.note_means()
    made = sockets.listening(r.address())
    assert len(made) == 8
    for size in SIZES:
        assert r.ctl("scale", "web", str(size)).code == 0
        r.served()
        await_owners(r, *[n % size for n in range(8)])
        await_polled_once(r)
        assert sockets.listening(r.address()) == made


def square_wave(r, periods, seconds, **load):
    """So many periods of that length: one half under this load, one without."""
    for _ in range(periods):
        with r.load(**load) as book:
            wait.readable(r.process.pidfd, seconds / 2)
        book.assert_nothing_lost()
        wait.readable(r.process.pidfd, seconds / 2)


@shows("M3")
@pytest.mark.parametrize("periods", [11, pytest.param(40, marks=slow)])
def test_a_size_by_load_does_not_flap(row, periods):
    """The load comes and goes within the hold, and the thresholds are so close
    that each wave goes past both."""
    r = row(workers="2..8", scale_hold="1s", scale_up_busy="50%", scale_down_busy="49%")
    began = time.monotonic()
    square_wave(r, periods, 0.8, new=8, path="/block?5", pause=0)

    def both():
        """Its steps and their commands, of which another may come by itself."""
        told = [e for e in r.events() if e["event"] == "pool.scaled"]
        given = r.commands("scale", len(told))
        return len(told) == len(given) and (told, given)
    steps, given = wait.until(both, 10, "each step on record")
    seconds = time.monotonic() - began
    assert len(steps) > 1, "the waves are no reason"
    for step in steps:
        assert abs(step["to"] - step["from"]) == 1 and 2 <= step["to"] <= 8, step
        busy = int(re.search(r"busy (\d+) %", step["text"]).group(1))
        assert busy > 50 if step["to"] > step["from"] else busy < 49, step
    times = [row["time"] for row in given]
    # a stamp may be a millisecond later than what the hold counts from
    assert all(b - a >= 1000 - 1 for a, b in zip(times, times[1:])), times
    assert len(steps) <= 1 + seconds
    r.rest()
    sizes = {a.status["pools"][0]["desired"] for a in r.probe.answers}
    assert min(sizes) >= 2 and max(sizes) <= 8
    busy = [a.status["pools"][0]["busy_percent"] for a in r.probe.answers]
    assert max(b for b in busy if b is not None) > 50
    assert r.pool()["restarts"] == 0
