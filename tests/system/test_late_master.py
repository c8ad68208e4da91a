# SPDX-License-Identifier: MIT
"""All stood still: the master, late itself, blames nobody for the time that passed.

Keeper, master and workers are stopped together, the master first: it goes on first,
too, and could judge before anybody else has had a turn."""

import glob
import os
import signal
import time

import pytest

from harness import http, processes, shows, slow, wait

pytestmark = shows("C9")

DRAIN_S = 3                             # so that all stand still before its end
GRACE_S = 2                             # behind the end of a drain, before the ladder


def by_freezing(pids):
    try:
        return processes.Frozen(pids)
    except LookupError as error:
        return pytest.skip(str(error))


def stand_still(c, seconds, how=processes.Stopped, meanwhile=lambda: None):
    master = c.ask_status()["master"]["pid"]
    family = [master] + [pid for pid in processes.descendants(c.pid()) if pid != master]
    machine = how([*family, c.pid()])
    try:
        machine.stand()
        over = time.monotonic() + seconds
        meanwhile()
        wait.until(lambda: time.monotonic() > over, seconds + 5, "the standstill")
    finally:
        machine.close()


# ---- a drain -----------------------------------------------------------------------------

@pytest.mark.parametrize("how", [processes.Stopped, by_freezing])
def test_one_that_drains_is_not_killed_for_it(cluster, how):
    c = cluster(workers=1, routes={"/": "evil"}, drain_timeout="%ds" % DRAIN_S, scale=1,
                request_timeout="1h", header_timeout="1h")
    worker = c.worker("web/0")["pid"]
    clients = [c.connect(timeout=20) for _ in range(20)]
    for client in clients:
        assert client.request("GET", "/").status == 200
    busy = c.connect(timeout=20)
    busy.send(http.head("GET", "/sleep?1000", busy.address))
    seen = c.last_event()
    restart = c.ctl_start("restart", "web/0")
    c.await_event("worker.draining", after=seen)

    def ask():
        for client in clients:
            client.send(http.head("GET", "/", client.address))
    stand_still(c, DRAIN_S + GRACE_S + 3, how, ask)
    assert [client.response().status for client in [busy, *clients]] == [200] * 21
    ended = c.await_event("worker.exited", after=seen, pid=worker)
    assert ended["cause"] == "exit" and ended["code"] == 0, ended
    assert restart.wait(10) == 0
    restart.communicate()
    assert c.metric("drain_aborted_total") == 0


def test_one_that_hangs_in_its_drain_is_killed_all_the_same(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, drain_timeout="%ds" % DRAIN_S, scale=1,
                handler_timeout="60s", request_timeout="1h")
    worker = c.worker("web/0")["pid"]
    blocked = c.connect(timeout=20)
    blocked.send(http.head("GET", "/block", blocked.address))
    c.await_state(lambda s: [w for w in s["workers"] if w["doing"]])
    seen = c.last_event()
    restart = c.ctl_start("restart", "web/0")
    c.await_event("worker.draining", after=seen)
    stand_still(c, DRAIN_S + GRACE_S + 1)
    woke = time.monotonic()
    ended = c.await_event("worker.exited", after=seen, pid=worker)
    assert ended["cause"] == "drain_timeout", ended
    # what was left of the drain and its grace, and the writing of its last words
    assert time.monotonic() - woke < DRAIN_S + GRACE_S + 2
    with pytest.raises(http.ConnectionLost):
        blocked.response()
    restart.communicate(timeout=10)


# ---- a start, a stop ---------------------------------------------------------------------

def await_nap(c, seen):
    """A worker that is started has come to the nap that it is to take."""
    pid = c.await_event("worker.forked", after=seen)["pid"]
    wait.until(lambda: processes.is_asleep(pid), what="a nap of %d" % pid)


def test_one_that_starts_has_its_time_again(cluster):
    c = cluster(workers=1, scale=1, start_timeout="4s", start=False)
    c.arm("worker.before_ready:sleep=6000")
    c.start(ready=False)
    await_nap(c, 0)                     # else it is behind the standstill, and too long
    stand_still(c, 4.5)
    c.await_ready()
    assert not [e for e in c.events() if e["event"] in ("worker.exited", "worker.backoff")]
    assert c.worker("web/0")["restarts"] == 0


def test_one_that_never_is_ready_is_killed_all_the_same(cluster):
    c = cluster(workers=1, scale=1, start_timeout="1500ms", start=False)
    c.arm("worker.before_ready:sleep=20000")
    c.start(ready=False)
    c.await_event("worker.forked")
    stand_still(c, 2)
    assert c.await_event("worker.exited")["cause"] == "start_timeout"
    c.arm()
    c.await_ready()


def test_one_that_stops_has_its_time_again(cluster):
    c = cluster(workers=2, scale=1, stop_timeout="2s", start=False)
    c.arm("worker.drained:sleep=3500")
    c.start()
    worker = c.worker("web/1")["pid"]
    seen = c.last_event()
    assert c.ctl("scale", "web", "1").code == 0
    wait.until(lambda: processes.is_asleep(worker), 5, "one that stops")
    stand_still(c, 2.5)
    ended = c.await_event("worker.exited", after=seen, pid=worker)
    assert ended["cause"] == "exit" and ended["code"] == 0, ended


# ---- who waits ---------------------------------------------------------------------------

def test_who_waits_for_a_worker_that_starts_is_served(cluster):
    """2 s without a worker would be 503."""
    c = cluster(workers=1, scale=1, start=False)
    c.arm()
    c.start()
    c.arm("worker.before_ready:sleep=3700")
    seen = c.last_event()
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    await_nap(c, seen)
    with c.connect(timeout=20) as client:
        client.send(http.head("GET", "/", client.address))
        over = time.monotonic() + 0.7   # a tick has seen that nobody is there
        wait.until(lambda: time.monotonic() > over, 5, "a tick")
        stand_still(c, 2.5)
        assert client.response().status == 200
    assert not [e for e in c.events(seen) if e["event"] == "state.changed"]


def test_an_address_that_leaves_serves_its_queue(cluster):
    """5 s at most, which are 2.5 at this scale."""
    c = cluster(workers=1, scale=2, start=False, routes={"/": "evil"}, max_connections=1)
    address = "unix:" + c.dir + "/run/web.sock"
    c.write_config(listen=["127.0.0.1:0", address])
    c.start()
    clients = [http.connect(address, 20) for _ in range(6)]
    for client in clients:
        client.sendall(b"GET /sleep?200 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    c.write_config(listen="127.0.0.1:0")
    assert c.ctl("reload").code == 0
    stand_still(c, 3)
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    wait.until(lambda: not http.answers(address), 10, "an address that has left")


# ---- what a change waits for -------------------------------------------------------------

def test_a_canary_serves_for_its_time(cluster):
    """Nobody has asked it anything while nobody could."""
    c = cluster(workers=1, canary_hold="3s")
    seen = c.last_event()
    c.write_config(max_headers=99)
    reload = c.ctl_start("reload")
    canary = c.await_event("reload.canary", after=seen)
    ready = c.await_event("worker.ready", after=canary)
    began = time.time() * 1000
    stand_still(c, 4)
    ended = time.time() * 1000
    committed = c.await_event("reload.committed", after=canary)
    assert began - ready["time"] + committed["time"] - ended > 2000
    assert reload.wait(10) == 0
    reload.communicate()


def reload_through(c, rule, is_held_up, seconds):
    """A reload that this holds up, and all stand still meanwhile."""
    c.arm(rule)
    c.plugins["hello"] = {"module": "hello_v2.so"}
    c.write_config()
    reload = c.ctl_start("reload")
    wait.until(is_held_up, 10, "a reload that is held up")
    stand_still(c, seconds)
    out, err = reload.communicate(timeout=20)
    assert reload.returncode == 0, out + err
    assert c.get("/").header("X-Version") == "2"


def test_a_disk_has_its_time_again(cluster):
    """10 s, which are 2 at this scale; the first start wrote three files."""
    c = cluster(workers=1, start=False)
    c.arm()
    c.start()
    reload_through(c, "disk.before_write:sleep=4000@4",
                   lambda: glob.glob(c.dir + "/state/store/*.new"), 3)


@slow
def test_a_check_has_its_time_again(cluster):
    """10 s at any scale."""
    c = cluster(workers=1, start=False)
    c.arm()
    c.start()
    reload_through(c, "checker.parsed:sleep=12000", lambda: any(
        processes.is_asleep(pid) for pid in processes.descendants(c.pid())), 11)
