# SPDX-License-Identifier: MIT
"""Brings the harness to every test below this folder."""

import os
import sys

sys.dont_write_bytecode = True          # the source tree may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "system"))

pytest_plugins = ["harness.plugin", "harness.disks"]
