# SPDX-License-Identifier: MIT
"""A worker dies."""

import os
import signal

import pytest

from harness import http, shows, wait
from harness.tracer import Tracer

KILL = signal.SIGKILL


def hold(r, path, worker=None):
    """A connection with a request in a worker's hands: (connection, its row)."""
    while True:
        conn = r.connect()
        name = conn.request("GET", "/").header("X-Worker")
        if worker in (None, name):
            break
        conn.close()
    conn.send(http.head("GET", path, r.address()))
    wait.until(lambda: any(row["worker"] == name and row["path"] == path.split("?")[0]
                           for row in requests(r)), 5, "the request in its hands")
    return conn, r.worker(name)


def reason(status, name):
    return next((row for row in status["reasons"] if row["reason"] == name), None)


def requests(r):
    rows = r.json("requests")
    return rows if isinstance(rows, list) else [rows]


@shows("A1")
def test_killed_while_idle(row):
    r = row()
    victim = r.blame(r.worker("web/1"))
    r.served()
    seen = r.last_event()
    os.kill(victim["pid"], KILL)
    death = r.await_event("worker.exited", after=seen, worker="web/1")
    ready = r.await_event("worker.ready", after=death, worker="web/1")
    assert (death["cause"], death["signal"]) == ("signal", "SIGKILL")
    assert not [e for e in r.events(seen) if e["event"] == "worker.backoff"]
    # ten times what is promised
    assert ready["time"] - death["time"] < 5000, (death, ready)
    r.served()


@shows("A9")
@pytest.mark.skipif(os.environ.get("SANITIZED") == "yes", reason="needs little memory")
def test_killed_for_want_of_memory(memory_group, row):
    with memory_group.inside():
        r = row()
    r.blame_all()
    r.served()
    # a kill of somebody else's is none for want of memory
    seen = r.last_event()
    os.kill(r.worker("web/1")["pid"], signal.SIGKILL)
    r.await_event("worker.exited", after=seen, cause="signal")
    for _ in range(2):
        seen = r.last_event()
        r.get("/leak?400", expect="connection lost")
        death = r.await_event("worker.exited", after=seen)
        assert (death["cause"], death["signal"]) == ("oom", "SIGKILL"), death
        r.await_event("worker.ready", after=death, worker=death["worker"])
        record = r.death(death["id"])
        assert (record["cause"], record["path"]) == ("oom", "/leak")
        assert record["rss_kb"] > 100 << 10
    r.served()
    assert r.pool()["restarts"] == 3
@shows("A2")
@pytest.mark.parametrize("path", ["/sleep?5000", "/stream?2000"])
def test_killed_in_a_request(row, path):
    """Nothing comes back, or a body without its end."""
    r = row(request_timeout="10s")
    conn, victim = hold(r, path)
    r.blame(victim)
    os.kill(victim["pid"], KILL)
    with pytest.raises(http.ConnectionLost):
        conn.response()
    conn.close()
    record = r.death(victim["id"], timeout=10)
    assert (record["cause"], record["signal"]) == ("signal", "SIGKILL")
    assert (record["plugin"], record["method"], record["path"]) == (
        "evil", "GET", path.split("?")[0])
    assert 0 <= record["request_ms"] < 10000 and record["uptime_ms"] > 0
    assert "GET " + record["path"] in record["text"]
    assert "GET " + record["path"] in r.ctl("why", victim["worker"])
    r.served()


@shows("A2")
def test_an_answer_that_only_its_end_delimits_is_reset(row):
    """HTTP/1.0: an orderly close would make the part look whole."""
    r = row(request_timeout="10s")
    with http.connect(r.address()) as sock:
        sock.sendall(b"GET /stream?2000 HTTP/1.0\r\n\r\n")
        received = b""
        while b"piece" not in received:
            received += sock.recv(65536)
        owner = received.split(b"X-Worker: ")[1].split(b"\r\n")[0].decode()
        victim = r.blame(r.worker(owner))
        os.kill(victim["pid"], KILL)
        with pytest.raises(ConnectionResetError):
            while sock.recv(65536):
                pass
    r.await_event("worker.exited", id=victim["id"])


@shows("A4")
def test_the_system_gives_no_process(row):
    r = row()
    victim = r.blame(r.worker("web/2"))
    others = {w["worker"]: w["id"] for w in r.workers() if w["worker"] != "web/2"}
    r.served()
    seen = r.last_event()
    with Tracer(r.keeper.pid, ["clone3", "clone", "fork", "vfork"], "error=EAGAIN:when=1..4"):
        os.kill(victim["pid"], KILL)
        tries = []
        for _ in range(4):
            seen = r.await_event("worker.backoff", after=seen, worker="web/2")
            tries.append(seen)
        failing = r.await_state(lambda s: reason(s, "spawn_failing"))
        text = reason(failing, "spawn_failing")["text"]
        assert "Resource temporarily unavailable" in text, text
        r.await_event("worker.ready", after=seen, worker="web/2")
    # 1, 2, 4 s and so on, of the scale; and it is not the slot that is sick
    assert [t["next_ms"] for t in tries] == [1000 // r.scale * 2 ** i for i in range(4)]
    assert {t["n"] for t in tries} == {1}, "of its death alone"
    assert {w["worker"]: w["id"] for w in r.workers() if w["worker"] != "web/2"} == others
    r.await_state(lambda s: not reason(s, "spawn_failing"))
    assert r.worker("web/2")["restarts"] == 1
