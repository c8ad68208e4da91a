# SPDX-License-Identifier: MIT
"""Connections on their way to a worker."""

import os
import signal

from harness import http

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def test_what_could_not_be_sent_goes_before_what_is_taken_back(cluster):
    # the two that lie in front of a dead worker, one after the other
    c = cluster(workers=2, env={"CLUSTERD_FP": "dispatch.send:err=ENOBUFS@5,"
                                               "dispatch.send:err=ENOBUFS@6"})
    pids = [c.worker("web/%d" % slot)["pid"] for slot in range(2)]
    address = c.address()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    clients = [http.connect(address) for _ in range(4)]
    for client in clients:
        client.sendall(REQUEST)
    c.await_event("worker.stalled", worker="web/1")
    os.kill(pids[0], signal.SIGKILL)
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 "), "none is lost"
        client.close()
    os.kill(pids[1], signal.SIGCONT)


def test_a_worker_that_shuts_its_own_socket_is_replaced(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/shutdown": "evil"})
    before = c.worker("web/0")["id"]
    assert c.get("/shutdown").status == 200
    assert c.get("/").status == 200
    assert c.worker("web/0")["id"] != before
    assert c.json("deaths")[-1]["cause"] == "protocol"
