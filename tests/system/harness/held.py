# SPDX-License-Identifier: MIT
"""Handlers that wait for a word of the test."""

import os


class Held:
    """A fifo that they wait for; c: a Daemon or a Row."""

    def __init__(self, c):
        self.path = c.dir + "/held"
        os.mkfifo(self.path)
        os.chmod(self.path, 0o666)

    def let_go(self):
        os.close(os.open(self.path, os.O_WRONLY))
