# SPDX-License-Identifier: MIT
"""What a plugin can do with its connections: <clusterd/stream.h>."""

import contextlib
import errno
import os
import signal
import socket

import pytest

from harness import http, netfault, sanitized, shows, wait
from harness.http import read_all

pytestmark = sanitized


def connect(c):
    return http.connect(c.address())


@pytest.fixture
def streams(cluster):
    def begin(options=None, **how):
        how.setdefault("workers", 1)
        return cluster(protocol="tcp", routes={"": "streams"},
                       plugins={"streams": options or {}}, **how)
    return begin


def read_line(sock):
    got = b""
    while not got.endswith(b"\n"):
        piece = sock.recv(65536)
        assert piece, "closed after %r" % got
        got += piece
    return got.decode()[:-1]


def ask(sock, text):
    sock.sendall(text.encode() + b"\n")
    return read_line(sock)


def seen(c, number):
    """The callbacks of that stream, by what another one says; its own are left."""
    with connect(c) as sock:
        return [word.split(":")[1] for word in ask(sock, "log").split()
                if word.startswith("%d:" % number)]


def await_seen(c, number, last):
    """The same, when the last one has come."""
    def there():
        words = seen(c, number)
        return words[-1:] == [last] and words
    try:
        return wait.until(there, 10, "callback " + last)
    except AssertionError as error:
        raise AssertionError("%s: %r" % (error, seen(c, number))) from None


# ---- the order of callbacks ----------------------------------------------------------

def test_from_open_to_closed(streams):
    """eof when the client says its last; closed once, when both sides have ended."""
    c = streams()
    with connect(c) as sock:
        assert ask(sock, "who") == "web/0"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"eof\n"
    assert await_seen(c, 1, "closed=0,%d" % -errno.ESTALE) == [
        "open", "data=4", "eof", "closed=0,%d" % -errno.ESTALE]


def test_our_side_ends_first(streams):
    """finish() leaves the client's open: what it sends still comes."""
    c = streams()
    with connect(c) as sock:
        assert ask(sock, "finish") == "the last"
        assert sock.recv(1) == b""
        sock.sendall(b"more\n")
        sock.shutdown(socket.SHUT_WR)
    words = await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
    assert words == ["open", "data=7", "data=5", "eof", "closed=0,%d" % -errno.ESTALE]


def test_close_hears_no_more(streams):
    """What was sent is not lost, although the client goes on sending."""
    c = streams(scale=1)                # it lingers for 5 s
    with connect(c) as sock:
        assert ask(sock, "close") == "the last"
        for _ in range(20):
            sock.sendall(b"more\n" * 1000)
        assert sock.recv(1) == b""
        await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
        wait.until(lambda: sum(w["connections"] for w in c.workers()) == 1, 4, "one that lingers")
    assert seen(c, 1) == ["open", "data=6", "closed=0,%d" % -errno.ESTALE]
    wait.until(lambda: sum(w["connections"] for w in c.workers()) == 0, 10, "end")


def test_abort(streams):
    c = streams()
    with connect(c) as sock:
        sock.sendall(b"abort\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)
    assert await_seen(c, 1, "closed=%d,%d" % (-errno.ECONNABORTED, -errno.ESTALE)) == [
        "open", "data=6", "cut=0", "cut=%d" % -errno.ESTALE, "send=%d" % -errno.ESTALE,
        "closed=%d,%d" % (-errno.ECONNABORTED, -errno.ESTALE)]


def test_a_reset_by_the_client(streams):
    c = streams()
    with connect(c) as sock:
        assert ask(sock, "who") == "web/0"
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    await_seen(c, 1, "closed=%d,%d" % (-errno.ECONNRESET, -errno.ESTALE))


def test_from_the_callback_of_another(streams):
    """They hear it, and end in good order."""
    c = streams()
    with connect(c) as one, connect(c) as two, connect(c) as sock:
        for other in one, two:
            assert ask(other, "who") == "web/0"
        assert ask(sock, "others") == "done"
        assert read_all(one) == read_all(two) == b"told\n"
    await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
    await_seen(c, 2, "closed=0,%d" % -errno.ESTALE)


# ---- much of it ---------------------------------------------------------------------------

def test_a_flood(streams):
    """Sent as there is room, with and without a look at FULL."""
    c = streams()
    size = 10 * (1 << 20) + 17
    with connect(c) as sock:
        sock.sendall(b"flood %d\n" % size)
        got = 0
        while piece := sock.recv(65536):
            got += len(piece)
        assert got == size


def test_more_than_there_is_room_for(streams):
    c = streams()
    with connect(c) as sock:
        sock.sendall(b"overflow\n")
        words = wait.until(lambda: len(seen(c, 1)) > 2 and seen(c, 1), 5, "answer")
        assert words == ["open", "data=9", "overflow=%d,1,1" % -errno.EAGAIN]
        sock.setblocking(False)

        def drained():
            try:
                while sock.recv(1 << 20):
                    pass
            except BlockingIOError:
                pass
            return seen(c, 1)[-1] == "drained"
        wait.until(drained, 5, "drained")
        sock.setblocking(True)
        assert ask(sock, "who").endswith("web/0")
    assert seen(c, 1).count("drained") == 1


def test_pause(streams):
    c = streams()
    with connect(c) as sock:
        sock.sendall(b"pause 300\n")
        await_seen(c, 1, "data=10")
        sock.sendall(b"who\n" * 3)
        got = sock.recv(100)
        while got.count(b"\n") < 2:
            got += sock.recv(100)
        assert got == b"resumed\nweb/0\n"


def await_closed(c, *errors):
    """Each of them stands for a client that has gone."""
    ends = ["closed=%d,%d" % (-error, -errno.ESTALE) for error in errors]
    wait.until(lambda: seen(c, 1)[-1:][0] in ends, 10, "one of " + " ".join(ends))


@pytest.mark.parametrize("how, ms, errors", [
    ("resumed", 300, (errno.ECONNRESET, errno.EPIPE)), ("idle", 60000, (errno.ETIMEDOUT,))])
def test_who_leaves_in_a_pause_is_seen_behind_it(streams, how, ms, errors):
    """Where it goes on, or at its idle time."""
    c = streams(idle_timeout="1s" if how == "idle" else "60s")
    with connect(c) as sock:
        sock.sendall(b"pause %d\n" % ms)
        await_seen(c, 1, "data=%d" % len("pause %d\n" % ms))
        sock.sendall(b"who\n")
        netfault.reset(sock)
    await_closed(c, *errors)


# ---- times ----------------------------------------------------------------------------------

def test_its_own_time(streams):
    c = streams(idle_timeout="300ms")
    with contextlib.ExitStack() as stack:
        def begin(word, said):
            sock = stack.enter_context(connect(c))
            assert ask(sock, word) == said
            return sock
        short, none, usual = begin("deadline 100", "set"), begin("deadline 0", "set"), \
            begin("who", "web/0")
        assert short.recv(1) == b""
        assert usual.recv(1) == b""
        assert not wait.readable(none.fileno(), 0.5)
        assert ask(none, "deadline 50") == "set"
        assert none.recv(1) == b""
    for number in 1, 2, 3:
        await_seen(c, number, "closed=%d,%d" % (-errno.ETIMEDOUT, -errno.ESTALE))


def test_one_that_nobody_wants(streams):
    """Without ops it is not read, and does not stay."""
    c = streams({"no_ops": "yes"}, idle_timeout="300ms")
    with connect(c) as sock:
        sock.sendall(b"who\n")
        with pytest.raises(ConnectionResetError):
            sock.recv(1)
    assert c.metric("bytes_in_total") == 0


# ---- what it knows, and what it must not ------------------------------------------------------

def test_the_two_ends(streams):
    c = streams()
    with connect(c) as sock:
        assert ask(sock, "ends") == "%s:%d %s:%d" % (*sock.getsockname(), *sock.getpeername())
    c = streams(listen="[::1]:0")
    with connect(c) as sock:
        assert ask(sock, "ends") == "[%s]:%d [%s]:%d" % (
            *sock.getsockname()[:2], *sock.getpeername()[:2])


def test_who_speaks_first(streams):
    c = streams({"greeting": "220 ready"})
    with connect(c) as sock:
        assert sock.recv(100) == b"220 ready"


def test_misuse(streams):
    c = streams()
    with connect(c) as sock:
        ask(sock, "finish")
    await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
    misused = c.metric("misused_total")
    with connect(c) as sock:
        codes = [int(word) for word in ask(sock, "misuse").split()]
    stale = [-errno.ESTALE] * 9 + [0, 0]
    fail = 3                            # CLUSTER_FAIL
    assert codes == [-errno.EINVAL, -errno.EINVAL, -errno.EINVAL, -errno.EINVAL, -errno.EMSGSIZE,
                     0, *stale, *stale, *stale, fail, 0, -errno.ESTALE, -errno.ENOENT]
    assert c.metric("misused_total") >= misused + 5 + 27 + 3


def test_ends_that_were_asked_for_already(streams):
    c = streams()
    with connect(c) as sock:
        ask(sock, "misuse")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""
    words = await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
    assert words[2:7] == ["finish=%d" % -errno.EALREADY, "send=%d" % -errno.EPIPE, "close=0",
                          "close=%d" % -errno.EALREADY, "finish=%d" % -errno.EALREADY]


# ---- passed on -------------------------------------------------------------------------------

def who_has(sock):
    return ask(sock, "who")


def pass_on(sock, slot, rest=""):
    sock.sendall(("pass %d\n%s" % (slot, rest)).encode())
    return read_line(sock)


@shows("node-B25")
def test_passed_to_another_worker(streams):
    """With what was read of it, and what was not; the client sees nothing of it."""
    c = streams(workers=2)
    with connect(c) as sock:
        here = who_has(sock)
        there = "web/%d" % (here == "web/0")
        assert pass_on(sock, int(there[-1]), "rest of it") == "passed rest of it"
        assert who_has(sock) == there
        for _ in range(20):             # to and fro
            other = int(who_has(sock) == "web/0")
            assert pass_on(sock, other) == "passed "
            assert who_has(sock) == "web/%d" % other
        wait.until(lambda: sum(w["connections"] for w in c.workers()) == 1, 10, "one")
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"eof\n"
    wait.until(lambda: sum(w["connections"] for w in c.workers()) == 0, 10, "none")
    c.restart_daemon()
    log = c.await_log("streams: streams: 1:open 1:data=4 1:data=")
    assert "1:pass=0 1:busy=%d" % -errno.EBUSY in log
    assert "1:closed=1,%d" % -errno.ESTALE in log


@shows("node-B25")
def test_passed_on_before_it_is_read(streams):
    """All that was sent is read where it comes to."""
    c = streams({"all_to": 1}, workers=2)
    socks = [connect(c) for _ in range(20)]
    for sock in socks:
        sock.sendall(b"who\n")
    wait.until(lambda: [w["connections"] for w in c.workers()] == [0, 20], 10, "all there")
    for sock in socks:
        with sock.makefile("rb") as lines:
            words = lines.readline().split()    # of those that were passed, "passed" first
            assert words == [b"web/1"] or (words == [b"passed"]
                                           and lines.readline() == b"web/1\n")
        sock.close()


@shows("node-B25")
def test_passed_to_nobody(streams):
    """It is served on where it was."""
    c = streams(workers=1)
    with connect(c) as sock:
        assert pass_on(sock, 7) == "kept"
        assert who_has(sock) == "web/0"
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b"eof\n"
    words = await_seen(c, 1, "closed=0,%d" % -errno.ESTALE)
    assert words[2:] == [
        "odd=%d" % -errno.EINVAL, "odd=%d" % -errno.EINVAL, "odd=%d" % -errno.EINVAL,
        "odd=%d" % -errno.EINVAL, "odd=%d" % -errno.EMSGSIZE, "pass=0",
        *["busy=%d" % -errno.EBUSY] * 5, "kept=%d" % -errno.ESRCH, "data=4", "eof",
        "closed=0,%d" % -errno.ESTALE]


def test_passed_to_one_that_has_enough(streams):
    c = streams(workers=2, max_connections=2)
    with connect(c) as one, connect(c) as two, connect(c) as three, connect(c) as four:
        socks = {sock: who_has(sock) for sock in (one, two, three, four)}
        assert sorted(socks.values()) == ["web/0", "web/0", "web/1", "web/1"]
        assert pass_on(one, int(socks[one] == "web/0")) == "kept"
        assert who_has(one) == socks[one]


@pytest.mark.parametrize("usual", ["0", "1h"])
def test_its_own_time_is_over_while_it_is_passed(streams, usual):
    """It ends when it is kept, and no sooner: it may be another one's by then."""
    c = streams(workers=2, max_connections=1, idle_timeout=usual)
    with connect(c) as sock, connect(c) as other:
        there = who_has(other)
        assert {who_has(sock), there} == {"web/0", "web/1"}
        pid = c.worker(there)["pid"]
        assert ask(sock, "hush") == "hushed"
        assert ask(sock, "deadline 500") == "set"
        os.kill(pid, signal.SIGSTOP)
        try:
            sock.sendall(b"pass %d\n" % int(there[-1]))
            assert not wait.readable(sock.fileno(), 0.8)
        finally:
            os.kill(pid, signal.SIGCONT)
        assert sock.recv(1) == b""


def test_passed_while_the_master_is_killed(streams):
    """Served by the one or the other, or cut: never by both, and never in between."""
    c = streams(workers=2)
    socks = [connect(c) for _ in range(20)]
    homes = [who_has(sock) for sock in socks]
    master = c.master_pid()
    for sock, home in zip(socks, homes):
        sock.sendall(b"pass %d\n" % (home == "web/0"))
    os.kill(master, signal.SIGKILL)
    c.await_state(lambda s: s["master"]["pid"] != master)
    cut = 0
    for sock in socks:
        try:
            assert read_line(sock) in ("passed ", "kept")
            assert who_has(sock) in ("web/0", "web/1")
        except (ConnectionResetError, AssertionError) as error:
            assert "reset" in str(error) or "closed after b''" in str(error)
            cut += 1
        sock.close()
    wait.until(lambda: sum(w["connections"] for w in c.workers()) == 0, 10, "none")


# ---- the worker's end ----------------------------------------------------------------------------

def test_a_plugin_says_goodbye(streams):
    """on_drain: it closes them, and the drain has nothing left to cut."""
    c = streams({"farewell": "yes"}, drain_timeout="10s")
    with connect(c) as sock:
        assert ask(sock, "who") == "web/0"
        seq = c.last_event()
        c.ctl("restart", "web/0")
        assert read_all(sock) == b"bye\n"
    c.await_event("worker.exited", after=seq, asked=True)
    assert c.metric("drain_aborted_total") == 0


def test_closed_at_the_end_of_a_drain(streams):
    """Once each, before stop(), which says what it saw."""
    c = streams(drain_timeout="300ms")
    with connect(c) as sock:
        assert ask(sock, "who") == "web/0"
        c.ctl("restart", "web/0")
        with pytest.raises(ConnectionResetError):
            read_all(sock)
    line = c.await_log("streams: 1:open")
    assert line.count("closed=%d,%d" % (-errno.ESHUTDOWN, -errno.ESTALE)) == 1
    assert c.metric("drain_aborted_total") == 1


def test_a_plugin_that_crashes(streams):
    """`why` names plugin and peer."""
    c = streams()
    worker = c.worker("web/0")["id"]
    with connect(c) as sock:
        source = "%s:%d" % sock.getsockname()
        sock.sendall(b"segv\n")
        with pytest.raises(ConnectionResetError):
            read_all(sock)
    death = c.death(worker)
    assert (death["signal"], death["plugin"], death["method"], death["path"]) == (
        "SIGSEGV", "streams", "TCP", source)
    assert source in c.ctl("why", "web/0")


def test_a_plugin_that_hangs(streams):
    c = streams(handler_timeout="300ms")
    worker = c.worker("web/0")["id"]
    with connect(c) as sock:
        source = "%s:%d" % sock.getsockname()
        sock.sendall(b"spin\n")
        death = c.death(worker)
    assert (death["cause"], death["path"]) == ("hang", source)
