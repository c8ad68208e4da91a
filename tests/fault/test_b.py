# SPDX-License-Identifier: MIT
"""Plugins that are no good, or do what they must not."""

import errno
import os
import signal
import time

import pytest

from harness import SANITIZED, expect, http, netfault, processes, shows, wait

TICK_S = 0.1                            # of the scale


@shows("B15")
@pytest.mark.parametrize("how", ["", "raw"])
def test_fork_in_a_handler(row, how):
    """Both come back from it and answer: one of them may."""
    r = row()
    with r.connect() as conn:
        name = conn.request("GET", "/").header("X-Worker")
        parent = r.worker(name)
        for _ in range(3):
            answer = conn.request("GET", "/fork?" + how)
            said, pid = answer.text.split()
            assert said == "parent", answer
            assert answer.header("X-Worker-Id") == str(parent["id"])
            gone(int(pid))
            # the next answer is that of the next request: there was no second one
            assert conn.request("GET", "/").text == "evil\n" and conn.rest == b""
    assert r.worker(name)["id"] == parent["id"]
    r.await_log("a child of a plugin came back")
    r.served()


@shows("B15")
def test_a_signal_at_a_child_is_not_its_parents(row):
    """It has the handlers of its parent, and the descriptors that they wake."""
    r = row()
    with r.connect() as conn:
        answer = conn.request("GET", "/daemonize")
        parent = r.worker(answer.header("X-Worker"))
        child = processes.Process(int(answer.text))
        child.send(signal.SIGTERM)
        child.await_end(5)
        child.close()
        for _ in range(3):
            answer = conn.request("GET", "/")
            assert not answer.closes and answer.header("X-Worker-Id") == str(parent["id"])
    r.served(each=5)
    assert r.worker(parent["worker"])["id"] == parent["id"]


def gone(pid):
    """It has ended; its parent need not have waited for it."""
    wait.until(lambda: processes.table().get(pid, ("Z",))[0] == "Z", 5, "the end of the child")


def doing(r, name):
    row = r.worker(name)["doing"]
    return row and "%s %s" % (row["method"], row["path"])


@pytest.mark.parametrize("path", [pytest.param("/block", marks=shows("B8")),
                                  pytest.param("/deadlock", marks=shows("B9"))])
def test_a_handler_that_blocks(row, path):
    expect.hang_is_ended(row(), path, ["blocked"])


@shows("B10")
def test_a_handler_that_never_answers(row):
    r = row()
    before = {w["worker"]: w["id"] for w in r.workers()}
    waiting = []
    for _ in range(20):
        conn = r.connect()
        waiting.append((conn, time.monotonic()))
        conn.send(http.head("GET", "/forget?later", "a"))
    for conn, began in waiting:
        assert conn.response().status == 504
        took = time.monotonic() - began
        # not early, and late by ten ticks at most
        assert 1 <= took <= 1 + 10 * TICK_S, took
        conn.close()
    wait.until(lambda: r.metric("requests_abandoned_total") == 20, 5,
               "the requests counted")
    assert {w["worker"]: w["id"] for w in r.workers()} == before
    r.served()


@shows("B11")
@pytest.mark.parametrize("path, misused", [("/double", 6), ("/twofold", 7), ("/toolate", 7)])
def test_an_answer_too_many(row, path, misused):
    r = row()
    with r.connect() as conn:
        first = conn.request("GET", path)
        assert first.text in ("first\n", "in time\n") and first.header("X-Second") is None
        for _ in range(3):
            answer = conn.request("GET", "/")
            assert answer.text == "evil\n" and conn.rest == b"", "in step"
            assert answer.header("X-Worker-Id") is not None
    wait.until(lambda: r.metric("misused_total") == misused, 5,
               "as many refused calls counted")
    r.served()
    assert r.pool()["restarts"] == 0


@shows("B11")
def test_an_answer_for_a_client_that_has_left(row):
    """With a reset, while its handler still works on it."""
    r = row()
    for path in ("/sleep?100", "/stream?100", "/flood?20") * 4:
        with http.connect(r.address()) as sock:
            sock.sendall(http.head("GET", path, "a"))
            if path != "/sleep?100":
                sock.recv(100)
            netfault.reset(sock)
    # none may be open since none has been taken yet
    wait.until(lambda: r.metric("clients_gone_total") > 0, 5, "one that has left")
    wait.until(lambda: not r.json("requests"), 5, "nothing open any more")
    r.served()
    assert r.pool()["restarts"] == 0


@shows("B14")
@shows("node-S6")
@pytest.mark.parametrize("how", ["50", "50,binary", "50,log"])
def test_a_flood_of_output(row, how):
    """50 MB on each of both outputs.  A pipe that is full takes nothing, so the
    handler is through at once."""
    r = row(start=False, handler_timeout="5s", request_timeout="10s")
    r.start()
    size = os.path.getsize(r.log_file)
    with r.connect() as conn:
        began = time.monotonic()
        answer = conn.request("GET", "/spam?" + how)
        took = time.monotonic() - began
        assert answer.text == "spammed\n" and conn.rest == b""
        name = answer.header("X-Worker")
        assert conn.request("GET", "/").text == "evil\n"
    assert took < 5, took
    wait.until(lambda: r.metric("output_lines_dropped_total") > 0, 5,
               "what was dropped counted")
    r.await_log("lines dropped, over 64 KiB a second")
    with open(r.log_file, "rb") as log:
        log.seek(size)
        told, read = log.read(), time.monotonic()
    lines = [line.split(b"]: ", 1)[1] for line in told.splitlines()
             if b" notice %s[" % name.encode() in line]
    # a byte is four in its escape; the master goes on for as long as this has taken
    raw = sum(len(line) - 3 * line.count(b"\\x") for line in lines)
    assert lines and raw <= (read - began + 2) * (64 << 10), (len(lines), raw)
    if how == "50,log":
        assert set(lines) == {b"evil: " + b"x" * 999}, "whole lines"
    assert not [b for b in told if b > 0x7e or b < 0x20 and b != 0x0a]
    r.served()


@shows("B17")
@pytest.mark.parametrize("held, by", [("/sleep?60000", None), ("/block", "SIGKILL")])
def test_signals_blocked_in_a_drain(row, held, by):
    """With a request held open: by a timer the loop ends it, by the handler nobody
    but SIGKILL."""
    r = row(handler_timeout="60s", request_timeout="60s")
    conn = r.connect()
    victim = r.blame(r.worker(conn.request("GET", "/blocksigs").header("X-Worker")))
    conn.send(http.head("GET", held, r.address()))
    if by:
        wait.until(lambda: doing(r, victim["worker"]) == "GET " + held, 5, "the request")
    else:
        wait.until(lambda: any(row["worker"] == victim["worker"] and row["path"] == "/sleep"
                               for row in r.rows("requests")), 5, "the request")
    seen = r.last_event()
    assert r.ctl("restart", victim["worker"]).code == 0
    began = r.await_event("worker.draining", after=seen, id=victim["id"])
    end = r.await_event("worker.exited", after=began, id=victim["id"])
    # drain_timeout, stop_timeout, and two seconds each of the scale; ten ticks
    most = (2 + 1 + (2 + 2) / r.scale + 10 * TICK_S) * 1000
    assert 2000 - 1 <= end["time"] - began["time"] <= most, (began, end)
    assert end["signal"] == by, end
    with pytest.raises(http.ConnectionLost):
        conn.response()
    conn.close()
    r.served()


CALLS = ["kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
         "pidfd_send_signal", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"]


def assert_out_of_reach(r):
    """Each call at each relative, with the signal that would end it; where that
    would be everybody, with none."""
    keeper, master = r.pid(), r.master_pid()
    with r.connect() as conn:
        def attack(*words):
            return int(conn.request("GET", "/attack?" + ",".join(map(str, words))).text)

        # a sanitizer looks for leaks with ptrace
        for call in CALLS:
            if call == "ptrace" and SANITIZED:
                continue
            for pid, number in ((keeper, 9), (master, 9), (1, 0), (-1, 0), (-keeper, 9)):
                assert attack(call, pid, number) == -errno.EPERM, (call, pid)
            # some calls know no groups
            assert attack(call, -master, 9) in (-errno.EPERM, -errno.EINVAL), call
        for call in ("kill", "tgkill", "pidfd_send_signal"):
            assert attack(call, "child", 9) == 0, "its own child"
    assert (r.pid(), r.master_pid()) == (keeper, master)


@shows("B18")
def test_attacks_on_relatives(row):
    r = row()
    assert_out_of_reach(r)
    r.served()
    assert r.pool()["restarts"] == 0


@shows("B18")
@pytest.mark.parametrize("path, cause", [("/threadexit", "hang"), ("/threadexit?last", "exit"),
                                         ("/abort", "signal")])
def test_who_leaves_without_a_word(row, path, cause):
    """The thread of the loop ends, with the process or without."""
    r = row()
    r.allow_in_log("(abort+")
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        with pytest.raises(http.ConnectionLost):
            conn.request("GET", path)
    death = r.await_event("worker.exited", id=victim["id"])
    assert death["cause"] == cause, death
    r.await_event("worker.ready", after=death, worker=victim["worker"])
    r.death(victim["id"])               # which `why' reads
    assert path.split("?")[0] in r.ctl("why", victim["worker"])
    r.served()


@shows("B20")
@pytest.mark.parametrize("what", ["heap", "stack", "host", "page"])
def test_memory_overwritten(row, what):
    r = row(handler_timeout="2s")
    r.plugin_is_reported()
    r.allow_in_log("(abort+")
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        conn.send(http.head("GET", "/smash?" + what, r.address()))
        death = r.await_event("worker.exited", id=victim["id"], timeout=20)
    assert death["cause"] in ("signal", "protocol", "hang", "exit"), death
    r.await_event("worker.ready", after=death, worker=victim["worker"])
    r.served()


STATES = ["chdir", "umask", "setlocale", "setrlimit", "sigpipe", "close0", "setenv", "clearenv",
          "pdeathsig"]


@shows("B21")
@pytest.mark.parametrize("what", STATES)
def test_state_of_the_process_changed(row, what):
    """In every worker; then ordinary traffic, clients that leave in the middle of
    an answer, a line of log, and a drain."""
    r = row()
    r.plugin_is_reported()
    before = {w["worker"]: w["id"] for w in r.workers()}
    changed = set()
    while changed != set(before):
        answer = r.get("/state?" + what)
        changed.add(answer.header("X-Worker"))
        assert answer.text == "0\n"
    for _ in range(8):
        with http.connect(r.address()) as sock:
            sock.sendall(http.head("GET", "/flood?20", "a"))
            sock.recv(100)
            netfault.reset(sock)
    answer = r.get("/log?still-heard")
    r.await_log("said: still-heard")
    assert time.strptime(answer.header("Date"), "%a, %d %b %Y %H:%M:%S GMT")
    r.served(each=5)
    assert {w["worker"]: w["id"] for w in r.workers()} == before
    assert r.ctl("restart", "web").code == 0
    r.served(each=5)
    assert r.pool()["restarts"] == 0


@shows("B22")
def test_a_thread_that_crashes(row):
    r = row()
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        with pytest.raises(http.ConnectionLost):
            conn.request("GET", "/threadsegv?secret")
    record = r.death(victim["id"])
    assert (record["cause"], record["signal"]) == ("signal", "SIGSEGV")
    assert (record["plugin"], record["method"], record["path"]) == ("evil", "GET", "/threadsegv")
    why = r.ctl("why", victim["worker"])
    assert "SIGSEGV" in why and "GET /threadsegv" in why and "secret" not in why, why
    r.await_log("worker %s: SIGSEGV" % victim["worker"])
    r.served()


@shows("B24")
def test_headers_that_are_none(row):
    """Line ends, folding, names that are none, framing: each is refused and counted,
    and what is good stays."""
    r = row()
    with r.connect() as conn:
        answer = conn.request("GET", "/header")
        said = answer.text.split()
        assert said == ["%d" % -errno.EINVAL] * (len(said) - 1) + ["0"] and len(said) > 8
        assert answer.header("X-Good") == "yes" and answer.header("X-Evil") is None
        assert {name for name, _ in answer.headers} == {
            "Date", "Server", "Content-Type", "Content-Length", "X-Good", "X-Worker",
            "X-Worker-Id", "X-Served"}
        assert conn.request("GET", "/").text == "evil\n" and conn.rest == b"", "in step"
    wait.until(lambda: r.metric("misused_total") == len(said) - 1, 5,
               "the refusals counted")
    r.served()


def assert_never_short(r):
    """Never fewer ready than wanted: new before old, in all that was published."""
    ready = set()
    for event in r.events():
        if event["event"] == "worker.ready":
            ready.add(event["id"])
        elif event["event"] in ("worker.draining", "worker.exited") and event["id"] in ready:
            ready.discard(event["id"])
            assert len(ready) >= 4, event


@shows("B19")
@pytest.mark.parametrize("path, keys, reason", [
    ("/leak?8", {"max_rss": "48M"}, "over max_rss"),
    ("/leakfd?20", {"max_fds": 100}, "over max_fds"),
    ("/leakthread?4", {"max_rss": "48M"}, "over max_rss")])
def test_leaks(row, path, keys, reason):
    r = row(**keys)
    r.plugin_is_reported()
    before = {w["worker"]: w["id"] for w in r.workers()}
    seen = r.last_event()
    recycled = set()

    def leak():
        """Until each of them has been replaced."""
        assert r.get(path).status == 200
        recycled.update(e["worker"] for e in r.events(seen) if e["event"] == "worker.recycled")
        return recycled == set(before)
    wait.until(leak, 40, "all of them recycled")
    r.await_state(lambda s: all(w["id"] != before[w["worker"]] for w in s["workers"]
                                if w["current"]), timeout=20)
    assert {e["text"] for e in r.events(seen) if e["event"] == "worker.recycled"} == {reason}
    assert r.pool()["restarts"] == 0
    r.served()
    assert_never_short(r)
