# SPDX-License-Identifier: MIT
"""A master without means."""

import contextlib
import os
import signal

from harness import http, processes, shows, wait

REQUEST = http.head("GET", "/", "a", {"Connection": "close"})


def next_master_with(r, more):
    """The next one has adopted and may have so many descriptors more than this one
    has: the last event before, and its limit."""
    limit = max(processes.fds(r.master_pid())) + 1 + more
    r.limit_masters(limit)
    seen = r.end_master()
    r.await_event("master.adopted", after=seen)
    return seen, limit


@shows("D9")
def test_a_master_without_descriptors(row):
    """The next master may have two more than this one has: it adopts, answers,
    replaces workers, and passes connections on; who must wait does so in the kernel."""
    r = row(request_timeout="10s", start=False)
    r.limit_masters()
    r.start()
    r.served()
    next_master_with(r, 2)
    r.served()
    for _ in range(3):
        assert r.status()["state"] in ("ok", "degraded")
        victims = [r.blame(r.worker("web/%d" % slot)) for slot in (1, 2)]
        seen = r.last_event()
        for victim in victims:
            os.kill(victim["pid"], signal.SIGKILL)
        for victim in victims:
            r.await_event("worker.ready", after=seen, worker=victim["worker"])
        r.served()
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(r.connect()) for _ in range(100)]
        for client in clients:
            client.send(REQUEST)
        assert all(client.response().status == 200 for client in clients)


@shows("D9")
def test_clients_have_the_descriptors_that_a_worker_needs(row):
    """While a worker waits for its next start, control clients take its numbers.  It
    is not started, as what the keeper sends would be lost; it is when they are gone.
    Unscaled, as none of them is to be closed for being idle."""
    r = row(request_timeout="10s", backoff_min="2s", backoff_max="2s", stable_after="1h",
            scale=1, start=False)
    r.limit_masters()
    r.start()
    r.served()
    seen, _ = next_master_with(r, 4)
    master = r.master_pid()
    r.blame("web/1")
    os.kill(r.worker("web/1")["pid"], signal.SIGKILL)
    seen = r.await_event("worker.ready", after=seen, worker="web/1")
    with contextlib.ExitStack() as stack:
        os.kill(seen["pid"], signal.SIGKILL)
        r.await_event("worker.backoff", after=seen, worker="web/1")
        clients = [stack.enter_context(http.connect("unix:" + r.socket)) for _ in range(28)]
        # the probe has its connection, and the log can be read
        r.await_log("the master has no descriptors for it")
        r.served(each=5)
        assert not any(wait.readable(sock, 0) for sock in clients), "they have them still"
    r.await_event("worker.ready", after=seen, worker="web/1")
    assert r.master_pid() == master
    r.served()


@shows("D9")
def test_more_workers_than_there_are_descriptors_for(row):
    """Refused before one of them is started, with the numbers."""
    r = row(workers=2, start=False)
    r.limit_masters()
    r.start()
    _, limit = next_master_with(r, 12)
    refused = r.ctl("scale", "web", 6)
    assert refused.code == 1 and "RLIMIT_NOFILE is %d" % limit in refused, refused
    assert r.pool()["desired"] == 2
    r.served()
