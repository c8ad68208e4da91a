# SPDX-License-Identifier: MIT
"""A configuration or a plugin that is no good: what is refused, in which words,
and that nothing else changes."""

import os

import pytest

from harness import shows


@shows("B1")
@pytest.mark.parametrize("how", ["segv", "exit0"])
def test_first_start_with_a_bad_constructor(cluster, how):
    """Refused; nobody serves, so there is no load."""
    c = cluster(start=False, plugins={"bad": {"module": "evil_ctor_%s.so" % how}})
    result = c.clusterd()
    assert result.code == 78
    assert "in the constructor of plugin bad" in result.err


def test_check_only(cluster):
    """clusterd -t and -T, and that they make nothing: no load, as no daemon runs."""
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
