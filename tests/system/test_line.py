# SPDX-License-Identifier: MIT
"""Changes that wait in line for one another."""

import signal

from harness import http, wait


def held_up(c, seconds="2s"):
    """A reload that takes that long, with its canary on trial."""
    c.write_config(max_requests="100000", canary_hold=seconds)
    reload = c.ctl_start("reload")
    c.await_event("reload.canary")
    return reload


def ask_later(c, *args):
    """A command that has reached the line."""
    seq = c.last_event()
    client = c.ctl_start(*args)
    if args[0] != "config":
        c.await_event("command.started", after=seq, command=" ".join(args[:1]))
    return client


def end_of(client, timeout=20):
    out, err = client.communicate(timeout=timeout)
    return client.returncode, out + err


def test_who_is_refused_holds_up_nobody(cluster):
    c = cluster(workers=1)
    reload = held_up(c)
    refused = ask_later(c, "scale", "web", "9999")
    scale = ask_later(c, "scale", "web", "2")
    assert end_of(reload)[0] == 0
    assert end_of(refused)[0] == 1
    assert end_of(scale)[0] == 0
    assert c.pool()["desired"] == 2


def test_a_mere_check_holds_up_nobody(cluster):
    c = cluster(workers=1, env={"CLUSTERD_FP": "checker.before_open:sleep=1000"})
    before = c.status()["generation"]
    c.write_config(max_requests="100000")
    check = c.ctl_start("config", "check")
    wait.until(lambda: "checker" in names_of_children(c), 10, "checker")
    c.signal(signal.SIGHUP)
    reload = ask_later(c, "reload")
    assert end_of(check)[0] == 0
    assert end_of(reload)[0] == 0
    assert c.status()["generation"] == before + 1


def names_of_children(c):
    with open("/proc/%d/task/%d/children" % (c.pid(), c.pid())) as f:
        children = f.read().split()
    names = []
    for pid in children:
        try:
            with open("/proc/%s/cmdline" % pid) as f:
                names.append(f.read())
        except OSError:
            continue
    return " ".join(names)


def test_stop_answers_all_who_wait(cluster):
    c = cluster(workers=1)
    clients = [held_up(c, "10s")]
    clients += [ask_later(c, "restart", "web") for _ in range(3)]
    c.signal(signal.SIGTERM)
    for client in clients:
        code, said = end_of(client)
        assert code == 1 and "stopping" in said, said
    assert c.await_exit() == 0


def test_a_stop_with_a_deadline_after_one_without(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, drain_timeout="300ms")
    with http.connect(c.address()) as sock:
        sock.sendall(b"GET /sleep?20000 HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda status: status["workers"][0]["connections"] == 1)
        # it hears all: soon nobody is there to be asked
        follower = c.ctl_start("--json", "events", "--until", "worker.disconnected",
                               "--since", str(c.last_event()))
        c.signal(signal.SIGQUIT)
        while "worker.draining" not in (row := follower.stdout.readline()):
            assert row, follower.stderr.read()
        c.signal(signal.SIGTERM)
        assert follower.wait(10) == 0, "not after the 20 s of the request"
        assert "worker.disconnected" in end_of(follower)[1]
        assert c.await_exit() == 0


def test_a_successor_that_cannot_be_ended_ends_its_change(cluster):
    c = cluster(workers=1,
                env={"CLUSTERD_FP": "keeper.kill9:skip@1"})
    c.plugins["evil"] = {"mode": "init_block"}
    c.pools["web"][1]["/evil"] = "evil"
    c.write_config(start_timeout="500ms")       # of that one alone
    code, said = end_of(c.ctl_start("reload"))
    assert code == 1 and "cannot be ended" in said
    assert c.get("/").status == 200
    assert c.ctl("scale", "web", "2").code == 0, "the next one has its turn"


def test_a_stop_that_takes_its_time_is_no_news(cluster):
    """A pool without a worker is what a stop is for."""
    c = cluster(workers=1, routes={"/": "evil"}, drain_timeout="10s")
    with http.connect(c.address()) as sock:
        sock.sendall(b"GET /sleep?2000 HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda status: status["workers"][0]["connections"] == 1)
        assert c.stop() == 0
    said = c.log()
    said = said[said.index("master.stopping"):]
    assert "state.changed" not in said and "still" not in said, said
