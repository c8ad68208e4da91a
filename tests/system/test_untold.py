# SPDX-License-Identifier: MIT
"""Words to a worker that its channel does not take, as there is no memory or no
descriptor for them: they are said again at a tick."""

import os

from harness import sockets, wait
from harness.access import logging
from harness.reopen import reopen

REFUSED = "process.say:err=ENOBUFS"


def shared(cluster):
    c = cluster(workers=2, schedule="shared", start=False)
    c.arm()
    return c.start()


def polls(c, name, address):
    worker = c.worker(name)
    return bool(sockets.polled(worker["pid"]) & sockets.listening(address))


def test_a_log_that_was_reopened(cluster):
    c, log = logging(cluster, form="$worker $path", workers=1, armed=True)
    c.get("/before")
    log.await_lines(1)
    os.rename(log.path, log.path + ".1")
    c.arm(REFUSED)
    reopen(c)
    wait.until(lambda: os.path.exists(log.path), 10, "a new file")
    c.status()                          # it has been handed round
    c.arm()

    def in_the_new_one():
        c.get("/after")
        return log.lines()
    assert set(wait.until(in_the_new_one, 10, "lines in the new file")) == {"web/0 /after"}


def test_a_log_that_was_switched_off_again(cluster):
    """It began without one, too."""
    c, log = logging(cluster, form="$worker $path", workers=1, armed=True)
    path = log.path
    c.write_config(access_log="off")
    c.restart_daemon()
    c.write_config(access_log=path)
    assert c.ctl("reload").code == 0
    c.get("/on")
    log.await_lines(1)
    c.write_config(access_log="off")
    c.arm(REFUSED)
    assert c.ctl("reload").code == 0
    c.arm()

    def nothing_more():
        before = c.metric("access_log_lines_total")
        c.get("/off")
        return c.metric("access_log_lines_total") == before
    wait.until(nothing_more, 10, "an end of lines")


def test_an_address_that_came_and_went(cluster):
    c = shared(cluster)
    first, = c.pool()["listen"]
    before = [w["id"] for w in c.workers()]
    c.write_config(listen=["127.0.0.1:0", "[::1]:0"])
    c.arm(REFUSED)
    assert c.ctl("reload").code == 0
    address = c.pool()["listen"][1]
    c.arm()
    for name in "web/0", "web/1":
        wait.until(lambda name=name: polls(c, name, address), 10, "new one polled")
        assert polls(c, name, first)
    c.write_config(listen="127.0.0.1:0")
    c.arm(REFUSED)
    assert c.ctl("reload").code == 0
    wait.until(lambda: c.pool()["listen"] == [first], 10, "end of the address")
    wait.until(lambda: address not in str(c.json("listeners")), 10, "no such listener")
    c.arm()
    wait.until(lambda: not sockets.listening(address), 10, "nobody holds its socket")
    assert [w["id"] for w in c.workers()] == before
    assert polls(c, "web/0", first) and polls(c, "web/1", first)


def test_a_pause(cluster):
    c = shared(cluster)
    for word, due in ("pause", False), ("resume", True):
        c.arm(REFUSED)
        assert c.ctl(word, "web/0").code == 0
        c.arm()
        wait.until(lambda due=due: polls(c, "web/0", c.address()) == due, 10, word)
        assert polls(c, "web/1", c.address())
