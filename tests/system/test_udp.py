# SPDX-License-Identifier: MIT
"""protocol = udp: datagrams that are a plugin's."""

import collections
import contextlib
import errno
import os
import select
import signal
import socket

import pytest

from harness import http, ports, processes, sanitized, shows, wait

UDP = {"protocol": "udp", "routes": {"": "streams"}}


def address_of(c, which=0):
    return http.endpoint(c.pool()["listen"][which])


@contextlib.contextmanager
def peer(c, which=0):
    """A socket that sends to the pool, and hears of nobody else."""
    address = address_of(c, which)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(5)
        sock.connect(address)
        yield sock


def ask(sock, text):
    sock.send(text)
    return sock.recv(65536)


def await_answer(c):
    """Who was there may be gone, and what was sent to him with him."""
    with peer(c) as sock:
        sock.settimeout(0.1)

        def answered():
            with contextlib.suppress(OSError):
                return ask(sock, b"who")
        return wait.until(answered, 10, "answer")


def answers(c, peers, rounds=1):
    """Ask from so many sockets; {worker: answers it gave}.  A few are under way at
    a time: more may not fit the queue of the kernel."""
    seen = collections.Counter()
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(peer(c)) for _ in range(peers)]
        for at in [n for _ in range(rounds) for n in range(0, peers, 50)]:
            waiting = {sock.fileno(): sock for sock in socks[at:at + 50]}
            poll = select.poll()
            for sock in waiting.values():
                poll.register(sock, select.POLLIN)
                sock.send(b"who")
            while waiting and (ready := poll.poll(5000)):
                for fd, _ in ready:
                    poll.unregister(fd)
                    seen[waiting.pop(fd).recv(100).decode()] += 1
    return seen


# ---- bytes ------------------------------------------------------------------------

@sanitized
def test_what_is_sent_comes_back(cluster):
    c = cluster(workers=2, protocol="udp", routes={"": "echo"})
    assert (c.pool()["protocol"], c.pool()["schedule"]) == ("udp", "shared")
    sizes = [0, 1, 1472, 9000, 65507]
    with peer(c) as sock:
        for size in sizes:
            assert ask(sock, b"x" * size) == b"x" * size
    wait.until(lambda: c.metric("datagrams_in_total") == len(sizes) ==
               c.metric("datagrams_out_total"), 5, "counts")
    # that of a datagram is counted first
    wait.until(lambda: c.metric("bytes_in_total") == c.metric("bytes_out_total") ==
               sum(sizes), 5, "those of bytes")
    assert c.metric("requests_total") == c.metric("accepted_total") == 0


@shows("node-B20")
@pytest.mark.parametrize("schedule", ["shared", "reuseport"])
def test_a_thousand_of_many_peers(cluster, schedule):
    """All are answered, and by both workers."""
    c = cluster(workers=2, schedule=schedule, **UDP)
    seen = answers(c, peers=100, rounds=10)
    assert sum(seen.values()) == 1000
    assert set(seen) == {"web/0", "web/1"}
    if schedule == "reuseport":
        assert min(seen.values()) >= 250, "by flow"


def test_who_and_where(cluster):
    """The answer comes from the address that was asked, also where all are bound."""
    c = cluster(workers=1, start=False, **UDP)
    c.write_config(listen=["0.0.0.0:0", "[::1]:0"])
    c.start()
    _, port = address_of(c)
    for host in "127.0.0.1", "127.0.0.2":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.bind(("127.0.0.1", 0))
            sock.sendto(b"ends", (host, port))
            text, source = sock.recvfrom(1000)
            assert source == (host, port)
            assert text.decode() == "127.0.0.1:%d %s:%d" % (sock.getsockname()[1], host, port)
    with peer(c, which=1) as sock:
        assert ask(sock, b"ends").decode() == "[::1]:%d [::1]:%d" % (
            sock.getsockname()[1], sock.getpeername()[1])


def test_an_answer_later(cluster):
    """By the peer that was kept; the datagram itself is gone by then."""
    c = cluster(workers=1, **UDP)
    with peer(c) as sock:
        assert ask(sock, b"late") == b"late"


@sanitized
def test_misuse(cluster):
    c = cluster(workers=1, **UDP)
    with peer(c) as sock:
        codes = [int(word) for word in ask(sock, b"misuse").split()]
    assert codes == [-errno.ESTALE, -errno.ESTALE, -errno.EINVAL, -errno.EMSGSIZE,
                     -errno.EINVAL, -errno.ENOENT, -errno.ENOENT, -errno.EINVAL, -errno.ESTALE]
    assert c.metric("misused_total") == len(codes)


# ---- workers -------------------------------------------------------------------------

@shows("node-B20")
def test_a_worker_that_is_killed(cluster):
    """The other goes on with the same socket; what it had read is lost, no more."""
    c = cluster(workers=2, **UDP)
    worker = c.worker("web/0")["id"]
    c.ctl("kill", "web/0")
    seen = answers(c, peers=50, rounds=10)
    assert sum(seen.values()) >= 500 - 16
    assert c.death(worker)["connections_lost"] == 0
    c.await_ready()
    assert sum(answers(c, peers=50).values()) == 50


def test_a_slot_whose_worker_is_gone(cluster):
    """With reuseport another worker polls its socket."""
    c = cluster(workers=2, schedule="reuseport", **UDP)
    c.ctl("drain", "web/0")
    wait.until(lambda: set(row["owner"] for row in c.json("listeners")) == {"web/1"}, 10, "owner")
    assert answers(c, peers=50) == {"web/1": 50}


def test_a_plugin_that_crashes(cluster):
    """`why` names plugin and peer."""
    c = cluster(workers=1, **UDP)
    worker = c.worker("web/0")["id"]
    with peer(c) as sock:
        sock.send(b"segv")
        source = "%s:%d" % sock.getsockname()
        death = c.death(worker)
    assert (death["signal"], death["plugin"], death["method"], death["path"]) == (
        "SIGSEGV", "streams", "UDP", source)
    assert source in c.ctl("why", "web/0")
    assert await_answer(c) == b"web/0"


def test_without_a_master(cluster):
    c = cluster(workers=2, **UDP)
    master = c.master_pid()
    os.kill(master, signal.SIGKILL)
    assert sum(answers(c, peers=50).values()) == 50
    c.await_state(lambda s: s["master"]["pid"] != master)
    assert sum(answers(c, peers=50).values()) == 50


def test_reload(cluster):
    """Nobody is lost: who comes next reads what waits."""
    c = cluster(workers=2, **UDP)
    c.write_config(env="A=b")
    reload = c.ctl_start("reload")
    lost = 0
    while reload.poll() is None:
        lost += 50 - sum(answers(c, peers=50).values())
    assert lost == 0
    assert all(row["generation"] == 2 for row in c.workers())


def test_one_number_of_both_protocols(cluster):
    """Those are two addresses, also to a reload that adds the second one."""
    address = "127.0.0.1:%d" % ports.own()
    c = cluster(workers=1, listen=address, **UDP)
    c.add_pool("both", {"protocol": "tcp", "listen": address, "workers": 1}, {"": "streams"})
    c.write_config()
    assert c.ctl("reload").code == 0
    with peer(c) as sock:
        assert ask(sock, b"who") == b"web/0"
    with socket.create_connection(address_of(c), 5) as sock:
        sock.sendall(b"who\n")
        assert sock.recv(100).startswith(b"both/0")


def test_they_wait_for_a_worker(cluster):
    c = cluster(workers=1, **UDP)
    c.ctl("scale", "web", "0")
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    with peer(c) as sock:
        sock.send(b"who")
        assert not wait.readable(sock.fileno(), 0.5)
        c.ctl("scale", "web", "1")
        assert sock.recv(100) == b"web/0"


# ---- addresses -----------------------------------------------------------------------

def test_the_port_is_ours(cluster):
    """Nobody can share it, whatever he says."""
    c = cluster(workers=1, **UDP)
    address = address_of(c)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as error:
            other.bind(address)
        assert error.value.errno == errno.EADDRINUSE


def test_an_address_more_and_one_less(cluster):
    c = cluster(workers=1, start=False, **UDP)
    c.write_config(listen=["127.0.0.1:0", "127.0.0.2:0"])
    c.start()
    with peer(c, which=1) as sock:
        assert ask(sock, b"who") == b"web/0"
        c.write_config(listen="127.0.0.1:0")
        assert c.ctl("reload").code == 0
        sock.settimeout(0.1)

        def refused():
            try:
                sock.send(b"who")
                sock.recv(100)
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                pass
            return False
        wait.until(refused, 10, "closed socket")
    with peer(c) as sock:
        assert ask(sock, b"who") == b"web/0"


def test_another_protocol_needs_a_restart(cluster):
    """The address needs another socket."""
    c = cluster(workers=1, **UDP)
    c.write_config(protocol="tcp")
    result = c.ctl("reload")
    assert result.code != 0 and "protocol" in result and "restart" in result
    with peer(c) as sock:
        assert ask(sock, b"who") == b"web/0"


# ---- what a plugin can do to a socket ------------------------------------------------

# Of <linux/in.h>, <linux/in6.h> and <linux/net_tstamp.h>; the module has no names for
# them.  Times of what was sent: by software, to the queue of errors.
IP_RECVERR, IPV6_RECVERR, SO_TIMESTAMPING, SENT_AT = 11, 25, 37, 1 << 1 | 1 << 4
KEEPS = {
    "errors": ("127.0.0.1:0", socket.IPPROTO_IP, IP_RECVERR, 1),
    "errors-6": ("[::1]:0", socket.IPPROTO_IPV6, IPV6_RECVERR, 1),
    "times": ("127.0.0.1:0", socket.SOL_SOCKET, SO_TIMESTAMPING, SENT_AT),
}


@contextlib.contextmanager
def socket_of(c, worker="web/0"):
    """The one that the workers of the pool read, with which we may do as a plugin may."""
    for sock in processes.sockets_of(c.worker(worker)["pid"]):
        if sock.type == socket.SOCK_DGRAM and sock.getsockname()[:2] == address_of(c):
            yield sock
            return
    raise AssertionError("%s has no such socket" % worker)


def nobody(family):
    """An address at which nobody is."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        return sock.getsockname()


@sanitized
@pytest.mark.parametrize("what", KEEPS)
def test_what_the_kernel_keeps_of_those_sent(cluster, what):
    """A socket with that is ready until it is read: it is, and counted."""
    listen, *option = KEEPS[what]
    c = cluster(workers=2, listen=listen, **UDP)
    with socket_of(c) as sock:
        sock.setsockopt(*option)
        gone, sent = nobody(sock.family), 0
        while sent < 100:
            with contextlib.suppress(ConnectionRefusedError):   # of the one before
                sent += sock.sendto(b"x", gone)
    with peer(c) as idle, processes.little_cpu(0.3, *(row["pid"] for row in c.workers())):
        assert not wait.readable(idle.fileno(), 1)
    assert sum(answers(c, peers=50, rounds=4).values()) == 200
    told = 300 if what == "times" else 100
    wait.until(lambda: c.metric("datagram_reports_total") == told, 10, "each of them")
    assert c.metric("datagrams_unsent_total") == 0


def test_an_answer_after_one_that_was_refused(cluster):
    """Of the same turn: the error is not its own, and it is sent again."""
    c = cluster(workers=1, **UDP)
    with socket_of(c) as sock:
        sock.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    worker = processes.Process(c.worker("web/0")["pid"])
    worker.send(signal.SIGSTOP)
    wait.until(lambda: processes.is_stopped(worker.pid), 5, "stop")
    with contextlib.ExitStack() as stack:
        heard = []
        for _ in range(4):
            with peer(c) as gone:
                gone.send(b"who")
            heard.append(stack.enter_context(peer(c)))
            heard[-1].send(b"who")
        worker.send(signal.SIGCONT)
        worker.close()
        for sock in heard:
            assert sock.recv(100) == b"web/0"
    assert c.metric("datagrams_unsent_total") == 0
    wait.until(lambda: c.metric("datagram_reports_total") == 4, 10, "each refusal")


def test_shut_while_the_master_stands_still(cluster):
    """Nobody heals it, and nobody spins on it."""
    c = cluster(workers=2, scale=1, **UDP)      # else the master is soon called silent
    seen, pids = c.last_event(), [row["pid"] for row in c.workers()]
    master = processes.Process(c.master_pid())
    with peer(c) as client, socket_of(c) as sock:
        master.send(signal.SIGSTOP)
        wait.until(lambda: processes.is_stopped(master.pid), 5, "stop")
        with contextlib.suppress(OSError):      # ENOTCONN; it is shut
            sock.shutdown(socket.SHUT_RDWR)
        client.send(b"who")
        with processes.little_cpu(0.3, *pids):
            assert not wait.readable(client.fileno(), 1), "nobody is there"
        master.send(signal.SIGCONT)
        master.close()
    c.await_event("listener.healed", after=seen)
    assert await_answer(c) in (b"web/0", b"web/1")


@pytest.mark.parametrize("schedule", ["shared", "reuseport"])
@pytest.mark.parametrize("how", [b"shut", b"tie"])
@pytest.mark.parametrize("chosen", [True, False], ids=["any-port", "port"])
def test_a_socket_that_a_plugin_breaks(cluster, how, schedule, chosen):
    """It is shared by all; untied, or made again at the same address."""
    c = cluster(workers=2, schedule=schedule, start=False, **UDP)
    if not chosen:
        c.write_config(listen="127.0.0.1:%d" % ports.own())
    c.start()
    address = address_of(c)
    seen = c.last_event()
    with peer(c) as sock:
        sock.send(how)
    c.await_event("listener.healed", after=seen)
    for _ in range(2):                  # the one may have more than one
        assert await_answer(c) in (b"web/0", b"web/1")
    wait.until(lambda: sum(answers(c, peers=20).values()) == 20, 10, "all answers")
    assert address_of(c) == address
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            other.bind(address)
