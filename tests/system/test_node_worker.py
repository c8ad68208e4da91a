# SPDX-License-Identifier: MIT
"""Workers that are started, drained, replaced and killed, as Node's primary does
it: rows of doc/node-parity.md that no other test shows whole."""

import contextlib
import os
import signal
import time

import pytest

from harness import http, shows, wait
from harness.held import PATIENT, STREAMED, rest_of, send_half

@shows("node-C1")
def test_one_worker_more(cluster):
    """There when the command is answered; wanted from then on, whatever dies."""
    c = cluster(workers=1, routes={"/": "evil"}, start=False)
    c.write_config(env="ROLE=worker")
    c.start()
    result = c.ask("scale", {"pool": "web", "workers": "+1"}, timeout=20)[-1]
    assert result["ok"] and result["result"]["to"] == 2
    made = c.worker("web/1")
    assert made["state"] == "ready"
    with contextlib.ExitStack() as stack:
        found = {}
        while len(found) < 2:
            conn = stack.enter_context(c.connect())
            answer = conn.request("GET", "/env?ROLE")
            found[answer.header("X-Worker")] = answer.text
    assert found == {"web/0": "worker", "web/1": "worker"}
    for _ in range(2):
        seen = c.last_event()
        os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
        c.await_event("worker.ready", after=seen, worker="web/1")
    assert c.pool()["desired"] == 2 and c.worker("web/1")["id"] > made["id"]


@shows("node-C1")
def test_one_that_fails_is_told_in_the_answer(cluster):
    c = cluster(workers=1, env={"CLUSTERD_FP": "worker.before_ready:abort/web/1"})
    c.allow_in_log("abort")
    answer = c.ask("scale", {"pool": "web", "workers": "+1"}, timeout=20)[-1]
    assert answer["ok"] is False and "web/1" in answer["error"]["text"], answer
    assert c.pool()["desired"] == 1


@shows("node-C4")
def test_all_are_drained_until_resume(cluster):
    """What is under way ends, for as long as it may; who comes meanwhile hears 503 at
    an address that stays open."""
    c = cluster(workers=2, routes={"/": "evil"}, drain_timeout="3s", request_timeout="1h",
                pools={"api": {"workers": 1, "routes": {"/": "hello"}}})
    addresses = {name: c.address(name) for name in ("web", "api")}
    seen = c.last_event()
    with c.connect() as short, c.connect() as endless:
        short.send(http.head("GET", "/sleep?1000", "a"))
        endless.send(http.head("GET", "/sleep?600000", "a"))
        c.await_state(lambda s: sum(w["connections"] for w in s["workers"]) == 2)
        assert c.ctl("drain", "all").code == 0
        c.await_state(lambda s: {w["state"] for w in s["workers"]} <= {"draining", "down"})
        assert {c.get("/", pool=name).status for name in addresses} == {503}
        assert short.response().text == "slept\n"
        for worker in ("web/0", "web/1", "api/0"):
            c.await_event("worker.exited", after=seen, worker=worker, asked=True)
        with pytest.raises(http.ConnectionLost):
            endless.response()          # its time is over
    assert {name: c.address(name) for name in addresses} == addresses
    assert {c.get("/", pool=name).status for name in addresses} == {503}
    assert c.status()["state"] == "ok"
    assert c.ctl("resume", "all").code == 0
    c.await_state(lambda s: [pool["ready"] for pool in s["pools"]] == [2, 1])
    assert {c.get("/", pool=name).status for name in addresses} == {200}


@shows("node-C4")
def test_a_stop_has_an_end(cluster):
    """Whoever never answers."""
    c = cluster(workers=2, routes={"/": "evil"}, drain_timeout="1s", request_timeout="1h")
    with c.connect() as conn:
        conn.send(http.head("GET", "/sleep?600000", "a"))
        c.await_state(lambda s: sum(w["connections"] for w in s["workers"]) == 1)
        began = time.monotonic()
        assert c.ctl("stop", timeout=30).code == 0
        assert c.await_exit() == 0
        assert time.monotonic() - began >= 1, "it had its time"
        with pytest.raises(http.ConnectionLost):
            conn.response()


@shows("node-W8")
def test_a_worker_is_drained_until_it_is_wanted_again(cluster):
    c = cluster(workers=2, routes=dict(STREAMED, **{"/": "evil"}), drain_timeout="20s",
                **PATIENT)
    for again in ("resume", "retry"):
        last, seen = c.worker("web/0"), c.last_event()
        with contextlib.ExitStack() as stack:
            while True:
                conn = stack.enter_context(c.connect())
                if conn.request("GET", "/").header("X-Worker") == "web/0":
                    break
            send_half(conn)
            wait.until(lambda: c.worker("web/0")["doing"] or [
                one for one in c.rows("requests") if one["worker"] == "web/0"], 5, "a request")
            assert c.ctl("drain", "web/0").code == 0
            c.await_event("worker.draining", after=seen, worker="web/0")
            assert {c.get("/").header("X-Worker") for _ in range(10)} == {"web/1"}
            assert rest_of(conn).text.startswith("stream 2 "), "it finishes"
        death = c.await_event("worker.exited", after=seen, worker="web/0", asked=True)
        assert death["id"] == last["id"]
        c.await_state(lambda s: [w["state"] for w in s["workers"]] == ["down", "ready"])
        # another master does not start it, either
        os.kill(c.master_pid(), signal.SIGKILL)
        c.await_event("master.adopted", after=seen)
        assert {c.get("/").header("X-Worker") for _ in range(10)} == {"web/1"}
        assert c.worker("web/0")["state"] == "down"
        assert c.ctl(again, "web/0").code == 0
        c.await_event("worker.ready", after=death, worker="web/0")


@shows("node-W8")
def test_a_drain_has_an_end(cluster):
    """Requests are cut at `drain_timeout'; who does not end then is ended."""
    c = cluster(workers=2, routes={"/": "evil"}, drain_timeout="500ms", stop_timeout="300ms",
                handler_timeout="1h", request_timeout="1h")
    seen = c.last_event()
    with c.connect() as conn:
        conn.send(http.head("GET", "/block", "a"))
        name = wait.until(lambda: next((w["worker"] for w in c.workers() if w["doing"]), None),
                          5, "a handler that blocks")
        assert c.ctl("drain", name).code == 0
        death = c.await_event("worker.exited", after=seen, worker=name)
    assert death["signal"] in ("SIGABRT", "SIGKILL"), death
    c.await_state(lambda s: any(w["state"] == "down" for w in s["workers"]))


def between(c, seen, *events):
    """(event, worker) of those events, in their order."""
    return [(row["event"], row["worker"]) for row in c.events(seen) if row["event"] in events]


@shows("node-W9")
def test_workers_that_ask_to_be_replaced(cluster):
    """All at once, and again while they wait for it: the successor of each is ready
    before it drains, and no two of the pool go at the same time."""
    c = cluster(workers=3, routes={"/": "evil"})
    before = {row["worker"]: row["id"] for row in c.workers()}
    seen = c.last_event()
    with contextlib.ExitStack() as stack:
        conns = {}
        while len(conns) < 3:
            conn = stack.enter_context(c.connect())
            conns[conn.request("GET", "/").header("X-Worker")] = conn
        said = {name: conn.request("GET", "/disconnect?tired").text
                for name, conn in conns.items()}
    assert said == {name: "0\n" for name in before}
    for name, worker_id in before.items():
        c.await_event("worker.exited", after=seen, id=worker_id, asked=True, timeout=20)
    c.await_state(lambda s: len(s["workers"]) == 3)
    steps = between(c, seen, "worker.ready", "worker.draining", "worker.exited")
    order = [worker for event, worker in steps if event == "worker.exited"]
    assert sorted(order) == sorted(before)
    assert steps == [(event, worker) for worker in order for event in
                     ("worker.ready", "worker.draining", "worker.exited")]
    recycled = [row for row in c.events(seen) if row["event"] == "worker.recycled"]
    assert [row["text"] for row in recycled] == ["its plugin asks for it: evil: tired"] * 3
    assert c.pool()["restarts"] == 0


@shows("node-W10")
def test_a_signal_of_ones_choice(cluster):
    """On record with who gave it, and the slot is filled again."""
    c = cluster(workers=2)
    for signal_given, expect in (([], "SIGKILL"), (["USR2"], None), (["SEGV"], "SIGSEGV")):
        seen, last = c.last_event(), c.worker("web/1")
        result = c.json("kill", "web/1", *signal_given)
        row, = [one for one in c.json("audit") if one["command_id"] == result["command_id"]]
        assert (row["command"], row["state"], row["uid"]) == ("kill", "done", os.geteuid())
        assert row["args"]["worker"] == "web/1"
        assert signal_given == [] or signal_given[0] in str(row["args"]["signal"])
        if expect is None:              # which a worker ignores
            assert c.worker("web/1")["id"] == last["id"]
            continue
        death = c.await_event("worker.exited", after=seen, id=last["id"])
        assert (death["signal"], death["cause"], death["asked"]) == (expect, "operator", True)
        c.await_event("worker.ready", after=death, worker="web/1")
    assert c.ctl("kill", "web/1", "NONSENSE").code == 2


IGNORED = ("HUP", "INT", "QUIT", "USR1", "USR2", "TTIN", "TTOU")


@shows("node-B30")
def test_signals_of_a_terminal(cluster):
    """Nobody but the keeper hears them: sessions differ, and what is sent to master
    and workers by name harms nobody."""
    c = cluster(workers=2, routes={"/": "evil"})
    before = c.serving()
    family = [c.master_pid()] + [row["pid"] for row in c.workers()]
    sessions = {os.getsid(pid) for pid in [c.pid(), *family]}
    assert len(sessions) == 4 and sessions >= set(family), "each leads its own"
    for name in IGNORED:
        for pid in family:
            os.kill(pid, signal.Signals["SIG" + name])
    assert {c.get("/").header("X-Worker-Id") for _ in range(10)} == \
        {str(row["id"]) for row in c.workers()}
    assert c.serving() == before
