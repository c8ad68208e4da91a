# SPDX-License-Identifier: MIT
"""Each allocation of a master that takes over fails (harness/counted.py)."""

import pytest

from harness import inject, shows, slow, wait
from harness.counted import (                       # noqa: F401 pylint: disable=unused-import
    SAMPLE_ALL, as_before, counted_, named, run, warm)

pytestmark = inject.needs_preload

PARTS = 12


@slow
@shows("D8")
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.limit(3600)
def test_memory_of_an_adoption(counted, part):
    """All of its allocations, some six thousand, every twelfth in one test."""
    op = named("adoption")
    before = warm(counted, op)
    run(counted, op, "malloc", "NULL", SAMPLE_ALL, slice(part, None, PARTS))
    wait.until(lambda: as_before(counted.c, before), 10, "descriptors as before")
