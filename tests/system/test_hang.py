# SPDX-License-Identifier: MIT
"""A handler that does not come back: seen within a second, whoever waits behind
it is served by another worker, and at handler_timeout it is ended with the
evidence of what it was at."""

import os
import resource
import time

import pytest

from harness import alone, http, not_sanitized, shows, wait

pytestmark = alone

ROUTES = {"/": "evil"}
HANDLER_TIMEOUT_MS = 3000


def doing(c, name):
    row = c.worker(name)["doing"]
    return row and "%s %s" % (row["method"], row["path"])


# Where others want the CPU too, who spins gets half of it or less: then it is
# called starved, and has four times as long.
SPINNING = ("spinning", "starved of CPU")


@shows("node-B2")
@shows("node-B5")
@pytest.mark.parametrize("path, verdicts", [
    pytest.param("/spin", SPINNING, marks=[shows("B7")]),
    pytest.param("/block", ("blocked",), marks=[shows("B8")]),
    pytest.param("/deadlock", ("blocked",), marks=[shows("B9")]),
])
@shows("P3")
def test_who_waits_behind_a_hang_is_served_by_another(cluster, path, verdicts):
    """Half of the fixed times: stalled after half a second, seen by the next
    tick a quarter later."""
    c = cluster(workers=2, routes=ROUTES, scale=2,
                handler_timeout="%dms" % HANDLER_TIMEOUT_MS)
    assert c.ctl("pause", "web/1").code == 0, "web/0 gets all there is"
    victim = c.worker("web/0")
    seen = c.last_event()
    address = c.address()
    with http.Connection(address) as hung:
        assert hung.request("GET", "/").header("X-Worker") == "web/0"
        sent = time.time() * 1000
        hung.send(http.head("GET", path + "?secret", address))
        wait.until(lambda: doing(c, "web/0") == "GET " + path, 5, "the handler at work")
        # into the queue of web/0, which looks well so far
        with http.Connection(address) as waiting:
            waiting.send(http.head("GET", "/", address))
            assert c.ctl("resume", "web/1").code == 0
            assert waiting.response().header("X-Worker") == "web/1"
        answered = time.time() * 1000
        names = [e["event"] for e in c.events(seen)]
        assert "worker.stalled" in names
        assert "worker.hung" not in names and c.worker("web/0")["id"] == victim["id"]

        stalled = c.await_event("worker.stalled", after=seen, worker="web/0")
        assert stalled["time"] - sent < 1000, "within a second"
        assert answered - sent < HANDLER_TIMEOUT_MS
        assert "GET " + path in stalled["text"] and "evil" in stalled["text"]
        # nothing more is given to it
        for _ in range(8):
            assert c.get("/").header("X-Worker") == "web/1"

        ended = c.await_event("worker.hung", after=stalled, worker="web/0", timeout=20,
                              text=lambda text: "left alone" not in text)
        verdict = next(word for word in verdicts if ended["text"].startswith(word))
        # counted from the last beat, which may be an eighth of a second older
        took = ended["time"] - sent
        assert HANDLER_TIMEOUT_MS - 200 < took
        assert took < HANDLER_TIMEOUT_MS * (4 if verdicts is SPINNING else 1) + 1000
        death = c.await_event("worker.exited", after=ended, worker="web/0")
        with pytest.raises(http.ConnectionLost):
            hung.response()
    assert death["cause"] == "hang" and death["id"] == victim["id"]
    c.await_event("worker.ready", after=death, worker="web/0")
    why = c.ctl("why", "web/0")
    assert verdict in why, why
    assert "in plugin evil, GET " + path in why and "secret" not in why, why
    record = wait.until(lambda: c.json("deaths"), 5, "death record")[-1]
    assert record["connections_recovered"] >= 1, "the one that waited"
    assert (record["plugin"], record["method"], record["path"]) == ("evil", "GET", path)
    assert record["evidence"].startswith(verdict)


def hang_with_core(cluster, scale):
    """A big worker that hangs: (its end, ms from worker.hung to it)."""
    c = cluster(workers=1, routes=ROUTES, scale=scale, handler_timeout="300ms",
                rlimit_core="1T", start=False)
    cores = c.dir + "/cores"
    os.mkdir(cores)
    os.chmod(cores, 0o777)
    c.write_config(cwd=cores)
    c.start()
    assert c.get("/leak?200").status == 200
    seen = c.last_event()
    c.get("/block", expect="connection lost")
    hung = c.await_event("worker.hung", after=seen)
    death = c.await_event("worker.exited", after=hung, timeout=30)
    return c.death(death["id"]), death["time"] - hung["time"]


@pytest.mark.slow
@not_sanitized("no cores with sanitizers")
def test_a_core_that_is_being_written_is_waited_for(cluster):
    """It takes longer than k1 waits by itself (2 s of the scale), and less than the
    most (10 s).  How long one takes is the disk's, which others use: where it was
    over too soon or too late, the scale moves towards that."""
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        pattern = f.read()
    if pattern[0] in "|/" or resource.getrlimit(resource.RLIMIT_CORE)[1] != -1:
        pytest.skip("cores are not written to the worker's directory: " + pattern)
    record, took = hang_with_core(cluster, 1)
    assert record["core"] and record["signal"] == "SIGABRT", record
    if took < 40:
        pytest.skip("a core is written in %d ms: nothing to wait for" % took)
    scale, tries = 4000 // took, []
    while len(tries) < 8:
        record, took = hang_with_core(cluster, scale)
        if record["core"] and took * scale > 2500:
            return
        tries.append((scale, took, record["core"]))
        scale = scale * 3 // 2 + 1 if record["core"] else max(1, scale * 2 // 3)
    assert False, tries


def test_a_worker_that_comes_back_has_recovered_when_it_is_stable_again(cluster):
    """Not while it stalls, however long it has been ready; and each time."""
    c = cluster(workers=1, routes=ROUTES, scale=2, stable_after="1s",
                handler_timeout="30s")
    seen = c.last_event()
    for _ in range(2):
        with c.connect() as conn:
            back = time.time() * 1000 + 1500        # and not before
            conn.send(http.head("GET", "/spin?1500", "a"))
            stalled = c.await_event("worker.stalled", after=seen)
            assert conn.response().text == "spun\n"
        recovered = c.await_event("worker.recovered", after=seen)
        assert recovered["seq"] > stalled["seq"] and recovered["time"] > back
        seen = recovered
    names = [e["event"] for e in c.events()]
    assert names.count("worker.stalled") == names.count("worker.recovered") == 2
    assert c.worker("web/0")["restarts"] == 0


@pytest.mark.parametrize("request_", ["/spin?800", "/block?800"])
def test_slow_ones_in_one_pass_of_the_loop_each_have_their_time(cluster, request_):
    """handler_timeout is that of a callback: four that come together and take longer
    than it only as a sum are answered."""
    c = cluster(workers=1, routes=ROUTES, scale=2, handler_timeout="1500ms")
    with c.connect() as conn:
        conn.send(http.head("GET", request_, "a") * 4)
        for _ in range(4):
            assert conn.response().status == 200
    names = [e["event"] for e in c.events()]
    assert "worker.hung" not in names and "worker.exited" not in names
