# SPDX-License-Identifier: MIT
"""Each system call of an operation fails (harness/counted.py)."""

import random

import pytest

from harness import inject, shows, wait
from harness.counted import (                       # noqa: F401 pylint: disable=unused-import
    EACH, SEED, as_before, counted_, everything, run, warm)

pytestmark = inject.needs_preload

PAIRS = 4                               # of call and error, in the fast set

# What each call may fail with, by its manual; those are the ones of our paths.
ERRORS = {
    "malloc": ["NULL"],
    "accept4": ["EMFILE", "ECONNABORTED", "EINTR"],
    "dup": ["EMFILE"],
    "epoll_ctl": ["ENOMEM", "ENOSPC"],
    "eventfd": ["EMFILE"],
    "fcntl": ["EMFILE"],
    "fdatasync": ["EIO"],
    "fsync": ["EIO", "ENOSPC"],
    "ftruncate": ["EIO", "EINTR"],
    "ioctl": ["ENOTTY"],
    "memfd_create": ["EMFILE", "ENOMEM"],
    "mkdir": ["ENOSPC", "EACCES"],
    "mmap": ["ENOMEM"],
    "open": ["EMFILE", "EACCES", "EINTR"],
    "pipe2": ["EMFILE"],
    "poll": ["EINTR", "ENOMEM"],
    "pread64": ["EIO", "EINTR"],
    "pwrite64": ["ENOSPC", "EIO", "EINTR"],
    "read": ["EIO", "EINTR"],
    "recv": ["ENOMEM", "EINTR", "ECONNRESET"],
    "recvmsg": ["ENOMEM", "EINTR"],
    "rename": ["ENOSPC", "EACCES"],
    "sendfile": ["EIO", "ENOMEM", "EINTR"],
    "send": ["ENOBUFS", "EPIPE", "EINTR"],
    "sendmsg": ["ENOBUFS", "ENOMEM", "ETOOMANYREFS", "EINTR"],
    "setsockopt": ["ENOMEM"],
    "socket": ["EMFILE", "ENOBUFS"],
    "socketpair": ["EMFILE", "ENOBUFS"],
    "write": ["ENOSPC", "EIO", "EINTR"],
}


@shows("E3")
@EACH
@pytest.mark.limit(3600)
def test_system_calls(counted, op, request):
    pairs = [(call, error) for call, errors in ERRORS.items() if call != "malloc"
             for error in errors]
    random.Random(SEED).shuffle(pairs)
    before = warm(counted, op)
    tried = 0
    for call, error in pairs:
        samples = {"": 10**6, "+": 3} if everything(request) else {"": 2, "+": 1}
        tried += run(counted, op, call, error, samples) > 0
        if tried == PAIRS and not everything(request):
            break
    assert tried > 0
    wait.until(lambda: as_before(counted.c, before), 10, "descriptors as before")
