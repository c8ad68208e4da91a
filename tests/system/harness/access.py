# SPDX-License-Identifier: MIT
"""Access logs of a cluster: where they are, and what is in them."""

import json
import os

from harness import wait


class AccessLog:
    """A file in a folder that the master may write to, whatever its account."""

    def __init__(self, c, name="access.log"):
        self.folder = c.dir + "/logs"
        self.path = self.folder + "/" + name
        if not os.path.isdir(self.folder):
            os.mkdir(self.folder)
            os.chmod(self.folder, 0o777)

    def text(self, path=None):
        try:
            with open(path or self.path, encoding="ascii") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def lines(self, path=None):
        """All that are whole."""
        return self.text(path).split("\n")[:-1]

    def rows(self):
        return [json.loads(line) for line in self.lines()]

    def await_lines(self, count, timeout=wait.PATIENCE):
        """At least so many; each line came in a second, unscaled."""
        return wait.until(lambda: len(self.lines()) >= count and self.lines(), timeout,
                          "%d lines in the access log" % count)

    def await_line(self, words, timeout=wait.PATIENCE):
        return wait.until(lambda: next((line for line in self.lines() if words in line), None),
                          timeout, "a line with " + words)


def logging(cluster, form="combined", name="access.log", armed=False, **how):
    """A cluster with an access log, started: (cluster, log); armed: with arm()."""
    c = cluster(start=False, **how)
    log = AccessLog(c, name)
    c.write_config(access_log=log.path, access_log_format=form)
    if armed:
        c.arm()
    c.start()
    return c, log
