# SPDX-License-Identifier: MIT
"""A configuration file that is no good: refused in full, with nothing else
touched, however large or strange the file is."""

import contextlib
import os
import time

import pytest

from harness import processes, shows, wait

BIG = 100 << 20


class Files:
    """The ways to spoil the configuration of a daemon.  Each returns what must
    be said of it: (line, words); line 0: of the file as a whole."""

    def __init__(self, c):
        self.c = c
        self.path = c.config_file
        with open(self.path, encoding="utf-8") as f:
            self.good = f.read()
        self.last = self.good.count("\n")

    def write(self, data):
        self.clear()
        with open(self.path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(self.path, 0o644)

    def clear(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def syntax(self):
        self.write("[daemon\n" + self.good)
        return [(1, 'a section without its "]"')]

    def unknown(self):
        self.write(self.good + "[poool web]\n[pool web]\nwrokers = 4\n")
        return [(self.last + 1, "[poool web]: unknown section; did you mean [pool web]?"),
                (self.last + 2, "[pool web]: is there already, in line "),
                (self.last + 3, 'wrokers: unknown key; did you mean "workers"?')]

    def option(self):
        self.write(self.good + "sm = 7ms\nmode = a\nmode = b\n")
        return [(self.last + 1, '[plugin evil] sm: unknown key; the plugin has no such option'),
                (self.last + 3, "[plugin evil] mode: is there already, in line ")]

    def range(self):
        self.write(self.good.replace("stop_timeout = 1s", "stop_timeout = 2d\nbacklog = 0"))
        line = self.good[:self.good.index("stop_timeout")].count("\n") + 1
        return [(line, '[pool web] stop_timeout: must be '),
                (line + 1, '[pool web] backlog: must be ')]

    def type(self):
        self.write(self.good.replace("stop_timeout = 1s", "stop_timeout = soon"))
        line = self.good[:self.good.index("stop_timeout")].count("\n") + 1
        return [(line, '[pool web] stop_timeout: must be ')]

    def large(self):
        self.write(b"# no end of comments\n" * (BIG // 21))
        return [(0, "has more than 1048576 bytes")]

    def large_hole(self):
        self.write(self.good)
        os.truncate(self.path, 50 * BIG)
        return [(0, "has more than 1048576 bytes")]

    def binary(self):
        self.write(bytes(range(256)) * 64)
        return [(1, "a NUL byte")]

    def fifo(self):
        self.clear()
        os.mkfifo(self.path)
        return [(0, "is not a regular file")]

    def unreadable(self):
        self.write(self.good)
        os.chmod(self.path, 0)
        return [(0, "may not read it")]

    def loop(self):
        more = os.path.dirname(self.path) + "/more.ini"
        self.write(self.good.replace("[daemon]\n", "[daemon]\ninclude = more.ini\n", 1))
        with open(more, "w", encoding="ascii") as f:
            f.write("[daemon]\ninclude = clusterd.ini\n")
        os.chmod(more, 0o644)
        return [("more.ini:2", "includes itself")]


KINDS = ["syntax", "unknown", "option", "range", "type", "large", "large_hole", "binary", "fifo",
         "unreadable", "loop"]


def place(path, where):
    if where == 0:
        return path
    return path + ":%d: " % where if isinstance(where, int) else where + ": "


def assert_said(path, said, text):
    for where, words in said:
        line = [one for one in text.splitlines() if place(path, where) in one
                and words in one]
        assert line, "no %r at %r in %s" % (words, where, text)


@pytest.mark.sanitized
@shows("H1")
def test_bad_file_at_a_reload(row):
    """All that is wrong is said, at the terminal and in the database."""
    r = row()
    before, files = r.serving(), Files(r)
    for kind in KINDS:
        said = getattr(files, kind)()
        seen, began = r.last_event(), time.monotonic()
        result = r.ctl("reload")
        assert result.code == 1, (kind, result)
        assert time.monotonic() - began < 10, "the limit of a check"
        assert_said(r.config_file, said, result.err)
        rejected = r.await_event("config.rejected", after=seen)
        assert_said(r.config_file, said[:1], rejected["text"])
        assert r.serving() == before, kind
    recorded = r.commands("reload", len(KINDS))
    assert len(recorded) == len(KINDS)
    assert all(one["state"] == "failed" and one["result"]["errors"] for one in recorded)
    files.write(files.good)
    r.daemon_keys["orphan_grace"] = "9s"
    r.write_config()
    result = r.ctl("reload")
    assert result.code == 1, result
    assert "[daemon] orphan_grace: a change of this needs a restart" in result.err
    assert r.serving() == before
    r.served()
    wait.until(lambda: not [pid for pid in processes.descendants(r.pid())
                            if "checker" in processes.name(pid)], 10, "end of the checkers")
    del r.daemon_keys["orphan_grace"]
    r.write_config(idle_timeout="9s")
    assert r.ctl("reload").code == 0


@shows("H2")
@pytest.mark.parametrize("kind", KINDS)
def test_bad_file_at_the_start(cluster, kind):
    """78, the same words, nobody left; nothing made unless a plugin had to be
    asked.  No load: nobody serves."""
    c = cluster(start=False, routes={"/": "evil"})
    files = Files(c)
    said = getattr(files, kind)()
    result = c.clusterd()
    assert result.code == 78, result
    assert_said(c.config_file, said, result.err)
    left = [name for folder in ("run", "state") if os.path.exists(c.dir + "/" + folder)
            for name in os.listdir(c.dir + "/" + folder)]
    assert not set(left) - {"lock", "workers.lock"}, left
    assert not left or kind == "option"
