# SPDX-License-Identifier: MIT
"""What somebody who may write there puts where a file of the daemon should be."""

import os
import socket


def put_hostile(how, path, precious):
    """Something at path that a log must not be written to."""
    if how == "symlink":
        os.symlink(precious, path)
    elif how == "dangling symlink":
        os.symlink(precious + ".not", path)
    elif how == "hard link":
        os.link(precious, path)
    elif how == "directory":
        os.mkdir(path)
    elif how == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
    else:
        assert how in ("FIFO", "FIFO that is read"), how
        os.mkfifo(path)
        os.chmod(path, 0o666)
