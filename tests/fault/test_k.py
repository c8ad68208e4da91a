# SPDX-License-Identifier: MIT
"""Keeper, adoption and dispatch."""

import collections
import os
import random
import signal
import struct
import time

import pytest

from harness import http, keeper as ke, processes, shows, wait
from harness.held import Held

CLOSE = {"Connection": "close"}


def get(path="/"):
    return http.head("GET", path, "a", CLOSE)


# ---- without a keeper ------------------------------------------------------------

GRACE_S = 2


def end_keeper(r):
    """SIGKILL; (when, its family)"""
    family = [processes.Process(pid) for pid in processes.descendants(r.pid())]
    began = time.monotonic()
    r.signal(signal.SIGKILL)
    r.process.await_end()
    return began, family


def all_gone(began, family):
    for one in family:
        one.await_end(10)
        one.close()
    # a test asserts ten times what is promised of the rest
    assert time.monotonic() - began < GRACE_S + 1 + 10 * 0.1


def not_accepted(address):
    """Whoever comes now waits in the kernel, and is told when the last one goes."""
    try:
        with http.connect(address) as sock:
            sock.sendall(get())
            return sock.recv(100) == b""
    except OSError:
        return True


@shows("K1")
@pytest.mark.parametrize("what", ["idle", "/sleep?1200", "/stream?2000"])
def test_keeper_killed(row, what):
    r = row(daemon={"orphan_grace": "%ds" % GRACE_S}, request_timeout="1h")
    r.served()
    address = r.address()
    client = r.connect()
    assert client.request("GET", "/").status == 200
    if what != "idle":
        client.send(http.head("GET", what, "a"))
    if "stream" in what:
        assert client.sock.recv(9 + 3) == b"HTTP/1.1 200"
    if "sleep" in what:
        wait.until(lambda: any(row["path"] == "/sleep" for row in r.rows("requests")), 5,
                   "it in a worker's hands")
    began, family = end_keeper(r)
    if "sleep" in what:
        answer = client.response()
        assert answer.text == "slept\n" and answer.closes, "it is finished"
    elif "stream" in what:
        data = b""
        try:
            while (more := client.sock.recv(65536)) != b"":
                data += more
        except ConnectionResetError:
            pass
        assert not data.endswith(b"0\r\n\r\n"), "cut, and seen to be"
    assert not_accepted(address)
    all_gone(began, family)
    client.close()
    assert not [e for e in r.book.failures() if e.ended < began]
    r.keeper_killed()
    r.start()
    r.served()
    assert r.get("/").status == 200


# ---- connections in a worker's queue -----------------------------------------------

def queued(worker):
    """Connections that were passed to a worker and not taken by it."""
    return processes.unread(worker["pid"], 4) // 64


def idle_worker(r):
    """One that no client of the load is connected to."""
    r.served()
    status = r.await_state(lambda s: any(w["connections"] == 0 for w in s["workers"]))
    return next(w for w in status["workers"] if w["connections"] == 0)


def await_handler(r, worker, path):
    """That worker is in the handler of this path."""
    r.await_state(lambda s: any(w["id"] == worker["id"] and (w["doing"] or {}).get("path")
                                == path for w in s["workers"]))


def fill_window(r, held, count=8, path="/block?", victim=None):
    """A worker of whom all others are paused, in a handler, and so many clients
    whose connections lie in its queue: (victim, its client, those clients).  It counts
    as stalled in a second: all that can be done before is."""
    victim = victim or idle_worker(r)
    client = r.connection_to(victim, timeout=30)
    assert r.ctl("pause", "web").code == 0
    clients = [r.connect(timeout=30) for _ in range(count)]
    for one in clients:
        one.send(get())
    client.send(http.head("GET", path + held.path, "a"))
    await_handler(r, victim, path.split("?")[0])
    resume(r, victim["worker"])
    wait.until(lambda: queued(victim) == count, 5, "a full queue")
    return victim, client, clients


def resume(r, what):
    """Without a program, whose start takes its time."""
    assert r.ask("resume", {"worker": what})[-1]["ok"]


def answers(clients):
    """Who answered how many: {id of a worker: count}; all of them well."""
    counts = collections.Counter()
    for client in clients:
        response = client.response()
        assert response.status == 200, response
        counts[int(response.header("X-Worker-Id"))] += 1
        client.close()
    return counts


# unscaled, as a worker must not count as stalled within a second
QUEUE = {"dispatch_window": 8, "scale": 1, "handler_timeout": "30s",
         "request_timeout": "30s", "load": {"keepalive": 2, "pause": 0.02}}


@shows("K5")
@shows("node-B3")
@shows("node-B5")
def test_worker_dies_with_connections_in_its_queue(row):
    r = row(**QUEUE)
    held = Held(r)
    victim, client, clients = fill_window(r, held)
    r.blame(victim)
    resume(r, "web")
    os.kill(victim["pid"], signal.SIGKILL)
    counts = answers(clients)
    assert sum(counts.values()) == 8 and victim["id"] not in counts
    with pytest.raises(http.ConnectionLost):
        client.response()
    record = r.death(victim["id"])
    assert (record["connections_recovered"], record["connections_lost"]) == (8, 1), record
    r.served()


@shows("K5")
@shows("node-B7")
def test_a_queue_outlives_its_only_worker(row):
    """And what waits in front of it is served by its successor, too."""
    r = row(**dict(QUEUE, workers=1, dispatch_window=64, load={}))
    held = Held(r)
    victim, client, clients = fill_window(r, held, 64, victim=r.worker("web/0"))
    clients += [r.connect(timeout=30) for _ in range(134)]
    for one in clients[64:]:
        one.send(get())
    r.blame(victim)
    os.kill(victim["pid"], signal.SIGKILL)
    counts = answers(clients)
    assert counts == {r.worker("web/0")["id"]: 198}
    record = r.death(victim["id"])
    assert (record["connections_recovered"], record["connections_lost"]) == (64, 1), record
    client.close()


@shows("K6")
def test_worker_hangs_with_connections_in_its_queue(row):
    r = row(**dict(QUEUE, scale=5))
    held = Held(r)
    victim, client, clients = fill_window(r, held)
    seen = time.monotonic()
    resume(r, "web")
    counts = answers(clients)
    # ten times what is promised
    assert time.monotonic() - seen < 20
    assert sum(counts.values()) == 8 and victim["id"] not in counts
    held.let_go()
    assert client.response().text == "woken\n"
    client.close()
    r.await_state(lambda s: s["state"] == "ok")
    assert r.pool()["restarts"] == 0
    r.served()


# What the master has in its hand when it dies is with nobody else: accepted and
# not yet sent, or read from a queue.
HANDS = [("dispatch.after_accept:kill@50/1", 1), ("dispatch.after_send:kill@50/1", 0)]


@shows("K7")
@pytest.mark.parametrize("point, in_hand", HANDS)
def test_master_dies_while_passing_one_on(row, point, in_hand):
    r = row(env={"CLUSTERD_FP": point}, load={"keepalive": 2, "new": 2, "pause": 0.01})
    r.master_ends()
    r.may_lose(in_hand)
    r.await_state(lambda s: s["master"]["restarts"] == 1, timeout=20)
    r.await_event("master.adopted")
    r.served()


@shows("K7")
def test_master_dies_while_taking_back(row):
    r = row(**QUEUE, env={"CLUSTERD_FP": "dispatch.take_back:kill@3/1"})
    held = Held(r)
    victim, client, clients = fill_window(r, held)
    r.blame(victim)
    r.master_ends()
    r.may_miss_records(1)
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.ready", id=lambda number: number > victim["id"])
    lost = 0
    for one in clients:
        try:
            assert one.response().status == 200
        except http.ConnectionLost:
            lost += 1
    assert lost <= 1, "the one in its hand"
    client.close()
    r.await_state(lambda s: s["master"]["restarts"] == 1)
    r.served()


@shows("K8")
def test_queue_of_a_dead_worker_outlives_the_master(row):
    """Nobody may have them: the others are paused, its successor is not ready yet."""
    r = row(**dict(QUEUE, start_timeout="30s", start=False))
    r.arm()
    r.start()
    held = Held(r)
    victim, client, clients = fill_window(r, held, victim=r.worker("web/3"))
    r.blame(victim)
    seen = r.last_event()
    r.arm("worker.before_ready:sleep=1500/web/3")
    os.kill(victim["pid"], signal.SIGKILL)
    successor = r.await_event("worker.forked", after=seen, worker="web/3")["pid"]
    wait.until(lambda: processes.is_asleep(successor), 10, "its nap before it is ready")
    processes.halt(successor)           # which may be shorter than what comes now
    r.death(victim["id"])
    r.await_event("master.adopted", after=r.end_master())
    assert not any(wait.readable(one.sock, 0) for one in clients)
    os.kill(successor, signal.SIGCONT)
    resume(r, "web")
    assert sum(answers(clients).values()) == 8
    client.close()
    r.served()


# ---- the window -------------------------------------------------------------------------

@shows("K16")
@shows("node-B2")
@pytest.mark.parametrize("master", ["lives", "dies"])
@pytest.mark.parametrize("window", [2, 8, 64])
def test_window_and_adoption(row, window, master):
    r = row(dispatch_window=window, handler_timeout="30s", request_timeout="30s",
            scale=1, load={})
    held, workers = Held(r), r.workers()
    address, clients, pid = r.address(), [], r.master_pid()

    def connect(count):
        for _ in range(count):
            clients.append(http.Connection(address, 30))
            clients[-1].send(get())
    # a second is not long: half of them wait before the workers are blocked
    holding = [r.connection_to(worker, timeout=30) for worker in workers]
    assert r.ctl("pause", "web").code == 0
    connect((2 if master == "dies" else 6) * window)
    for conn in holding:
        conn.send(http.head("GET", "/block?" + held.path, "a"))
    r.await_state(lambda s: all((w["doing"] or {}).get("path") == "/block"
                                for w in s["workers"]))
    resume(r, "web")
    if master == "dies":
        wait.until(lambda: sum(map(queued, workers)) == 2 * window, 5, "half of them")
        r.master_ends()
        os.kill(pid, signal.SIGKILL)
    connect(8 * window - len(clients))
    # until they count as stalled: exactly so many, and the rest in the kernel
    most = [0] * 4

    def full():
        now = [queued(worker) for worker in workers]
        most[:] = [max(pair) for pair in zip(most, now)]
        return now == [window] * 4
    wait.until(full, 5, "four full queues")
    r.await_state(lambda s: all(w["stalled"] for w in s["workers"]))
    full()
    assert most == [window] * 4
    held.let_go()
    assert sum(answers(clients).values()) == 8 * window
    for conn in holding:
        assert conn.response().text == "woken\n"
        conn.close()
    if master == "dies":
        r.await_event("master.adopted")
    assert r.pool()["restarts"] == 0


# ---- masters that do not come to be ---------------------------------------------------------

def abort_at(masters):
    return ",".join("master.adopt:abort/%d" % number for number in masters)


@shows("K4")
@pytest.mark.parametrize("last, what", [(5, "rebuilt"), (10, "safe_mode")])
def test_master_crashes_at_each_start(row, last, what):
    """The first is killed; each that follows, up to the last, aborts when it
    adopts.  Workers serve throughout."""
    r = row(env={"CLUSTERD_FP": abort_at(range(2, last + 1))})
    r.allow_in_log("abort")
    r.served()
    before = {w["worker"]: (w["pid"], w["id"], w["restarts"]) for w in r.workers()}
    seen, began = r.end_master(last), time.monotonic()
    r.served(each=10)
    adopted = r.await_event("master.adopted", after=seen, timeout=30)
    # 0, then 50 ms doubled up to 1 s (scaled by 5), each
    pauses = sum(min(50 * 2 ** n, 1000) for n in range(last - 1)) / 1000
    assert pauses <= time.monotonic() - began < 10 * pauses + 10
    status = r.await_state(lambda s: s["master"]["restarts"] == last)
    assert {w["worker"]: (w["pid"], w["id"], w["restarts"])
            for w in status["workers"]} == before
    assert "rebuilt" in adopted["text"], adopted
    reasons = [x["reason"] for x in status["reasons"]]
    assert reasons == (["safe_mode"] if what == "safe_mode" else [])
    if what == "safe_mode":
        r.ends_as("degraded")
        r.may_miss_records(1)
    # it recovers: commands, and workers that die
    assert r.ctl("scale", "web", "5").code == 0
    assert r.ctl("scale", "web", "4").code == 0
    victim = r.blame(r.worker("web/1"))
    os.kill(victim["pid"], signal.SIGKILL)
    r.await_event("worker.ready", after=adopted, worker="web/1")
    r.served()


# ---- workers that lie -------------------------------------------------------------------------

# those that are seen to be lies, and those that are not
LIES = ["counter_back", "counter_huge", "beat_future", "random"]
HARMLESS = ["seq_odd", "gauges"]


def others_untouched(r, victim):
    others = {w["id"] for w in r.before["workers"].values()} - {victim["id"]}
    assert others <= {w["id"] for w in r.workers()}


@shows("K10")
@pytest.mark.parametrize("lie", LIES + HARMLESS)
def test_worker_lies_on_its_page(row, lie):
    r = row(max_fds="off")
    r.served()
    total = r.pool()["requests"]
    victim = r.worker("web/2")
    client = r.connection_to(victim, timeout=30)
    r.blame(victim)
    client.send(http.head("GET", "/page?" + lie, "a"))
    if lie in HARMLESS:
        assert client.response().text == "lied\n"
        r.served()
        assert r.ctl("requests").code == 0, "its entries are unknown, or as they were"
        os.kill(victim["pid"], signal.SIGKILL)
        record = r.death(victim["id"])
        assert (record["cause"], record["signal"]) == ("signal", "SIGKILL")
    else:
        record = r.death(victim["id"], timeout=10)
        assert record["cause"] == "protocol", record
    client.close()
    r.await_state(lambda s: s["pools"][0]["ready"] == 4)
    # what is folded has sense, and goes on from there
    folded = r.pool()["requests"]
    assert total <= folded < 2 ** 53
    assert all(0 <= record[key] < 2 ** 53 for key in
               ("requests", "connections_lost", "connections_recovered", "uptime_ms"))
    r.served()
    assert r.pool()["requests"] > folded
    others_untouched(r, victim)


@shows("K10")
def test_worker_cannot_cut_its_page(row):
    r = row()
    assert r.get("/page?truncate").text == "-1\n", "EPERM"
    r.served()


FRAMES = ["ready", "online", "drained", "fatal", "unknown", "none", "master", "cut",
          "short", "long", "empty", "fds", "flood", "letter", "nobody", "unsealed", "taken",
          "taken_after", "taken_flood", "command", "stranger", "follow"]
SOCKET = ["write", "shutdown"]


def lie_with_a_full_queue(r, lie):
    """(victim, its client, those whose connections it had not taken)"""
    held = Held(r)
    victim, client, clients = fill_window(r, held, path="/frame?%s:" % lie)
    resume(r, "web")
    held.let_go()
    return victim, client, clients


@shows("K11")
@pytest.mark.parametrize("lie", FRAMES + SOCKET)
def test_worker_lies_on_its_sockets(row, lie):
    r = row(**QUEUE)
    victim, client, clients = lie_with_a_full_queue(r, lie)
    r.blame(victim)
    record = r.death(victim["id"], timeout=20)
    assert record["cause"] == "protocol", record
    counts = answers(clients)
    assert sum(counts.values()) == 8 and victim["id"] not in counts
    with pytest.raises(http.ConnectionLost):
        client.response()
    others_untouched(r, victim)
    r.served()


@shows("K11")
def test_worker_harms_nobody(row):
    """Sizes of its end are not those that count."""
    r = row(**QUEUE)
    _, client, clients = lie_with_a_full_queue(r, "buffers")
    assert sum(answers(clients).values()) == 8
    assert client.response().text == "0\n"
    client.close()
    r.served()
    assert r.pool()["restarts"] == 0


# ---- a master that lies ------------------------------------------------------------------------

def frame(name, ref, **values):
    return b"".join(ke.encode(name, ref, values))


@shows("K13")
def test_master_lies_to_the_keeper(keeper):
    """One by one refused; nothing was done."""
    k = keeper()
    master = k.serve()
    bound = ke.bind(master, 3, ke.inet())
    spawned, worker = ke.spawn(k, master, 100, listeners=[3])
    before = processes.children(k.keeper.pid)
    lies = {
        "no id": ("SPAWN", {"id": 0}), "no role": ("SPAWN", {"role": 0}),
        "an account that nobody listed": ("SPAWN", {"account": 63}),
        "a foreign image": ("SPAWN", {"image": 1}),
        "no such snapshot": ("SPAWN", {"snapshot": 99}),
        "a signal to nobody": ("SIGNAL", {"id": 999, "signal": 9}),
        "a signal that is none": ("SIGNAL", {"id": 100, "signal": 0}),
        "what lives is released": ("RELEASE", {"id": 100}),
        "what never was is released": ("RELEASE", {"id": 999}),
        "an address of no family": ("BIND", {"listener": 4, "type": 1, "address_len": 2}),
        "no listener": ("UNBIND", {"listener": 4}), "nothing kept": ("DROP", {"number": 9}),
        "an order that nobody gave": ("ORDER_TAKEN", {"order": 4}),
    }
    whole = dict(id=101, role=1, account=len(k.accounts) - 1, snapshot=7, name="web/1",
                 rlimit_nofile=ke.NONE, rlimit_core=ke.NONE, rlimit_as=ke.NONE)
    if os.geteuid() == 0:
        lies["the master's account"] = ("SPAWN", {"account": 0})
    for name, (what, values) in lies.items():
        if what == "SPAWN":
            values = dict(whole, **values)
        answer = master.request(what, **values)
        assert answer.name == "ERROR" and answer.code != 0, (name, answer.name, answer)
    assert master.request("SPAWN_FDS", id=101, count=1, listeners=[9]).name == "OK"
    assert master.request("SPAWN", **whole).name == "ERROR", "a listener that is not there"
    # memfds that anybody could still change
    memfd = os.memfd_create("lie", os.MFD_ALLOW_SEALING)
    assert master.request("KEEP", [memfd], number=8, kind=1).name == "ERROR"
    os.close(memfd)
    # tables
    with open(os.devnull, "rb") as null:
        names = [master.request("KEEP", [null.fileno()], number=n, kind=3).name
                 for n in range(1500)]
    assert names[-1] == "ERROR" and set(names[:1000]) == {"OK"}
    assert processes.children(k.keeper.pid) == before
    assert worker.ask("1") == 1 and spawned["pid"] == worker.pid
    assert ke.bind(master, 3, ke.inet())["port"] == bound["port"]
    assert k.stop(master) == 0


@shows("K13")
def test_master_is_another_release(keeper):
    k = keeper(scale=20)
    master = k.serve()
    _, worker = ke.spawn(k, master, 100)
    for low, high in ((0, 0), (2, 3), (2, 1)):
        master.ask("os._exit(0)", answer=False)
        master = k.peer("master")
        answer = master.request("ATTACH", proto_min=low, proto_max=high)
        assert answer.name == "ERROR" and answer.code == 93, (low, high)
    master.ask("os._exit(0)", answer=False)
    master = k.peer("master")
    master.attach()
    assert worker.ask("1") == 1
    assert k.stop(master) == 0


@shows("K13")
def test_master_talks_at_random(keeper):
    """Each such frame costs that master; keeper and worker are unharmed."""
    k = keeper(scale=20)
    master = k.serve()
    _, worker = ke.spawn(k, master, 100)
    fds = len(os.listdir("/proc/%d/fd" % k.keeper.pid))
    chance = random.Random(13)
    for _ in range(12):
        for _ in range(20):
            size = chance.choice([0, 1, 15, 16, 17, 100, 511, 512, 513, 4000])
            body = chance.randbytes(size)
            if size >= 16 and chance.random() < 0.5:    # a head that may be true
                body = struct.pack("=HHIII", chance.randrange(24), size - 16, 5, 0, 0) + body[16:]
            try:
                master.link.send(body)
            except OSError:
                break
        master = k.peer("master")
        master.attach()
    assert worker.ask("1") == 1
    wait.until(lambda: len(os.listdir("/proc/%d/fd" % k.keeper.pid)) <= fds, 5, "fds")
    assert k.stop(master) == 0


# ---- two sources -----------------------------------------------------------------------------

@shows("K14")
def test_size_from_two_sources(row):
    r = row()
    r.served()
    assert r.ctl("scale", "web", "3").code == 0
    r.restart_daemon()
    assert (r.pool()["desired"], r.pool()["automatic"]) == (3, False), "kept"
    r.write_config(workers=5)
    result = r.ctl("reload")
    assert result.code == 0, result
    assert r.pool()["desired"] == 5
    r.note_means()                      # of one more
    r.await_log("5 workers by the configuration, no longer 3 by command")
    assert r.ctl("scale", "web", "2").code == 0
    assert r.ctl("scale", "web", "auto").code == 0
    r.restart_daemon()
    assert (r.pool()["desired"], r.pool()["automatic"]) == (5, True)
    r.served()
