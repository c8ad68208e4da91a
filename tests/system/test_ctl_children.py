# SPDX-License-Identifier: MIT
"""clusterctl children, and what `requests` says of them."""

import os
import signal
import time

import pytest

from harness import processes, wait

FIELDS = {"worker", "id", "pid", "since_ms", "cpu_ms", "rss_kb", "holds", "detached",
          "request", "command"}


@pytest.fixture(name="family")
def family_fixture(cluster):
    """Two workers of plugin evil; what leaves a session is ended with the test."""
    c = cluster(workers=2, routes={"/": "evil"})
    yield c
    processes.end_all([pid for pid in processes.descendants(os.getpid())
                       if processes.name(pid).startswith("clusterd: worker")
                       and os.getsid(pid) == pid
                       and pid not in {row["pid"] for row in c.workers()}])


def have_children(c, path):
    """The row of the worker that got them."""
    answer = c.get(path)
    return c.worker(answer.header("X-Worker"))


def test_nobody_has_children(family):
    assert family.json("children") == []
    assert family.ctl("children").out.split() == \
        ["WORKER", "PID", "SINCE", "CPU", "RSS", "REQUEST", "COMMAND"]


def test_children_of_a_worker_pool_and_all(family):
    c = family
    began = time.time() * 1000
    parent = have_children(c, "/brood?10")
    rows = c.json("children")
    # not grandchildren, and not those that have lost their parent
    assert {row["pid"] for row in rows} == set(processes.children(parent["pid"]))
    assert len(rows) == 8
    for row in rows:
        assert set(row) == FIELDS
        assert (row["worker"], row["id"]) == (parent["worker"], parent["id"])
        assert began - 1000 <= row["since_ms"] <= time.time() * 1000
        assert row["rss_kb"] > 0 and row["cpu_ms"] >= 0
        assert row["request"] is None and row["holds"] is False
        assert row["command"] == "clusterd: worker " + parent["worker"]
        assert row["detached"] == (os.getsid(row["pid"]) != parent["pid"])
    assert sum(row["detached"] for row in rows) == 2
    other = next(one for one in ("web/0", "web/1") if one != parent["worker"])
    pids = [row["pid"] for row in rows]
    for who, expect in ((parent["worker"], pids), (other, []), ("web", pids), ("all", pids)):
        assert [row["pid"] for row in c.json("children", who)] == expect
    assert c.ctl("children", "web/2").code == 1
    assert "no pool" in c.ctl("children", "nobody")
    line = c.ctl("children").out.splitlines()[1].split()
    assert line[:2] == [parent["worker"], str(pids[0])]
    assert line[-3:] == ["clusterd:", "worker", parent["worker"]]


def test_a_child_that_has_ended_is_not_shown(family):
    c = family
    parent = have_children(c, "/brood?10")
    child = c.json("children")[0]["pid"]
    processes.end_all([child])
    assert child not in {row["pid"] for row in c.json("children")}
    assert child in processes.zombies(parent["pid"])


def test_children_outlive_the_master_and_are_shown_by_the_next(family):
    c = family
    parent = have_children(c, "/brood?5")
    before = {row["pid"] for row in c.json("children")}
    seen = c.last_event()
    os.kill(c.master_pid(), signal.SIGKILL)
    c.await_event("master.adopted", after=seen)
    assert {row["pid"] for row in c.json("children", parent["worker"])} == before


def test_children_of_a_dead_worker_are_gone(family):
    c = family
    parent = have_children(c, "/brood?20")
    c.ctl("kill", parent["worker"])
    c.await_event("worker.exited", id=parent["id"])
    wait.until(lambda: not c.json("children"), 5, "nobody left")
