# SPDX-License-Identifier: MIT
"""A worker's own part of the promises: how it dies, drains, and gets on without
its master or its keeper."""

import os
import signal

import pytest

from harness import http, shows, wait
from harness.held import PATIENT, STREAMED, half_sent, rest_of

EVIL = ["closefd", "listener", "spin", "sleep", "leakfd", "disconnect"]


def routes():
    table = {"/": "hello"}
    table.update({"/" + path: "evil" for path in EVIL})
    return table


@pytest.fixture
def c(cluster):
    return cluster(workers=2, routes=routes(), handler_timeout="10s",
                   idle_timeout="5s")


def end_of(c, seen, name=None):
    return c.await_event("worker.exited", after=seen,
                         **({"worker": name} if name else {}))


def test_a_lost_descriptor_is_noticed(c):
    seen = c.last_event()
    c.get("/closefd?4")
    death = end_of(c, seen)
    c.await_event("worker.ready", after=death, worker=death["worker"])
    assert c.get("/").status == 200


@pytest.mark.parametrize("how", ["shut", "block"])
def test_a_broken_listener_is_healed(c, how):
    c.get("/listener?" + how)
    wait.until(lambda: _serves(c), 10, "an answer after the listener was broken")


def _serves(c):
    try:
        return c.get("/", timeout=2).status == 200
    except (OSError, http.ConnectionLost):
        return False


def test_a_restart_under_load_loses_nothing(c):
    with c.load(keepalive=2, new=1, think=1) as book:
        result = c.ctl("restart", "web")
        assert result.code == 0, result
    book.assert_nothing_lost()
    assert all(row["restarts"] == 0 for row in c.workers())


@shows("node-B33")
def test_a_drained_connection_is_told_so(cluster):
    c = cluster(workers=1, routes=dict(STREAMED, **routes()), drain_timeout="20s", scale=1,
                **PATIENT)
    with c.connect() as conn, half_sent(c.address()) as slow:
        assert not conn.request("GET", "/").closes
        seen = c.last_event()
        restart = c.ctl_start("restart", "web/0")
        c.await_event("worker.draining", after=seen)
        answer = conn.request("GET", "/")
        assert answer.status == 200 and answer.closes
        answer = rest_of(slow)
        assert answer.status == 200 and answer.closes
        assert restart.wait(10) == 0
        restart.communicate()
        c.await_event("worker.exited", after=seen)


def test_a_persons_sigterm_drains_one_worker(c):
    seen = c.last_event()
    row = c.worker("web/0")
    with c.load(keepalive=2, new=1) as book:
        os.kill(row["pid"], signal.SIGTERM)
        end_of(c, seen, "web/0")
        c.await_event("worker.ready", after=seen, worker="web/0")
    book.assert_nothing_lost()
    assert c.worker("web/0")["restarts"] == 0, "asked"


@shows("node-B28")
def test_without_a_master_workers_serve_on(c):
    before = {row["worker"]: row["pid"] for row in c.workers()}
    seen = c.last_event()
    with c.load(keepalive=2, new=1) as book:
        os.kill(c.master_pid(), signal.SIGKILL)
        c.await_event("master.adopted", after=seen)
    book.assert_lost_only(at_most=1)
    assert {row["worker"]: row["pid"] for row in c.workers()} == before


def test_a_plugin_may_ask_to_be_replaced(c):
    seen = c.last_event()
    assert c.get("/disconnect?tired").text == "0\n"
    c.await_event("worker.exited", after=seen, timeout=20)
    wait.until(lambda: c.pool()["ready"] == 2, 10, "two workers again")
    assert c.pool()["restarts"] == 0


@shows("node-V1")
def test_a_worker_knows_itself_by_its_environment(cluster):
    c = cluster(workers=2, routes={"/": "evil"})

    def of(conn, name):
        return conn.request("GET", "/env?CLUSTERD_" + name).text
    for generation in ("1", "2"):
        with c.connect() as conn:
            row = c.worker(of(conn, "WORKER"))
            assert conn.request("GET", "/").header("X-Worker") == row["worker"]
            assert (of(conn, "WORKER_ID"), of(conn, "GENERATION")) == \
                (str(row["id"]), generation)
            assert of(conn, "LISTENERS") == of(conn, "MASTER_PID") == "none"
        c.write_config(env="COLOUR=blue")
        assert c.ctl("reload").code == 0


def test_without_descriptors_clients_are_served_one_by_one(cluster):
    c = cluster(workers=1, routes=routes(), max_fds="off")
    with c.connect() as conn:
        taken = int(conn.request("GET", "/leakfd?100000").text)
        assert taken > 500, "all there were"
    with c.load(new=2) as book:
        book.await_more(50)
    book.assert_nothing_lost()
    assert c.worker("web/0")["restarts"] == 0


@pytest.mark.parametrize("keys", [{}, {"schedule": "shared"}])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_takes_nothing_is_replaced(cluster, workers, keys):
    """Its loop turns; a plugin took its sockets out of its poll set.  Who waits for
    it is served by another, and who it serves stays with it."""
    c = cluster(workers=workers, routes={"/": "evil"}, **keys)
    if workers == 2:
        assert c.ctl("pause", "web/1").code == 0
    seen = c.last_event()
    with c.connect() as one, c.connect() as two:
        victim = two.request("GET", "/").header("X-Worker-Id")
        assert int(one.request("GET", "/deafen").text) > 0
        waiting = c.connect()
        waiting.send(http.head("GET", "/", "a"))
        recycled = c.await_event("worker.recycled", after=seen)
        assert "takes no connections" in recycled["text"], recycled
        assert recycled["worker"] == "web/0" and str(recycled["id"]) == victim
        assert waiting.response().header("X-Worker-Id") != victim
        assert two.request("GET", "/").header("X-Worker-Id") == victim
        waiting.close()
    c.await_event("worker.exited", after=recycled, worker="web/0")
    assert c.pool()["restarts"] == 0


def test_who_is_most_over_its_limit_is_replaced_first(cluster):
    """What a held reload defers is done in order of excess, one at a time."""
    c = cluster(workers=4, routes={"/": "evil"}, max_requests=30)
    c.plugins["evil"] = {"ms": "7ms"}
    c.write_config()
    assert c.ctl("reload", "--hold", "25%").code == 0
    for name, count in (("web/1", 60), ("web/2", 90), ("web/3", 120)):
        assert c.ctl("pause", "web").code == 0
        assert c.ctl("resume", name).code == 0
        for _ in range(count):
            assert c.get("/").header("X-Worker") == name
    assert c.ctl("resume", "web").code == 0
    seen = c.last_event()
    assert c.ctl("rollback").code == 0
    order = []
    for _ in range(3):
        seen = c.await_event("worker.recycled", after=seen)
        order.append(seen["worker"])
        assert seen["text"] == "over max_requests", seen
        seen = c.await_event("worker.exited", after=seen, worker=order[-1])
    assert order == ["web/3", "web/2", "web/1"]


def test_a_worker_with_too_many_descriptors_is_replaced(cluster):
    c = cluster(workers=1, routes=routes(), max_fds="100")
    seen = c.last_event()
    with c.load(keepalive=1) as book:
        c.get("/leakfd?200")
        c.await_event("worker.exited", after=seen, timeout=20)
    book.assert_nothing_lost()
    assert c.pool()["restarts"] == 0
