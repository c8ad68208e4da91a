# SPDX-License-Identifier: MIT
"""Plugins that spin."""

from harness import alone, shows, slow
from test_b import assert_hang_is_ended
from test_b_files import assert_refused

pytestmark = alone


@shows("B7")
def test_a_handler_that_spins(row):
    """Where others want the CPU as well it is called starved of it, and has four
    times as long."""
    assert_hang_is_ended(row(), "/spin", ["spinning", "starved of CPU"])


@slow
@shows("B1")
def test_a_constructor_that_loops(row):
    """Five seconds of the CPU, or ten by the clock where others want it too."""
    r = row()
    result = assert_refused(r, "evil_ctor_loop.so", "in the constructor of plugin bad")
    assert "SIGXCPU" in result or "took longer than" in result, result
