# SPDX-License-Identifier: MIT
"""Plugins that spin."""

from harness import alone, shows
from test_b import assert_hang_is_ended

pytestmark = alone


@shows("B7")
def test_a_handler_that_spins(row):
    """Where others want the CPU as well it is called starved of it, and has four
    times as long."""
    assert_hang_is_ended(row(), "/spin", ["spinning", "starved of CPU"])
