# SPDX-License-Identifier: MIT
"""Clock, environment, kernel."""

import os

import pytest

from harness import processes, refuse, row as rows, shows

# What is done without it, or why nothing can be; openat2 is not used.
WITHOUT = {
    "clone3": "clone does its work", "close_range": "descriptors are closed one by one",
    "pidfd_open": "/proc does its work", "seccomp": "workers have no guard filter",
    "execveat": "programs are executed through /proc",
}
# (call, error): the refusal names the call and the reason
REFUSED = {
    ("memfd_create", "ENOSYS"): "memfd_create (Function not implemented), which cannot be",
    ("memfd_create", "EPERM"): "memfd_create (Operation not permitted), which cannot be",
    ("clone3", "EPERM"): "clone3 (Operation not permitted), so there are no threads",
}
EACH = [(call, error) for call in refuse.CALLS for error in ("ENOSYS", "EPERM")]


def versions(r):
    result = r.clusterd("-V")
    assert result.code == 0 or "cannot be done without" in result, result
    return result.out


@shows("J3")
@pytest.mark.parametrize("call, error", [one for one in EACH if one not in REFUSED])
def test_a_call_that_the_system_refuses(row, call, error):
    r = row(start=False)
    # and a descriptor that somebody left open
    r.through = ["sh", "-c", 'exec 7</etc/passwd; exec "$@"', "sh"] + refuse.through(error, call)
    r.start()
    if call in WITHOUT:
        r.await_log("the system refuses %s " % call)
        assert WITHOUT[call] in r.log()
    for name in ("web/0", "web/1"):
        r.kill_worker(name)
    assert r.ctl("reload").code == 0
    r.served()
    for pid in [r.pid()] + processes.descendants(r.pid()):
        assert "/etc/passwd" not in rows.fds(pid).values(), processes.name(pid)
    said = versions(r)
    assert ("refused: %s " % call in said) == (call in WITHOUT), said


@shows("J3")
@pytest.mark.parametrize("call, error", sorted(REFUSED))
def test_a_call_that_cannot_be_done_without(row, call, error):
    r = row(start=False)
    r.through = refuse.through(error, call)
    result = r.clusterd()
    assert result.code == 1 and "the system refuses " + REFUSED[call, error] in result.err, result
    assert not os.path.exists(r.dir + "/run"), "nothing was begun"
    assert "refused: %s " % call in versions(r)


@shows("J3")
def test_what_the_system_has(cluster):
    said = versions(cluster(start=False))
    assert "system: clone3 close_range pidfd_open seccomp memfd_create execveat" in said
