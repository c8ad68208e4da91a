# SPDX-License-Identifier: MIT
"""Plugins that spin."""

from harness import alone, expect, shows, slow

pytestmark = alone


@shows("B7")
def test_a_handler_that_spins(row):
    """Where others want the CPU as well it is called starved of it, and has four
    times as long."""
    expect.hang_is_ended(row(), "/spin", ["spinning", "starved of CPU"])


@slow
@shows("B1")
def test_a_constructor_that_loops(row):
    """Five seconds of the CPU, or ten by the clock where others want it too."""
    r = row()
    result = expect.plugin_is_refused(r, "evil_ctor_loop.so", "in the constructor of plugin bad")
    assert "SIGXCPU" in result or "took longer than" in result, result
