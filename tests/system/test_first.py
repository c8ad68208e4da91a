# SPDX-License-Identifier: MIT
"""From the verdict to served requests: a first start, who gets what, and the
ways in which a start is refused."""

import collections
import os
import re
import signal
import socket

import pytest

from harness import SANITIZED, http, processes, shows, wait
from harness.reopen import reopen

BALANCED = {"/": "evil"}


def worker_of(c):
    return c.get("/").header("X-Worker")


def test_one_worker_per_usable_cpu(cluster):
    c = cluster(workers="auto")
    assert c.pool()["desired"] == len(os.sched_getaffinity(0))
    assert c.pool()["ready"] == c.pool()["desired"]
    assert c.get("/").text == "Hello, World!\n"


@pytest.fixture
def affinity():
    """affinity(CPUS): this process and what it starts run on those alone."""
    before = os.sched_getaffinity(0)
    yield lambda cpus: os.sched_setaffinity(0, cpus)
    os.sched_setaffinity(0, before)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
def test_cpus_are_those_of_the_affinity(cluster, affinity):
    cpus = sorted(os.sched_getaffinity(0))
    c = cluster(workers="auto", start=False)
    for usable in (cpus[-1:], cpus[:2]):
        affinity(usable)
        c.start()
        assert c.pool()["desired"] == c.pool()["ready"] == len(usable)
        assert c.stop() == 0


@pytest.fixture
def cpu_group():
    """A control group of our own, with our process in it: its file of the quota
    (version 2 and 1 of control groups)."""
    with open("/proc/self/cgroup", encoding="ascii") as f:
        rows = [line.rstrip("\n").split(":", 2) for line in f]
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        root, file = "/sys/fs/cgroup", "cpu.max"
        home = next(row[2] for row in rows if row[0] == "0")
    else:
        root, file = "/sys/fs/cgroup/cpu", "cpu.cfs_quota_us"
        home = next((row[2] for row in rows if "cpu" in row[1].split(",")), None)
    own = "%s/clusterd-test-%d" % (root, os.getpid())

    def enter(group):
        with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(os.getpid()))
    try:
        os.mkdir(own)
        os.stat("%s/%s" % (own, file))
        enter(own)
    except OSError as error:
        if os.path.isdir(own):
            os.rmdir(own)
        pytest.skip("no control group of CPUs to be made: %s" % error)
    yield "%s/%s" % (own, file)
    enter(root + home)
    os.rmdir(own)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two CPUs")
@pytest.mark.parametrize("quota, workers", [
    (50000, 1), (100000, 1),            # half of a CPU, and one
    (100001, 2)])                       # a part of a CPU is one
def test_cpus_are_those_of_the_quota(cluster, cpu_group, quota, workers):
    with open(cpu_group, "w", encoding="ascii") as f:
        f.write("%d 100000" % quota if cpu_group.endswith("cpu.max") else str(quota))
    c = cluster(workers="auto")
    assert c.pool()["desired"] == c.pool()["ready"] == workers
    assert c.stop() == 0                # a group with a process stays


def ps(pid):
    """What ps says of a process: (COMMAND in full, its short name, parent)."""
    with open("/proc/%d/cmdline" % pid, encoding="ascii") as f:
        args = f.read().rstrip("\0").split("\0")
    with open("/proc/%d/comm" % pid, encoding="ascii") as f:
        comm = f.read().rstrip("\n")
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        parent = int(f.read().rpartition(")")[2].split()[1])
    return args, comm, parent


def test_every_process_says_what_it_is(cluster):
    c = cluster(workers=2)
    args, comm, _ = ps(c.pid())
    assert os.path.basename(args[0]) == "clusterd" and comm == "clusterd"
    assert args[1:] == ["-c", c.config_file]
    # 15 letters is what the kernel keeps of a short name
    assert ps(c.master_pid()) == (["clusterd: master"], "clusterd: maste", c.pid())
    workers = {row["worker"]: ps(row["pid"]) for row in c.workers()}
    assert workers == {
        "web/0": (["clusterd: worker web/0"], "w:web/0", c.pid()),
        "web/1": (["clusterd: worker web/1"], "w:web/1", c.pid())}


def test_workers_have_address_layouts_of_their_own(cluster):
    """Stack, heap, program and the first library: none where the other's is."""
    c = cluster(workers=2)
    regions = [r"\[stack\]", r"\[heap\]", "/clusterd-worker$", r"/libc\.so"]
    if SANITIZED:
        regions.remove(r"\[heap\]")     # a sanitizer has one of its own
    places = []
    for row in c.workers():
        with open("/proc/%d/maps" % row["pid"], encoding="ascii") as f:
            maps = f.read()
        places.append([re.search(r"^(\w+)-\w+ .*%s" % what, maps, re.M).group(1)
                       for what in regions])
    for one, other in zip(*places):
        assert one != other, "they were forked, and not executed: %r" % places


@shows("node-B1")
def test_connections_go_round_exactly(cluster):
    """Each is opened after the first answer on the one before, and stays."""
    c = cluster(workers=4, routes=BALANCED, scale=1)
    address, held = c.address(), []
    taken = collections.Counter()
    for _ in range(400):
        held.append(http.Connection(address))
        taken[held[-1].request("GET", "/").header("X-Worker")] += 1
    for connection in held:
        connection.close()
    assert taken == {"web/0": 100, "web/1": 100, "web/2": 100, "web/3": 100}


def burst(c, address, count):
    """Open so many, then send a request on each: who answered how many."""
    passed = c.metric("connections_passed_total")
    held = [http.Connection(address) for _ in range(count)]
    wait.until(lambda: c.metric("connections_passed_total") == passed + count, 10, "all passed")
    for connection in held:
        connection.send(http.head("GET", "/", "a"))
    taken = collections.Counter(
        connection.response().header("X-Worker") for connection in held)
    for connection in held:
        connection.close()
    assert sum(taken.values()) == count
    return [taken["web/%d" % slot] for slot in range(4)]


def test_a_burst_goes_round_evenly(cluster):
    """Of a Unix socket, so that all are passed before one of them has said a word: a
    worker that is off its CPU in a handler would get fewer.  Each of the bursts fits
    into the windows, all of them together do not."""
    c = cluster(workers=4, routes=BALANCED, dispatch_window=64, scale=1, start=False)
    address = "unix:" + c.dir + "/run/web.sock"
    c.write_config(listen=address)
    c.start()
    for _ in range(4):
        assert burst(c, address, 200) == [50, 50, 50, 50]


@shows("node-B1")
def test_fewest_connections(cluster):
    c = cluster(workers=2, routes=BALANCED, schedule="least-connections")
    held, taken = [], collections.Counter()
    for _ in range(20):                 # each is counted before the next comes
        held.append(c.connect())
        taken[held[-1].request("GET", "/").header("X-Worker")] += 1
    for conn in held:
        conn.close()
    assert abs(taken["web/0"] - taken["web/1"]) <= 2, taken


def test_a_second_instance_is_refused(cluster):
    c = cluster(workers=1)
    second = c.clusterd()
    assert second.code == 3, second
    assert str(c.pid()) in second, second
    assert c.get("/").status == 200


def test_a_taken_port_is_named(cluster):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        c = cluster(workers=1, listen=address, start=False)
        result = c.clusterd()
    assert result.code == 4, result
    assert address in result, result


def test_a_bad_file_is_refused_with_all_its_errors(cluster):
    c = cluster(workers=1, start=False)
    c.write_config(colour="blue", backlog="many")
    result = c.clusterd()
    assert result.code == 78, result
    assert "colour" in result and "backlog" in result, result


def test_stop_ends_everything(cluster):
    c = cluster(workers=2)
    pids = [row["pid"] for row in c.workers()] + [c.master_pid()]
    assert c.ctl("stop").code == 0
    assert c.await_exit() == 0
    assert not [pid for pid in pids if os.path.exists("/proc/%d" % pid)]
    assert not os.path.exists(c.socket)


@shows("node-B1")
def test_pause_and_resume(cluster):
    c = cluster(workers=2, routes=BALANCED)
    assert c.ctl("pause", "web/0").code == 0
    assert {worker_of(c) for _ in range(10)} == {"web/1"}
    assert c.ctl("resume", "web/0").code == 0
    assert {worker_of(c) for _ in range(10)} == {"web/0", "web/1"}


def test_a_pool_is_drained_until_resume(cluster):
    c = cluster(workers=2)
    assert c.ctl("drain", "web").code == 0
    status = c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    assert status["pools"][0]["desired"] == 0
    assert c.ctl("status").code == 0, "drained on purpose is well"
    assert c.ctl("resume", "web").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    assert c.get("/").status == 200


def test_sigterm_to_a_worker_is_a_persons_wish(cluster):
    c = cluster(workers=1)
    seen, before = c.last_event(), c.worker("web/0")
    os.kill(before["pid"], 15)
    c.await_event("worker.exited", after=seen, asked=True)
    c.await_event("worker.ready", after=seen)
    assert c.worker("web/0")["restarts"] == before["restarts"]


def in_its_check(c):
    """A first start whose check does not come to an end by itself."""
    c.plugins["hello"] = {"module": "evil_ctor_loop.so"}
    c.write_config()
    c.start(ready=False)
    wait.until(lambda: [pid for pid in processes.descendants(c.pid())
                        if processes.name(pid) == "clusterd: master"],
               what="a master")
    return c


def test_a_stop_ends_a_first_start_at_once(cluster):
    c = in_its_check(cluster(workers=1, start=False, scale=1))
    assert c.stop(timeout=6) == 0


def test_signals_during_a_first_start_do_no_harm(cluster):
    c = in_its_check(cluster(workers=1, start=False, scale=1))
    for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGTTIN):
        c.signal(number)
    assert c.stop(timeout=6) == 0
    assert "lost" not in c.log()


def test_programs_say_their_version(cluster):
    c = cluster(start=False)
    for program in ("clusterd-master", "clusterd-worker"):
        assert c.run_program(program, "--version").code == 0


def test_signals_are_commands(cluster):
    c = cluster(workers=1)
    c.signal(signal.SIGTTIN)
    c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    c.signal(signal.SIGTTOU)
    c.await_state(lambda s: s["pools"][0]["desired"] == 1)
    seen = c.last_event()
    c.write_config(workers=3)
    c.signal(signal.SIGHUP)
    c.await_event("reload.committed", after=seen)
    c.await_state(lambda s: s["pools"][0]["ready"] == 3)
    c.signal(signal.SIGQUIT)
    assert c.await_exit() == 0


def test_a_lost_control_socket_is_made_again(cluster):
    c = cluster(workers=1)
    c.await_log("worker.ready")
    os.unlink(c.socket)
    c.await_state(lambda s: s["state"] == "ok")
    assert c.ctl("ping").code == 0


def test_the_log_is_a_file_and_is_opened_again(cluster):
    c = cluster(workers=1, daemon={"log": "stderr"}, start=False)
    file = c.dir + "/state/clusterd.log"
    c.daemon_keys["log"] = file
    c.write_config()
    c.start()

    def says(words):
        with open(file, encoding="utf-8") as f:
            return words in f.read()
    wait.until(lambda: says("worker.ready"), 5, "a line")
    os.rename(file, file + ".1")
    reopen(c)
    assert c.ctl("scale", "web", "2").code == 0
    wait.until(lambda: os.path.exists(file) and says("pool.scaled"), 5, "a line")


@shows("node-B8")
@pytest.mark.parametrize("schedule", ["shared", "reuseport"])
def test_workers_may_accept_for_themselves(cluster, schedule):
    c = cluster(workers=2, routes=BALANCED, schedule=schedule)
    assert {worker_of(c) for _ in range(20)} <= {"web/0", "web/1"}
    assert c.ctl("pause", "web/1").code == 0
    # what was in its hands already is answered
    wait.until(lambda: {worker_of(c) for _ in range(20)} == {"web/0"}, 5, "pause")
    assert {worker_of(c) for _ in range(40)} == {"web/0"}
    assert c.ctl("resume", "web/1").code == 0
    wait.until(lambda: worker_of(c) == "web/1", 5, "an answer of the other")
    assert c.ctl("scale", "web", "1").code == 0
    assert {worker_of(c) for _ in range(5)} == {"web/0"}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_workers_of_root_may_do_nothing(cluster):
    c = cluster(workers=2)
    master = os.stat("/proc/%d" % c.master_pid()).st_uid
    for row in c.workers():
        with open("/proc/%d/status" % row["pid"], encoding="ascii") as f:
            said = dict(line.rstrip().split(":\t", 1) for line in f if ":\t" in line)
        uids = set(said["Uid"].split())
        assert len(uids) == 1 and not uids & {"0", str(master)}, said["Uid"]
        assert "0" not in said["Gid"].split() + said["Groups"].split()
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(said[name], 16) == 0, name
        assert said["NoNewPrivs"] == "1"


def test_a_bad_configuration_is_not_started_again_and_again(cluster, build):
    """The unit heeds the status of the main process alone."""
    with open(build + "/etc/clusterd.service", encoding="utf-8") as f:
        unit = dict(line.strip().split("=", 1) for line in f
                    if "=" in line and not line.startswith("#"))
    assert not [name for name in unit if name.startswith("ExecStartP")]
    c = cluster(workers=1, start=False, colour="blue")
    c.expect_exit(78)
    c.start(ready=False)
    assert str(c.await_exit()) in unit["RestartPreventExitStatus"].split()
