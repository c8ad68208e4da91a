# SPDX-License-Identifier: MIT
"""Connections on their way to a worker."""

import contextlib
import os
import signal

import pytest

from harness import http, processes, shows, wait
from harness.held import PATIENT, STREAMED, fill_queue

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def await_passed(c, count):
    """So many connections have been passed in all."""
    wait.until(lambda: c.metric("connections_passed_total") >= count, 10, "all passed")


def test_what_could_not_be_sent_goes_before_what_is_taken_back(cluster):
    # the two that lie in front of a dead worker, one after the other
    c = cluster(workers=2, env={"CLUSTERD_FP": "dispatch.send:err=ENOBUFS@5,"
                                               "dispatch.send:err=ENOBUFS@6"})
    pids = [c.worker("web/%d" % slot)["pid"] for slot in range(2)]
    address = c.address()
    for pid in pids:
        processes.halt(pid)
    clients = [http.connect(address) for _ in range(4)]
    for client in clients:
        client.sendall(REQUEST)
    c.await_event("worker.stalled", worker="web/1")
    os.kill(pids[0], signal.SIGKILL)
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 "), "none is lost"
        client.close()
    os.kill(pids[1], signal.SIGCONT)


@shows("P3")
def test_what_was_taken_back_is_taken_back_again(cluster):
    """Its second worker dies as well before it has taken it."""
    c = cluster(workers=2, scale=1)
    first, second = c.workers()
    passed = c.metric("connections_passed_total")
    assert c.ctl("pause", "web/1").code == 0
    for row in (first, second):
        processes.halt(row["pid"])
    with http.connect(c.address(), 20) as client:
        client.sendall(REQUEST)
        await_passed(c, passed + 1)
        assert c.ctl("resume", "web/1").code == 0
        for row in (first, second):
            seen = c.last_event()
            os.kill(row["pid"], signal.SIGKILL)
            c.await_event("worker.exited", after=seen, id=row["id"])
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    c.death(second["id"])
    assert [d["connections_lost"] for d in c.json("deaths")] == [0, 0]


def is_spoken_to(c):
    """Somebody is, or was just now, connected to the control socket."""
    with open("/proc/net/unix", encoding="ascii") as f:
        return any(row[5] == "03" and row[-1] == c.socket
                   for row in map(str.split, f))


@shows("P3")
def test_what_is_read_back_without_descriptors_is_not_lost(cluster):
    c = cluster(workers=2, scale=1)
    stuck, master = c.worker("web/0"), c.master_pid()
    passed = c.metric("connections_passed_total")
    assert c.ctl("pause", "web/1").code == 0
    processes.halt(stuck["pid"])
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(http.connect(c.address(), 20)) for _ in range(2)]
        for client in clients:
            client.sendall(REQUEST)
        await_passed(c, passed + 2)
        assert c.ctl("resume", "web/1").code == 0
        wait.until(lambda: not is_spoken_to(c), 5, "the end of `resume'")
        with processes.without_numbers(master):
            for client in clients:
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    os.kill(stuck["pid"], signal.SIGCONT)


def shut_listeners(c):
    """A plugin shuts down every listener that it can find."""
    seq = c.last_event()
    c.get("/listener")
    return seq


def test_a_unix_listener_that_was_shut_is_made_again(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/listener": "evil"}, start=False)
    path = "unix:" + c.dir + "/run/web.sock"
    c.write_config(listen=["127.0.0.1:0", path])
    c.start()
    seq = shut_listeners(c)
    c.await_event("listener.healed", after=seq, text=path)
    with http.connect(path) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_one_that_cannot_be_made_again_costs_no_more_than_itself(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/listener": "evil"}, start=False)
    directory = c.dir + "/sockets"
    path = "unix:" + directory + "/web.sock"
    os.mkdir(directory)
    c.write_config(listen=["127.0.0.1:0", path])
    c.start()
    os.unlink(directory + "/web.sock")
    os.rmdir(directory)
    before = cpu_ticks(c.master_pid())
    seq = shut_listeners(c)
    c.await_log("cannot be made again")
    c.await_event("listener.healed", after=seq, text=c.address())
    for _ in range(50):
        assert c.get("/").status == 200
    assert cpu_ticks(c.master_pid()) - before < 50, "the master spins"
    assert c.log().count("cannot be made again") == 1
    os.mkdir(directory)
    c.await_event("listener.healed", after=seq, text=path)
    with http.connect(path) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_a_new_address_is_served_by_the_workers_there_are(cluster, schedule):
    c = cluster(workers=1, schedule=schedule)
    before = c.worker("web/0")["id"]
    path = "unix:" + c.dir + "/run/web.sock"
    c.write_config(listen=["127.0.0.1:0", path])
    assert c.ctl("reload").code == 0
    assert c.worker("web/0")["id"] == before
    with http.connect(path) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")
    # and by them alone, when there is no master
    processes.halt(c.master_pid())
    with http.connect(path) as sock:
        sock.sendall(REQUEST)
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def wait_in_line(c, count, pool="api"):
    """Clients of a pool whose worker has one at a time: most of them wait in
    the queue of its address."""
    clients = [http.connect(c.address(pool), 20) for _ in range(count)]
    for client in clients:
        client.sendall(b"GET /sleep?300 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    c.await_state(lambda s: any(w["connections"] > 0 for w in s["workers"]
                                if w["worker"].startswith(pool + "/")))
    return clients


def one_at_a_time(schedule):
    return {"workers": 1, "max_connections": 1, "schedule": schedule,
            "routes": {"/sleep": "evil"}}


@shows("P3")
@pytest.mark.parametrize("master", ["lives", "dies"])
@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_what_waits_for_a_pool_that_is_removed_is_served(cluster, schedule, master):
    c = cluster(workers=1, scale=1, pools={"api": one_at_a_time(schedule)})
    clients = wait_in_line(c, 8)
    del c.pools["api"]
    c.write_config()
    assert c.ctl("reload").code == 0
    if master == "dies":
        os.kill(c.master_pid(), signal.SIGKILL)
    for client in clients:
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")
        client.close()
    c.await_state(lambda s: len(s["pools"]) == 1 and len(s["workers"]) == 1)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_an_address_comes_back_before_it_has_left(cluster, port, kind):
    c = cluster(workers=1, scale=1)
    address = ("unix:%s/run/web.sock" % c.dir) if kind == "unix" else "127.0.0.1:%d" % port

    def reload(there):
        c.write_config(listen=["127.0.0.1:0"] + ([address] if there else []))
        result = c.ctl("reload")
        assert result.code == 0, result

    reload(True)
    reload(False)
    reload(True)
    assert http.answers(address)
    reload(False)
    wait.until(lambda: not http.answers(address), 10, "an address that has left")
    reload(True)
    assert http.answers(address)


def test_one_that_a_failed_change_wanted_back_leaves_all_the_same(cluster, port):
    address = "127.0.0.1:%d" % port
    c = cluster(workers=1, listen=["127.0.0.1:0", address])
    c.write_config(listen="127.0.0.1:0")
    assert c.ctl("reload").code == 0
    c.plugins["hello"] = {"module": "hello_start_fails.so"}
    c.write_config(listen=["127.0.0.1:0", address])
    result = c.ctl("reload")
    assert result.code == 1 and "in use" not in result, result
    wait.until(lambda: not http.answers(address), 10, "an address that has left")


@pytest.mark.parametrize("good", [True, False])
def test_a_pool_comes_back_before_it_has_left(cluster, port, good):
    """As what it is now, or not at all; and it has the workers that it had."""
    keys = {"workers": 2, "listen": "127.0.0.1:%d" % port, "max_connections": 1, **PATIENT}
    c = cluster(workers=1, scale=1, plugins={"old": {"module": "hello.so"}},
                pools={"api": dict(keys, routes=dict(STREAMED, **{"/": "old"}))})
    before = [w["id"] for w in c.workers() if w["worker"].startswith("api/")]
    os.kill(c.worker("api/1")["pid"], signal.SIGKILL)
    c.await_state(lambda s: s["pools"][1]["restarts"] == 1 and s["pools"][1]["ready"] == 2)
    with contextlib.ExitStack() as stack:
        fill_queue(c, "api", stack)     # so that it does not leave
        pool = c.pools.pop("api")
        c.write_config()
        assert c.ctl("reload").code == 0
        c.plugins["new"] = {"module": "hello_v2.so" if good else "hello_start_fails.so"}
        c.pools["api"] = (pool[0], {"/": "new"})
        c.write_config()
        seen = c.last_event()
        reload = c.ctl_start("reload")
        c.await_event("reload.canary", after=seen)
    said = reload.communicate(timeout=20)
    assert (reload.returncode == 0) == good, said
    if good:
        assert {c.get("/", pool="api").header("X-Version") for _ in range(4)} == {"2"}
        assert c.pool("api")["restarts"] == 1, "its counts are its own"
        assert not {w["id"] for w in c.workers()} & set(before)
    else:
        c.await_state(lambda s: len(s["pools"]) == 1)
        assert not http.answers("127.0.0.1:%d" % port)
