# SPDX-License-Identifier: MIT
"""The plugins of a build where the workers of a test can read them."""

import contextlib
import os
import shutil
import tempfile


def find(plugin_dirs, name):
    """The first file of that name."""
    return next(path for path in (os.path.join(one, name) for one in plugin_dirs)
                if os.path.exists(path))


@contextlib.contextmanager
def plugins(build):
    """The directories of plugins.  As root the workers' account must reach
    them, and a build tree may lie where it cannot: then they are copied."""
    dirs = [build + "/plugins", build + "/tests/plugins"]
    if os.geteuid() != 0:
        yield dirs
        return
    copies = tempfile.mkdtemp(prefix="clplug", dir="/tmp")
    os.chmod(copies, 0o755)
    staged = []
    for number, path in enumerate(dirs):
        staged.append("%s/%d" % (copies, number))
        os.mkdir(staged[-1], 0o755)
        for name in os.listdir(path) if os.path.isdir(path) else ():
            if name.endswith(".so"):
                shutil.copy(os.path.join(path, name), staged[-1])
                os.chmod(os.path.join(staged[-1], name), 0o644)
    yield staged
    shutil.rmtree(copies)
