# SPDX-License-Identifier: MIT
"""Keeper and adoption, where something spins."""

import os
import signal

import pytest

from harness import alone, http, processes, shows

pytestmark = alone


@shows("K2")
@pytest.mark.parametrize("mode", ["", "ignore_alarm"])
@pytest.mark.parametrize("path", ["/spin", "/sleep?60000"])
def test_keeper_killed_while_a_handler_spins(row, path, mode):
    """Whatever a plugin has done to signals; so is one that merely takes long."""
    r = row(handler_timeout="1h", request_timeout="1h", daemon={"orphan_grace": "1s"},
            plugins={"evil": {"mode": mode}})
    r.served()
    family = [processes.Process(pid) for pid in processes.descendants(r.pid())]
    client = r.connect()
    worker = client.request("GET", "/").header("X-Worker")
    client.send(http.head("GET", path, "a"))
    r.await_state(lambda s: any(w["worker"] == worker and (
        w["doing"] if path == "/spin" else w["connections"]) for w in s["workers"]))
    r.signal(signal.SIGKILL)
    for one in family:
        one.await_end(10)
        one.close()
    client.close()
    r.keeper_killed()


@shows("K3")
@shows("node-B28")
@pytest.mark.parametrize("how", ["spin", "stop"])
def test_master_hangs_for_good(row, how):
    """Workers accept for themselves, until the keeper has ended it."""
    r = row(start=False)
    r.arm()
    r.start()
    before, master = r.before["workers"], r.before["master"]["pid"]
    r.master_ends()
    if how == "spin":
        r.arm("master.loop:spin/1")
    else:
        os.kill(master, signal.SIGSTOP)
    r.served(each=20)
    status = r.await_state(lambda s: s["master"]["pid"] != master, timeout=20)
    r.served()
    assert {w["worker"]: (w["pid"], w["restarts"]) for w in status["workers"]} == {
        name: (w["pid"], w["restarts"]) for name, w in before.items()}
