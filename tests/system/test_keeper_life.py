# SPDX-License-Identifier: MIT
"""What keeps running when something ends: master, keeper, a second start."""

import os
import signal

import pytest

from harness import processes, shows, wait

ROOT = os.geteuid() == 0


def pids(c):
    return sorted(row["pid"] for row in c.workers())


@shows("P9")
def test_keeper_is_killed(cluster):
    """Everything leaves in orphan_grace, and the next start is clean."""
    c = cluster(workers=2, daemon={"orphan_grace": "1s"})
    c.expect_exit(-9)
    family = [processes.Process(pid) for pid in processes.descendants(c.pid())]
    assert len(family) == 3
    c.signal(signal.SIGKILL)
    c.await_exit()
    for one in family:
        one.await_end(5)
        one.close()
    c.start()
    assert c.get("/").status == 200


def test_detached(cluster):
    c = cluster(start=False)
    done = c.clusterd("-d")
    assert done.code == 0, done
    with open(c.dir + "/run/clusterd.pid", encoding="utf-8") as f:
        daemon = processes.Process(int(f.read()))
    assert c.get("/").status == 200     # it serves when the caller returns
    daemon.send(signal.SIGTERM)
    daemon.await_end()
    daemon.close()


def test_detached_with_a_bad_file(cluster):
    c = cluster(start=False, nonsense="1")
    done = c.clusterd("-d")
    assert done.code == 78 and "nonsense" in done


def test_version_of_all_three(cluster):
    done = cluster(start=False).clusterd("-V")
    assert done.code == 0
    lines = done.out.splitlines()
    stamps = {line.split()[1] for line in lines if line.startswith("clusterd")}
    assert len(stamps) == 1 and len([1 for line in lines if line.startswith("clusterd")]) == 3


# What a worker of a pool with one address is given, by number, and what it
# opens for itself: kinds as /proc says, sockets by their type.
GIVEN = ["/dev/null", "pipe", "pipe", "unix seqpacket", "unix seqpacket", "pipe",
         "/memfd:clusterd-page", "/memfd:clusterd-master-page",
         "/memfd:clusterd-snapshot", "pipe", "workers.lock", "pipe",
         "tcp listener"]
# Eight in reserve, for when there are no others.
OPENED = processes.SPARES * ["/dev/null"] + ["eventfd", "eventpoll", "pipe", "pipe"]
SHARED = {0: "/dev/null", 5: "lifeline", 7: "master's page", 8: "snapshot",
          10: "lock", 12: "listener"}


def kinds(pid):
    """{number: kind} of the descriptors of a process."""
    sockets = {}
    with open("/proc/%d/net/unix" % pid, encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            words = line.split()
            sockets[words[6]] = "unix " + {"0001": "stream", "0005": "seqpacket"}.get(
                words[4], words[4])
    with open("/proc/%d/net/tcp" % pid, encoding="ascii") as f:
        for line in f.read().splitlines()[1:]:
            words = line.split()
            sockets[words[9]] = "tcp listener" if words[3] == "0A" else "tcp"
    found = {}
    for number, link in processes.fds(pid).items():
        if link == "/proc/%d/fd" % pid:
            continue                    # its own look at them
        kind, _, inode = link.partition(":[")
        if kind == "socket":
            kind = sockets.get(inode.rstrip("]"), "socket")
        kind = kind.replace(" (deleted)", "")
        if link.startswith("anon_inode:"):
            kind = link[len("anon_inode:"):].strip("[]")
        found[number] = "workers.lock" if link.endswith("/run/workers.lock") else kind
    return found


def test_a_worker_holds_what_its_list_says_and_no_more(cluster):
    c = cluster(workers=2)
    for row in c.workers():
        held = kinds(row["pid"])
        assert [held.pop(n, None) for n in range(len(GIVEN))] == GIVEN
        assert sorted(held.values()) == OPENED, held
    # of all these, two workers have in common only what is for all
    one, other = [{number: os.stat("/proc/%d/fd/%d" % (row["pid"], number)).st_ino
                   for number in range(len(GIVEN))} for row in c.workers()]
    assert {n for n in one if one[n] == other[n]} == set(SHARED)
    # and the lifeline ends in the keeper's hands alone
    writers = [pid for pid in [c.pid()] + processes.descendants(c.pid())
               if writes(pid, one[5])]
    assert writers == [c.pid()]


def writes(pid, inode):
    """Has this process a write end of that pipe?"""
    for number in os.listdir("/proc/%d/fd" % pid):
        try:
            if os.stat("/proc/%d/fd/%s" % (pid, number)).st_ino != inode:
                continue
            with open("/proc/%d/fdinfo/%s" % (pid, number), encoding="ascii") as f:
                flags = int(next(line for line in f if "flags" in line).split()[1], 8)
        except FileNotFoundError:
            continue                    # closed meanwhile
        if flags & os.O_ACCMODE != os.O_RDONLY:
            return True
    return False


def test_descriptors_of_each_role(cluster):
    """What the keeper holds for a worker goes with it."""
    c = cluster(workers=2, scale=1)
    keeper = len(os.listdir("/proc/%d/fd" % c.pid()))
    for row in c.workers():
        processes.Process(row["pid"]).send(signal.SIGKILL)
    c.await_state(lambda s: all(w["restarts"] == 1 and w["state"] == "ready"
                                for w in s["workers"]) and len(s["workers"]) == 2)
    wait.until(lambda: len(os.listdir("/proc/%d/fd" % c.pid())) == keeper, 5, "baseline")


@pytest.mark.skipif(not ROOT, reason="needs root")
def test_another_worker_account(cluster):
    c = cluster(daemon={"worker_user": "nobody"})
    assert c.get("/").status == 200
    for row in c.workers():
        assert os.stat("/proc/%d" % row["pid"]).st_uid == 65534


@shows("P12")
def test_a_log_that_cannot_be_written_is_no_end(cluster):
    c = cluster(start=False, workers=1)
    c.log_file = "/dev/full"
    c.start()
    processes.Process(c.worker("web/0")["pid"]).send(signal.SIGKILL)
    c.await_state(lambda s: [w for w in s["workers"]
                             if w["restarts"] == 1 and w["state"] == "ready"])
    assert c.get("/").status == 200
    assert c.stop() == 0
    c.log_file = c.dir + "/log"


def test_a_verdict_that_is_in_before_the_inventory_counts_once(cluster):
    """The first checker may have ended before the master has heard all."""
    c = cluster(workers=2, env={"CLUSTERD_FP": "keeper.before_have_end:sleep=500"})
    assert c.status()["generation"] == 1
    names = [row["event"] for row in c.events()]
    assert names.count("master.started") == 1 and names.count("config.applied") == 1
    ids = [row["id"] for row in c.workers()]
    c.plugins["hello"] = {"module": "no_such.so"}
    c.write_config()
    assert c.ctl("reload").code == 1, "and its verdict arrives"
    assert [row["id"] for row in c.workers()] == ids
