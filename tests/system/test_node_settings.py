# SPDX-License-Identifier: MIT
"""What Node's cluster.settings say of a worker: rows of doc/node-parity.md that no
other test shows whole."""

import grp
import os
import pwd
import signal

import pytest

from harness import not_sanitized, shows, wait

LIMITS = {"Max open files": "2000", "Max core file size": str(1 << 20),
          "Max address space": str(64 << 30)}


@shows("node-S3")
@not_sanitized("needs address space")
def test_how_a_worker_runs_is_in_the_file(cluster):
    """Variables, limits, priority and CPUs, of each worker that comes to be."""
    cpu = max(os.sched_getaffinity(0))
    c = cluster(workers=1, routes={"/": "evil"}, start=False)
    c.write_config(env=["GREETING=good evening", "LANG=C"], rlimit_nofile=2000,
                   rlimit_core="1M", rlimit_as="64G", nice=7, cpu_affinity=cpu)
    c.start()
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
    death = c.await_event("worker.exited")
    c.await_event("worker.ready", after=death)
    given = {name: c.get("/env?" + name).text for name in ("GREETING", "LANG", "HOME")}
    assert given == {"GREETING": "good evening", "LANG": "C", "HOME": "none"}
    pid = c.worker("web/0")["pid"]
    with open("/proc/%d/limits" % pid, encoding="ascii") as f:
        limits = {line[:26].rstrip(): line[26:].split()[:2] for line in f}
    assert {name: limits[name] for name in LIMITS} == {
        name: [value, value] for name, value in LIMITS.items()}
    assert os.getpriority(os.PRIO_PROCESS, pid) == nice + 7
    assert os.sched_getaffinity(pid) == {cpu}


@shows("node-S4")
def test_where_a_worker_runs_is_in_the_file(cluster):
    c = cluster(workers=2, start=False)
    c.write_config(cwd=c.dir)
    c.start()
    assert {os.readlink("/proc/%d/cwd" % row["pid"]) for row in c.workers()} == {c.dir}


@shows("node-S1")
def test_two_plugins_in_one_worker(cluster):
    """Which one answers is the pool's `route'."""
    c = cluster(workers=1, routes={"/": "hello", "/echo": "echo"})
    with c.connect() as conn:
        assert conn.request("GET", "/").text == "Hello, World!\n"
        assert conn.request("GET", "/echo?x").text.startswith("GET /echo?x")
    modules = {row["plugin"]: os.path.basename(row["module"]) for row in c.json("plugins")}
    assert modules == {"hello": "hello.so", "echo": "echo.so"}


@shows("node-S2")
def test_options_reach_the_plugin(cluster):
    """Those of two instances are two."""
    c = cluster(workers=1, routes={"/": "one", "/two": "two"}, plugins={
        "one": {"module": "hello.so", "greeting": "Good morning"},
        "two": {"module": "hello.so", "greeting": '"Good; night"'}})
    assert c.get("/").text == "Good morning"
    assert c.get("/two").text == "Good; night"


@shows("node-S9")
def test_a_worker_at_which_somebody_looks(cluster):
    """A paused one may stand still for as long as a debugger wants it; another that
    stands still from then on is ended, so the time was long enough."""
    c = cluster(workers=2, routes={"/": "evil"}, handler_timeout="1s", scale=1)
    seen, looked_at = c.last_event(), c.worker("web/0")
    assert c.ctl("pause", "web/0").code == 0
    try:
        for row in c.workers():
            os.kill(row["pid"], signal.SIGSTOP)
        c.await_event("worker.exited", after=seen, worker="web/1", cause="hang")
        c.await_event("worker.ready", after=seen, worker="web/1")
        assert {c.get("/").header("X-Worker") for _ in range(10)} == {"web/1"}
    finally:
        os.kill(looked_at["pid"], signal.SIGCONT)
    wait.until(lambda: c.worker("web/0")["beat_age_ms"] < 500, what="that it goes on")
    assert c.ctl("resume", "web/0").code == 0
    assert {c.get("/").header("X-Worker-Id") for _ in range(10)} >= {str(looked_at["id"])}
    told = [e["event"] for e in c.events(seen) if e.get("worker") == "web/0"]
    assert told == ["worker.paused", "worker.resumed"]


@shows("node-S6")
def test_output_is_in_the_log_and_in_why(cluster):
    """By the line, with the name of who said it; the end of it when it has died."""
    c = cluster(workers=1, routes={"/": "hello", "/spam": "evil", "/abort": "evil"})
    c.allow_in_log("abort")
    last = c.worker("web/0")
    assert c.get("/spam?1").text == "spammed\n"
    line = c.await_log("x" * 1000)
    assert " web/0[%d]: " % last["pid"] in line
    c.get("/abort", expect="connection lost")
    death = c.await_event("worker.exited", id=last["id"])
    why = c.ctl("why", "web/0").out
    assert c.death(death["id"])["output_tail"].split("\\x0a")[-2] in why
    assert "last output\n" in why, why


@shows("node-S8")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: accounts")
def test_whose_workers_they_are(cluster):
    """By name, with all groups of that account, or with another first one."""
    c = cluster(workers=1, user="nobody", pools={
        "api": {"workers": 1, "user": "nobody", "group": "games"}})
    account, games = pwd.getpwnam("nobody"), grp.getgrnam("games").gr_gid
    for pool, group in (("web", account.pw_gid), ("api", games)):
        with open("/proc/%d/status" % c.worker(pool + "/0")["pid"], encoding="ascii") as f:
            said = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
        assert set(said["Uid"].split()) == {str(account.pw_uid)}
        assert set(said["Gid"].split()) == {str(group)}
        assert set(map(int, said["Groups"].split())) == set(os.getgrouplist("nobody", group))


@shows("node-C8")
def test_what_is_in_effect_is_shown(cluster):
    """With all defaults; not what the file says meanwhile."""
    c = cluster(workers=1, max_headers=50)
    effective = c.clusterd("-T").out
    assert "\nmax_headers = 50\n" in effective and "\nmax_pipeline = 16\n" in effective
    assert c.json("config", "show")["text"] == effective
    c.write_config(max_headers=60)
    assert c.json("config", "show")["text"] == effective
    assert c.ctl("reload").code == 0
    assert c.ctl("config", "show").out == c.clusterd("-T").out != effective
