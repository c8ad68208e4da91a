# SPDX-License-Identifier: MIT
"""What a master was at when it died, and the next one goes on with."""

import os
from signal import SIGCONT, SIGKILL

from harness import http, processes, sockets, wait
from harness.daemon import CELLS


def test_a_worker_whose_start_is_under_way(cluster):
    # the child waits before its exec, so the answer to SPAWN is for the next
    c = cluster(workers=1, env={"CLUSTERD_FP": "keeper.before_exec:sleep=1000/web/1"})
    scale = c.ctl_start("scale", "web", "2")
    c.await_state(lambda status: len(status["workers"]) == 2)
    os.kill(c.master_pid(), SIGKILL)
    assert scale.wait(20) == 0
    first = c.worker("web/1")
    assert first["state"] == "ready" and first["uptime_ms"] is not None
    os.kill(first["pid"], SIGKILL)
    death = c.await_event("worker.exited", worker="web/1")
    assert (death["id"], death["pid"]) == (first["id"], first["pid"])
    c.await_state(lambda status: status["pools"][0]["ready"] == 2 and
                  status["workers"][1]["pid"] != first["pid"])
    assert c.worker("web/1")["id"] > first["id"], "an id is used once"


def test_requests_of_a_canary_that_is_taken_back(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/sleep": "evil"},
                canary_hold="10s", drain_timeout="10s")
    c.write_config(max_requests="100000")
    reload = c.ctl_start("reload")
    c.await_state(lambda status: [w["state"] for w in status["workers"]] ==
                  ["ready", "ready"])
    clients = [http.connect(c.address()) for _ in range(4)]
    for client in clients:
        client.sendall(b"GET /sleep?1000 HTTP/1.1\r\nHost: a\r\n\r\n")
    c.await_state(lambda status: [w["connections"] for w in status["workers"]] ==
                  [2, 2])
    os.kill(c.master_pid(), SIGKILL)
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    assert reload.wait(20) == 1
    c.await_state(lambda status: len(status["workers"]) == 1)
    assert c.worker("web/0")["generation"] == 1


def test_the_id_of_a_checker_is_not_given_to_a_worker(cluster):
    """Its start is asked for before the memo says that there is such an id."""
    c = cluster(workers=1, env={"CLUSTERD_FP":
        "check.asked:sleep=5000/1,checker.before_open:sleep=2000"})
    before, master = c.worker("web/0")["id"], c.master_pid()
    with http.connect("unix:" + c.socket) as client:
        client.sendall(b'{"id":1,"command":"reload","args":{}}\n')
        wait.until(lambda: len(processes.children(c.pid())) == 3, 10, "a checker")
        os.kill(master, SIGKILL)
        c.await_event("master.adopted")
    assert c.ctl("scale", "web", "2").code == 0
    assert c.worker("web/1")["id"] > before + 1


def test_what_masters_step_on_is_noted(cluster):
    """So that whatever a test does is compared with the model, at its end."""
    c = cluster(workers=1)
    os.kill(c.worker("web/0")["pid"], SIGKILL)
    c.await_event("worker.exited")
    os.kill(c.master_pid(), SIGKILL)
    c.await_event("master.adopted")
    assert {"down: start", "starting: ready", "ready: exited"} <= c.cells() <= CELLS


def test_a_worker_that_hears_late_that_the_master_is_lost(cluster):
    """By then there is another one, and it accepts no more for itself than others."""
    c = cluster(workers=2, handler_timeout="60s")
    late, address = c.worker("web/1"), c.address()
    processes.halt(late["pid"])
    os.kill(c.master_pid(), SIGKILL)
    c.await_state(lambda status: status["master"]["restarts"] == 1)
    os.kill(late["pid"], SIGCONT)

    def nobody_accepts():
        listener = sockets.listening(address)
        return not [w for w in c.workers() if listener & sockets.polled(w["pid"])]
    wait.until(nobody_accepts, 10, "end of accepting for themselves")
    assert c.worker("web/1")["id"] == late["id"]


def test_who_asked_to_be_replaced_is_replaced_by_the_next_master(cluster):
    """While a reload is held that has to wait."""
    c = cluster(workers=2, routes={"/": "hello", "/disconnect": "evil"},
                plugins={"hello": {"greeting": "one"}})
    c.plugins["hello"] = {"greeting": "two"}
    c.write_config()
    assert c.ctl("reload", "--hold", "50%").code == 0
    asked, other = c.worker("web/1"), c.worker("web/0")
    processes.halt(other["pid"])
    assert c.get("/disconnect?enough").status == 200
    os.kill(other["pid"], SIGCONT)
    seen = c.last_event()
    os.kill(c.master_pid(), SIGKILL)
    c.await_event("master.adopted", after=seen)
    assert c.ctl("rollback").code == 0
    recycled = c.await_event("worker.recycled", after=seen, worker="web/1")
    assert recycled["id"] == asked["id"] and "plugin asks" in recycled["text"]
