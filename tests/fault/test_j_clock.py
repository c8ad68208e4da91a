# SPDX-License-Identifier: MIT
"""The wall clock jumps, and calls are interrupted."""

import os
import signal

import pytest

from harness import inject, shows

HOUR, TEN_YEARS = 3600, 315360000


def kill(r, name):
    """SIGKILL to a worker; its next one is awaited."""
    victim = r.blame(r.worker(name))
    seen = r.last_event()
    os.kill(victim["pid"], signal.SIGKILL)
    return r.await_event("worker.ready", after=seen, worker=name)


@shows("J1")
def test_the_wall_clock_jumps(faulty):
    """Whoever is waited for is waited for by another clock.  That events keep their
    order by seq is asked of every row."""
    r = faulty(workers=2)
    r.served()
    ids = {w["worker"]: w["id"] for w in r.workers()}
    for offset in (HOUR, -HOUR, TEN_YEARS, -TEN_YEARS, HOUR, -TEN_YEARS, TEN_YEARS, 0):
        for role in inject.ROLES:
            r.fi.arm(role, "clock:%+d" % offset)
        r.served(each=3)
        assert {w["worker"]: w["id"] for w in r.workers()} == ids, "nobody is ended"
    for offset in (TEN_YEARS, -TEN_YEARS):
        for role in inject.ROLES:
            r.fi.arm(role, "clock:%+d" % offset)
        kill(r, "web/1")                # neither early nor late: it is ready again
        r.served()
        assert r.ctl("reload").code == 0
    for role in inject.ROLES:
        r.fi.arm(role, "clock:0")
    r.served()


@shows("J1")
def test_the_wall_clock_jumps_for_a_new_master(faulty):
    """One that starts ten years before the other ended: its events go on."""
    r = faulty(workers=2)
    r.served()
    r.fi.arm("master", "clock:%+d" % -TEN_YEARS)
    before = r.end_master()
    adopted = r.await_event("master.adopted", after=before)
    assert adopted["seq"] > before
    r.served()


@shows("J5")
@pytest.mark.limit(120)
def test_interrupted_everywhere(faulty):
    """Each call that a signal can cut short is, now and then, in all programs; and
    workers have a timer of a kilohertz."""
    r = faulty(workers=2, load={"keepalive": 4, "new": 2, "pause": 0.005}, start=False)
    for role in ("keeper", "master", "worker", "checker"):
        r.fi.arm(role, "*:EINTR@p=.05")
    r.start()
    for _ in range(8):
        assert r.get("/timer?1000").status == 200
    r.served(each=10)
    assert r.post("/", b"x" * 200000).status == 200
    assert r.ctl("reload").code == 0
    r.write_config(idle_timeout="70s")
    assert r.ctl("reload").code == 0
    assert r.ctl("scale", "web", 3).code == 0
    assert r.ctl("scale", "web", 2).code == 0
    kill(r, "web/1")
    r.served(each=5)
    seen = r.end_master()
    r.await_event("master.adopted", after=seen)
    r.served(each=10)
    for role in ("keeper", "master", "worker"):
        assert r.fi.injected(role) > 0, role
