# SPDX-License-Identifier: MIT
"""System calls of one running process made to fail by strace(1)."""

import shutil
import subprocess

import pytest

from harness import processes, wait


class Tracer:
    """with Tracer(pid, ["clone3"], "error=EAGAIN:when=1..4"): ...

    Calls are counted from here on, each name by itself; children are not
    traced unless wanted: what it starts from here on.  A machine without strace,
    or that allows none, skips the test.
    """

    def __init__(self, pid, calls, how, children=False):
        if not shutil.which("strace"):
            pytest.skip("needs strace")
        self.pid = pid
        names = ",".join(calls)
        self.command = ["strace", *["-f"] * children, "-qq", "-o", "/dev/null",
                        "-e", "trace=" + names, "-e", "inject=%s:%s" % (names, how), "-p", str(pid)]
        self.strace = None

    def __enter__(self):
        self.strace = subprocess.Popen(self.command, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        processes.own(self.strace.pid)
        wait.until(lambda: self._attached() or self.strace.poll() is not None, 10,
                   "strace attached")
        if self.strace.poll() is not None:
            said = self.strace.stderr.read().decode()
            self._end()
            pytest.skip("strace may not: " + said.strip())
        return self

    def __exit__(self, *_):
        self.strace.terminate()
        self._end()

    def _attached(self):
        with open("/proc/%d/status" % self.pid, encoding="ascii") as f:
            return "\nTracerPid:\t0\n" not in f.read()

    def _end(self):
        self.strace.communicate(timeout=10)
        processes.disown(self.strace.pid)
