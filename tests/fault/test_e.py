# SPDX-License-Identifier: MIT
"""Resources that are not there."""

import collections
import contextlib
import errno
import os
import signal
import threading
import time

import pytest

from harness import access, http, processes, shows, slow, wait


# ---- accepting -------------------------------------------------------------------------

# pauses of 100, 200, 400, 800, 1000, 1000 ms ... as the test build has them
def pauses_s(count, scale):
    return sum(min(0.1 * 2 ** n, 1) for n in range(count)) / scale


@pytest.mark.parametrize("schedule, role, pollers", [
    ("round-robin", "master", 1), ("shared", "worker", 4)])
@pytest.mark.parametrize("error", [
    pytest.param("ENFILE", marks=shows("E2")), pytest.param("EMFILE", marks=shows("E2")),
    pytest.param("ENOBUFS", marks=shows("E3")), pytest.param("ENOMEM", marks=shows("E3"))])
def test_accepting_fails(faulty, schedule, role, pollers, error):
    """It pauses, longer each time, and says so seldom; then all are served."""
    r = faulty(schedule=schedule, request_timeout="10s")
    r.served()
    pids = [r.master_pid()] if role == "master" else [w["pid"] for w in r.workers()]
    # who has no number asks once more, with one that is kept for that
    each = 2 if error == "EMFILE" else 1
    tries, began = 12 * pollers * each, time.monotonic()
    # ten times the 5 % of the promise
    with processes.little_cpu(0.5, *pids):
        r.fi.arm(role, "accept4:%s" % error)
        wait.until(lambda: r.fi.injected(role) >= tries, 20, "failures")
    assert time.monotonic() - began >= pauses_s(11, r.scale), "no pause was too short"
    r.fi.disarm()
    took = time.monotonic() - began
    r.served()
    said = [line for line in r.log().splitlines() if "cannot accept" in line]
    each = 10 / r.scale
    assert pollers <= len(said) <= pollers * (1 + took / each), said


# ---- network calls ---------------------------------------------------------------------

@shows("E3")
@pytest.mark.parametrize("error", ["ENOBUFS", "ENOMEM"])
def test_a_send_that_fails_costs_that_connection_only(faulty, error):
    """Of eight clients that hold a connection, the three whose answers fail are
    cut off; the others, and they on a new one, are served."""
    r = faulty(workers=1, load={})
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(r.connect()) for _ in range(8)]
        assert all(client.request("GET", "/").status == 200 for client in clients)
        r.fi.arm("worker", "send:%s@3-5" % error)
        lost = []
        for number, client in enumerate(clients):
            try:
                assert client.request("GET", "/").status == 200
            except http.ConnectionLost:
                lost.append(number)
        assert lost == [2, 3, 4]
        assert r.fi.injected("worker", "send") == 3
        r.fi.disarm()
        for number, client in enumerate(clients):
            assert number in lost or client.request("GET", "/").status == 200
    assert r.get("/").status == 200


@shows("E3")
@pytest.mark.parametrize("error", ["ENOBUFS", "ENOMEM", "ETOOMANYREFS"])
def test_passing_fails(faulty, error):
    """A connection that no worker can be given waits in the master's hand; none
    is lost, and the master does not spin."""
    r = faulty(request_timeout="10s")
    r.served()
    r.fi.arm("master", "sendmsg:%s" % error)
    with processes.little_cpu(0.5, r.master_pid()), r.connect() as client:
        client.send(http.head("GET", "/", "a"))
        wait.until(lambda: r.fi.injected("master", "sendmsg") > 4, 5, "a send that fails")
        assert not wait.readable(client.sock, 1), "nobody has it"
        r.fi.disarm()
        assert client.response().status == 200
    r.served()


@shows("E3")
@pytest.mark.parametrize("error", ["ENOBUFS", "ENOMEM", "EMFILE"])
def test_no_socket_for_a_new_address(faulty, error):
    """The reload that wants one is refused with the reason; the next one works."""
    r = faulty()
    r.served()
    path = "unix:%s/run/web.sock" % r.dir
    r.write_config(listen=["127.0.0.1:0", path])
    r.fi.arm("keeper", "socket:%s" % error)
    refused = r.ctl("reload")
    assert refused.code == 1 and os.strerror(getattr(errno, error)) in refused
    r.fi.disarm()
    assert r.ctl("reload").code == 0
    with http.Connection(path) as client:
        assert client.request("GET", "/").status == 200
    r.write_config(listen="127.0.0.1:0")
    assert r.ctl("reload").code == 0, "and none is left of it"
    r.served()


# ---- a master that adopts without means ------------------------------------------------------

def say_ready_unheard(r):
    """web/0 has died, its successor is READY, and no master has heard of it."""
    seen, master = r.last_event(), r.master_pid()
    r.arm("worker.before_ready:sleep=1000")
    os.kill(r.blame(r.worker("web/0"))["pid"], signal.SIGKILL)
    worker = r.await_event("worker.forked", after=seen, worker="web/0")
    wait.until(lambda: processes.is_asleep(worker["pid"]), 10, "a worker that is not ready")
    processes.halt(master)
    wait.until(lambda: not processes.is_asleep(worker["pid"]), 10, "its word")
    wait.until(lambda: processes.is_in(worker["pid"], "poll"), 10, "one that waits for work")
    return worker


@shows("E4")
@pytest.mark.parametrize("ends", [False, True], ids=["alive", "ended"])
def test_what_was_said_to_the_master_before_is_not_lost(faulty, ends):
    """The next one has no memory to receive it with, and concludes nothing.  Unscaled,
    as a master that stands still for so long is ended."""
    r = faulty(load={}, start=False, start_timeout="10s", scale=1)
    r.arm()
    r.start()
    master = r.master_pid()
    worker = say_ready_unheard(r)
    if ends:
        os.kill(r.blame(worker)["pid"], signal.SIGKILL)
    r.arm("master.adopt:sleep=700")
    r.master_ends()
    r.may_miss_records(1)
    os.kill(master, signal.SIGKILL)
    wait.until(lambda: any("maste" in processes.name(pid) and processes.is_asleep(pid)
                           for pid in processes.children(r.pid())), 10, "an adoption")
    r.fi.arm("master", "recvmsg:ENOMEM")
    wait.until(lambda: r.fi.injected("master", "recvmsg") > 1, 10, "a word that is not heard")
    r.fi.disarm()
    r.arm()
    ready = r.await_event("worker.ready", id=worker["id"])
    r.await_state(lambda s: s["pools"][0]["ready"] == 4)
    assert r.pool()["restarts"] == 1 + ends
    if ends:
        assert r.await_event("worker.exited", after=ready, id=worker["id"])["cause"] == "signal"


@slow
@shows("E3")
def test_who_cannot_be_told_to_drain_is_told_later(faulty):
    """No buffer for the message, and no memory to keep it; each allocation of the
    command in its turn."""
    r = faulty(workers=2, load={})
    for count in range(1, 200):
        seen = r.last_event()
        r.fi.arm("master", "sendmsg:ENOBUFS@1+;malloc:NULL", counted=count)
        done = r.ctl("drain", "web/1")
        failed = r.fi.injected("master", "malloc")
        r.fi.disarm()
        if done.code == 0:
            ended = r.await_event("worker.exited", after=seen, worker="web/1")
            assert ended["asked"] and ended["signal"] is None, (count, ended)
            assert r.ctl("resume", "web/1").code == 0
            r.await_event("worker.ready", after=ended, worker="web/1")
        if not failed:
            break
    assert count > 3 and not r.deaths()


@shows("E3")
@pytest.mark.parametrize("counted", ["1+", "3+"], ids=["checker", "snapshots"])
def test_a_reload_that_cannot_ask_the_keeper_is_refused(faulty, counted):
    """Nobody waits for ever; what was not sent in time never is."""
    r = faulty(workers=2, load={})
    count = len(processes.descendants(r.pid()))
    r.plugins["evil"] = {"ms": "1ms"}
    r.write_config()
    r.fi.arm("master", "sendmsg:ENOBUFS", counted=counted)
    refused = r.ctl("reload", timeout=30)
    assert refused.code == 1 and "the keeper could not be asked" in refused.err, refused
    r.fi.disarm()
    assert r.ctl("reload", timeout=30).code == 0
    wait.until(lambda: len(processes.descendants(r.pid())) == count, 10, "end of the others")


# ---- a worker without means ------------------------------------------------------------------

@shows("E10")
@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_a_worker_without_descriptors(faulty, schedule):
    r = faulty(workers=1, schedule=schedule, load={}, max_fds="off", idle_timeout="60s")
    before = r.worker("web/0")
    with contextlib.ExitStack() as stack:
        held = stack.enter_context(r.connect())
        assert int(held.request("GET", "/leakfd?100000").text) > 500, "all there were"
        served, refused = 0, 0          # with those that were kept, but the last
        while refused < 3:
            began = began if refused else time.monotonic()
            client = stack.enter_context(r.connect())
            answer = client.request("GET", "/")
            served += answer.status == 200
            if answer.status != 200:
                assert answer.status == 503 and answer.closes
                refused += 1
                client.close()
        assert 7 <= served <= 11
        assert time.monotonic() - began >= 1 / r.scale, "a second's patience"
        assert held.request("GET", "/").status == 200
        assert int(held.request("GET", "/returnfd").text) > 500
        assert all(r.get("/").status == 200 for _ in range(20))
        assert held.request("GET", "/").status == 200
    assert r.worker("web/0")["id"] == before["id"]
    assert r.pool()["restarts"] == r.pool()["replacements"] == 0


@shows("E10")
def test_a_worker_without_descriptors_is_told_of_an_address(faulty):
    """It hears of it, and of all that comes later."""
    r = faulty(workers=1, schedule="shared", load={}, max_fds="off", idle_timeout="60s")
    path = "unix:%s/run/web.sock" % r.dir
    with r.connect() as held:
        assert int(held.request("GET", "/leakfd?100000").text) > 500, "all there were"
        r.write_config(listen=["127.0.0.1:0", path])
        assert r.ctl("reload").code == 0
        with http.Connection(path) as client:
            assert client.request("GET", "/").status == 200
        held.send(http.head("GET", "/sleep?500", "a"))
        wait.until(lambda: any(row["path"] == "/sleep" for row in r.rows("requests")), 5,
                   "the request in its hands")
        assert r.ctl("restart", "web/0").code == 0
        assert held.response().status == 200
    r.await_event("worker.exited", worker="web/0")
    assert r.pool()["restarts"] == 0 and not r.deaths()
    r.before = r.snapshot()         # an address more


@shows("E10")
@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_a_worker_without_memory(faulty, schedule):
    r = faulty(workers=1, schedule=schedule, load={}, routes={"/": "evil", "/echo": "echo"},
               idle_timeout="60s")
    before = r.worker("web/0")
    with r.connect() as held:
        # it is read where it is taken, and watched when it has been answered
        assert all(held.request("GET", "/").status == 200 for _ in range(2))
        r.fi.arm("worker", "malloc:NULL")
        for _ in range(5):
            assert held.request("GET", "/").status == 200, "what it has is enough"
        answer = held.request("POST", "/echo", body=b"x" * 300000)
        assert answer.status == 503 and answer.closes
    for _ in range(20):
        answer = r.get("/")
        assert answer.status == 503 and answer.closes
    assert r.fi.injected("worker", "malloc") > 20
    r.fi.disarm()
    assert all(r.get("/").status == 200 for _ in range(20))
    assert r.post("/echo", b"x" * 300000).body == b"x" * 300000
    assert r.worker("web/0")["id"] == before["id"]
    assert r.pool()["restarts"] == r.pool()["replacements"] == 0


@shows("E10")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_a_worker_that_cannot_write(faulty, error):
    """It writes lines, and nothing else: they are counted as lost, not waited for."""
    r = faulty(workers=1)
    before = r.worker("web/0")
    r.fi.arm("worker", "write:%s" % error)
    for number in range(5):
        assert r.get("/log?lost%d" % number).status == 200
        assert r.get("/spam").status == 200
    r.fi.disarm()
    assert r.get("/log?found").status == 200
    r.await_log("said: found")
    assert "said: lost" not in r.log()
    assert r.worker("web/0")["id"] == before["id"]
    wait.until(lambda: r.metric("lines_dropped_total") >= 5, 5, "those that were lost counted")
    assert r.pool()["restarts"] == r.pool()["replacements"] == 0


class Clients:
    """Clients that may be answered 503 or cut off; what they were told, counted."""

    REQUESTS = [("GET", "/"), ("HEAD", "/"), ("POST", "/echo", (), b"x" * 20000),
                ("POST", "/echo", {"Transfer-Encoding": "chunked"},
                 b"5\r\nhello\r\n0\r\n\r\n"), ("GET", "/stream?1"), ("GET", "/none")]

    def __init__(self, r, count):
        self.address, self.told = r.address(), collections.Counter()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join(30)

    def _run(self, turn):
        while not self.over.is_set():
            with http.Connection(self.address) as client:
                for _ in range(8):
                    turn += 1
                    self.told[self._ask(client, self.REQUESTS[turn % len(self.REQUESTS)])] += 1

    @staticmethod
    def _ask(client, request):
        try:
            return client.request(*request).status
        except (http.ConnectionLost, ConnectionResetError, BrokenPipeError):
            return "cut off"


@shows("E4")
@pytest.mark.parametrize("failures", [
    20, pytest.param(400, marks=[slow, pytest.mark.limit(180)])])
def test_memory_fails_in_requests(faulty, failures):
    r = faulty(workers=2, load={}, routes={"/": "evil", "/echo": "echo"}, handler_timeout="5s")
    before = {w["worker"]: w["id"] for w in r.workers()}
    with Clients(r, 6) as clients:
        wait.until(lambda: clients.told[200] > 50, 10, "answers")
        r.fi.arm("worker", "malloc:NULL@p=.01", seed=failures)
        wait.until(lambda: r.fi.injected("worker") >= failures, 120, "failures")
        r.fi.disarm()
        more = clients.told[200] + 50
        wait.until(lambda: clients.told[200] > more, 10, "answers")
    assert set(clients.told) <= {200, 404, 503, 500, "cut off"}, clients.told
    assert {w["worker"]: w["id"] for w in r.workers()} == before


# ---- a file that cannot be sent on ---------------------------------------------------------------

LARGE = bytes(range(256)) * 32768               # more calls than one


@pytest.fixture(name="files")
def files_(faulty, tmp_path):
    """A worker of plugin static, and its access log."""
    for directory in [tmp_path] + list(tmp_path.parents)[:-2]:
        os.chmod(directory, 0o755)
    (tmp_path / "large").write_bytes(LARGE)
    r = faulty(workers=1, load={}, routes={"/": "evil", "/large": "static"}, start=False,
               plugins={"static": {"root": str(tmp_path)}}, handler_timeout="5s")
    r.access = access.AccessLog(r)
    r.write_config(access_log=r.access.path, access_log_format="$path $status $bytes $cut")
    r.start()
    assert r.request("HEAD", "/large").status == 200    # which the plugin keeps open
    r.note_means()
    return r


def ask_for_files(r, failing):
    """One that ends early, or not, while another client of the worker goes on."""
    with r.connect() as client, r.connect() as other:
        assert other.request("GET", "/").status == 200
        r.fi.arm("worker", failing)
        try:
            answer = client.request("GET", "/large")
            assert (answer.status, answer.body) == (200, LARGE)
            whole = True
        except http.ConnectionLost:
            whole = False
        assert r.fi.injected("worker", "sendfile") == 1
        r.fi.disarm()
        assert other.request("GET", "/large").body == LARGE, "the same file"
    return whole


@shows("E3")
@pytest.mark.parametrize("error", ["EIO", "ENOMEM"])
@pytest.mark.parametrize("call", [1, 3], ids=["begin", "middle"])
def test_a_file_that_cannot_be_read_on(files, error, call):
    """That connection ends, reset; the count says why.  A line is about the answer as
    it was made."""
    before, worker = files.metrics(), files.worker("web/0")
    assert not ask_for_files(files, "sendfile:%s@%d" % (error, call))
    wait.until(lambda: files.metric("finished_total") - before["finished_total"] >= 2, 10, "ends")
    now = files.metrics()
    grown = {name: now[name] - before[name] for name in before if name.endswith("_total")}
    assert grown["files_broken_total"] == 1 and grown["clients_gone_total"] == 0
    assert grown["failed_total"] == grown["requests_aborted_total"] == 0
    assert grown["requests_total"] == grown["answers_2xx_total"] == 3
    assert len(LARGE) < grown["bytes_out_total"] < 2 * len(LARGE)
    lines = [line for line in files.access.await_lines(4) if "large" in line]
    assert lines == ["/large 200 0 false"] + ["/large 200 %d false" % len(LARGE)] * 2
    assert files.worker("web/0")["id"] == worker["id"]


@shows("E3")
@pytest.mark.parametrize("error", ["EINTR", "EAGAIN"])
def test_a_file_that_is_interrupted(files, error):
    """It is sent on, whole."""
    assert ask_for_files(files, "sendfile:%s@2" % error)
    assert files.metric("files_broken_total") == files.metric("clients_gone_total") == 0


# ---- many ---------------------------------------------------------------------------------------

def starting_and_ready(events, first):
    """(most that were starting, least that were ready) at any time, by the events."""
    starting, ready = set(), set(first)
    most, least = 0, len(ready)
    for event in events:
        if event["event"] == "worker.forked":
            starting.add(event["id"])
        elif event["event"] == "worker.ready":
            starting.discard(event["id"])
            ready.add(event["id"])
        elif event["event"] in ("worker.draining", "worker.exited"):
            starting.discard(event["id"])
            ready.discard(event["id"])
        most, least = max(most, len(starting)), min(least, len(ready))
    return most, least


@shows("E5")
@pytest.mark.limit(120)
def test_everything_restarts(row):
    """New before old, and no more at once than the surge and the CPUs allow."""
    slots, surge = 64, 16           # a quarter of them
    r = row(workers=slots, daemon={"max_workers": 256}, start_timeout="30s", load={"keepalive": 2},
            start=False)
    r.start(timeout=60)
    before = [w["id"] for w in r.workers()]
    assert len(before) == slots
    seen = r.last_event()
    assert r.ctl("restart", "all", timeout=90).code == 0
    most, least = starting_and_ready(r.events(seen), before)
    assert least >= slots
    assert 1 <= most <= surge + len(os.sched_getaffinity(0)), most
    assert not set(before) & {w["id"] for w in r.workers() if w.get("current", True)}
    assert r.pool()["restarts"] == 0 and r.pool()["replacements"] == slots
    r.served()


@shows("E6")
def test_scaled_to_zero_and_back(row):
    """503 at once, the address stays open, nobody comes back by himself."""
    r = row(start=False)
    r.may_answer(503)
    r.start()
    r.served()
    seen = r.last_event()
    assert r.ctl("scale", "web", "0").code == 0
    began = time.monotonic()
    answer = r.get("/")
    assert (answer.status, answer.header("Retry-After"), answer.closes) == (503, "5", True)
    assert time.monotonic() - began < 5, "at once"
    r.await_state(lambda s: not s["workers"] and s["state"] == "ok")
    assert all(r.get("/").status == 503 for _ in range(20))
    assert not [e for e in r.events(seen) if e["event"] == "worker.forked"]
    began = time.monotonic()
    assert r.ctl("scale", "web", "4").code == 0
    assert r.get("/").status == 200
    assert time.monotonic() - began < 10, "ten times what is promised"
    assert r.pool()["desired"] == r.pool()["ready"] == 4


@shows("E7")
def test_an_absurd_size_is_refused(row):
    r = row()
    r.served()
    refused = r.ctl("scale", "web", "1000")
    assert refused.code == 1 and "1000" in refused, refused
    most = 4 * len(os.sched_getaffinity(0)) + 4
    assert str(most) in refused, "with the numbers: %r" % refused
    assert r.pool()["desired"] == 4
    r.served()


@shows("E7")
@pytest.mark.parametrize("size", [
    pytest.param(100, marks=pytest.mark.limit(180)),
    pytest.param(1000, marks=[slow, pytest.mark.limit(600)])])
def test_a_great_size_is_paced(row, size):
    """No more start at once than there are CPUs; status answers, as the probe sees."""
    # as it is, where more processes end at once than a test's limits are made for
    r = row(workers=2, daemon={"max_workers": size}, start_timeout="60s", load={"keepalive": 1},
            scale=1 if size > 100 else 5, stop_timeout="30s", drain_timeout="30s",
            handler_timeout="60s", request_timeout="60s")
    r.patience = 60
    # the loop's library keeps its tables for the most descriptors that there were
    r.before["heap"] += 200 * size
    r.served()
    before, seen = [w["id"] for w in r.workers()], r.last_event()
    grown = r.ctl("scale", "web", size, timeout=500)
    assert grown.code == 0, grown
    assert r.pool()["ready"] == size
    most, least = starting_and_ready(r.events(seen), before)
    assert most <= len(os.sched_getaffinity(0)) and least >= 2
    assert r.ctl("scale", "web", "2", timeout=60).code == 0
    # the probe asks often enough: what a thousand are is long
    wait.until(lambda: len(r.probe.answers[-1].status["workers"]) == 2, 60, "two workers")
    r.served()


# ---- limits of a control group --------------------------------------------------------------------

@contextlib.contextmanager
def control_group(controller, file):
    """A group of its own with that controller, or a skip that says why."""
    root = None
    for base in ("/sys/fs/cgroup/" + controller, "/sys/fs/cgroup"):
        if os.path.exists(base + "/cgroup.procs"):
            root = base
            break
    path = "%s/clusterd-test-%d" % (root, os.getpid())
    try:
        if root is None:
            raise OSError("no control groups")
        os.mkdir(path)
    except OSError as error:
        pytest.skip("needs a control group of its own: %s" % error)
    try:
        if not os.path.exists(path + "/" + file):
            pytest.skip("the control group has no %s" % file)
        yield path
    finally:
        # what still runs goes on outside
        with open(path + "/cgroup.procs", encoding="ascii") as f:
            join(root, *f.read().split())
        os.rmdir(path)


def join(path, *pids):
    for pid in pids:
        with open(path + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))


def put(path, value):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(value))


@shows("E8")
def test_no_more_processes(row):
    """Of two that are killed one can be started again; the other is said to want a
    process, is tried again, and is not taken for sick."""
    with control_group("pids", "pids.max") as group:
        r = row()
        join(group, r.keeper.pid, r.master_pid(), *[w["pid"] for w in r.workers()])
        with open(group + "/pids.current", encoding="ascii") as f:
            used = int(f.read())
        victims = [r.blame(r.worker("web/0")), r.blame(r.worker("web/1"))]
        others = [r.worker("web/2")["id"], r.worker("web/3")["id"]]
        seen = r.last_event()
        put(group + "/pids.max", used - 1)
        for victim in victims:
            os.kill(victim["pid"], signal.SIGKILL)
        status = r.await_state(lambda s: any(x["reason"] == "spawn_failing" for x in s["reasons"]))
        reason = next(x for x in status["reasons"] if x["reason"] == "spawn_failing")
        tries = [e for e in r.events(seen) if e["event"] == "worker.backoff"]
        assert any(os.strerror(errno.EAGAIN) in (e["text"] or "") for e in tries), tries
        assert [r.worker("web/2")["id"], r.worker("web/3")["id"]] == others
        assert r.get("/").status == 200
        assert reason["worker"] in ("web/0", "web/1")
        put(group + "/pids.max", "max")
        r.await_state(lambda s: s["pools"][0]["ready"] == 4 and s["state"] == "ok")


@shows("E9")
def test_memory_pressure(row):
    """Slower; nobody is ended for it."""
    with control_group("memory", "memory.high") as group:
        r = row()
        r.served()
        join(group, r.keeper.pid, r.master_pid(), *[w["pid"] for w in r.workers()])
        before = [w["id"] for w in r.workers()]
        with open(group + "/memory.current", encoding="ascii") as f:
            put(group + "/memory.high", max(1 << 20, int(f.read()) // 2))
        r.served(timeout=50)
        assert [w["id"] for w in r.workers()] == before
        put(group + "/memory.high", "max")


# ---- a master without descriptors ------------------------------------------------------------

@shows("E2")
def test_a_request_whose_descriptor_cannot_be_kept_is_refused(faulty):
    """Of more pools than the keeper is asked for at once: what is over waits."""
    pools = {"p%d" % number: {"workers": 0} for number in range(63)}
    r = faulty(workers=1, load={}, pools=pools)
    before = r.status()["generation"]
    r.write_config(handler_timeout="2s")
    r.fi.arm("master", "dup:EMFILE")
    refused = r.ctl("reload")
    assert refused.code == 1 and "no descriptors" in refused, refused
    assert r.fi.injected("master", "dup") > 0
    r.fi.disarm()
    assert r.status()["generation"] == before
    assert r.ctl("reload").code == 0
    r.note_means()                  # two generations of so many pools
