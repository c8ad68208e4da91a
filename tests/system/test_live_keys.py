# SPDX-License-Identifier: MIT
"""A live key holds for the workers there are."""

import grp
import os
import pwd
import signal
import socket

import pytest

from harness import http, shows, wait

SLEEP = {"/": "hello", "/sleep": "evil"}


def reload_live(c, **keys):
    before = c.worker("web/0")["id"]
    c.write_config(**keys)
    assert c.ctl("reload").code == 0
    assert c.worker("web/0")["id"] == before, "no worker is replaced"
    return before


def test_drain_timeout(cluster):
    c = cluster(workers=1, routes=SLEEP, drain_timeout="200ms")
    reload_live(c, drain_timeout="20s")
    with http.connect(c.address(), 20) as sock:
        sock.sendall(b"GET /sleep?1500 HTTP/1.1\r\nHost: a\r\n\r\n")
        c.await_state(lambda status: status["workers"][0]["connections"] == 1)
        assert c.ctl("restart", "web/0").code == 0
        assert sock.recv(100).startswith(b"HTTP/1.1 200 ")


def test_handler_timeout(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/block": "evil"},
                handler_timeout="1h")
    before = reload_live(c, handler_timeout="500ms")
    c.request("GET", "/block", expect="connection lost")
    c.await_state(lambda status: status["workers"][0]["id"] != before)
    assert c.json("deaths")[-1]["cause"] == "hang"


@pytest.mark.parametrize("pool_before_it", [False, True])
def test_a_worker_on_its_way_hears_of_a_commit(cluster, pool_before_it):
    """Its snapshot is of before: it waits before its exec.  With a new pool before
    its own the plugins are in another order, so that it stays of its generation."""
    c = cluster(workers=2, routes={"/": "hello", "/block": "evil"}, start=False,
                handler_timeout="1h", daemon={"record_query": "no"})
    c.arm()
    c.start()
    seen = c.last_event()
    c.arm("keeper.before_exec:sleep=700/web/1")
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    c.await_state(lambda s: s["workers"][1]["state"] == "starting")
    c.daemon_keys["record_query"] = "yes"
    if pool_before_it:
        web = c.pools.pop("web")
        c.add_pool("api", {"workers": 1}, {"/": "evil"})
        c.pools["web"] = web
    reload_live(c)
    late = c.await_event("worker.ready", after=seen, worker="web/1")
    assert c.ctl("pause", "web/0").code == 0
    with http.connect(c.address(), 20) as sock:
        sock.sendall(b"GET /block?word HTTP/1.1\r\nHost: a\r\n\r\n")
        doing = wait.until(lambda: c.worker("web/1")["doing"], 10, "a request in web/1")
        os.kill(late["pid"], signal.SIGKILL)
    assert doing["path"] == "/block?word"


def said(c, word):
    assert c.get("/log?" + word).status == 200
    return c.await_log("said: " + word, timeout=3)


def test_log_level(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/log": "evil"},
                daemon={"log_level": "error"})
    assert c.get("/log?unheard").status == 200
    assert c.ctl("log", "level", "notice").code == 0
    said(c, "by-command")
    pid = c.worker("web/0")["pid"]
    os.kill(pid, signal.SIGKILL)
    c.await_state(lambda status: status["pools"][0]["ready"] == 1 and
                  status["workers"][0]["pid"] != pid)
    said(c, "by-the-next-worker")
    assert "unheard" not in c.log()
    c.daemon_keys["log_level"] = "error"
    c.restart_daemon()
    c.daemon_keys["log_level"] = "notice"
    reload_live(c)
    said(c, "by-reload")


def rights(path):
    stat = os.stat(path)
    return stat.st_mode & 0o777, grp.getgrgid(stat.st_gid).gr_name


AS_ROOT = os.geteuid() == 0


@shows("node-B17")
@pytest.mark.parametrize("point", [None, "reload.after_commit"])
def test_socket_mode_and_socket_group(cluster, point):
    """Of the socket that is there; a change that a master takes along into its
    death is taken back."""
    c = cluster(workers=1, listen=None, start=False,
                env={"CLUSTERD_FP": point + ":kill@1/1"} if point else {})
    path = c.dir + "/run/web.sock"
    c.write_config(listen="unix:" + path)
    c.start()
    own = rights(path)
    assert own[0] == 0o660
    if AS_ROOT:
        assert own[1] == grp.getgrgid(pwd.getpwnam("clusterd-worker").pw_gid).gr_name
    inode = os.stat(path).st_ino
    group = "games" if AS_ROOT else own[1]
    c.write_config(socket_mode="0640", socket_group=group)
    if point:
        assert c.ctl("reload").code == 1
        wait.until(lambda: rights(path) == own, 5, "the rights it had")
    assert c.ctl("reload").code == 0
    wait.until(lambda: rights(path) == (0o640, group), 5, "other rights")
    assert os.stat(path).st_ino == inode
    assert c.get("/").status == 200


def test_what_is_not_ours_at_the_path_is_left_alone(cluster):
    c = cluster(workers=1, listen=None, start=False)
    path, other = c.dir + "/run/web.sock", c.dir + "/other"
    c.write_config(listen="unix:" + path)
    c.start()
    with open(other, "w", encoding="ascii"):
        pass
    os.chmod(other, 0o600)
    os.unlink(path)
    os.symlink(other, path)
    c.write_config(socket_mode="0666")
    assert c.ctl("reload").code == 0
    c.await_log("web.sock: ")
    assert os.stat(other).st_mode & 0o777 == 0o600


@shows("node-B17")
def test_backlog(cluster):
    c = cluster(workers=1, listen=None, start=False, backlog=2)
    path = c.dir + "/run/web.sock"
    c.write_config(listen="unix:" + path)
    c.start()
    assert c.ctl("pause", "web/0").code == 0, "nobody accepts"
    clients = []

    def fill():
        while True:
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].setblocking(False)
            if clients[-1].connect_ex(path) != 0:
                return len(clients)

    assert fill() < 10
    c.write_config(backlog=50)
    assert c.ctl("reload").code == 0
    wait.until(lambda: fill() > 50, 5, "a longer queue")
    for client in clients:
        client.close()


def test_control_read_and_control_group(cluster):
    c = cluster(workers=1)
    group = "games" if AS_ROOT else rights(c.socket)[1]
    inode = os.stat(c.socket).st_ino
    c.daemon_keys.update(control_read="all", control_group=group)
    reload_live(c)
    wait.until(lambda: rights(c.socket) == (0o666, group), 5, "other rights")
    c.daemon_keys.update(control_read="group")
    reload_live(c)
    wait.until(lambda: rights(c.socket) == (0o660, group), 5, "other rights")
    assert os.stat(c.socket).st_ino == inode
