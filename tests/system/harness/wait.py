# SPDX-License-Identifier: MIT
"""Waiting with a deadline, for conditions that have no event of their own."""

import select
import time

# Seconds until what must come is given up.  It bounds how long a test that fails takes,
# on a machine that is busy with others; where a time is a promise, the test says so.
PATIENCE = 30


class Deadline:
    """A point in time; `left()` is never negative."""

    def __init__(self, seconds):
        self.end = time.monotonic() + seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def passed(self):
        return self.left() == 0.0


def readable(fd, seconds):
    """True as soon as fd can be read; False after so many seconds."""
    poll = select.poll()
    poll.register(fd, select.POLLIN | select.POLLHUP)
    return bool(poll.poll(seconds * 1000))


def writable(fd, seconds):
    """The same for writing."""
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


def until(condition, timeout=PATIENCE, what="condition", pidfd=None):
    """Call condition() until it returns something true, and return that.

    With pidfd, the end of that process ends the wait as well: what it should
    have done will not happen any more.
    """
    deadline = Deadline(timeout)
    poll = select.poll()
    if pidfd is not None:
        poll.register(pidfd, select.POLLIN)
    while True:
        value = condition()
        if value:
            return value
        if deadline.passed():
            raise AssertionError("after %g s still no %s" % (timeout, what))
        if poll.poll(20):
            value = condition()
            if value:
                return value
            raise AssertionError("the process ended before %s" % what)
