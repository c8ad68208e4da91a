# SPDX-License-Identifier: MIT
"""The log on a full disk, behind a reader that sleeps, rotated: lines may be
lost and are counted, requests and commands never wait."""

import os

import pytest

from harness import wait

pytestmark = [pytest.mark.threads, pytest.mark.sanitized]


def reasons(status):
    return [reason["reason"] for reason in status["reasons"]]


def text_of(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def test_full_disk(cluster):
    c = cluster(workers=2, daemon={"log": "/dev/full"})
    status = c.await_state(lambda status: "logs_dropped" in reasons(status))
    assert status["state"] == "degraded"
    c.await_log("the log cannot be written")        # on the other channel, stderr
    for _ in range(20):
        assert c.get("/").status == 200
    assert c.ctl("restart", "web/0").code == 0


def test_rotated(cluster):
    c = cluster(workers=1, start=False)
    state = c.dir + "/logs"
    os.mkdir(state)
    os.chmod(state, 0o777)
    c.daemon_keys["log"] = state + "/clusterd.log"
    c.write_config()
    c.start()
    log, old = state + "/clusterd.log", state + "/clusterd.log.1"
    wait.until(lambda: "worker.ready" in text_of(log), 10, "a line in the log")
    os.rename(log, old)
    assert c.ctl("restart", "web/0").code == 0
    wait.until(lambda: text_of(old).count("worker.ready") == 2, 10, "a line in the old log")
    assert c.ctl("log", "reopen").code == 0
    assert c.ctl("restart", "web/0").code == 0
    wait.until(lambda: "worker.ready" in text_of(log), 10, "a line in the new log")
    assert text_of(old).count("worker.ready") == 2


def test_link_is_refused(cluster):
    c = cluster(workers=1, start=False)
    precious = c.dir + "/precious"
    with open(precious, "w", encoding="utf-8") as f:
        f.write("precious\n")
    os.symlink(precious, c.dir + "/link")
    c.daemon_keys["log"] = c.dir + "/link"
    c.write_config()
    c.start()
    c.await_log("is a symbolic link")
    assert c.get("/").status == 200
    assert text_of(precious) == "precious\n"
