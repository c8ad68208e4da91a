# SPDX-License-Identifier: MIT
"""Another number of workers, under load, without a request lost."""

import contextlib
import json
import os
import pwd
from signal import SIGKILL

from harness import shows
from harness.config import LOAD
from harness.held import PATIENT, STREAMED, half_sent, rest_of


def scale(c, size):
    """The command over its socket: (progress told, result)."""
    answers = c.ask("scale", {"pool": "web", "workers": str(size)}, timeout=30)
    assert answers[-1]["ok"] is True, answers
    told = [a["progress"]["done"] for a in answers[:-1] if "done" in a.get("progress", {})]
    assert told == sorted(set(told)), answers
    return told, answers[-1]["result"]


@shows("node-B10")
def test_up_and_down_under_load(cluster):
    c = cluster(workers=2, routes={"/": "evil"}, daemon={"max_workers": 16})
    before = 2
    with c.load(**LOAD) as ledger:
        ledger.await_each()
        for size in (8, 1, 4):
            told, result = scale(c, size)
            status = c.status()
            # the verdict comes when it is done: new ones serve, old ones drain
            pool, = status["pools"]
            assert (pool["desired"], pool["ready"]) == (size, size), status
            current = [w["worker"] for w in status["workers"] if w["wanted"]]
            assert current == ["web/%d" % slot for slot in range(size)]
            assert (result["from"], result["to"]) == (before, size)
            if size > before:
                assert told[-1] == size - before, told
            before = size
            ledger.await_each(2)
    ledger.assert_nothing_lost()
    # those that were to drain have ended
    c.await_state(lambda s: len(s["workers"]) == 4 and s["state"] == "ok")
    assert c.pool()["restarts"] == 0
    assert {e.worker for e in ledger.requests()} == {"web/%d" % n for n in range(8)}


def test_progress_is_told(cluster):
    c = cluster(workers=1)
    told, result = scale(c, 3)
    assert told[-1] == 2 and result["to"] == 3
    shown = c.ctl("scale", "web", "5")
    assert shown.code == 0 and "2 of 2 new workers are ready" in shown, shown


def test_relative_and_auto(cluster):
    c = cluster(workers=2)
    assert c.ctl("scale", "web", "+1").code == 0
    assert c.pool()["desired"] == 3
    assert c.ctl("scale", "web", "auto").code == 0
    assert c.pool()["desired"] == 2


def test_too_many_are_refused_with_the_numbers(cluster):
    c = cluster(workers=1, daemon={"max_workers": 3})
    result = c.ctl("scale", "web", "9")
    assert result.code == 1 and "max_workers" in result and "9" in result, result
    assert c.pool()["desired"] == 1


def test_fewer_are_never_too_many(cluster):
    """Also when all together are more than a new max_workers allows."""
    c = cluster(workers=1, daemon={"max_workers": 8})
    assert c.ctl("scale", "web", "5").code == 0
    c.daemon_keys["max_workers"] = 3
    c.write_config()
    assert c.ctl("reload").code == 0
    result = c.ctl("scale", "web", "-1")
    assert result.code == 0, result
    assert c.pool()["desired"] == 4
    assert c.ctl("scale", "web", "+1").code == 1


def test_more_than_descriptors_are_for_is_refused_with_the_numbers(cluster):
    c = cluster(workers=2, daemon={"max_workers": 64}, max_connections=300,
                rlimit_nofile=600, start=False)
    real, c.build = c.build, c.dir + "/bin"
    os.mkdir(c.build)
    os.symlink(real + "/clusterctl", c.build + "/clusterctl")
    with open(c.build + "/clusterd", "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\nulimit -n 600\nexec %s/clusterd "$@"\n' % real)
    os.chmod(c.build + "/clusterd", 0o755)
    c.start()
    result = c.ctl("scale", "web", "60")
    assert result.code == 1, result
    assert all(words in result for words in ("60 workers", "descriptors", "600")), result
    assert c.pool()["desired"] == 2
    assert c.ctl("scale", "web", "4").code == 0
    assert c.ctl("scale", "web", "1").code == 0, "fewer are never too many"


def test_a_size_survives_the_daemon(cluster):
    c = cluster(workers=1)
    assert c.ctl("scale", "web", "3").code == 0
    c.restart_daemon()
    assert c.pool()["desired"] == 3
    c.stop()
    c.write_config(workers=2)
    c.start()
    assert c.pool()["desired"] == 2, "the file has another number, and wins"


def test_a_size_that_is_taken_back_is_whose_it_was(cluster):
    """Also by the next master: what the file says stays what the file says."""
    c = cluster(workers=1, start_timeout="1s",
                env={"CLUSTERD_FP": "worker.before_ready:sleep=30000/web/1"})
    c.allow_in_log("abort")
    scaling = c.ctl_start("scale", "web", "2")
    c.await_state(lambda s: [w["state"] for w in s["workers"]] == ["ready", "starting"])
    os.kill(c.master_pid(), SIGKILL)
    assert scaling.wait(20) == 1
    c.await_state(lambda s: s["pools"][0]["desired"] == 1)
    assert c.pool()["automatic"] is True


def test_restart_replaces_every_worker(cluster):
    c = cluster(workers=3, routes={"/": "evil"})
    before = {row["worker"]: row["id"] for row in c.workers()}
    with c.load(keepalive=4, new=2) as ledger:
        result = c.ctl("restart", "web")
        assert result.code == 0, result
        ledger.await_more(20)
    ledger.assert_nothing_lost()
    after = {row["worker"]: row["id"] for row in c.workers() if row["current"]}
    assert set(after) == set(before)
    assert all(after[name] > before[name] for name in after)
    assert c.pool()["restarts"] == 0


def test_a_size_that_does_not_start_is_taken_back(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, plugins={"evil": {}},
                env={"CLUSTERD_FP": "worker.before_ready:abort/web/1"})
    c.allow_in_log("abort")
    result = c.ctl("scale", "web", "2")
    assert result.code == 1 and "web/1" in result, result
    assert c.pool()["desired"] == 1
    c.await_state(lambda s: s["state"] == "ok" and len(s["workers"]) == 1)
    assert json.dumps(c.status()).count("web/1") == 0


ME = pwd.getpwuid(os.geteuid()).pw_name


def drained_web(cluster, **how):
    c = cluster(workers=2, **how)
    assert c.ctl("drain", "web").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 0)
    return c


def is_drained(c):
    pool = c.pool()
    # what would start has had its turn by now, as the master answers in order
    return (pool["ready"], pool["drained_by"]) == (0, ME) and not [
        w for w in c.workers() if w["state"] in ("starting", "ready")]


def test_a_drained_pool_stays_so_until_resume(cluster):
    """Through a death of the master, another size, and a restart of the daemon."""
    c = drained_web(cluster)
    os.kill(c.master_pid(), SIGKILL)
    c.await_event("master.adopted")
    assert is_drained(c)
    result = c.ctl("scale", "web", "3")
    assert result.code == 0 and "drained" in result, result
    assert is_drained(c)
    for command in ("restart", "retry"):
        result = c.ctl(command, "web/0")
        assert result.code == 1 and command in result, result
    assert is_drained(c)
    c.stop()
    c.start(ready=False)
    c.await_state(lambda s: s["pools"])
    assert is_drained(c)
    assert c.ctl("resume", "web").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 3)
    assert c.pool()["drained_by"] is None


def test_a_drained_worker_stays_so_at_another_size(cluster):
    c = cluster(workers=2)
    assert c.ctl("drain", "web/0").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 1)
    assert c.ctl("scale", "web", "3").code == 0
    c.stop()
    c.start(ready=False)
    c.await_state(lambda s: s["pools"] and s["pools"][0]["ready"] == 2)
    assert {w["worker"] for w in c.workers() if w["state"] == "ready"} == {"web/1", "web/2"}
    assert c.ctl("retry", "web/0").code == 0
    c.await_state(lambda s: s["pools"][0]["ready"] == 3)


def test_a_pool_that_is_another_one_by_now_is_not_drained(cluster):
    c = cluster(workers=1, pools={"api": {"workers": 1}})
    assert c.ctl("drain", "api").code == 0
    c.restart_daemon()
    assert c.pool("api")["drained_by"] == ME
    api = c.pools.pop("api")
    c.write_config()
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: len(s["pools"]) == 1)
    c.pools["api"] = api
    c.write_config()
    assert c.ctl("reload").code == 0
    c.await_state(lambda s: [p["ready"] for p in s["pools"]] == [1, 1])


def test_a_scale_does_not_wait_for_what_is_drained_meanwhile(cluster):
    """A new slot that never comes up is taken out: the change is over."""
    c = cluster(workers=1, routes={"/": "evil"}, start_timeout="30s",
                env={"CLUSTERD_FP": "worker.before_ready:sleep=30000/web/1"})
    scaling = c.ctl_start("scale", "web", "2")
    c.await_state(lambda s: [w["state"] for w in s["workers"]] == ["ready", "starting"])
    assert c.ctl("drain", "web/1").code == 0
    assert scaling.wait(20) == 0
    assert c.ctl("restart", "web/0").code == 0


def test_what_failed_before_says_nothing_of_the_next_try(cluster):
    """web/2 has died twice, and still serves when the pool is made larger again."""
    c = cluster(workers=3, routes=STREAMED, backoff_min="10ms", backoff_max="20ms",
                drain_timeout="30s", **PATIENT)
    seen = c.last_event()
    for _ in range(2):
        os.kill(c.worker("web/2")["pid"], SIGKILL)
        seen = c.await_event("worker.ready", after=seen, worker="web/2")["seq"]
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(half_sent(c.address())) for _ in range(3)]
        c.await_state(lambda s: all(w["connections"] == 1 for w in s["workers"]))
        assert c.ctl("scale", "web", "2").code == 0
        seen = c.last_event()
        grown = c.ctl_start("scale", "web", "3")
        c.await_event("pool.scaled", after=seen)
        assert [rest_of(connection).status for connection in held] == [200] * 3
        said = grown.communicate(timeout=20)
        assert grown.returncode == 0, said
    assert c.pool()["ready"] == 3
