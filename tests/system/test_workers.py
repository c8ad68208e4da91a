# SPDX-License-Identifier: MIT
"""What a plugin knows of workers and pools, without asking anybody."""

import errno
import json
import os
import signal

import pytest

from harness import shows, wait
from harness.held import PATIENT, STREAMED, rest_of, send_half
from harness.post import Post

STATES = ["down", "starting", "ready", "draining", "stopping", "killing", "waiting",
          "failed"]
ROUTES = dict({"/": "hello", "/crash": "evil"},
              **{"/" + path: "workers" for path in ("self", "who", "each", "stop", "pool")})
API = {"workers": 1, "schedule": "shared", "routes": {"/": "workers"}}


class Known(Post):
    """What the plugin says, at a worker that is named."""

    def self(self, worker):
        return json.loads(self.ask(worker, "/self"))

    def each(self, which="all", at="web/0"):
        """The rows, or what cluster_workers_each() said."""
        rows = json.loads(self.ask(at, "/each?" + which))
        for row in rows if isinstance(rows, list) else []:
            row["state"] = STATES[row["state"]]
        return rows

    def pool(self, name="", at="web/0"):
        return json.loads(self.ask(at, "/pool?" + name))

    def await_each(self, condition, at="web/0", timeout=10):
        """Rows of all workers that are so."""
        return wait.until(lambda: (rows := self.each(at=at)) and condition(rows) and rows,
                          timeout, "such a roster")


@pytest.fixture
def known(cluster):
    def begin(**how):
        how.setdefault("routes", ROUTES)
        return Known(cluster(**how))
    return begin


def as_status(row):
    """The part of a row that status has, too; of nothing there is 0."""
    return {name: row[name] or 0 for name in ("worker", "pool", "slot", "id", "pid", "state",
                                              "generation", "restarts")}


def assert_as_status(k, at="web/0"):
    """The roster says what status says, at most a tick later."""
    def same():
        before = [as_status(row) for row in k.c.workers()]
        return before == [as_status(row) for row in k.each(at=at)]
    wait.until(same, 10, "a roster as status")


@shows("node-C5")
@shows("node-C6")
def test_a_worker_knows_itself(known):
    k = known()
    for name in ("web/0", "web/1"):
        row, mine = k.c.worker(name), k.self(name)
        assert (mine["worker"], mine["pool"], mine["slot"]) == (name, "web", int(name[-1]))
        assert (mine["id"], mine["pid"]) == (row["id"], row["pid"])
        assert mine["generation"] == row["generation"]
        assert (mine["role"], STATES[mine["state"]]) == (1, "ready")
        assert (mine["connected"], mine["age_ms"]) == (1, 0)
        assert mine["connections"] >= 1
        assert k.self(name)["requests"] == mine["requests"] + 1
        assert k.self(name)["uptime_ms"] >= mine["uptime_ms"]


@shows("node-C7")
@shows("node-C10")
@shows("node-W5")
def test_all_workers_of_two_pools(known):
    k = known(pools={"api": API})
    assert_as_status(k)
    rows = k.each()
    assert [row["worker"] for row in rows] == ["api/0", "web/0", "web/1"]
    for row in rows:
        assert row["size"] == k.self("web/0")["size"]
        assert (row["role"], row["connected"]) == (1, 1)
        assert 0 < row["uptime_ms"] < 60000 and row["age_ms"] < 5000
    api, = k.each("api")
    assert k.each("api/0")[0]["id"] == k.each("id:%d" % api["id"])[0]["id"] == api["id"]
    assert [row["worker"] for row in k.each("web")] == ["web/0", "web/1"]


def test_words_that_name_nobody(known):
    k = known()
    for which in ("api", "web/7", "id:%d" % (k.c.worker("web/1")["id"] + 1000)):
        assert k.each(which) == -errno.ESRCH, which
    for which in ("", "web@hello", "master", "web/x", "id:0", "/", "all@mail"):
        assert k.each(which) == -errno.EINVAL, which
    assert k.pool("api") == [-errno.ESRCH, -errno.EINVAL]
    assert json.loads(k.ask("web/0", "/stop?all")) == [17, 1], "its result ends it"


@shows("node-C8")
@shows("node-B26")
def test_a_pool(known):
    k = known(pools={"api": API})
    for name in ("web", "api"):
        row = k.c.pool(name)

        def same(name=name, row=row):
            told = k.pool(name)
            return told["ready"] == row["ready"] and told["listen"] == row["listen"] and told
        told = wait.until(same, 10, "the pool in the roster")
        assert {key: told[key] for key in ("pool", "protocol", "schedule", "desired",
                                           "generation", "restarts")} == \
            {key: row[key] for key in ("pool", "protocol", "schedule", "desired",
                                       "generation", "restarts")}
    assert k.pool()["pool"] == "web", "its own, where none is named"
    with k.c.connect("api") as one, k.c.connect("api") as two:
        one.request("GET", "/self"), two.request("GET", "/self")
        wait.until(lambda: k.pool("api")["connections"] == 2, 10, "two connections")
    wait.until(lambda: k.pool("api")["connections"] == 0, 10, "none any more")
    wait.until(lambda: k.pool("api")["requests"] == 2, 10, "two requests")


@shows("node-C7")
@shows("node-W6")
@shows("node-W5")
def test_a_slot_that_is_down_or_waits(known):
    k = known(workers=3, backoff_min="30s", backoff_max="30s")
    k.c.ctl("drain", "web/1")
    rows = k.await_each(lambda rows: rows[1]["state"] == "down")
    assert (rows[1]["pid"], rows[1]["connected"], rows[1]["uptime_ms"]) == (0, 0, 0)
    assert k.pool()["desired"] == 2 and k.pool()["ready"] == 2
    for death in (1, 2):                # after the second early one it has to wait
        os.kill(k.c.worker("web/2")["pid"], signal.SIGKILL)
        k.c.await_state(lambda s, death=death: s["workers"][2]["restarts"] == death and
                        s["workers"][2]["state"] in ("ready", "waiting"))
    rows = k.await_each(lambda rows: rows[2]["state"] == "waiting")
    assert rows[2]["pid"] == 0 and rows[2]["restarts"] > 0
    assert_as_status(k)


@shows("node-C7")
def test_a_worker_that_drains_beside_its_successor(known):
    k = known(routes=dict(STREAMED, **ROUTES), drain_timeout="30s", **PATIENT)
    old = k.c.worker("web/1")
    with k.to("web/1") as busy:
        send_half(busy)
        k.conns.pop("web/1")
        command = k.c.ctl_start("restart", "web/1")
        rows = k.await_each(lambda rows: [(row["worker"], row["state"]) for row in rows] == [
            ("web/0", "ready"), ("web/1", "ready"), ("web/1", "draining")])
        assert rows[2]["id"] == old["id"] != rows[1]["id"]
        assert rows[1]["pid"] != rows[2]["pid"] == old["pid"]
        assert rest_of(busy).status == 200
    command.communicate(timeout=10)
    rows = k.await_each(lambda rows: len(rows) == 2)
    assert rows[1]["restarts"] == 0


def test_after_a_kill(known):
    k = known()
    old = k.c.worker("web/1")
    os.kill(old["pid"], signal.SIGKILL)
    rows = k.await_each(lambda rows: rows[1]["restarts"] == 1 and rows[1]["state"] == "ready")
    assert rows[1]["id"] > old["id"] and rows[1]["pid"] != old["pid"]
    assert k.pool()["restarts"] == 1
    assert_as_status(k)
    k.forget("web/1")
    assert k.self("web/1")["restarts"] == 1


# ---- without a master ------------------------------------------------------------

def test_a_master_that_stands_still_is_told_by_the_age(known):
    k = known(scale=1)
    before = k.await_each(lambda rows: all(row["state"] == "ready" for row in rows))
    master = k.c.master_pid()
    os.kill(master, signal.SIGSTOP)
    try:
        wait.until(lambda: k.each()[0]["age_ms"] > 1500, 10, "an old roster")
        assert [as_status(row) for row in k.each()] == [as_status(row) for row in before]
        assert k.pool()["age_ms"] > 1500 and k.pool()["ready"] == 2
    finally:
        os.kill(master, signal.SIGCONT)
    wait.until(lambda: k.each()[0]["age_ms"] < 1500, 10, "a new roster")


def test_the_next_master_goes_on_with_it(known):
    k = known()
    seen = k.c.last_event()
    os.kill(k.c.master_pid(), signal.SIGKILL)
    assert len(k.each()) == 2, "it is there all the time"
    k.c.await_event("master.adopted", after=seen)
    assert_as_status(k)
    os.kill(k.c.worker("web/1")["pid"], signal.SIGKILL)
    k.await_each(lambda rows: rows[1]["restarts"] == 1 and rows[1]["state"] == "ready")


def test_a_master_that_dies_while_it_writes(known):
    """What was there before is whole, and stays until the next one has written."""
    k = known(start=False)
    k.c.arm()
    k.c.start()
    k.await_each(lambda rows: all(row["state"] == "ready" for row in rows))
    k.c.arm("master.roster:kill/1")

    def is_next(status):
        assert [(row["worker"], row["state"]) for row in k.each()] == [
            ("web/0", "ready"), ("web/1", "ready")]
        assert k.pool()["ready"] == 2
        return status["master"]["restarts"] == 1
    k.c.await_state(is_next)
    assert_as_status(k)
