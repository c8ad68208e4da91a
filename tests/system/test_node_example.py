# SPDX-License-Identifier: MIT
"""The example of Node's cluster in its C form: plugin count, doc/from-node.md."""

import os
import pathlib
import re
import signal

from harness import config, http, wait


PAGE = pathlib.Path(__file__).resolve().parents[2] / "doc" / "from-node.md"


def page_config(c):
    """What the page has, at a port of our own."""
    shown = re.search(r"```ini\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S).group(1)
    own = config.render(c.dir, c.plugin_dirs, {}, {}, {})
    return own + shown.replace("127.0.0.1:8000", "127.0.0.1:0")


def last_count(c):
    found = re.findall(r"count: numReqs = (\d+)$", c.log(), re.M)
    return int(found[-1]) if found else None


def ask(c, times):
    """Each over a connection of its own."""
    for _ in range(times):
        with http.Connection(c.address()) as conn:
            assert conn.request("GET", "/").text == "hello world\n"


def test_requests_of_all_workers_are_counted(cluster):
    """By one of them, with the file of the page."""
    c = cluster(start=False)
    c.write_config(page_config(c))
    c.start()
    assert c.ctl("scale", "web", "2").code == 0
    for row in c.workers():
        c.await_log("count: Worker %d started" % row["pid"])
    ask(c, 30)
    wait.until(lambda: last_count(c) == 30, 10, "all of them")
    served = {row["worker"]: row["requests"] for row in c.workers()}
    assert served == {"web/0": 15, "web/1": 15}, "each had its part"
    seen, other = c.last_event(), c.worker("web/1")
    os.kill(other["pid"], signal.SIGKILL)
    c.await_event("worker.ready", after=seen, worker="web/1")
    c.await_log("count: Worker %d started" % c.worker("web/1")["pid"])
    ask(c, 5)
    wait.until(lambda: last_count(c) == 35, 10, "and those since")
