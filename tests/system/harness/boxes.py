# SPDX-License-Identifier: MIT
"""Surroundings as a container has them: words to put before a command, each of
which runs it in namespaces of its own."""

import functools
import os
import shutil
import subprocess

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@functools.lru_cache(maxsize=None)
def _works(*words):
    if shutil.which(words[0]) is None:
        return words[0] + " is not installed"
    done = subprocess.run([*words, "true"], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr.strip() or "refused"


def needs(*words):
    """Skip the test where a command cannot be put before another."""
    trouble = _works(*words)
    if trouble:
        pytest.skip("no %s here: %s" % (" ".join(words), trouble))
    return list(words)


def mounted(script):
    """What this shell script mounts is seen by the command alone."""
    return needs("unshare", "--mount") + ["sh", "-e", "-c", script + '\nexec "$@"', "sh"]


def as_pid_1():
    return needs("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")


def without_capabilities(*names):
    """As root, without these (or without any)."""
    return needs("setpriv", "--bounding-set=" + (
        ",".join("-" + name for name in names) or "-all"), "--inh-caps=-all")


def as_uid(uid):
    return needs("setpriv", "--reuid=%d" % uid, "--regid=%d" % uid, "--clear-groups")
