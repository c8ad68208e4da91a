# SPDX-License-Identifier: MIT
"""What the rows of doc/faults.md share."""

import os

import pytest

from harness import inject


@pytest.fixture
def faulty(row, plugin_dirs):
    """faulty(...): as row(...), and calls of its programs can be made to fail:
    r.fi.arm("master", "accept4:ENFILE@1-20")."""
    if os.environ.get("SANITIZED") == "yes":
        pytest.skip("a sanitizer wants to be the first library")

    def make(**how):
        start = how.pop("start", True)
        r = row(start=False, **how)
        r.fi = inject.Injector(r.dir + "/fi", plugin_dirs)
        r.env.update(r.fi.env())
        return r.start() if start else r
    return make
