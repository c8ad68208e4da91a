# SPDX-License-Identifier: MIT
"""Workers without a keeper, whatever their plugins have done to signals."""

import signal

import pytest

from harness import http, processes


@pytest.mark.parametrize("request_path", ["/spin", "/sleep?60000"])
def test_gone_in_orphan_grace(cluster, request_path):
    c = cluster(workers=1, routes={"/": "evil"}, handler_timeout="1h",
                daemon={"orphan_grace": "1s"},
                plugins={"evil": {"mode": "ignore_alarm"}})
    worker = processes.Process(c.worker("web/0")["pid"])
    with http.connect(c.address()) as sock:
        sock.sendall(b"GET " + request_path.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda status: status["workers"][0]["doing"] is not None or
                      status["workers"][0]["connections"] == 1)
        c.expect_exit(-signal.SIGKILL)
        c.signal(signal.SIGKILL)
        worker.await_end(10)
    c.await_exit()
