# SPDX-License-Identifier: MIT
"""What rows of several files of the fault suite expect alike."""

import time

import pytest

from harness import http

TICK_S = 0.1                            # of the scale


def hang_is_ended(r, path, verdicts):
    """Stalled after a second, ended at handler_timeout, with what it was at; those
    who wait behind it are served by others."""
    seen = r.last_event()
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        begun = time.time() * 1000
        conn.send(http.head("GET", path + "?secret", r.address()))
        sent = time.time() * 1000
        stalled = r.await_event("worker.stalled", after=seen, id=victim["id"])
        hung = r.await_event("worker.hung", after=stalled, id=victim["id"])
        death = r.await_event("worker.exited", after=hung, id=victim["id"])
        with pytest.raises(http.ConnectionLost):
            conn.response()
    # the last beat may be older than the request, by one
    assert stalled["time"] - begun >= 1000 / r.scale - 250 / r.scale - 1
    assert hung["time"] - begun >= 1000 - 250 / r.scale - 1
    verdict = next(word for word in verdicts if hung["text"].startswith(word))
    if verdict != "starved of CPU":
        assert hung["time"] - sent <= 1000 + 10 * TICK_S * 1000
    assert (death["cause"], death["signal"]) == ("hang", "SIGABRT")
    r.await_event("worker.ready", after=death, worker=victim["worker"])
    record = r.death(victim["id"])
    assert (record["plugin"], record["method"], record["path"]) == ("evil", "GET", path)
    # looked at once more at the end: by then others may, or may not, want the CPU
    assert record["evidence"].startswith(tuple(verdicts))
    why = r.ctl("why", victim["worker"])
    assert "in plugin evil, GET " + path in why and "secret" not in why, why
    r.served()


def _place(r, section, key):
    """FILE:LINE of a key."""
    inside = False
    with open(r.config_file, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if line.startswith("["):
                inside = line.strip() == "[%s]" % section
            if inside and line.startswith(key + " ="):
                return "%s:%d" % (r.config_file, number)
    raise AssertionError("no %s in [%s]" % (key, section))


def plugin_is_refused(r, module, *words):
    """A reload with this plugin is refused in these words, and changes nothing."""
    before = r.serving()
    seen = r.last_event()
    r.plugins["bad"] = {"module": module}
    r.write_config()
    result = r.ctl("reload")
    assert result.code == 1, result
    assert _place(r, "plugin bad", "module") + ": [plugin bad] module: " in result, result
    assert all(word in result for word in words), result
    r.await_event("config.rejected", after=seen)
    assert r.serving() == before
    r.served()
    return result
