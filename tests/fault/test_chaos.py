# SPDX-License-Identifier: MIT
"""Many faults at once, in an order that a seed gives: chaos.py, with every change
by a seed that is known, and with --all by fresh ones.  A run that fails names its
seed."""

import os
import subprocess
import sys
import time

import pytest

from harness import alone, slow

pytestmark = alone

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "chaos.py")
# The one that found the most when it was young, and another every time.
KNOWN_SEED = 12
FRESH_SEED = int(time.time())


@pytest.mark.limit(900)
@pytest.mark.parametrize("seed, seconds", [
    pytest.param(KNOWN_SEED, 30, id="a known seed"),
    # finds what nobody has seen: not what is to hold up a change
    pytest.param(FRESH_SEED, 30, id="a fresh seed", marks=slow),
    pytest.param(FRESH_SEED + 1, 600, id="ten minutes", marks=slow),
])
def test_chaos(build, seed, seconds):
    done = subprocess.run(
        [sys.executable, PROGRAM, "--build", build, str(seed), str(seconds)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        timeout=seconds + 240)
    print(done.stdout[-20000:])
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


def test_a_seed_is_a_schedule(build):
    """The same one every time, and another seed another one."""
    def shown(seed):
        return subprocess.run([sys.executable, PROGRAM, "--build", build, "--show",
                               str(seed), "60"], capture_output=True, text=True,
                              check=True, timeout=60).stdout
    assert shown(1) == shown(1) != shown(2)
    assert len(shown(1).splitlines()) > 100
