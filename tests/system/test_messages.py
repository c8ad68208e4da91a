# SPDX-License-Identifier: MIT
"""Messages between the plugins of all workers."""

import contextlib
import errno
import os
import signal
import time

import pytest

from harness import http, processes, shows, wait
from harness.held import PATIENT, STREAMED, half_sent, rest_of
from harness.post import MAIL, Post

ROUTES = dict(MAIL, **{"/": "hello"})


@pytest.fixture
def post(cluster):
    def begin(**how):
        how.setdefault("routes", ROUTES)
        return Post(cluster(**how))
    return begin


@shows("node-W7")
def test_a_message_arrives(post):
    p = post()
    assert p.send("web/0", "to=web/1&topic=greeting&data=hello") == (0, 1)
    one, = p.got("web/1")
    assert (one.sender, one.id) == ("web/0", p.c.worker("web/0")["id"])
    assert (one.topic, one.data, one.len) == ("greeting", "hello", 5)
    assert p.got("web/0") == []


@shows("node-S5")
@shows("node-X11")
@pytest.mark.parametrize("size", [0, 1, 100, 4096, 15360, 15361, 1 << 20, 16 << 20])
def test_of_any_size(post, size):
    p = post()
    to_both(p)
    before = fds_of(p, "web/1"), fds_of(p, "web/0")
    assert p.send("web/0", "to=web/1&size=%d" % size) == (0, 1)
    one, = p.got("web/1")
    total = 0
    for i in range(size if size < 1 << 20 else 0):
        total = (total * 31 + i * 7 % 256) & 0xffffffff
    assert one.len == size
    assert size >= 1 << 20 or one.sum == total
    assert (fds_of(p, "web/1"), fds_of(p, "web/0")) == before, "nothing is left open"


def to_both(p):
    """One connection to each, and no other: one too many to the first of them may not
    be closed there yet."""
    p.to("web/0"), p.to("web/1")
    p.c.await_state(lambda s: [w["connections"] for w in s["workers"]] == [1, 1])


def fds_of(p, worker):
    return len(processes.fds_of_worker(p.c.worker(worker)["pid"]))


def test_to_itself_and_by_id(post):
    p = post()
    assert p.send("web/0", "to=web/0&data=self") == (0, 1)
    assert p.send("web/0", "to=id:%d&data=id" % p.c.worker("web/1")["id"]) == (0, 1)
    assert [one.data for one in p.got("web/0")] == ["self"]
    assert [one.data for one in p.got("web/1")] == ["id"]


@shows("node-S5")
@shows("node-W7")
def test_broadcasts(post):
    p = post(workers=3, pools={"api": {"workers": 2, "routes": {"/": "mail"}}})
    assert p.send("web/0", "to=web&data=pool") == (0, 3)
    assert p.send("web/0", "to=web&data=others&flags=2") == (0, 2)
    assert p.send("web/0", "to=all&data=all&flags=3") == (0, 4)
    assert p.send("web/0", "to=web&data=none&flags=2&fds=1&mode=1") == (0, 2)
    assert [one.data for one in p.got("web/0")] == ["pool"]
    got = p.got("web/1")
    assert [one.data for one in got] == ["pool", "others", "all", "none"]
    assert [one.flags for one in got] == [0, 0, 1, 0], "that it is JSON is told"
    assert got[3].fds == 1


def test_an_instance(post):
    p = post(routes=dict(ROUTES, **{"/other": "post"}), plugins={"post": {"module": "mail.so"}})
    # both are one module, and keep what they get together
    for to, count in (("web/1", 2), ("web/1@mail", 3), ("web/1@post", 4)):
        assert p.send("web/0", "to=%s" % to) == (0, 1)
        assert len(p.got("web/1")) == count
    assert p.send("web/0", "to=web/1@hello") == (-errno.ESRCH, 0), "it has no .on_message"
    assert p.send("web/0", "to=web/1@nobody") == (-errno.ESRCH, 0)


def test_nobody_there(post):
    p = post(workers=1)
    for to in ("web/1", "web/77", "shop", "shop/0", "id:1", "web&flags=2", "web/0&flags=2"):
        assert p.send("web/0", "to=" + to) == (-errno.ESRCH, 0), to


@shows("node-H7")
def test_misuse(post):
    p = post(workers=1)
    said = [int(word) for word in p.ask("web/0", "/misuse").split()]
    bad, size, fd = -errno.EINVAL, -errno.EMSGSIZE, -errno.EBADF
    assert said == [bad, bad, bad, size, size] + [bad] * 5 + \
        [fd, fd, -errno.E2BIG, bad, bad, bad, bad, bad, bad, -errno.ESTALE, -errno.ESTALE]
    assert p.got("web/0") == []
    assert p.c.metric("misused_total") == len(said)


@shows("node-X5")
def test_order(post):
    """Small, large, with and without descriptors: as they were sent."""
    p = post()
    sizes = [10, 16000, 5, 15000, 15000, 1 << 20, 0, 40000]
    conns = [p.c.connect(timeout=30) for _ in range(40)]
    one = [conn for conn in conns
           if conn.request("GET", "/who").header("X-Worker") == "web/0"]
    for n, size in enumerate(sizes):
        one[n].send(http.head("GET", "/send?to=web/1&topic=n%d&size=%d&fds=%d" %
                              (n, size, n % 3), "a"))
        p.ask("web/0", "/who")          # it has been read by now
    for n in range(len(sizes)):
        assert one[n].response().text == "0 1\n"
    assert [(got.topic, got.len, got.fds) for got in p.got("web/1")] == \
        [("n%d" % n, size, n % 3) for n, size in enumerate(sizes)]
    for conn in conns:
        conn.close()


def test_many_keep_their_order(post):
    p = post(workers=3)
    for sender in ("web/0", "web/2"):
        p.ask(sender, "/start?to=web/1&n=20000&burst=400&every=1")
    for sender in ("web/0", "web/2"):
        _, found = p.await_outcomes(sender, 20000)
        taken = [n for n, outcome in enumerate(found) if outcome == 0]
        assert len(taken) > 1024 and set(found) <= {0, -errno.EAGAIN}
        assert p.numbers("web/1", sender) == taken


# ---- descriptors -------------------------------------------------------------------

@shows("node-X6")
@shows("node-P16")
def test_descriptors_move_and_stay(post):
    p = post()
    to_both(p)
    before, there = fds_of(p, "web/0"), fds_of(p, "web/1")
    assert p.send("web/0", "to=web/1&fds=16&mode=0") == (0, 1)
    assert fds_of(p, "web/0") == before, "closed, as they have moved"
    assert p.send("web/0", "to=web/1&fds=16&mode=1") == (0, 1)
    assert fds_of(p, "web/0") == before + 16, "they stay"
    assert p.send("web/0", "to=web/7&fds=3&mode=0") == (-errno.ESRCH, 0)
    assert fds_of(p, "web/0") == before + 19, "theirs again, as nobody has them"
    assert p.send("web/0", "to=web/1&fds=15&mode=0&size=20000") == (0, 1)
    assert p.send("web/0", "to=web/1&fds=16&mode=0&size=20000") == -errno.E2BIG
    # first: read is said before a plugin has seen it, and this is answered behind it
    assert [one.fds for one in p.got("web/1")] == [16, 16, 15]
    assert fds_of(p, "web/1") == there, "what a plugin does not take is closed"


def test_no_numbers_for_them(post):
    """Whoever has no room for descriptors takes none, and lives."""
    p = post(max_fds="off")
    pid = p.c.worker("web/1")["pid"]
    p.ask("web/1", "/fill?leave=4")
    assert p.send("web/0", "to=web/1&fds=16") == (-errno.EAGAIN, 0)
    assert p.send("web/0", "to=web/1&data=none") == (0, 1)
    p.ask("web/1", "/fill?leave=-1")
    assert p.send("web/0", "to=web/1&fds=16&mode=1") == (0, 1)
    assert [one.fds for one in p.got("web/1")] == [0, 16]
    assert p.c.worker("web/1")["pid"] == pid


class Clients:
    """Many at a port of a plugin, each with its number."""

    def __init__(self, port, count):
        self.socks = [http.connect("127.0.0.1:%d" % port, 30) for _ in range(count)]
        for n, sock in enumerate(self.socks):
            sock.sendall(b"%d" % n)

    def answers(self):
        """{number: worker}; whose connection ended without a word is left out."""
        found = {}
        for n, sock in enumerate(self.socks):
            said = b""
            try:
                while (more := sock.recv(100)) != b"":
                    said += more
            except ConnectionResetError:
                pass
            sock.close()
            if said:
                assert said.count(b"\n") == 1, "answered once: %r" % said
                worker, number = said.decode().split()
                assert int(number) == n, "its own data"
                found[n] = worker
        return found


def gate_counts(p):
    """Of the clients passed on: taken, failed, under way."""
    return tuple(map(int, p.ask("web/0", "/gate-counts").split()))


def counts_at_the_end(p):
    """Of taken and failed, once the sender is told of all: the receiver has answered
    its client before."""
    wait.until(lambda: gate_counts(p)[2] == 0, what="word of all that were passed on")
    return gate_counts(p)[:2]


@shows("node-X7")
def test_a_thousand_sockets(post):
    p = post(max_connections=1024)
    port = int(p.ask("web/0", "/gate?to=web/1&else=web/1"))
    assert Clients(port, 1000).answers() == {n: "web/1" for n in range(1000)}


@shows("node-X6")
def test_the_receiver_dies_half_way(post):
    """What it had not taken is still its sender's, who gives it to another."""
    p = post(workers=3)
    port = int(p.ask("web/0", "/gate?to=web/1&else=web/2"))
    victim = p.c.worker("web/1")
    p.to("web/1")
    clients = Clients(port, 300)
    p.await_got("web/1", 50)            # as many as find room there at any pace
    with stopped(p, "web/1"):           # which may have taken all of them by now
        more = Clients(port, 300)
        wait.until(lambda: gate_counts(p)[2] > 16, what="some that it cannot take")
        os.kill(victim["pid"], signal.SIGKILL)
    answered = clients.answers(), more.answers()
    by_victim = sum(list(one.values()).count("web/1") for one in answered)
    lost = 600 - sum(map(len, answered))
    taken, failed = counts_at_the_end(p)
    assert lost == taken - by_victim, "only what it had taken, and not answered"
    assert lost <= 16 and failed > 0


@shows("node-X8")
def test_a_client_leaves_while_it_is_passed_on(post):
    """It arrives all the same, with what it had said; the first read says the rest."""
    p = post(handler_timeout="1h")
    port = int(p.ask("web/0", "/gate?to=web/1&else=web/1"))
    p.to("web/1")
    with stopped(p, "web/1"):
        with http.connect("127.0.0.1:%d" % port) as client:
            client.sendall(b"7")
        with http.connect("127.0.0.1:%d" % port) as stays:
            stays.sendall(b"8")
            os.kill(p.c.worker("web/1")["pid"], signal.SIGCONT)
            assert stays.recv(100) == b"web/1 8\n"
    assert [one.data for one in p.got("web/1")] == ["7", "8"]
    assert p.ask("web/1", "/firsts").split() == ["0", str(-errno.EAGAIN)]
    assert counts_at_the_end(p) == (2, 0)


# ---- questions ------------------------------------------------------------------------

def test_a_question_is_answered(post):
    p = post()
    assert p.ask("web/0", "/ask?to=web/1&data=ab").split() == ["0", "web/1", "ab", "1"]
    assert [int(word) for word in p.ask("web/1", "/answers").split()] == \
        [0, -errno.EALREADY, -errno.EBADF, -errno.ESTALE]
    assert p.ask("web/0", "/ask?to=web/1&data=abc").split() == ["0", "web/1", "abc", "0"]
    assert p.ask("web/1", "/ask?to=web/1&data=abc").split() == ["0", "web/1", "abc", "0"]


def test_a_question_without_an_answer(post):
    p = post()
    began = time.monotonic()
    assert p.ask("web/0", "/ask?to=web/1&data=quiet&timeout=300").split() == \
        [str(-errno.ETIMEDOUT), "-", "-", "0"]
    assert time.monotonic() - began >= 0.3
    assert p.ask("web/0", "/ask?to=web/9&data=x").split()[0] == str(-errno.ESRCH)


# ---- those who do not read ------------------------------------------------------------

@contextlib.contextmanager
def stopped(p, worker):
    pid = p.c.worker(worker)["pid"]
    processes.halt(pid)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@shows("node-P16")
def test_a_message_is_read_too_late(post):
    p = post()
    p.to("web/0"), p.to("web/1")
    with stopped(p, "web/1"):
        assert p.send("web/0", "to=web/1&data=late&timeout=200") == (-errno.ETIMEDOUT, 0)
    assert p.await_got("web/1", 1)[0].data == "late"


def test_who_does_not_read_holds_up_nobody(post):
    """Its queue is full after 1,024; others get theirs, and what it gets in the end is
    in order and nothing twice."""
    p = post(workers=3, handler_timeout="1h")
    for worker in ("web/0", "web/1", "web/2"):
        p.to(worker)
    master = p.c.master_pid()
    rss = rss_kb(master), rss_kb(p.c.worker("web/0")["pid"])
    with stopped(p, "web/1"):
        p.ask("web/0", "/start?to=web/1&n=5000&burst=100&every=1")
        wait.until(lambda: len(p.outcomes("web/0")[1]) >= 1024, 10, "a full box")
        assert p.send("web/0", "to=web/2&data=other") == (0, 1)
        assert p.send("web/2", "to=web/0&data=other") == (0, 1)
        assert p.send("web/2", "to=web/1&data=full") == (-errno.EAGAIN, 0)
        assert p.c.ask("status")[-1]["ok"]
        found = wait.until(lambda: (lambda all_of: all_of.count(1) == 1024 and all_of)(
            p.outcomes("web/0")[1]), 10, "1,024 on their way")
        assert set(found) == {1, -errno.EAGAIN}
    _, found = p.await_outcomes("web/0", 5000)
    taken = [n for n, outcome in enumerate(found) if outcome == 0]
    assert set(found) <= {0, -errno.EAGAIN}
    assert len(taken) >= 1024
    assert p.numbers("web/1", "web/0") == taken
    assert rss_kb(master) < rss[0] + 8192
    assert rss_kb(p.c.worker("web/0")["pid"]) < rss[1] + 8192


def rss_kb(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(next(line for line in f if line.startswith("VmRSS")).split()[1])


@shows("node-P15")
def test_a_master_that_does_not_read(post):
    """What waits here is bounded, refused beyond, and told when there is room."""
    p = post(scale=1)                   # else it is soon called silent, and ended
    p.to("web/0"), p.to("web/1")
    master = p.c.master_pid()
    pid = p.c.worker("web/0")["pid"]
    rss = rss_kb(pid)
    processes.halt(master)
    try:
        sent, rc, room = map(int, p.ask("web/0", "/quiet?to=web/1&n=100000&data=x").split())
        assert (rc, room) == (-errno.EAGAIN, 0)
        # with what the socket holds; many lie in one frame
        assert 1024 <= sent < 100000
        assert rss_kb(pid) < rss + 8192
        p.ask("web/0", "/start?to=web/1&n=200")
        assert p.outcomes("web/0") == (1, [])
    finally:
        os.kill(master, signal.SIGCONT)
    # more have come at once than wait for one
    assert set(p.await_outcomes("web/0", 200)[1]) <= {0, -errno.EAGAIN}, "on_room() came"
    assert 1024 <= len(p.got("web/1")) <= sent + 200


# ---- ends -----------------------------------------------------------------------------

def test_the_receiver_dies(post):
    p = post(handler_timeout="1h")
    p.to("web/0")
    victim = p.c.worker("web/1")
    processes.halt(victim["pid"])
    p.ask("web/0", "/start?to=web/1&n=500&burst=500")
    wait.until(lambda: len(p.outcomes("web/0")[1]) == 500, 10, "all sent")
    os.kill(victim["pid"], signal.SIGKILL)
    assert p.await_outcomes("web/0", 500)[1] == [-errno.EPIPE] * 500
    p.c.await_state(lambda s: s["pools"][0]["ready"] == 2)
    p.forget("web/1")
    assert p.got("web/1") == [], "nothing for a successor"
    assert p.send("web/0", "to=id:%d" % victim["id"]) == (-errno.ESRCH, 0)


def test_the_sender_dies(post):
    """What it had sent arrives before its worker.exited."""
    p = post(scale=1)                   # else it is soon called stalled
    seen = p.c.last_event()
    row = p.c.worker("web/0")
    p.ask("web/0", "/quiet?to=web/1&n=900&data=last")
    p.ask("web/0", "/quiet?to=master&n=1&data=words")
    p.ask("web/0", "/who")              # they leave in a turn behind that answer
    os.kill(row["pid"], signal.SIGKILL)
    p.c.await_event("worker.exited", worker="web/0", after=seen)
    # who gets no CPU for a while is told of as well
    events = [event for event in p.c.events(seen) if event["id"] == row["id"]
              and event["event"] not in ("worker.stalled", "worker.recovered")]
    assert [event["event"] for event in events] == ["worker.message", "worker.exited"]
    assert len(p.await_got("web/1", 900, "web/0")) == 900


def test_drain(post):
    """Who drains still reads and sends; what comes after its end is for nobody."""
    p = post(routes=dict(ROUTES, **STREAMED), workers=2, drain_timeout="30s", **PATIENT)
    slow = half_sent(p.c.address())
    name = wait.until(lambda: next((w["worker"] for w in p.c.workers() if w["doing"] or
                                    w["connections"] > 0), None), 5, "who has it")
    other = "web/1" if name == "web/0" else "web/0"
    p.to(other)
    assert p.c.ctl("drain", name).code == 0
    p.c.await_state(lambda s: any(w["state"] == "draining" for w in s["workers"]))
    assert p.send(other, "to=%s&data=still" % name) == (0, 1)
    assert p.send(other, "to=web&flags=2") == (-errno.ESRCH, 0), "broadcasts are for the ready"
    assert rest_of(slow).status == 200
    p.c.await_state(lambda s: any(w["state"] == "down" for w in s["workers"]))
    assert p.send(other, "to=" + name) == (-errno.ESRCH, 0)
    slow.close()


def test_a_worker_that_stops_says_all(post):
    p = post(handler_timeout="1h")
    p.to("web/0"), p.to("web/1")
    p.ask("web/0", "/quiet?to=web/1&n=1000&data=x")
    assert p.c.ctl("restart", "web/0").code == 0
    assert len(p.await_got("web/1", 1000)) == 1000


def test_first_and_last_words(post):
    """start() and stop() may send."""
    p = post(plugins={"mail": {"greets": "web/0"}})
    before = len(p.got("web/0"))        # web/0 may have been ready first, or not
    assert p.c.ctl("restart", "web/1").code == 0
    p.await_got("web/0", before + 2)
    assert sorted(one.data for one in p.got("web/0")[before:]) == ["born", "gone"]


def test_another_master(post):
    """It knows nothing of what its predecessor had read."""
    p = post(workers=3, handler_timeout="1h")
    p.to("web/0"), p.to("web/1")
    seen = p.c.last_event()
    master = p.c.master_pid()
    processes.halt(p.c.worker("web/1")["pid"])
    p.ask("web/0", "/start?to=web/1&n=300&burst=300")
    assert p.send("web/0", "to=web/2") == (0, 1), "those before were read"
    os.kill(master, signal.SIGKILL)
    p.c.await_event("master.adopted", after=seen)
    assert p.await_outcomes("web/0", 300)[1] == [-errno.EPIPE] * 300
    os.kill(p.c.worker("web/1")["pid"], signal.SIGCONT)
    assert p.send("web/0", "to=web/1&data=new") == (0, 1)
    got = [one.data for one in p.got("web/1", "web/0")]
    assert got[-1] == "new" and got[:-1] == sorted(set(got[:-1]), key=int)


def test_what_a_master_did_not_read(post):
    """It lies in the socket for the next one, and arrives once."""
    p = post(handler_timeout="1h")
    p.to("web/0"), p.to("web/1")
    master = p.c.master_pid()
    processes.halt(master)
    p.ask("web/0", "/start?to=web/1&n=300&burst=300")
    os.kill(master, signal.SIGKILL)
    assert p.await_outcomes("web/0", 300)[1] == [0] * 300
    assert p.numbers("web/1", "web/0") == list(range(300))


def test_the_event(post):
    p = post()
    seen = p.c.last_event()
    assert p.send("web/0", "to=master&topic=note&data=caf%e9") == (0, 1)
    assert p.send("web/0", "to=master&size=4096&flags=1") == (0, 1)
    event = p.c.await_event("worker.message", after=seen)
    assert (event["worker"], event["topic"], event["data"]) == ("web/0", "note", "caf%e9")
    last = p.c.await_event("worker.message", after=event)
    assert len(last["data"]) == 4096 and last["json"] is True
    assert last["data"][:3] == "\x1a\x07\x0e", "a NUL would be no JSON for many"


def test_events_are_rationed(post):
    """What one worker says does not push out what is said of others."""
    p = post()
    p.ask("web/0", "/start?to=master&n=400&burst=400")
    found = p.await_outcomes("web/0", 400)[1]
    assert found.count(0) in (100, 200) and set(found) == {0, -errno.EAGAIN}


# ---- clusterctl send ---------------------------------------------------------------------

@shows("node-W7")
def test_clusterctl_send(post):
    p = post(workers=3)
    result = p.c.json("send", "web/1", "hello", "--topic", "greeting", "--as-json")
    assert (result["taken"], result["of"]) == (1, 1)
    one, = p.got("web/1")
    assert (one.sender, one.id, one.topic, one.data, one.flags) == \
        ("operator", 0, "greeting", "hello", 1)
    assert p.c.json("send", "web@mail", "all")["taken"] == 3
    assert p.c.json("send", "id:%d" % one_id(p, "web/2"), "x")["taken"] == 1
    assert "3 of 3" in p.c.ctl("send", "all", "x") or p.c.ctl("send", "all", "x").code == 0
    audit = p.c.json("audit")[-1]
    assert audit["command"] == "send" and audit["state"] == "done"


def one_id(p, worker):
    return p.c.worker(worker)["id"]


@pytest.mark.parametrize("args, code, words", [
    (["web/9", "x"], 1, "nobody there"), (["shop", "x"], 1, "nobody there"),
    (["web@hello", "x"], 1, "nobody there"), (["web/x", "x"], 2, "not a worker"),
    (["master", "x"], 2, "not a worker"), (["web/0", "x" * 16000], 2, "15 KiB"),
    (["web/0", "x", "--topic", "t" * 64], 2, "63 bytes"), (["web/0"], 2, "missing")])
def test_clusterctl_send_is_refused(post, args, code, words):
    p = post(workers=1)
    result = p.c.ctl("send", *args)
    assert result.code == code and words in result.err, result


def test_clusterctl_send_waits_in_vain(post):
    p = post(handler_timeout="1h")
    p.to("web/0")
    with stopped(p, "web/1"):
        result = p.c.ctl("send", "web", "x")
    assert result.code == 5 and "1 of 2" in result.err, result
