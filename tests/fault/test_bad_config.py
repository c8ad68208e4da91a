# SPDX-License-Identifier: MIT
"""A configuration or a plugin that is no good: what is refused, in which words,
and that nothing else changes."""

import os

import pytest

from harness import shows


def serving(cluster):
    """What must be the same afterwards."""
    status = cluster.status()
    return (status["generation"], status["pid"], status["master"]["pid"],
            [(row["worker"], row["id"], row["pid"]) for row in status["workers"]])


def refused(cluster, words):
    """A reload that is refused with these words and changes nothing."""
    before = serving(cluster)
    last = cluster.last_event()
    result = cluster.ctl("reload")
    assert result.code == 1, result
    assert words in result, result
    cluster.await_event("config.rejected", after=last)
    assert serving(cluster) == before
    assert cluster.get("/").status == 200
    return result


@shows("H1")
def test_reload_of_a_bad_configuration(cluster):
    c = cluster(workers=2)
    c.write_config(idle_timeout="soon", wrokers="4")
    result = refused(c, "%s:" % c.config_file)
    assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result
    assert '[pool web] wrokers: unknown key; did you mean "workers"?' in result
    del c.pools["web"][0]["wrokers"]
    c.write_config(idle_timeout="1s")
    assert c.ctl("reload").code == 0


def test_first_start_with_a_bad_configuration(cluster):
    """78, the words on stderr, and nothing made."""
    c = cluster(start=False, idle_timeout="soon")
    result = c.clusterd()
    assert result.code == 78
    assert result.err.count("\n") == 1
    assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result.err
    assert not os.path.exists(c.dir + "/run")
    assert not os.path.exists(c.dir + "/state")


@pytest.mark.parametrize("how", ["segv", "exit0"])
def test_first_start_with_a_bad_constructor(cluster, how):
    c = cluster(start=False, plugins={"bad": {"module": "evil_ctor_%s.so" % how}})
    result = c.clusterd()
    assert result.code == 78
    assert "in the constructor of plugin bad" in result.err


def test_check_only(cluster):
    """clusterd -t and -T, and that they make nothing."""
    c = cluster(start=False)
    result = c.clusterd("-t")
    assert (result.code, result.out) == (0, "")
    assert result.err == "%s: the configuration is good\n" % c.config_file
    result = c.clusterd("-T")
    assert (result.code, result.err) == (0, "")
    assert "\n[pool web]\nlisten = 127.0.0.1:0\n" in result.out
    c.write_config(idle_timeout="soon")
    for option in ("-t", "-T"):
        result = c.clusterd(option)
        assert (result.code, result.out) == (78, "")
        assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result.err
    assert not os.path.exists(c.dir + "/run")
    assert not os.path.exists(c.dir + "/state")
