# SPDX-License-Identifier: MIT
"""Every function of the table, called wrongly in every way there is: an error, and
no harm.  What and how is in tests/plugins/misuse/*.def."""

import errno
import os
import re

import pytest

from harness import http, sanitized, shows, wait

pytestmark = sanitized

DEFS = os.path.join(os.path.dirname(__file__), "..", "plugins", "misuse")


def names(file):
    with open(os.path.join(DEFS, file), encoding="utf-8") as f:
        return ["%s/%s" % row for row in re.findall(r"^ROW\((\w+), (\w+)", f.read(), re.M)]


@pytest.fixture
def misuse(cluster):
    """One worker, which lives on: whatever the test does costs nobody anything."""
    c = cluster(workers=1, routes={"/": "misuse", "/hello": "hello"})
    c.left = False                      # it was asked to be replaced
    worker = c.worker("web/0")["id"]
    c.ends = 0                          # that it asked for
    yield c
    c.await_ready()
    row = c.worker("web/0")
    assert row["restarts"] == c.ends and row["state"] == "ready"
    assert row["id"] == worker or c.left or c.ends, "the worker was replaced"
    assert "\x1b" not in c.log() and "\x7f" not in c.log()
    assert not re.search("^[bc]", c.log(), re.M), "a line of the log was forged"


def run(c, rows):
    """What was wrong of these rows, and how many were to be counted."""
    wrong, counted = [], 0
    conn, other = c.connect(), c.connect()
    with conn, other:
        for name in rows:
            try:
                answer = conn.request("GET", "/row?" + name)
            except (OSError, http.ConnectionLost) as error:
                wrong.append((name, repr(error)))
                conn, other = c.connect(), c.connect()
                continue
            headers = {header.lower() for header, _ in answer.headers}
            if answer.status != 200 or headers != {"date", "server", "content-type",
                                                   "content-length"}:
                wrong.append((name, answer))
                continue
            got, wanted, count = map(int, answer.text.split())
            counted += count
            if got != wanted:
                wrong.append((name, got, wanted))
            if other.request("GET", "/hello").status != 200:
                wrong.append((name, "others"))
    return wrong, counted


@pytest.mark.parametrize("file", ["request.def", "worker.def"])
def test_rows(misuse, file):
    rows = names(file)
    assert len(rows) == len(set(rows)) > 80
    before = misuse.metric("misused_total")
    wrong, counted = run(misuse, rows)
    assert not wrong, "\n".join(map(repr, wrong))
    assert misuse.metric("misused_total") == before + counted


def report(c, path):
    text = c.get(path).text
    assert text.startswith("0 of "), text
    rows, counted = re.match(r"0 of (\d+) wrong, (\d+) counted", text).groups()
    return int(rows), int(counted)


@pytest.mark.parametrize("path", ["/dead", "/others"])
def test_handles_that_are_none(misuse, path):
    """0, all ones, of what has ended, of another kind."""
    before = misuse.metric("misused_total")
    with misuse.connect() as conn:
        assert conn.request("GET", "/over").status == 200
        assert conn.request("GET", path).status == 200
    rows, counted = report(misuse, "/last")
    assert rows > 700 and misuse.metric("misused_total") == before + counted


@shows("B25")
def test_threads(misuse):
    """From a thread that is not the loop's: refused, counted, and said once."""
    before = misuse.metric("misused_total")
    text = misuse.get("/threads").text
    assert text.startswith("0 of "), text
    rows, counted = map(int, re.match(r"0 of (\d+) wrong, (\d+) counted", text).groups())
    assert rows > 100
    wait.until(lambda: misuse.metric("misused_total") == before + counted, 5, "the count")
    assert " of the SDK: refused" in misuse.await_log("a thread that is not the worker's")
    assert misuse.get("/threads").text == text
    wait.until(lambda: misuse.metric("misused_total") == before + 2 * counted, 5, "the count")
    assert misuse.log().count("a thread that is not the worker's") == 1
    misuse.await_log("misuse: a thread of misuse")


@shows("B25")
def test_the_copy_that_a_thread_makes(misuse):
    """It ends where it calls the SDK, and answers nobody."""
    with misuse.connect() as conn:
        assert conn.request("GET", "/fork").text == "0 of 1 wrong, 0 counted. "
        assert conn.request("GET", "/start").status == 200 and conn.rest == b""
    misuse.await_log("a child of a plugin came back")


def test_an_answered_request(misuse):
    assert misuse.get("/answered").text == "answered"
    report(misuse, "/last")


def test_life(misuse):
    """In start(), on_drain() and stop(); asked twice to leave."""
    report(misuse, "/start")
    misuse.left = True
    assert misuse.get("/leave").text == "0 %d" % -errno.EALREADY
    for phase in ("on_drain", "stop"):
        line = misuse.await_log("misuse: %s: " % phase)
        assert " 0 of " in line, line


@pytest.mark.parametrize("reason", ["none", "long"])
def test_an_end_with_a_reason_that_is_none(misuse, reason):
    misuse.plugin_is_reported()
    misuse.ends = 1
    misuse.get("/exit?" + reason, expect="connection lost")
    death = misuse.await_event("worker.exited")
    assert (death["code"], death["signal"]) == (0, None)


def test_an_end_from_another_thread(misuse):
    """That function cannot return an error: the worker ends all the same, by abort()."""
    misuse.plugin_is_reported()
    misuse.ends = 1
    misuse.get("/exit?thread", expect="connection lost")
    death = misuse.await_event("worker.exited")
    assert death["signal"] == "SIGABRT"
