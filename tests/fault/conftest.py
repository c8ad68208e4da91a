# SPDX-License-Identifier: MIT
"""What the rows of doc/faults.md share."""

import pytest

from harness import SANITIZED, inject


@pytest.fixture
def faulty(row):
    """faulty(...): as row(...), and calls of its programs can be made to fail:
    r.fi.arm("master", "accept4:ENFILE@1-20")."""
    if SANITIZED:
        pytest.skip("a sanitizer wants to be the first library")

    def make(**how):
        start = how.pop("start", True)
        r = row(start=False, **how)
        r.fi = inject.injected_into(r)
        return r.start() if start else r
    return make
