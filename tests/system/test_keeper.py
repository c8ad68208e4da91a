# SPDX-License-Identifier: MIT
"""The keeper by itself: the test is its master, checker and workers."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest

from harness import keeper as ke
from harness import not_sanitized, processes, wait
from harness.keeper import NONE, bind, inet, sealed_memfd, spawn, unix

ROOT = os.geteuid() == 0


def test_start_and_stop(keeper):
    k = keeper()
    master = k.serve()
    assert master.welcome["keeper_pid"] == k.keeper.pid
    assert master.welcome["config"] == k.config
    assert master.welcome["flags"] == 1
    assert [m.name for m in master.inventory] == ["HAVE_WORKER"]
    assert master.inventory[0]["role"] == 2 and len(master.inventory[0].fds) == 4
    assert open(k.dir + "/run/clusterd.pid").read() == "%d\n" % k.keeper.pid
    assert k.stop(master) == 0
    assert not os.path.exists(k.dir + "/run/clusterd.pid")


def test_worker_gets_its_descriptors_and_nothing_else(keeper):
    k = keeper()
    master = k.serve()
    first = bind(master, 3, inet())
    assert first.name == "BOUND" and first["port"] > 0
    bind(master, 5, inet())
    spawned, worker = spawn(k, master, 100, listeners=[3, 5])
    assert spawned["pid"] == worker.pid and not spawned["exists"]
    assert len(spawned.fds) == 8
    fds = worker.hello["fds"]
    # the directory that it listed, and its own line to the test came later
    numbers = sorted(int(n) for n in fds)
    assert numbers == list(range(14))
    assert fds["0"] == "/dev/null" and fds["1"] == fds["2"] == fds["11"]
    assert fds["1"].startswith("pipe:") and fds["5"].startswith("pipe:")
    assert "clusterd-page" in fds["6"] and "clusterd-master-page" in fds["7"]
    assert fds["10"].endswith("/run/workers.lock")
    assert worker.hello["env"]["CLUSTERD_LISTENERS"] == "3,5"
    assert "SECRET" not in worker.hello["env"]
    assert worker.hello["sid"] == worker.pid
    assert worker.hello["cwd"] == "/" and worker.hello["seccomp"] == "1"
    assert int(worker.hello["blocked"], 16) == 0
    page = os.pread(spawned.fds[5], 128, 0)
    assert struct.unpack_from("=IHHIIQ", page) == (0x70434c01, 1, 128, 16384, 128, 100)
    assert page[24:88].rstrip(b"\0") == b"web/0"
    assert k.stop(master) == 0


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_privileges_are_dropped(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    assert master.hello["uid"] == [54321] * 3 and master.hello["gid"] == [54321] * 3
    assert worker.hello["uid"] == [54322] * 3 and worker.hello["gid"] == [54322] * 3
    assert sorted(worker.hello["groups"]) == [54322, 54323]
    for peer in (master, worker):
        assert [int(c, 16) for c in peer.hello["caps"]] == [0] * 5
        assert "Error" in peer.ask("os.setresuid(-1, 0, -1)")
    # the master's page is there to be read only
    assert "Error" in worker.ask("open('/proc/self/fd/7', 'r+b')")
    assert "Error" in worker.ask("os.pwrite(7, b'x', 0)")
    assert worker.hello["oom"] == "200"
    assert k.stop(master) == 0


# ---- exit statuses ------------------------------------------------------------------

def run(build, *args, env=None, **how):
    return subprocess.run([build + "/clusterd", *args], capture_output=True, text=True,
                          timeout=20, check=False, stdin=subprocess.DEVNULL,
                          env=dict(os.environ, **(env or {})), **how)


@pytest.mark.parametrize("args", [["-x"], ["-c"], ["-c", ""], ["argument"], ["-c", "/" + "x" * 250]])
def test_usage_is_2(build, args):
    done = run(build, *args)
    assert done.returncode == 2 and "usage: " in done.stderr and done.stdout == ""


def test_help_and_failpoints(build):
    assert "usage: " in run(build, "-h").stdout
    names = run(build, "--list-failpoints").stdout.split()
    assert {"keeper.after_clone", "keeper.before_exec", "keeper.kill9"} <= set(names)


@pytest.mark.parametrize("option, word", [("-t", "--print"), ("-T", "--print-config")])
@pytest.mark.parametrize("status", [0, 78])
def test_check_passes_the_status_on(keeper, option, word, status):
    k = keeper(args=[option])
    checker = k.peer("checker")
    assert checker.hello["argv"] == ["--check", word, k.config]
    assert checker.hello["fds"]["1"] == checker.hello["fds"]["2"] == k.dir + "/log"
    checker.ask("os._exit(%d)" % status, answer=False)
    assert k.await_exit() == status
    assert not os.path.exists(k.dir + "/run")


def test_bad_configuration_is_78(keeper):
    k = keeper()
    checker = k.peer("checker")
    checker.ask("(os.write(2, b'FILE:1: wrong'), os._exit(78))", answer=False)
    assert k.await_exit() == 78
    assert k.said() == "FILE:1: wrong"
    assert not os.path.exists(k.dir + "/run")


def test_checker_that_crashes_is_1(keeper):
    k = keeper()
    k.peer("checker").ask("os.abort()", answer=False)
    assert k.await_exit() == 1
    assert "the checker ended with signal 6" in k.said()


@pytest.mark.parametrize("values", [
    {"magic": 1}, {"version": 2}, {"size": 1}, {"count": 65}, {"user": 2},
    {"worker_user": 2},
    pytest.param({"accounts": [(0, 1, []), (5, 5, [])]}, marks=pytest.mark.skipif(not ROOT, reason="root")),
    pytest.param({"accounts": [(5, 5, []), (6, 0, [])]}, marks=pytest.mark.skipif(not ROOT, reason="root")),
    pytest.param({"accounts": [(5, 5, []), (6, 6, [0])]}, marks=pytest.mark.skipif(not ROOT, reason="root")),
    pytest.param({"accounts": [(5, 5, []), (5, 6, [])]}, marks=pytest.mark.skipif(not ROOT, reason="root")),
])
def test_bad_header_is_78(keeper, values):
    k = keeper()
    k.check(**values)
    assert k.await_exit() == 78
    assert "clusterd: " in k.said()


def test_second_instance_is_3(keeper):
    k = keeper()
    master = k.serve()
    other = keeper(directory=k.dir)
    other.check()
    assert other.await_exit() == 3
    assert "already running: pid %d since 20" % k.keeper.pid in other.said()
    assert open(k.dir + "/run/clusterd.pid").read() == "%d\n" % k.keeper.pid
    assert k.stop(master) == 0


def test_waits_for_workers_of_a_dead_instance(keeper):
    k = keeper(grace_ms=300)
    master = k.serve()
    _, worker = spawn(k, master, 100)
    k.process.send(signal.SIGKILL)
    k.await_exit()
    other = keeper(directory=k.dir, grace_ms=100)
    other.check()
    assert other.await_exit() == 3 and "workers.lock" in other.said()
    third = keeper(directory=k.dir, grace_ms=20000)
    third.check()
    worker.ask("os._exit(0)", answer=False)
    third.peer("master").attach()
    master.ask("os._exit(0)", answer=False)


@pytest.mark.parametrize("status", [1, 4, 5, 78])
def test_master_decides_the_status(keeper, status):
    k = keeper()
    k.check()
    master = k.peer("master")
    master.attach()
    assert master.request("EXIT", status=status, text="the reason").name == "OK"
    master.ask("os._exit(0)", answer=False)
    assert k.await_exit() == status
    assert "the reason" in k.said()


def test_detached(keeper):
    k = keeper(args=["-d"])
    checker = k.check()
    master = k.peer("master")
    welcome, _ = master.attach()
    assert not wait.readable(k.process.pidfd, 0)
    assert master.request("SHOW", verdict=0, ready=1, phase=1, text="x").name == "OK"
    assert k.await_exit() == 0
    daemon = processes.Process(welcome["keeper_pid"])
    assert master.hello["fds"]["2"] == "/dev/null"
    master.request("EXIT", status=0, text="")
    master.ask("os._exit(0)", answer=False)
    daemon.await_end()
    daemon.close()
    checker.close()


def test_detached_failure_reaches_the_caller(keeper):
    k = keeper(args=["-d"])
    k.peer("checker").ask("os._exit(78)", answer=False)
    assert k.await_exit() == 78


def test_term_during_the_start(keeper):
    k = keeper()
    checker = k.peer("checker")
    k.process.send(signal.SIGTERM)
    assert k.await_exit() == 0
    assert checker.reader.readline() == b""


# ---- listeners ---------------------------------------------------------------------

def test_bind_error_names_address_and_owner(keeper):
    k = keeper()
    master = k.serve()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = bind(master, 1, inet(port))
    assert answer.name == "ERROR" and answer.code == 98
    assert "127.0.0.1:%d" % port in answer["text"]
    # as root without CAP_SYS_PTRACE it sees the account only
    words = "uid 0" if ROOT else "pid %d (" % os.getpid()
    assert "in use, by " + words in answer["text"]
    assert k.stop(master) == 0


def test_listener_options(keeper):
    k = keeper()
    master = k.serve()
    bound = bind(master, 1, inet())
    with socket.socket(fileno=os.dup(bound.fds[0])) as sock:
        assert sock.getsockname() == ("127.0.0.1", bound["port"])
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        # a peer that is gone: 60 s, 10 s, three times; 30 s (scaled by 5)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in (
            socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT,
            socket.TCP_USER_TIMEOUT)] == [12, 2, 3, 6000]
        assert not os.get_blocking(sock.fileno())
        # known: the same again
        assert bind(master, 1, inet())["port"] == bound["port"]
        remade = master.request("REMAKE", listener=1)
        assert remade.name == "BOUND" and remade["port"] == bound["port"]
    assert master.request("UNBIND", listener=1).name == "OK"
    assert master.request("UNBIND", listener=1).code == 2
    assert k.stop(master) == 0


REUSEPORT, V6ONLY = 1, 2


def inet6():
    return struct.pack("=HHI16sI", socket.AF_INET6, 0, 0, socket.inet_pton(
        socket.AF_INET6, "::1"), 0)


@pytest.mark.parametrize("address, flags", [(inet(), REUSEPORT), (inet6(), REUSEPORT | V6ONLY)])
def test_several_sockets_of_one_address(keeper, address, flags):
    """The number of a socket is the high half of its id."""
    k = keeper()
    master = k.serve()
    assert bind(master, 1 << 16 | 1, b"", kind=0).code == 22, "there is no first one"
    port = bind(master, 1, address, flags=flags)["port"]
    for number in range(1, 80):
        assert bind(master, number << 16 | 1, b"", kind=0)["port"] == port
    ids = [number << 16 | 1 for number in range(80)]
    _, worker = spawn(k, master, 100, listeners=ids)
    inodes = {int(worker.ask("os.fstat(%d).st_ino" % fd)) for fd in range(11, 91)}
    assert len(inodes) == 80
    # a new one joins the others
    made = bind(master, 5 << 16 | 1, b"", kind=0).fds[0]
    remade = master.request("REMAKE", listener=5 << 16 | 1)
    assert remade["port"] == port
    assert os.fstat(remade.fds[0]).st_ino != os.fstat(made).st_ino
    assert bind(master, 2, inet(), flags=0).name == "BOUND"
    assert bind(master, 1 << 16 | 2, b"", kind=0).code == 22, "it has one socket"
    assert k.stop(master) == 0


def test_the_first_of_several_sockets_joins_nobody(keeper):
    """Who has our uid, and would let us."""
    k = keeper()
    master = k.serve()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert bind(master, 1, inet(port), flags=REUSEPORT).code == 98
    assert bind(master, 1, inet(port), flags=REUSEPORT)["port"] == port
    assert bind(master, 1 << 16 | 1, b"", kind=0)["port"] == port
    assert k.stop(master) == 0


def test_unix_listener(keeper):
    k = keeper()
    master = k.serve()
    path = k.dir + "/sock"
    assert bind(master, 1, unix(path), mode=0o640, gid=os.getgid()).name == "BOUND"
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert sorted(n for n in os.listdir(k.dir) if n.startswith(".")) == []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    # somebody else's is not taken, one that nobody listens on is
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(k.dir + "/other")
        other.listen()
        assert bind(master, 2, unix(k.dir + "/other"), mode=0o666).code == 98
    assert bind(master, 2, unix(k.dir + "/other"), mode=0o666, gid=os.getgid()).name == "BOUND"
    with open(k.dir + "/file", "w"):
        pass
    assert bind(master, 3, unix(k.dir + "/file")).name == "ERROR"
    assert master.request("REMAKE", listener=1).name == "BOUND"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    assert k.stop(master) == 0
    assert not os.path.exists(path) and os.path.exists(k.dir + "/file")


@pytest.mark.parametrize("address, kind", [
    (b"", 1), (b"\2\0", 1), (inet(), 0), (struct.pack("=H108s", 1, b"relative"), 1),
    (struct.pack("=H108s", 1, b""), 1), (struct.pack("=H14s", 17, b""), 1)])
def test_bad_address_is_refused(keeper, address, kind):
    k = keeper()
    master = k.serve()
    assert bind(master, 1, address, kind=kind).name == "ERROR"
    assert k.stop(master) == 0


def test_sockets_of_a_service_manager(keeper):
    given = socket.create_server(("127.0.0.1", 0))
    named = socket.create_server(("127.0.0.1", 0))
    k = keeper(start=False, env={"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:api"})
    k.log = open(k.dir + "/log", "ab+")
    k.keeper = subprocess.Popen(
        # the pid is known after the fork only
        [sys.executable, "-c", "import os,sys,fcntl\n"
         "os.environ['LISTEN_PID'] = str(os.getpid())\n"
         "high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 100) for fd in (%d, %d)]\n"
         "os.dup2(high[0], 3); os.dup2(high[1], 4)\n" % (given.fileno(), named.fileno()) +
         "os.execv(sys.argv[1], sys.argv[1:])", k.build + "/clusterd", "-c", k.config],
        pass_fds=[given.fileno(), named.fileno()], env=k.environment(),
        stdin=subprocess.DEVNULL, stdout=k.log, stderr=k.log, start_new_session=True)
    processes.own(k.keeper.pid)
    k.process = processes.Process(k.keeper.pid)
    master = k.serve()
    port = given.getsockname()[1]
    bound = bind(master, 1, inet(port))
    assert bound["port"] == port
    assert os.fstat(bound.fds[0]).st_ino == os.fstat(given.fileno()).st_ino
    bound = bind(master, 2, b"api", flags=8)
    assert bound["port"] == named.getsockname()[1]
    assert bind(master, 3, b"none", flags=8).name == "ERROR"
    assert k.stop(master) == 0


# ---- processes ----------------------------------------------------------------------

def test_exit_is_told_with_status_and_group_killed(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    # a child in its group, and one in a group of its own in its session
    group = worker.ask("os.fork() or (signal.pause())")
    session = worker.ask("os.fork() or (os.setpgid(0, 0), signal.pause())")
    relatives = [processes.Process(pid) for pid in (group, session)]
    before = time.monotonic_ns()
    worker.ask("os._exit(3)", answer=False)
    exited = master.event("EXITED", id=100)
    assert exited["status"] == 3 << 8 and exited["maxrss_kb"] > 0 and not exited["core"]
    assert before <= exited["ended_ns"] <= time.monotonic_ns()
    for relative in relatives:
        relative.await_end()
        relative.close()
    wait.until(lambda: processes.children(k.keeper.pid) == [master.pid], 5, "reaping")
    assert master.request("RELEASE", id=100).name == "OK"
    assert master.request("SIGNAL", id=100, signal=9).code == 3
    assert k.stop(master) == 0


def test_nobody_of_a_dead_workers_session_is_left(keeper):
    """Also whom the keeper inherits later, as his parent was killed first; a
    session of one's own is somebody else's business."""
    k = keeper()
    master = k.serve()
    spawned, worker = spawn(k, master, 100)
    below = "os.fork() or (os.setpgid(0, 0), %s, signal.pause())"
    worker.ask(below % (below % (below % "0")))
    pids = wait.until(lambda: len(found := processes.descendants(spawned["pid"])) == 3
                      and found, 5, "three generations")
    relatives = [processes.Process(pid) for pid in pids]
    stranger = processes.Process(worker.ask("os.fork() or (os.setsid(), signal.pause())"))
    wait.until(lambda: os.getsid(stranger.pid) == stranger.pid, 5, "its own session")
    worker.ask("os._exit(3)", answer=False)
    master.event("EXITED", id=100)
    assert master.request("RELEASE", id=100).name == "OK"
    for relative in relatives:
        relative.await_end()
        relative.close()
    assert stranger.alive()
    stranger.send(signal.SIGKILL)
    stranger.await_end()
    stranger.close()
    assert k.stop(master) == 0


def test_signals_and_release(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    assert master.request("RELEASE", id=100).code == 16
    assert master.request("SIGNAL", id=100, signal=0).code == 3
    assert master.request("SIGNAL", id=100, signal=signal.SIGSTOP).name == "OK"
    assert master.request("SIGNAL", id=100, signal=signal.SIGABRT).name == "OK"
    assert master.event("EXITED", id=100)["status"] & 0x7f == signal.SIGABRT
    assert worker.reader.readline() == b""
    assert k.stop(master) == 0


def test_spawn_again_is_answered_exists(keeper):
    k = keeper()
    master = k.serve()
    first, _ = spawn(k, master, 100)
    again = master.request("SPAWN", id=100, role=1, account=1, snapshot=7, name="web/0")
    assert again.name == "SPAWNED" and again["exists"] == 1 and again["pid"] == first["pid"]
    assert len(again.fds) == 8
    assert k.stop(master) == 0


@pytest.mark.parametrize("there", [True, False])
def test_listeners_are_named_for_one_spawn(keeper, there):
    """Whatever becomes of it, its row is free again: there are 64 of them."""
    k = keeper()
    master = k.serve()
    for number in range(100, 170):
        if there:
            spawn(k, master, number)
        named = master.request("SPAWN_FDS", id=number, count=0, listeners=[])
        assert named.name == "OK", number
        # known already, or of an account that there is not
        answer = master.request("SPAWN", id=number, role=1, account=1 if there else 63,
                                snapshot=7, name="web/0")
        assert answer.name == ("SPAWNED" if there else "ERROR")
    assert k.stop(master) == 0


@pytest.mark.parametrize("values, code", [
    ({"id": 0}, 22), ({"id": 1}, None), ({"role": 0}, 1), ({"image": 1}, 1), ({"account": 2}, 1),
    ({"account": 63}, 1), ({"snapshot": 8}, 2),
    pytest.param({"account": 0}, 1, marks=pytest.mark.skipif(not ROOT, reason="root"))])
def test_spawn_is_refused(keeper, values, code):
    k = keeper()
    master = k.serve()
    row = {"id": 100}
    row.update(values)
    answer, _ = spawn(k, master, row.pop("id"), **row) if code else (None, None)
    if code:
        assert answer.name == "ERROR" and answer.code == code, (answer.name, answer)
    assert k.stop(master) == 0


def test_unsealed_snapshot_is_refused(keeper):
    k = keeper()
    master = k.serve()
    with open(k.dir + "/file", "w+") as f:
        assert master.request("KEEP", [f.fileno()], number=1, kind=1).code == 1
        assert master.request("KEEP", [f.fileno()], number=1, kind=3).name == "OK"
        assert master.request("KEEP", [f.fileno()], number=1, kind=0).code == 22
    assert master.request("DROP", number=1, kind=3).name == "OK"
    assert master.request("DROP", number=1, kind=3).code == 2
    assert k.stop(master) == 0


def test_tuning(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100, nice=5, rlimit_nofile=77, rlimit_core=0, affinity=[1])
    assert worker.hello["nice"] == 5
    assert worker.ask("__import__('resource').getrlimit(7)") == [77, 77]
    assert worker.ask("__import__('resource').getrlimit(4)") == [0, 0]
    assert worker.ask("list(os.sched_getaffinity(0))") == [0]
    assert k.stop(master) == 0


@pytest.mark.skipif(not ROOT, reason="root")
def test_keeper_and_master_come_first(keeper):
    """For the CPU; whom they start has what the keeper was given."""
    given = os.getpriority(os.PRIO_PROCESS, 0)
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    _, checker = spawn(k, master, 200, name="checker", role=2)
    assert worker.hello["nice"] == checker.hello["nice"] == given
    ahead = [k.keeper.pid, master.pid]
    assert [os.getpriority(os.PRIO_PROCESS, pid) for pid in ahead] == [given - 10] * 2
    if processes.session_nice(k.keeper.pid) is not None:
        # a kernel that weighs sessions takes a change only now and then
        wait.until(lambda: {processes.session_nice(pid) for pid in ahead} == {-10}, 5,
                   "sessions that are ahead")
        assert processes.session_nice(worker.pid) == processes.session_nice(checker.pid) == 0
    assert k.stop(master) == 0


def test_exec_failure_is_told(keeper):
    k = keeper()
    master = k.serve()
    os.unlink(k.dir + "/worker")
    answer, _ = spawn(k, master, 100)
    assert answer.name == "SPAWN_FAILED" and answer.code == 2 and \
        answer["step_name"] == "execveat"
    # the row is free again
    answer, _ = spawn(k, master, 100)
    assert answer.name == "SPAWN_FAILED"
    assert k.stop(master) == 0


def test_reload_checker(keeper):
    k = keeper()
    master = k.serve()
    spawned, checker = spawn(k, master, 200, name="checker", role=2)
    assert checker.hello["argv"] == ["--check", "--reload", k.config]
    assert len(spawned.fds) == 4
    checker.ask("os.write(1, b'words')")
    assert os.read(spawned.fds[3], 99) == b"words"
    checker.ask("os.write(3, b'verdict')")
    assert os.read(spawned.fds[2], 99) == b"verdict"
    checker.ask("os._exit(0)", answer=False)
    master.event("EXITED", id=200)
    assert k.stop(master) == 0


# ---- the master's end ----------------------------------------------------------------

MASTER_LOST = "__import__('select').select([3], [], [], 9) and os.read(3, 64).hex()"


def channel_is_told(worker):
    return struct.unpack_from("=HHIQ", bytes.fromhex(worker.ask(MASTER_LOST)))


def lose(k, master, how):
    """(what WELCOME says of it, seconds allowed)"""
    if how == "kill":
        processes.Process(master.pid).send(signal.SIGKILL)
        return "SIGKILL"
    if how == "exit":
        master.ask("os._exit(9)", answer=False)
        return "exit 9"
    if how == "stop":
        processes.Process(master.pid).send(signal.SIGSTOP)
        master.beat(1, 0)
        return "silent"
    if how == "malformed":
        master.link.send(b"\1\0")
        return "2 bytes, no header"
    master.link.shutdown(socket.SHUT_RDWR)
    return "closed its socket"


@pytest.mark.parametrize("how", ["kill", "exit", "stop", "malformed", "close"])
def test_master_is_started_again(keeper, how):
    k = keeper()
    master = k.serve()
    bound = bind(master, 3, inet())
    _, worker = spawn(k, master, 100, listeners=[3])
    _, dying = spawn(k, master, 101, name="web/1")
    said = lose(k, master, how)
    assert channel_is_told(worker)[1:3] == (0, 8)
    dying.ask("os._exit(7)", answer=False)
    second = k.peer("master")
    welcome, inventory = second.attach()
    assert welcome["last"] == said and welcome["number"] == 2 and welcome["flags"] == 0
    rows = {(m.name, m.get("id", m.get("listener", m.get("number")))): m for m in inventory}
    assert rows["HAVE_LISTENER", 3]["port"] == bound["port"]
    assert ("HAVE_KEPT", 7) in rows
    assert rows["HAVE_WORKER", 100]["pid"] == worker.pid
    assert len(rows["HAVE_WORKER", 100].fds) == 8 and not rows["HAVE_WORKER", 100]["exited"]
    if rows["HAVE_WORKER", 101]["exited"]:
        assert rows["HAVE_WORKER", 101]["status"] == 7 << 8
    else:
        assert second.event("EXITED", id=101)["status"] == 7 << 8
    assert second.request("RELEASE", id=101).name == "OK"
    worker.ask("os._exit(0)", answer=False)
    second.event("EXITED", id=100)
    assert k.stop(second) == 0


def test_memo_and_page_are_the_same_for_the_next_master(keeper):
    k = keeper()
    master = k.serve()
    os.pwrite(master.welcome.fds[0], b"remember", 64)
    size = os.fstat(master.welcome.fds[1]).st_size
    lose(k, master, "kill")
    second = k.peer("master")
    welcome, _ = second.attach()
    assert os.pread(welcome.fds[0], 8, 64) == b"remember"
    assert os.fstat(welcome.fds[1]).st_size == size > 16384, "with the roster"
    for fd in welcome.fds:
        with pytest.raises(OSError):
            os.ftruncate(fd, 1)
    assert k.stop(second) == 0


def test_fresh_beat_keeps_a_master(keeper):
    """Ten silent seconds (scaled) end it, unless its beat goes on."""
    k = keeper()
    master = k.serve()
    master.beat(1, time.monotonic_ns() + 25 * 10 ** 8)
    assert not wait.readable(k.listener.fileno(), 2.5)
    second = k.peer("master")
    assert second.attach()[0]["last"] == "silent"


def test_master_that_dies_at_each_start(keeper):
    """Rebuilt memo at the fifth, closed store at the tenth; before the first
    start is over the fifth ends the daemon."""
    k = keeper()
    master = k.serve()
    flags = []
    for _ in range(10):
        master.ask("os._exit(1)", answer=False)
        master = k.peer("master")
        flags.append(master.attach()[0]["flags"])
    assert flags == [0] * 4 + [2] * 5 + [6]


def test_first_start_that_never_comes_to_be(keeper):
    k = keeper()                        # a master is silent after two seconds
    k.check()
    for number in range(5):
        master = k.peer("master") if number == 0 else None
        while master is None:           # each master has a checker of its own
            sock, _ = k.listener.accept()
            peer = ke.Peer(sock)
            k.peers.append(peer)
            master = peer if peer.who == "master" else None
        master.ask("os._exit(1)", answer=False)
    assert k.await_exit() == 1
    assert "ended 5 times before it served, the last time with exit 1" in k.said()


FRAMES = [
    b"\0" * 16, b"\1\0" + b"\xff" * 14, ke.HEADER.pack(99, 0, 1, 0, 0),
    ke.HEADER.pack(ke.MESSAGES["WELCOME"][0], 0, 1, 0, 0), b"\xff" * 512, b"x" * 4000,
    b"".join(ke.encode("RELEASE", 0, {"id": 5})),
    b"".join(ke.encode("ATTACH", 5, {"proto_min": 1, "proto_max": 1})),
    b"".join(ke.encode("SIGNAL", 5, {"id": 5, "signal": 65})),
    b"".join(ke.encode("RELEASE", 5, {"id": 5})) + b"x",
    ke.encode("RELEASE", 5, {})[0] + b"1234567",
]


@pytest.mark.parametrize("frame", FRAMES, ids=range(len(FRAMES)))
def test_malformed_ends_the_master_not_the_keeper(keeper, frame):
    k = keeper()
    master = k.serve()
    master.link.send(frame)
    second = k.peer("master")
    second.attach()
    assert k.stop(second) == 0


def test_descriptors_with_the_wrong_message(keeper):
    k = keeper()
    master = k.serve()
    baseline = len(os.listdir("/proc/%d/fd" % k.keeper.pid))
    master.send("RELEASE", [0, 1, 2], id=5)
    second = k.peer("master")
    second.attach()
    assert len(os.listdir("/proc/%d/fd" % k.keeper.pid)) == baseline
    assert k.stop(second) == 0


@pytest.mark.parametrize("low, high", [(0, 0), (2, 3)])
def test_another_protocol_version(keeper, low, high):
    k = keeper()
    k.check()
    master = k.peer("master")
    answer = master.request("ATTACH", proto_min=low, proto_max=high)
    assert answer.name == "ERROR" and answer.code == 93


def test_master_that_does_not_read(keeper):
    """Its socket fills; the keeper keeps what it has to say, and serves on."""
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    master.link.setblocking(False)
    sent = 0
    with pytest.raises(BlockingIOError):
        while True:
            master.send("SIGNAL", id=100, signal=signal.SIGCONT)
            sent += 1
    worker.ask("os._exit(0)", answer=False)
    wait.until(lambda: processes.children(k.keeper.pid) == [master.pid], 5, "reaping")
    master.link.settimeout(10)
    got = [master.receive() for _ in range(sent + 1)]
    assert len({m.ref for m in got if m.ref}) == sent
    assert [m["id"] for m in got if m.name == "EXITED"] == [100]
    assert k.stop(master) == 0


def test_tables_are_bounded(keeper):
    k = keeper()
    master = k.serve()
    with open(os.devnull) as null:
        answers = [master.request("KEEP", [null.fileno()], number=n, kind=3).name for n in range(1281)]
    assert answers == ["OK"] * 1280 + ["ERROR"]
    names = [master.request("SPAWN_FDS", id=n, count=0, listeners=[]).name for n in range(1, 66)]
    assert names == ["OK"] * 64 + ["ERROR"]
    assert k.stop(master) == 0


# ---- orders and the end ---------------------------------------------------------------

@pytest.mark.parametrize("number, order", [
    (signal.SIGHUP, 4), (signal.SIGUSR1, 5), (signal.SIGUSR2, 6), (signal.SIGTTIN, 7),
    (signal.SIGTTOU, 8), (signal.SIGINT, 1), (signal.SIGQUIT, 3)])
def test_signals_are_orders(keeper, number, order):
    k = keeper()
    master = k.serve()
    k.process.send(number)
    assert master.event("ORDER")["order"] == order
    assert master.request("ORDER_TAKEN", order=order).name == "OK"
    assert master.request("ORDER_TAKEN", order=order).name == "ERROR"
    master.request("EXIT", status=0, text="")
    master.ask("os._exit(0)", answer=False)
    assert k.await_exit() == 0


def test_second_term_is_now(keeper):
    k = keeper()
    master = k.serve()
    k.process.send(signal.SIGTERM)
    assert master.event("ORDER")["order"] == 1
    k.process.send(signal.SIGTERM)
    assert master.event("ORDER")["order"] == 2


def test_stop_is_told_to_the_next_master(keeper):
    k = keeper()
    master = k.serve()
    k.process.send(signal.SIGTERM)
    master.event("ORDER", order=1)
    master.request("ORDER_TAKEN", order=1)
    lose(k, master, "kill")
    second = k.peer("master")
    assert second.attach()[0]["flags"] == 8
    second.event("ORDER", order=1)
    second.request("EXIT", status=0, text="")
    second.ask("os._exit(0)", answer=False)
    assert k.await_exit() == 0


@pytest.mark.parametrize("stubborn", [False, True])
def test_keeper_stops_without_the_master(keeper, stubborn):
    k = keeper()
    master = k.serve()
    assert master.request("BACKSTOP", ms=500).name == "OK"
    _, worker = spawn(k, master, 100)
    if stubborn:
        worker.ask("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    lose(k, master, "stop")
    k.process.send(signal.SIGTERM)
    assert k.await_exit() == 0
    assert "the keeper carries it out" in k.said()


def test_order_that_is_not_taken_is_dropped(keeper):
    k = keeper()
    master = k.serve()
    k.process.send(signal.SIGHUP)
    assert master.event("ORDER")["order"] == 4
    wait.until(lambda: "did not take the order to reload" in k.said(), 10, "the line")


def test_signal_storm(keeper):
    k = keeper()
    master = k.serve()
    for _ in range(20000):
        k.process.send(signal.SIGHUP)
        k.process.send(signal.SIGCHLD)
    assert master.event("ORDER")["order"] == 4
    assert master.request("ACCOUNTS", first=0)["total"] == 2
    assert k.stop(master) == 0


def test_kill_9_of_the_keeper_is_seen_at_the_lifeline(keeper):
    k = keeper()
    master = k.serve()
    _, worker = spawn(k, master, 100)
    k.process.send(signal.SIGKILL)
    k.await_exit()
    assert worker.ask("os.read(5, 1).hex()") == ""
    assert master.ask("os.read(4, 1).hex()") == ""
    for peer in (worker, master):
        peer.ask("os._exit(0)", answer=False)


def test_keeper_that_dies_after_clone_leaves_no_orphan(keeper):
    k = keeper(env={"CLUSTERD_FP": "keeper.after_clone:kill/web/0"})
    master = k.serve()
    fd = sealed_memfd()
    master.request("KEEP", [fd], number=7, kind=1)
    master.send("SPAWN", id=100, role=1, account=1, snapshot=7, name="web/0",
                rlimit_nofile=NONE, rlimit_core=NONE, rlimit_as=NONE)
    assert k.await_exit() == -9
    worker = k.peer("worker")
    assert worker.ask("os.read(5, 1).hex()") == ""
    for peer in (worker, master):
        peer.ask("os._exit(0)", answer=False)


def test_failpoints_before_exec_and_kill9(keeper):
    k = keeper(env={"CLUSTERD_FP": "keeper.before_exec:err=EAGAIN/web/0,keeper.kill9:skip/web/1"})
    master = k.serve()
    answer, _ = spawn(k, master, 100, "web/0")
    assert answer.name == "SPAWN_FAILED" and answer.code == 11
    _, worker = spawn(k, master, 101, "web/1")
    assert master.request("SIGNAL", id=101, signal=9).name == "OK"
    assert worker.ask("1") == 1
    worker.ask("os._exit(0)", answer=False)
    master.event("EXITED", id=101)
    assert k.stop(master) == 0


@not_sanitized("sanitizers have a heap of their own")
def test_no_heap_after_the_start(keeper, build):
    k = keeper(env={"LD_PRELOAD": build + "/tests/plugins/no_heap.so"})
    master = k.serve()
    assert "no_heap" in open("/proc/%d/maps" % k.keeper.pid).read()
    bind(master, 3, inet())
    bind(master, 4, unix(k.dir + "/sock"), gid=os.getgid())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert bind(master, 5, inet(taken.getsockname()[1])).name == "ERROR"
    _, worker = spawn(k, master, 100, listeners=[3])
    worker.ask("os.fork() or (os.setpgid(0, 0), signal.pause())")
    worker.ask("os._exit(0)", answer=False)
    master.event("EXITED", id=100)
    master.request("SHOW", verdict=0, ready=1, phase=1, text="x")
    for number in (signal.SIGHUP, signal.SIGUSR1):
        k.process.send(number)
    lose(k, master, "malformed")
    second = k.peer("master")
    second.attach()
    k.process.send(signal.SIGTERM)
    second.event("ORDER", order=1)
    second.request("ORDER_TAKEN", order=1)
    second.request("EXIT", status=0, text="done")
    second.ask("os._exit(0)", answer=False)
    assert k.await_exit() == 0


# ---- service manager ------------------------------------------------------------------

def test_what_a_service_manager_is_told(keeper):
    path = "\0clusterd-test-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)

        def told():
            data, fds, _, _ = socket.recv_fds(manager, 4096, 4)
            for fd in fds:
                os.close(fd)
            return data.decode(), len(fds)

        k = keeper(env={"NOTIFY_SOCKET": "@" + path[1:], "WATCHDOG_USEC": "100000000"})
        master = k.serve()
        assert "NOTIFY_SOCKET" not in master.hello["env"]
        assert told() == ("WATCHDOG=1", 0)
        bind(master, 3, inet())
        assert told() == ("FDSTORE=1\nFDPOLL=0\nFDNAME=listener-3", 1)
        master.request("SHOW", verdict=0, ready=0, phase=0, text="0 of 2 ready")
        assert told() == ("STATUS=0 of 2 ready", 0)
        for _ in range(2):
            master.request("SHOW", verdict=0, ready=1, phase=1, text="ok")
        assert [told()[0] for _ in range(2)] == ["READY=1", "STATUS=ok"]
        master.request("SHOW", verdict=0, ready=1, phase=2, text="ok")
        assert told()[0].startswith("RELOADING=1\nMONOTONIC_USEC=")
        master.request("SHOW", verdict=0, ready=1, phase=1, text="ok")
        assert told()[0] == "READY=1"
        assert k.stop(master) == 0
        assert told()[0].startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=")
