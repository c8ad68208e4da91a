# SPDX-License-Identifier: MIT
"""schedule = reuseport: a socket for each slot and address, polled by one worker."""

import contextlib
import os
import signal

import pytest

from harness import http, processes, sockets, wait
from harness.held import PATIENT, STREAMED, fill_queue

REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
ROUTES = {"/": "evil"}


def rows(c, address=None):
    """Its sockets, in order; of one address."""
    found = c.json("listeners")
    return [row for row in found if address in (None, row["address"])]


def await_owned(c, *slots, address=None):
    wait.until(lambda: [row["owner"] for row in rows(c, address)] == [
        "web/%d" % slot for slot in slots], 10, "owners %r" % (slots,))


def who_answers(address):
    with http.Connection(address) as client:
        answer = client.request("GET", "/", {"Connection": "close"})
        assert answer.status == 200
        return answer.header("X-Worker")


def polled_by(workers, address):
    """{inode of a socket there: workers that poll it}"""
    polled = {w["worker"]: sockets.polled(w["pid"]) for w in workers if w["pid"]}
    return {inode: [name for name, some in polled.items() if inode in some]
            for inode in sockets.listening(address)}


def await_polled(c, *slots):
    """By each of these its own, and nothing else."""
    wait.until(lambda: sorted(polled_by(c.workers(), c.address()).values()) == [
        ["web/%d" % slot] for slot in slots], 10, "each polled by its own")


def test_sockets_of_an_address(cluster):
    """Port 0 is one port for all; IPv6 as well."""
    c = cluster(workers=3, schedule="reuseport", routes=ROUTES, start=False)
    c.write_config(listen=["127.0.0.1:0", "[::1]:0"])
    c.start()
    four, six = c.pool()["listen"]
    for address in four, six:
        await_owned(c, 0, 1, 2, address=address)
        assert [row["socket"] for row in rows(c, address)] == [0, 1, 2]
        assert len(sockets.listening(address)) == 3
        assert {who_answers(address) for _ in range(40)} == {"web/0", "web/1", "web/2"}
        assert sorted(polled_by(c.workers(), address).values()) == [["web/0"], ["web/1"], ["web/2"]]
    assert [w["sockets"] for w in c.workers()] == [2, 2, 2]
    assert all(row["queued"] == 0 for row in rows(c))
    text = c.ctl("metrics").out
    assert 'clusterd_listener_queued{pool="web",address="%s",socket="2"} 0' % six in text
    assert text.count("clusterd_listener_queued{") == 6


def test_only_reuseport_has_owners(cluster):
    c = cluster(workers=2, schedule="shared", routes=ROUTES)
    assert [(row["socket"], row["owner"]) for row in rows(c)] == [(None, None)]
    assert [w["sockets"] for w in c.workers()] == [None, None]


def test_each_socket_is_healed(cluster):
    """A plugin shuts down every listener that it can find; two of the sockets are of a
    port that the kernel had chosen, or joined it."""
    c = cluster(workers=2, schedule="reuseport", routes={"/": "hello", "/listener": "evil"})
    seen, address = c.last_event(), c.address()
    c.get("/listener")
    for _ in range(2):
        seen = c.await_event("listener.healed", after=seen, text=address)["seq"]
    await_owned(c, 0, 1)
    assert [row["healed"] for row in rows(c)] == [1, 1]
    for _ in range(20):
        with http.connect(address) as client:
            client.sendall(REQUEST)
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    await_polled(c, 0, 1)


def test_an_address_comes_and_goes(cluster):
    """No worker is replaced, and each of them gets its socket."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES)
    before = [w["id"] for w in c.workers()]
    c.write_config(listen=["127.0.0.1:0", "[::1]:0"])
    assert c.ctl("reload").code == 0
    address = c.pool()["listen"][1]
    await_owned(c, 0, 1, address=address)
    assert {who_answers(address) for _ in range(40)} == {"web/0", "web/1"}
    # after a scale the sockets of both addresses are as many
    assert c.ctl("scale", "web", "3").code == 0
    await_owned(c, 0, 1, 2, address=address)
    c.write_config(listen="127.0.0.1:0")
    assert c.ctl("reload").code == 0
    wait.until(lambda: not rows(c, address), 10, "end of the address")
    assert not sockets.listening(address)
    await_owned(c, 0, 1, 2)
    assert [w["id"] for w in c.workers()][:2] == before


def test_a_pool_of_another_kind_waits_until_the_sockets_have_left(cluster):
    """Taken out and put back with another schedule."""
    c = cluster(workers=1, routes=ROUTES, scale=1, pools={"api": dict(
        PATIENT, workers=2, routes=dict(STREAMED, **ROUTES), schedule="reuseport",
        max_connections=1)})
    with contextlib.ExitStack() as stack:
        fill_queue(c, "api", stack)     # so that they do not leave
        keys, routes = c.pools.pop("api")
        c.write_config()
        assert c.ctl("reload").code == 0
        c.pools["api"] = dict(keys, schedule="round-robin"), routes
        c.write_config()
        result = c.ctl("reload")
    assert result.code == 1 and "another kind of sockets" in result.err, result
    wait.until(lambda: len(rows(c)) == 1, 10, "end of the address")
    assert c.ctl("reload").code == 0
    assert who_answers(c.address("api")) in ("api/0", "api/1")
    assert [row["socket"] for row in rows(c)] == [None, None]


def test_a_size_that_would_need_too_many_sockets(cluster):
    c = cluster(workers=1, schedule="reuseport", routes=ROUTES, daemon={"max_workers": 300})
    result = c.ctl("scale", "web", "257")
    assert result.code == 1 and "reuseport" in result and "256" in result, result
    assert (c.pool()["desired"], len(rows(c))) == (1, 1)


def test_more_sockets_than_one_message_holds(cluster):
    """Who is started late is given them in pieces, and can serve any of them."""
    c = cluster(workers=1, schedule="reuseport", routes=ROUTES, daemon={"max_workers": 100},
                start_timeout="30s")
    assert c.ctl("scale", "web", "70", timeout=60).code == 0
    assert c.ctl("scale", "web", "2").code == 0
    await_owned(c, *[n % 2 for n in range(70)])
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    await_owned(c, *[n % 2 for n in range(70)])
    assert {who_answers(c.address()) for _ in range(100)} == {"web/0", "web/1"}
    assert len(sockets.listening(c.address())) == 70


@pytest.mark.parametrize("point", ["scale.roll", "master.before_flip", "master.after_flip",
                                   "listener.bound"])
def test_a_master_that_dies_while_it_makes_sockets(cluster, point):
    """The next one makes what is missing, and everybody is told."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES, start=False)
    c.arm()
    c.start()
    address = c.address()
    c.arm("%s:kill/1" % point)
    c.ctl("scale", "web", "5")
    c.await_event("master.adopted")
    assert c.ctl("scale", "web", "5").code == 0
    await_owned(c, 0, 1, 2, 3, 4)
    await_polled(c, 0, 1, 2, 3, 4)
    # each holds all: none is left unpolled when nobody tells
    workers = c.workers()
    os.kill(c.master_pid(), signal.SIGSTOP)
    wait.until(lambda: all(len(who) == 5 for who in polled_by(workers, address).values()),
               10, "everybody polls everything")


def test_one_that_cannot_be_told_to_stop(cluster):
    """Its channel does not take the word when its socket is another's."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES, start=False)
    c.arm()
    c.start()
    await_polled(c, 0, 1)
    c.arm("listener.disarm:err=ENOBUFS")
    assert c.ctl("pause", "web/0").code == 0
    await_owned(c, 1, 1)
    c.arm()
    wait.until(lambda: list(polled_by(c.workers(), c.address()).values()) == 2 * [["web/1"]],
               10, "nothing polled by web/0")


def test_the_next_master_knows_another_owner(cluster):
    """Between two masters web/1 becomes READY, and web/0, which polled both sockets,
    has not heard that the first one is lost."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES, start=False)
    c.arm()
    c.start()
    c.arm("worker.before_ready:sleep=1000/web/1", "keeper.master_lost:skip",
          "master.adopt:sleep=2000/2")
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    late = processes.hold_nap(c.pid())
    await_owned(c, 0, 0)
    starting = c.worker("web/1")
    assert starting["state"] == "starting", starting
    os.kill(c.master_pid(), signal.SIGKILL)
    os.kill(late, signal.SIGCONT)
    c.await_event("master.adopted")
    await_owned(c, 0, 1)
    assert c.worker("web/1")["id"] == starting["id"]
    await_polled(c, 0, 1)


def test_a_canary_is_tried_with_the_socket_of_its_slot(cluster):
    """Of two that are ready one polls; when it dies the other one does again."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES, canary_hold="20s")
    c.write_config(max_requests=100000)
    reload = c.ctl_start("reload")
    status = c.await_state(lambda s: [w["state"] for w in s["workers"]] == 3 * ["ready"])
    old, new = [w for w in status["workers"] if w["worker"] == "web/0"]
    assert old["current"] and not new["current"]
    wait.until(lambda: sockets.polled(new["pid"]) & sockets.listening(c.address()) and
               not sockets.polled(old["pid"]) & sockets.listening(c.address()), 10,
               "the canary polls")
    assert [w["sockets"] for w in c.workers()] == [0, 1, 1]
    os.kill(new["pid"], signal.SIGKILL)
    assert reload.wait(20) == 1
    await_polled(c, 0, 1)
    assert c.worker("web/0")["id"] == old["id"]


def test_a_deaf_worker_is_replaced(cluster):
    """One whose event was deleted by a plugin: by its own socket, not by others."""
    c = cluster(workers=2, schedule="reuseport", routes=ROUTES)
    await_owned(c, 0, 1)
    with c.connect() as one:
        victim = one.request("GET", "/").header("X-Worker")
        seen = c.last_event()
        assert int(one.request("GET", "/deafen").text) > 0
        waiting = [http.connect(c.address()) for _ in range(20)]
        for client in waiting:
            client.sendall(REQUEST)
        recycled = c.await_event("worker.recycled", after=seen)
        assert (recycled["worker"], "takes no connections" in recycled["text"]) == (victim, True)
        for client in waiting:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            client.close()
    c.await_event("worker.exited", after=recycled, worker=victim)
    await_owned(c, 0, 1)
    assert c.pool()["restarts"] == 0
