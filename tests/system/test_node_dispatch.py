# SPDX-License-Identifier: MIT
"""How connections reach workers, and where from, beside Node's cluster: rows of
doc/node-parity.md that no other test shows whole."""

import collections
import contextlib
import os
import signal
import socket
import sys
import time

import pytest

from harness import http, processes, shows, wait
from harness.held import Held

EVIL = {"/": "evil"}
CLOSE = http.head("GET", "/", "a", {"Connection": "close"})


def connection_to(c, stack, worker):
    while True:
        conn = stack.enter_context(c.connect(timeout=20))
        if conn.request("GET", "/").header("X-Worker") == worker:
            return conn


@shows("node-B4")
def test_what_it_had_before_its_drain_it_serves(cluster):
    """Connections that lie in its queue when it is asked to go."""
    c = cluster(workers=2, routes=EVIL, scale=1, dispatch_window=8, drain_timeout="20s",
                handler_timeout="60s", request_timeout="60s")
    held, last = Held(c), c.worker("web/0")
    with contextlib.ExitStack() as stack:
        conn = connection_to(c, stack, "web/0")
        assert c.ctl("pause", "web/1").code == 0
        conn.send(http.head("GET", "/block?" + held.path, "a"))
        c.await_state(lambda s: any(w["doing"] for w in s["workers"]))
        clients = [stack.enter_context(c.connect()) for _ in range(4)]
        for client in clients:
            client.send(CLOSE)
        wait.until(lambda: processes.unread(last["pid"], 4) == 4 * 64, 5, "four in its queue")
        assert c.ctl("drain", "web/0").code == 0
        held.let_go()
        assert {client.response().header("X-Worker-Id") for client in clients} == \
            {str(last["id"])}
        assert conn.response().status == 200


@shows("node-B9")
@pytest.mark.parametrize("start_s, status", [(0.5, 200), (4, 503)])
def test_without_a_worker_clients_wait_two_seconds(cluster, start_s, status):
    """Its successor takes so long; nobody is refused."""
    c = cluster(workers=1, routes=EVIL, scale=1, start_timeout="30s", start=False)
    c.arm()
    c.start()
    address, seen = c.address(), c.last_event()
    c.arm("worker.before_ready:sleep=%d/web/0" % (start_s * 1000))
    began = time.monotonic()
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    c.await_event("worker.exited", after=seen)
    with http.Connection(address) as client:
        client.send(CLOSE)
        assert client.response().status == status
        assert time.monotonic() - began >= min(2, start_s)
    c.await_event("worker.ready", after=seen)
    assert c.get("/").status == 200 and c.address() == address


@shows("node-B11")
@pytest.mark.parametrize("schedule", ["round-robin", "shared", "reuseport"])
def test_port_0_is_one_port_for_all(cluster, schedule):
    """It outlives workers and the master."""
    c = cluster(workers=2, routes=EVIL, schedule=schedule, listen=["127.0.0.1:0", "[::1]:0"])
    addresses = c.pool()["listen"]
    assert all(not one.endswith(":0") for one in addresses) and len(addresses) == 2
    assert {row["address"] for row in c.json("listeners")} == set(addresses)
    for victim in ("web/0", "web/1", "master"):
        seen = c.last_event()
        if victim == "master":
            os.kill(c.master_pid(), signal.SIGKILL)
            c.await_event("master.adopted", after=seen)
        else:
            os.kill(c.worker(victim)["pid"], signal.SIGKILL)
            c.await_event("worker.ready", after=seen, worker=victim)
        assert c.pool()["listen"] == addresses
        assert all(http.answers(address) for address in addresses)


MANAGER = """import fcntl, os, socket, sys
taken = socket.create_server(("127.0.0.1", int(sys.argv[1])))
os.dup2(fcntl.fcntl(taken, fcntl.F_DUPFD, 100), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="front")
os.execv(sys.argv[2], sys.argv[2:])
"""


@shows("node-B13")
def test_a_descriptor_of_a_service_manager(cluster, port):
    c = cluster(workers=2, listen="fd:front", routes={"/": "evil"}, start=False)
    c.through = [sys.executable, "-c", MANAGER, str(port)]
    c.start()
    address = "127.0.0.1:%d" % port
    assert address in c.pool()["listen"][0]
    for pid, event in ((c.worker("web/0")["pid"], "worker.ready"),
                       (c.master_pid(), "master.adopted")):
        seen = c.last_event()
        os.kill(pid, signal.SIGKILL)
        c.await_event(event, after=seen)
        assert http.answers(address)


@shows("node-B15")
def test_an_address_of_one_worker(cluster):
    """Whatever the other pools are."""
    c = cluster(workers=3, routes={"/": "evil"},
                pools={"one": {"workers": 1, "routes": {"/": "evil"}}})
    assert {c.get("/", pool="one").header("X-Worker") for _ in range(20)} == {"one/0"}
    assert {c.get("/").header("X-Worker") for _ in range(20)} == {"web/0", "web/1", "web/2"}
    assert c.address("one") != c.address("web")


@shows("node-B17")
def test_ipv6_is_ipv6_alone(cluster, port):
    """One port of both is two addresses, and an IPv4 address is not to be had by a
    socket of IPv6."""
    c = cluster(workers=1, listen=["127.0.0.1:%d" % port, "[::1]:%d" % port],
                pools={"mapped": {"workers": 1, "listen": "[::ffff:127.0.0.2]:%d" % port}},
                start=False)
    result = c.clusterd()
    assert result.code == 4 and "[::ffff:127.0.0.2]" in result.err, result
    del c.pools["mapped"]
    c.write_config()
    c.start()
    assert all(http.answers(address) for address in c.pool()["listen"])


def free_privileged_port():
    for port in range(1023, 600, -1):
        with contextlib.closing(socket.socket()) as sock:
            try:
                sock.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    return pytest.skip("no free port below 1024")


@shows("node-B19")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a privileged port")
def test_a_privileged_port(cluster):
    """Also for a reload and another master, of which none has the right to it."""
    first, second = free_privileged_port(), None
    c = cluster(workers=2, routes=EVIL, listen="127.0.0.1:%d" % first)
    assert c.get("/").status == 200
    second = free_privileged_port()
    assert second != first
    c.write_config(listen=["127.0.0.1:%d" % first, "127.0.0.1:%d" % second])
    seen = c.last_event()
    os.kill(c.master_pid(), signal.SIGKILL)
    c.await_event("master.adopted", after=seen)
    assert c.ctl("reload").code == 0
    assert http.answers("127.0.0.1:%d" % first) and http.answers("127.0.0.1:%d" % second)
    for pid in [c.master_pid()] + [row["pid"] for row in c.workers()]:
        with open("/proc/%d/status" % pid, encoding="ascii") as f:
            said = dict(line.split(":\t", 1) for line in f if ":\t" in line)
        assert "0" not in said["Uid"].split() and int(said["CapEff"], 16) == 0


@shows("node-B22")
def test_a_unix_socket_is_always_there(cluster):
    """Under load through reloads, deaths and another master; nobody is refused."""
    c = cluster(workers=2, routes=EVIL, listen=None, start=False)
    folder = c.dir + "/" + "/".join(["deep"] * 12)
    os.makedirs(folder)
    for depth in range(12):
        os.chmod(c.dir + "/" + "/".join(["deep"] * (depth + 1)), 0o755)
    path = folder + "/web.sock"
    c.write_config(listen="unix:" + path)
    c.start()
    inode = os.stat(path).st_ino
    with c.load(keepalive=1, new=2) as ledger:
        for number in range(3):
            c.write_config(max_headers=50 + number)
            assert c.ctl("reload").code == 0
            seen = c.last_event()
            os.kill(c.master_pid(), signal.SIGKILL)
            c.await_event("master.adopted", after=seen)
            assert c.ctl("restart", "web").code == 0
            ledger.await_more(20)
    assert not [one for one in ledger.failures() if one.action == "connect"]
    ledger.assert_lost_only(at_most=3)  # what each master had in its hand
    assert os.stat(path).st_ino == inode


@shows("node-B26")
def test_connections_are_counted_where_they_are(cluster):
    c = cluster(workers=2, routes=EVIL, pools={"api": {"workers": 1}})
    with contextlib.ExitStack() as stack:
        conns = [stack.enter_context(c.connect()) for _ in range(7)]
        served = collections.Counter(conn.request("GET", "/").header("X-Worker")
                                     for conn in conns)
        expect = dict({"web/0": 0, "web/1": 0, "api/0": 0}, **served)
        c.await_state(lambda s: {w["worker"]: w["connections"] for w in s["workers"]} == expect)
    c.await_state(lambda s: not any(w["connections"] for w in s["workers"]))
    assert (c.pool()["connections"], c.pool("api")["connections"]) == (7, 0)


@shows("node-B33")
def test_idle_connections_do_not_hold_a_worker(cluster):
    """They are closed long before `drain_timeout'; who asks once more is told."""
    c = cluster(workers=1, routes=EVIL, drain_timeout="1h", stop_timeout="20s",
                idle_timeout="1h")
    with c.connect(timeout=20) as idle, c.connect(timeout=20) as asks:
        assert not idle.request("GET", "/").closes and not asks.request("GET", "/").closes
        seen = c.last_event()
        restart = c.ctl_start("restart", "web/0")
        c.await_event("worker.draining", after=seen)
        with contextlib.suppress(http.ConnectionLost):      # its grace may be over
            assert asks.request("GET", "/").closes
        assert idle.sock.recv(1) == b"", "closed, and nothing said"
        c.await_event("worker.exited", after=seen, asked=True)
    assert restart.wait(20) == 0
    restart.communicate()
