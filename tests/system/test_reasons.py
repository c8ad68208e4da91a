# SPDX-License-Identifier: MIT
"""Why a worker was asked to go: in worker.exited, and in its death record."""

import os
import pwd
import signal

import pytest

from harness import http, shows

NAME = pwd.getpwuid(os.geteuid()).pw_name
HOWS = {
    "scale": "scale",
    "reload": "reload",
    "rollback": "rollback",
    "restart": "restart",
    "drain": "drain by " + NAME,
    "kill": "kill by " + NAME,
    "stop": "stop",
    "disconnect": "recycle: its plugin asks for it: evil: tired",
    "max_requests": "recycle: over max_requests",
    "SIGTERM": "SIGTERM",
    "SIGKILL": None,
}


def two_workers(cluster, **keys):
    """Of which web/1 is the one that serves."""
    c = cluster(workers=2, routes={"/": "evil"}, **keys)
    assert c.ctl("pause", "web/0").code == 0
    return c


def reload_with(c, **keys):
    c.write_config(**keys)
    assert c.ctl("reload").code == 0


def send_off(c, how):
    """Have web/1 go in that way."""
    if how.startswith("SIG"):
        os.kill(c.worker("web/1")["pid"], getattr(signal, how))
    elif how == "reload":
        reload_with(c, max_headers=50)
    elif how == "disconnect":
        assert c.get("/disconnect?tired").text == "0\n"
    elif how == "max_requests":
        for _ in range(60):
            c.get("/")
    else:
        target = {"scale": ["web", "1"], "stop": [], "rollback": []}.get(how, ["web/1"])
        assert c.ctl(how, *target).code == 0


@shows("node-E7")
@shows("node-W3")
@pytest.mark.parametrize("how", HOWS)
def test_why_it_was_asked_to_go(cluster, how):
    c = two_workers(cluster, **({"max_requests": 50} if how == "max_requests" else {}))
    if how == "rollback":
        reload_with(c, max_headers=50)
    last = c.worker("web/1")
    send_off(c, how)
    if how == "stop":
        assert c.await_exit() == 0
        c.start()
    exited = c.await_event("worker.exited", id=last["id"])
    assert (exited["asked"], exited["reason"]) == (how != "SIGKILL", HOWS[how])
    assert exited["core"] is False
    assert exited["cpu_ms"] >= 0 and exited["rss_kb"] > 1000
    if exited["signal"] is not None:    # by force, or a death: on record
        record = c.death(last["id"])
        for member in ("asked", "reason", "cpu_ms", "rss_kb", "cause", "signal"):
            assert record[member] == exited[member], member


@shows("node-E7")
def test_what_it_used_is_told(cluster):
    """As the kernel counted it."""
    c = two_workers(cluster)
    last = c.worker("web/1")
    with open("/proc/%d/stat" % last["pid"], encoding="ascii") as f:
        before = sum(int(n) for n in f.read().rsplit(")", 1)[1].split()[11:13])
    with c.connect() as conn:
        assert conn.request("GET", "/leak?64").status == 200
    assert c.ctl("restart", "web/1").code == 0
    exited = c.await_event("worker.exited", id=last["id"])
    assert exited["cpu_ms"] >= before * 1000 // os.sysconf("SC_CLK_TCK")
    assert 64 * 1024 <= exited["rss_kb"] < 256 * 1024


@shows("node-W3")
@pytest.mark.parametrize("how", ["drain", "disconnect"])
def test_the_reason_outlives_the_master(cluster, how):
    """It goes while there is none, or the next one is there."""
    c = two_workers(cluster, drain_timeout="30s")
    last = c.worker("web/1")
    with c.connect() as conn:
        conn.send(http.head("GET", "/sleep?3000", "a"))
        c.await_state(lambda s: s["workers"][1]["connections"] == 1)
        seen = c.last_event()
        if how == "drain":
            ctl = c.ctl_start("drain", "web/1")
            ctl.communicate()
        else:
            send_off(c, how)
        c.await_event("worker.draining", after=seen, id=last["id"])
        os.kill(c.master_pid(), signal.SIGKILL)
        c.await_event("master.adopted", after=seen)
        assert conn.response().text == "slept\n"
    exited = c.await_event("worker.exited", after=seen, id=last["id"])
    assert (exited["asked"], exited["reason"]) == (True, HOWS[how])


@shows("node-W3")
@pytest.mark.parametrize("name", ["SEGV", "TERM"])
def test_a_kill_outlives_the_master(cluster, name):
    """The signal waits in a process that is stopped."""
    c = two_workers(cluster)
    last, seen = c.worker("web/1"), c.last_event()
    os.kill(last["pid"], signal.SIGSTOP)
    assert c.ctl("kill", "web/1", name).code == 0
    os.kill(c.master_pid(), signal.SIGKILL)
    c.await_event("master.adopted", after=seen)
    os.kill(last["pid"], signal.SIGCONT)
    exited = c.await_event("worker.exited", after=seen, id=last["id"])
    assert (exited["asked"], exited["reason"]) == (True, "kill by " + NAME)
    assert exited["cause"] == "operator"
    assert c.pool()["restarts"] == 0


def test_the_first_reason_counts(cluster):
    """Whatever makes it go at last."""
    c = two_workers(cluster, drain_timeout="30s")
    last, seen = c.worker("web/1"), c.last_event()
    with c.connect() as conn:
        conn.send(http.head("GET", "/sleep?20000", "a"))
        c.await_state(lambda s: s["workers"][1]["connections"] == 1)
        assert c.ctl("drain", "web/1").code == 0
        c.await_event("worker.draining", after=seen, id=last["id"])
        assert c.ctl("kill", "web/1").code == 0
        record = c.death(last["id"])
    assert (record["cause"], record["asked"]) == ("operator", True)
    assert record["reason"] == "drain by " + NAME
    why = c.ctl("why", "web/1").out
    assert "cause        operator, signal SIGKILL; it was to go: drain by " + NAME in why


def test_words_of_any_length(cluster):
    """And of any bytes: escaped, and cut where there is no more room."""
    c = two_workers(cluster)
    last = c.worker("web/1")
    assert c.get("/disconnect?" + "x" * 200).text == "0\n"
    exited = c.await_event("worker.exited", id=last["id"])
    assert exited["reason"].startswith("recycle: its plugin asks for it: evil: xxx")
    assert len(exited["reason"]) == 95
