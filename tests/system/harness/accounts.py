# SPDX-License-Identifier: MIT
"""To run a program as another account.  Needs root."""

import os
import pwd
import shutil


def become(uid):
    """For subprocess: that account, with no other group than its own."""
    return {"user": uid, "group": pwd.getpwuid(uid).pw_gid, "extra_groups": []}


def program(build, name, directory):
    """A copy of a program of the build in a directory that all accounts can enter:
    the build may lie where they cannot."""
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        shutil.copy(os.path.join(build, name), path)
        os.chmod(path, 0o755)
    return path


def programs(build, directory):
    """The same of all of them, in a new directory; returns it."""
    os.mkdir(directory)
    os.chmod(directory, 0o755)
    for name in "clusterd", "clusterd-master", "clusterd-worker", "clusterctl":
        program(build, name, directory)
    return directory
