# SPDX-License-Identifier: MIT
"""A worker dies."""

import contextlib
import os
import resource
import signal
import time

import pytest

from harness import children, http, not_sanitized, processes, shows, slow, wait
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
                           for row in r.rows("requests")), 5, "the request in its hands")
    return conn, r.worker(name)


def reason(status, name):
    return next((row for row in status["reasons"] if row["reason"] == name), None)


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
@not_sanitized("needs little memory")
def test_killed_for_want_of_memory(memory_group, row):
    with memory_group.inside():
        r = row(handler_timeout="20s")  # it may take that long to have so much
    r.blame_all()
    r.served()
    # a kill of somebody else's is none for want of memory
    seen = r.last_event()
    os.kill(r.worker("web/1")["pid"], signal.SIGKILL)
    r.await_event("worker.exited", after=seen, cause="signal")
    for _ in range(2):
        seen = r.last_event()
        r.get("/leak?400", expect="connection lost", timeout=30)
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
    r = row(stable_after="1h")          # its death is an early one, whenever it comes
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


def ids(r):
    return {w["worker"]: w["id"] for w in r.workers()}


STARTS = ["init_error", "init_segv", "init_hang"]


@shows("A5")
@pytest.mark.parametrize("mode", STARTS)
def test_a_start_that_fails_in_a_reload(row, mode):
    # only one that hangs needs its limit: any other may come late to its failure
    r = row(start_timeout="1s" if mode == "init_hang" else "10s")
    r.starts_may_fail()
    before = ids(r)
    r.plugins["evil"] = {"mode": mode}
    r.write_config()
    seen = r.last_event()
    began = time.monotonic()
    assert r.ctl("reload").code == 1
    # two canaries at most, each with as long as it may take
    assert time.monotonic() - began < 10
    death = r.await_event("worker.exited", after=seen)
    cause = {"init_hang": "start_timeout", "init_segv": "signal"}.get(mode, "init_failed")
    assert death["cause"] == cause, death
    assert ids(r) == before
    r.served()


@shows("A5")
@pytest.mark.parametrize("mode", STARTS)
def test_a_start_that_fails_at_first(row, mode):
    r = row(start=False, start_timeout="1s", plugins={"evil": {"mode": mode}})
    r.starts_may_fail()
    r.start(ready=False)
    r.await_state(lambda s: s["state"] == "failed")
    assert r.ctl("status").code == 2
    wait.until(lambda: answer(r) == 503, 10, "an answer 503")
    with r.load(new=2, accept=(503,)) as book:
        book.await_each(2)
    book.assert_nothing_lost()
    r.plugins["evil"] = {}
    r.write_config()
    assert r.ctl("reload").code == 0, r.log()[-3000:]
    r.await_state(lambda s: s["state"] == "ok")
    r.begin()
    r.served()


def answer(r):
    """The status that a client gets, 0 while nobody answers."""
    try:
        return r.get("/", timeout=5).status
    except (OSError, http.ConnectionLost):
        return 0


def kill_all(r):
    """Each with its group, in one go; the sequence number before."""
    seen = r.last_event()
    for worker in r.workers():
        if worker["pid"]:
            os.killpg(worker["pid"], KILL)
    return seen


@shows("A6")
@pytest.mark.parametrize("times", [3, pytest.param(10, marks=slow)])
def test_all_workers_at_once(row, times):
    """The bucket holds two rounds; from the third on a start waits for its token,
    a second each."""
    r = row(restart_rate=60, start_timeout="20s", start=False)
    r.arm()
    r.blame_all()
    r.may_answer(503)
    r.start()
    began = time.time() * 1000
    for number in range(times):
        if number >= 2:                 # a token may be there: none is ready with it
            r.arm("worker.before_ready:sleep=3000")
        seen = kill_all(r)
        if number >= 2:
            r.await_state(lambda s: s["pools"][0]["ready"] == 0)
            wait.until(lambda: answer(r) == 503, 10, "an answer 503")
            wait.until(lambda: "failed" in r.probe.states(), 10, "a probe that saw it")
            r.arm()
        ready = [r.await_event("worker.ready", after=seen, worker="web/%d" % slot)["time"]
                 for slot in range(4)]
        if number < 2:
            died = r.await_event("worker.exited", after=seen)["time"]
            assert max(ready) - died < 20000, "ten times what is promised"
        r.served()
    assert "failed" in r.probe.states()
    starts = [e["time"] for e in r.events() if e["event"] == "worker.forked"
              and e["time"] >= began]
    for count, when in enumerate(starts, 1):
        assert count <= 8 + (when - began) / 1000 + 1, (count, when - began)


@shows("A8")
@shows("node-B29")
@pytest.mark.parametrize("path, name", [
    ("/segv", "SIGSEGV"), ("/bus", "SIGBUS"), ("/ill", "SIGILL"), ("/fpe", "SIGFPE"),
    ("/abort", "SIGABRT"), ("/badsys", "SIGSYS"), ("/recurse", "SIGSEGV")])
def test_fatal_signals(row, path, name):
    r = row()
    r.allow_in_log("(abort+")           # a frame
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        with pytest.raises(http.ConnectionLost):
            conn.request("GET", path + "?secret")
    record = r.death(victim["id"], timeout=10)
    assert (record["cause"], record["signal"]) == ("signal", name)
    assert (record["plugin"], record["method"], record["path"]) == ("evil", "GET", path)
    assert record["core"] == 0 and record["request_ms"] >= 0
    why = r.ctl("why", victim["worker"])
    assert name in why and "in plugin evil, GET " + path in why and "secret" not in why, why
    r.await_log("worker %s: %s" % (victim["worker"], name))
    assert "rip=" in r.log() or "pc=" in r.log(), "registers"
    r.served()


@shows("A8")
@not_sanitized("no cores with sanitizers")
def test_a_core_where_one_is_wanted(row):
    with open("/proc/sys/kernel/core_pattern", encoding="ascii") as f:
        pattern = f.read()
    if pattern[0] in "|/" or resource.getrlimit(resource.RLIMIT_CORE)[1] != -1:
        pytest.skip("cores are not written to the worker's directory: " + pattern)
    r = row(start=False, rlimit_core="1T")
    os.mkdir(r.dir + "/cores")
    os.chmod(r.dir + "/cores", 0o777)
    r.write_config(cwd=r.dir + "/cores")
    r.start()
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        with pytest.raises(http.ConnectionLost):
            conn.request("GET", "/segv")
    record = r.death(victim["id"], timeout=20)
    assert record["core"] and "core dumped" in record["text"], record
    assert r.await_event("worker.exited", id=victim["id"])["core"] is True
    assert os.listdir(r.dir + "/cores")


@shows("A13")
@pytest.mark.parametrize("how", ["", "group", "session"])
def test_children_of_a_worker(row, how):
    """They hold the client's connection and a copy of the listener."""
    r = row()
    conn = r.connect()
    answer = conn.request("GET", "/daemonize?" + how)
    victim = r.blame(r.worker(answer.header("X-Worker")))
    child = processes.Process(int(answer.text))
    wait.until(lambda: processes.table().get(child.pid) == ("S", r.keeper.pid), 10,
               "the keeper's by adoption, and asleep")
    conn.send(http.head("GET", "/sleep?60000", r.address()))
    os.kill(victim["pid"], KILL)
    r.await_event("worker.exited", id=victim["id"])
    if how == "session":
        assert child.alive(), "nobody's business"
        child.send(KILL)
    else:
        child.await_end(10)
    with pytest.raises(http.ConnectionLost):
        conn.response()
    wait.until(lambda: child.pid not in processes.table(), 10, "the child reaped")
    child.close()
    conn.close()


def brood(r, count):
    """A worker with so many children, some of which have children: its row."""
    with r.connect() as conn:
        return brood_by(r, conn, count)


def brood_by(r, conn, count):
    answer = conn.request("GET", "/brood?%d" % count)
    victim = r.worker(answer.header("X-Worker"))
    made = count // 5 * 7
    assert int(answer.text) == made
    assert len(processes.session(victim["pid"])) == 1 + made - count // 5
    return victim


def leavers(pids):
    """Those that have a session of their own: nobody's business but the test's."""
    return [processes.Process(pid) for pid in pids if os.getsid(pid) == pid]


def end_leavers(left):
    for one in left:
        one.send(KILL)
        one.await_end()
        one.close()


@shows("A13")
@shows("node-X10")
@pytest.mark.parametrize("how", ["killed", "replaced", "killed without a master"])
def test_fifty_children_of_a_worker(row, how):
    """Of each fifth kind: in its group, in another one, with a child, orphans, and such
    that have left the session while a child of theirs did not."""
    r = row()
    victim = r.blame(brood(r, 50))
    left = leavers(processes.descendants(victim["pid"]))
    if how == "killed without a master":
        r.master_ends()
        r.blame_all()
        os.kill(r.master_pid(), KILL)
    if how == "replaced":
        r.ctl("restart", victim["worker"])
    else:
        os.kill(victim["pid"], KILL)
    r.await_event("worker.exited", id=victim["id"])
    wait.until(lambda: not processes.session(victim["pid"]), 5, "the end of its session")
    assert len(left) == 10 and all(one.alive() for one in left), "nobody's business"
    end_leavers(left)
    wait.until(lambda: not processes.zombies(r.keeper.pid), 5, "the last of them reaped")


@shows("A13")
@shows("node-X10")
@pytest.mark.parametrize("with_master", [True, False])
def test_fifty_started_children_of_a_worker(row, with_master):
    """By the SDK, each with a child of its own; one in ten is detached."""
    r = row(routes=dict(children.PATHS, **{"/": "evil"}))
    how = {"file": "sh", "arg": ["sh", "-c", "sleep 300 & wait"]}
    with r.connect() as conn:
        for n in range(50):
            flags = children.DETACHED if n % 10 == 0 else 0
            conn.request("GET", "/start?" + children.query(dict(how, flags=flags)))
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
    below = wait.until(lambda: len(found := processes.descendants(victim["pid"])) == 100 and
                       found, 10, "a child of each")
    left = leavers(below)
    if not with_master:
        r.master_ends()
        r.blame_all()
        os.kill(r.master_pid(), KILL)
    os.kill(victim["pid"], KILL)
    r.await_event("worker.exited", id=victim["id"])
    wait.until(lambda: not processes.session(victim["pid"]), 5, "the end of its session")
    assert len(left) == 5
    for one in left:
        assert len(processes.session(one.pid)) == 2, "nobody's business"
        processes.end_all(processes.session(one.pid))
        one.close()


@shows("A13")
@shows("node-X10")
@pytest.mark.parametrize("now", [[], ["--now"]], ids=["", "now"])
def test_children_of_a_worker_at_the_end_of_the_daemon(row, now):
    r = row()
    victim = brood(r, 50)
    left = leavers(processes.descendants(victim["pid"]))
    r.last_look()
    r.ctl("stop", *now)
    assert r.await_exit() == 0
    # killed before the exit, and gone as soon as they have had the CPU for it
    wait.until(lambda: not processes.session(victim["pid"]), 5, "the end of its session")
    assert len(left) == 10 and all(one.alive() for one in left), "nobody's business"
    end_leavers(left)


@shows("A13")
@shows("node-X10")
@pytest.mark.parametrize("busy", [False, True])
def test_children_of_a_worker_whose_keeper_is_gone(row, busy):
    """busy: with a request to whose end it does not come."""
    r = row(daemon={"orphan_grace": "1s"})
    conn = r.connect()
    victim = brood_by(r, conn, 50)
    if busy:
        conn.send(http.head("GET", "/sleep?60000", r.address()))
    left = leavers(processes.descendants(victim["pid"]))
    r.signal(KILL)
    r.keeper_killed(but=[one.pid for one in left])
    assert not processes.session(victim["pid"])
    assert len(left) == 10 and all(one.alive() for one in left), "nobody's business"
    end_leavers(left)
    conn.close()


# What the n-th early death in a row is followed by, in ms: at once, then between
# half of d and d, d doubling from backoff_min (20) to backoff_max (1000).
DELAYS = [0, 20, 40, 80, 160, 320, 640, 1000]


def assert_delays(deaths):
    for number, death in enumerate(deaths):
        most = DELAYS[min(number, len(DELAYS) - 1)]
        assert death["n"] == number + 1, death
        assert most // 2 <= death["next_ms"] <= most, death


@shows("A7")
@pytest.mark.parametrize("seconds", [3, pytest.param(60, marks=[slow, pytest.mark.limit(150)])])
def test_a_plugin_that_dies_after_every_start(row, seconds):
    """In a pool of its own, so that the load of the other goes on."""
    r = row(start=False, daemon={"log_level": "notice"},
            pools={"sick": {"workers": 2, "routes": {"/": "bad"},
                            "restart_burst": 1000, "restart_rate": 6000,
                            # each death is an early one, the first of them, too
                            "stable_after": "1h"}})
    cause = r.dir + "/sick"
    r.plugins["bad"] = {"module": "evil.so", "mode": "die_while=" + cause}
    r.allow_in_log("abort")
    r.write_config()
    r.start()
    healthy = {name: id for name, id in ids(r).items() if name.startswith("web/")}
    os.close(os.open(cause, os.O_CREAT))
    for name in ("sick/0", "sick/1"):
        r.blame(name)
        pid = r.worker(name)["pid"]     # it may have seen it first, and there is none
        with contextlib.suppress(ProcessLookupError):
            if pid:
                os.kill(pid, KILL)
    loops = r.await_state(lambda s: {one["worker"] for one in s["reasons"] if one["reason"] ==
                                     "crash_loop"} == {"sick/0", "sick/1"})
    assert loops["state"] == "degraded" or loops["state"] == "failed"
    lines = len(r.log().splitlines())
    used, since = processes.cpu_seconds(r.pid(), r.master_pid()), time.monotonic()
    seen = r.last_event()
    while time.monotonic() < since + seconds:
        seen = r.await_event("worker.exited", after=seen)
    used, took = processes.cpu_seconds(r.pid(), r.master_pid()) - used, time.monotonic() - since
    # ten times what is promised, load and probe not even counted
    assert used < 0.5 * took, (used, took)
    # a line for what has changed, and one each 30 s, of the scale
    assert len(r.log().splitlines()) - lines <= 4 + took * r.scale / 30, r.log()
    os.unlink(cause)
    r.pools["sick"][0]["stable_after"] = "1s"
    r.write_config()
    assert r.ctl("reload").code == 0
    r.await_state(lambda s: s["state"] == "ok")
    deaths = r.deaths()
    for slot in (0, 1):
        mine = [d for d in deaths if d["slot"] == slot]
        assert len(mine) >= 6 and {d["signal"] for d in mine[1:]} == {"SIGABRT"}
        assert_delays(mine)
    assert {name: id for name, id in ids(r).items() if name.startswith("web/")} == healthy
