# SPDX-License-Identifier: MIT
"""`why' names plugin, method, path, signal or verdict, and where it was.

By a worker alone, without load: all that it was at and lost is told, to the letter.
The rows of these deaths (A2, A8, B7 and so on) have load and oracle.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess

import pytest

from harness import alone, http, not_sanitized, shows, wait

pytestmark = [alone, not_sanitized("the sanitizer has words of its own")]

# A spinning handler that others keep from the CPU is told from one that is kept.
SPINNING = r"hung: (spinning|starved of CPU) for \d+\.\d s"
BLOCKED = r"hung: blocked for \d+\.\d s"

# path, sentence, signal, cause, what the evidence begins with, the plugin's own
# frame.  Its functions are static: no table of the loader has their names.
CASES = [
    ("/segv", "SIGSEGV", "SIGSEGV", "signal", "at 0x10: do_segv+0x", "do_segv"),
    ("/abort", "SIGABRT", "SIGABRT", "signal", "", "do_abort"),
    ("/recurse", "SIGSEGV", "SIGSEGV", "signal", "at 0x", "recurse"),
    ("/threadsegv", "SIGSEGV", "SIGSEGV", "signal", "at 0x10: thread_segv+0x", "thread_segv"),
    ("/spin", SPINNING, "SIGABRT", "hang", "", "do_spin"),
    ("/block", BLOCKED, "SIGABRT", "hang", "blocked for ", "do_block"),
    ("/deadlock", BLOCKED, "SIGABRT", "hang", "blocked for ", "do_deadlock"),
    ("/leave", "exit status 0", None, "exit", "exit was called: ", "do_leave"),
    ("/badsys", "SIGSYS", "SIGSYS", "signal", "system call 163: ", "do_badsys"),
    # nobody is asked, so nobody can say where
    ("/exit", "exit status 0", None, "exit", None, None),
    ("/leak", "SIGKILL: out of memory", "SIGKILL", "oom", "at most ", None),
]


def die(c, path, method="POST"):
    """The record of a worker that dies in this request."""
    seen = c.last_event()
    c.request(method, path, expect="connection lost")
    return c.death(c.await_event("worker.exited", after=seen, timeout=20)["id"])


@pytest.mark.parametrize("path, words, number, cause, begins, function", CASES,
                         ids=[case[0][1:] for case in CASES])
def test_why_says_what_where_and_in_which_request(request, path, words, number, cause,
                                                  begins, function):
    # before the cluster, so that it goes after it
    group = request.getfixturevalue("memory_group").inside() if cause == "oom" \
        else contextlib.nullcontext()
    cluster = request.getfixturevalue("cluster")
    # 400 MiB are not written in the time of a hang where others are at work
    c = cluster(workers=1, routes={"/": "hello", path: "evil"}, start=False,
                handler_timeout="20s" if cause == "oom" else "300ms")
    with group:
        c.start()
    c.allow_in_log("abort+0x")
    record = die(c, path + ("?400&secret" if cause == "oom" else "?secret"))
    assert (record["plugin"], record["route"]) == ("evil", path)
    assert (record["method"], record["path"]) == ("POST", path)
    assert (record["signal"], record["cause"]) == (number, cause)
    assert record["code"] == (0 if number is None else None)
    sentence = r"web/0 died: %s in plugin evil, POST %s \(\d+\.\d s\); replaced at once" % (
        words, path)
    assert re.fullmatch(sentence, record["text"]), record["text"]
    why = c.ctl("why", "web/0")
    assert record["text"] in why and "secret" not in why, why
    assert begins is None or record["evidence"].startswith(begins), record
    assert record["evidence"] is None or record["evidence"] in why, why
    if function is not None:
        assert re.search(r"(: |; |< )%s\+0x[0-9a-f]+ in evil\.so" % function,
                         "; " + record["evidence"]), record
        assert function + "+0x" in record["output_tail"], "and in the log"
    if path == "/recurse":
        assert re.search(r"recurse\+0x[0-9a-f]+ in evil\.so, \d\d times", record["evidence"])
        # it ends with who called the plugin: from there on all are the same
        assert re.search(r"in evil\.so(, \d\d times| < \w+\+0x[0-9a-f]+ in clusterd-worker|"
                         r"( < libc\.so\.6\+0x[0-9a-f]+)+)$", record["evidence"]), record


def test_a_plugin_without_symbols_is_named_with_the_place(cluster):
    strip = shutil.which("strip")
    if strip is None:
        pytest.skip("strip is not installed")
    c = cluster(workers=1, routes={"/": "evil"}, start=False)
    path = next(p + "/evil.so" for p in c.plugin_dirs if os.path.exists(p + "/evil.so"))
    subprocess.run([strip, "-o", c.dir + "/bare.so", path], check=True)
    os.chmod(c.dir + "/bare.so", 0o644)
    c.plugins["evil"] = {"module": c.dir + "/bare.so"}
    c.write_config()
    c.start()
    evidence = die(c, "/segv")["evidence"]
    assert re.match(r"at 0x10: bare\.so\+0x[0-9a-f]+ < .* in clusterd-worker$", evidence), evidence


def test_a_slot_that_dies_again_and_again_says_so(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, backoff_min="1s", backoff_max="1s",
                stable_after="1m")
    texts = [die(c, "/segv")["text"]]
    for _ in range(3):
        c.await_state(lambda s: s["pools"][0]["ready"] == 1)
        texts.append(die(c, "/segv", "GET")["text"])
    assert re.fullmatch(r"web/0 died: SIGSEGV in plugin evil, GET /segv \(\d\.\d s\), "
                        r"3rd time in 10 min; next try in (\d+ ms|1 s)", texts[2]), texts
    assert ["time in 10 min" in text for text in texts] == [False, True, True, True]
    assert "2nd time" in texts[1] and "4th time" in texts[3]


@shows("A2")
def test_a_worker_that_is_killed_with_requests_open(cluster):
    """They are to be answered later; the oldest is named."""
    c = cluster(workers=1, routes={"/": "evil"})
    with c.connect() as first, c.connect() as second:
        first.send(http.head("GET", "/sleep?20000", "a"))
        c.await_state(lambda s: len(requests(c)) == 1)
        second.send(http.head("PUT", "/sleep?30000", "a", [("Content-Length", "0")]))
        c.await_state(lambda s: len(requests(c)) == 2)
        victim, seen = c.worker("web/0"), c.last_event()
        os.kill(victim["pid"], signal.SIGKILL)
        for client in (first, second):
            with pytest.raises(http.ConnectionLost):
                client.response()
    c.await_event("worker.exited", after=seen)
    record = c.death(victim["id"])
    assert (record["signal"], record["method"], record["path"]) == ("SIGKILL", "GET", "/sleep")
    assert record["plugin"] == "evil" and record["request_ms"] > 0
    assert re.fullmatch(r"web/0 died: SIGKILL; 2 requests were open, the oldest in plugin "
                        r"evil, GET /sleep \(\d+\.\d s\); replaced at once", record["text"])


def requests(c):
    return c.json("requests")


def test_requests_under_way_are_listed(cluster):
    """Over all workers, with the one that drains; what was answered is gone."""
    c = cluster(workers=2, routes={"/": "hello", "/sleep": "evil", "/spin": "evil"},
                drain_timeout="30s")
    assert requests(c) == []
    with c.connect() as later, c.connect() as now:
        later.send(http.head("GET", "/sleep?9000&secret=1", "a"))
        row, = wait.until(lambda: requests(c), 10, "the request")
        worker = c.worker(row["worker"])
        assert (row["id"], row["pid"]) == (worker["id"], worker["pid"])
        assert (row["plugin"], row["route"]) == ("evil", "/sleep")
        assert (row["method"], row["path"]) == ("GET", "/sleep")
        assert c.ctl("restart", row["worker"]).code == 0
        assert [r["id"] for r in requests(c)] == [row["id"]], "of the one that drains"
        now.send(http.head("DELETE", "/spin?4000", "a"))
        rows = wait.until(lambda: len(requests(c)) == 2 and requests(c), 10, "both")
        spins = next(r for r in rows if r["path"] == "/spin")
        assert spins["method"] == "DELETE" and spins["since_ms"] >= row["since_ms"]
        table = c.ctl("requests").out
        assert "/spin" in table and "/sleep" in table and "secret" not in table, table
        assert later.response().text == "slept\n"
        assert now.response().status == 200
    wait.until(lambda: requests(c) == [], 10, "all answered")


def test_the_query_is_told_where_it_is_wanted(cluster):
    c = cluster(workers=1, routes={"/": "evil"}, daemon={"record_query": "yes"})
    assert die(c, "/segv?known=1", "GET")["path"] == "/segv?known=1"
    assert "GET /segv?known=1" in c.ctl("why", "web/0")


DEATH = """id time mono_ms pool slot pid generation image state uptime_ms cause asked reason code
signal core plugin route method path request_ms beat_age_ms evidence connections_lost
connections_recovered requests cpu_ms rss_kb output_tail n next_ms text worker""".split()


def test_a_death_record_is_whole(cluster):
    """Of the output the end is kept, escaped."""
    c = cluster(workers=1, routes={"/": "evil"}, handler_timeout="300ms",
                stable_after="1h")      # an early death, however long it takes
    c.get("/spam?1")
    c.get("/blocksigs")                 # no last words
    record = die(c, "/spin", "GET")
    assert set(record) == set(DEATH)
    assert record["signal"] == "SIGKILL" and ", ended by SIGKILL in" in record["text"]
    assert record["output_tail"] == "x" * 511 + "\\x0a"
    assert record["state"] == "killing" and record["uptime_ms"] > 0
    assert (record["n"], record["next_ms"], record["connections_lost"]) == (1, 0, 1)
    assert record["rss_kb"] > 0 and record["beat_age_ms"] >= 300


def test_a_long_path_is_cut(cluster):
    c = cluster(workers=1, routes={"/": "evil"},
                plugins={"evil": {"mode": "segv_request=1"}})
    path = "/" + "y" * 300
    assert die(c, path)["path"] == path[:128]
    assert path[:128] + " (" in c.ctl("why", "web/0")
