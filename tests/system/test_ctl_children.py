# SPDX-License-Identifier: MIT
"""clusterctl children, and what `requests` says of them."""

import os
import signal
import time

import pytest

from harness import http, processes, shows, wait
from harness.children import DETACHED, PATHS, UNREF, Children, query

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


# ---- started by the SDK ----------------------------------------------------------------


@pytest.fixture(name="children")
def children_fixture(cluster):
    """What is detached is ended with the test."""
    made = []

    def begin(**how):
        made.append(Children(cluster(workers=1, routes=PATHS, **how)))
        return made[-1]
    yield begin
    for ch in made:
        processes.end_all([row["pid"] for row in ch.c.json("children") if row["detached"]])


SLEEP = {"file": "sleep", "arg": ["sleep", "300"]}


def row_of(ch, n):
    row, = [row for row in ch.c.json("children") if row["pid"] == ch.pid(n)]
    return row


@shows("node-F8")
@shows("node-P9")
def test_a_started_child(children):
    ch = children()
    row = row_of(ch, ch.start(**SLEEP))
    assert (row["command"], row["request"]) == ("sleep 300", None)
    assert (row["holds"], row["detached"]) == (True, False)
    assert [ch.c.worker("web/0")["children"], ch.c.pool()["children"]] == [1, 1]
    assert 'clusterd_pool_children{pool="web"} 1' in ch.c.ctl("metrics").out.splitlines()


@shows("node-P7")
def test_which_ones_a_drain_waits_for(children):
    ch = children()
    n = ch.start(flags=UNREF, **SLEEP)
    assert row_of(ch, n)["holds"] is False
    assert ch.numbers("ref", n=n, on=1)[0] == 0
    assert row_of(ch, n)["holds"] is True
    row = row_of(ch, ch.start(flags=DETACHED, **SLEEP))
    assert (row["holds"], row["detached"]) == (False, True)


@shows("node-F8")
def test_the_request_that_it_runs_for(children):
    ch = children()
    with ch.c.connect() as conn:
        conn.send(http.head("GET", "/spawn?" + query(dict(SLEEP, with_=1)), ch.c.address()))
        row = wait.until(lambda: next((row for row in ch.c.json("children")
                                       if row["request"] is not None), None),
                         what="a child of a request")
        assert (row["request"]["method"], row["request"]["path"]) == ("GET", "/spawn")
        assert row["request"]["plugin"] == "children"
        assert row["command"] == "sleep 300"
        assert ch.c.ctl("children").out.splitlines()[1].split()[5:7] == ["GET", "/spawn"]
    wait.until(lambda: not ch.c.json("children"), what="its end with its client")


@shows("node-P7")
def test_requests_list_children_that_hold_a_drain(children):
    ch = children(drain_timeout="60s")
    first, second = ch.start(**SLEEP), ch.start(flags=UNREF, **SLEEP)
    pids = [ch.pid(first), ch.pid(second)]
    assert not ch.c.json("requests")
    parent, seen = ch.c.worker("web/0"), ch.c.last_event()
    restart = ch.c.ctl_start("restart", "web/0")
    ch.c.await_event("worker.draining", after=seen)
    rows = [row for row in ch.c.json("requests") if row["child"] is not None]
    assert [(row["worker"], row["id"], row["pid"], row["child"], row["command"])
            for row in rows] == [("web/0", parent["id"], parent["pid"], pids[0], "sleep 300")]
    assert str(pids[0]) in ch.c.ctl("requests").out
    processes.end_all(pids[:1])
    ch.c.await_event("worker.exited", after=seen, id=parent["id"])
    assert restart.wait(10) == 0
    restart.communicate()
    assert ch.c.json("requests") == ch.c.json("children") == []


def test_more_than_the_page_has_rows_for(children):
    ch = children(max_children=80)
    for _ in range(70):
        ch.start(**SLEEP)
    rows = ch.c.json("children")
    assert len({row["pid"] for row in rows}) == 70
    assert sum(row["holds"] for row in rows) == 64, "of the others it is not known"
    assert ch.c.worker("web/0")["children"] == 70


@shows("node-V1")
def test_a_child_knows_whose_it_is(children):
    ch = children()
    worker = ch.c.worker("web/0")
    environment = ch.spawn(file="env").out.decode().splitlines()
    assert [line for line in environment if line.startswith("CLUSTERD_")
            and "TEST" not in line and "CLUSTERD_FP" not in line] == [
                "CLUSTERD_WORKER=web/0", "CLUSTERD_WORKER_ID=%d" % worker["id"],
                "CLUSTERD_GENERATION=1"]
