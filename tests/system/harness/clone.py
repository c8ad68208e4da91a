# SPDX-License-Identifier: MIT
"""A clone of the source tree that belongs to an ordinary user."""

import os
import pathlib
import pwd
import subprocess

from harness import accounts

TOP = pathlib.Path(__file__).resolve().parents[3]

# Not in the repository, and there after ./autogen.sh.
MADE = ["configure", "Makefile.in", "aclocal.m4", "config.h.in", "m4", "build-aux"]


def ordinary():
    """For subprocess: to be nobody, where we are root."""
    if os.geteuid() != 0:
        return {}
    return accounts.become(pwd.getpwnam("nobody").pw_uid)


def own(path):
    """Everything below path is that user's."""
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "nobody", str(path)], check=True)


def make(to, build=False):
    """Copy the tree to `to', with its times; build: what ./setup build has made
    too, so that a make there has nothing to do."""
    files = subprocess.run(["git", "-C", str(TOP), "ls-files"], check=True, text=True,
                           capture_output=True).stdout.splitlines()
    names = set(files + MADE + (["build"] if build else []))
    others = ["--exclude=build/" + name for name in
              ("test", "asan", "fuzz", "tsan", "run", "log")]
    to.mkdir()
    listed = "\n".join(sorted(name for name in names if os.path.lexists(TOP / name)))
    pack = subprocess.run(["tar", "-C", str(TOP), *others, "-cf", "-",
                           "--verbatim-files-from", "-T", "-"], input=listed.encode(),
                          stdout=subprocess.PIPE, check=True)
    subprocess.run(["tar", "-C", str(to), "-xf", "-"], input=pack.stdout, check=True)
    own(to)
