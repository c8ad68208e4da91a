# SPDX-License-Identifier: MIT
"""Clock, environment, kernel."""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import boxes, processes, refuse, shows, wait


# Its clients do not give up while it stands still.
LASTING = {"keepalive": 2, "new": 1, "pause": 0.02, "timeout": 60}


@shows("J2")
def test_suspended(row):
    """With a slot in back-off, whose wait is over when it wakes up."""
    r = row(backoff_min="6s", backoff_max="6s", stable_after="1h", load=LASTING)
    r.kill_worker("web/1")              # a lone early death has no delay
    again = r.blame(r.worker("web/1"))
    os.kill(again["pid"], signal.SIGKILL)
    backoff = r.await_event("worker.backoff", worker="web/1")
    assert r.worker("web/1")["state"] == "waiting"
    seen = r.last_event()
    r.freeze(6.5)
    ready = r.await_event("worker.ready", after=seen, worker="web/1", timeout=5)
    names = [e["event"] for e in r.events(backoff["seq"])]
    assert not {"worker.stalled", "worker.hung", "master.adopted"} & set(names), names
    started = r.await_event("worker.forked", after=seen, worker="web/1")
    assert ready["time"] - started["time"] < 2000
    assert len([e for e in r.events() if e["event"] == "worker.exited"]) == 2
    r.served()


def is_in_a_call(pid, *names):
    """A process waits in one of these system calls."""
    with open("/proc/%d/wchan" % pid, encoding="ascii") as f:
        return f.read() in names


@shows("J2")
@boxes.needs_root
def test_suspended_in_the_middle_of_a_tick(row):
    """The master has seen that it is not late, and then the machine stands still:
    what it judges afterwards is as of then."""
    r = row(start=False)
    r.arm()
    r.start()
    master, seen = r.master_pid(), r.last_event()
    r.arm("master.tick:sleep=300")
    wait.until(lambda: is_in_a_call(master, "hrtimer_nanosleep", "do_nanosleep"), 10,
               "a tick that stands still")
    r.arm()
    r.freeze(1.5)
    r.served(5)
    names = [e["event"] for e in r.events(seen)]
    assert not {"worker.stalled", "worker.hung", "master.adopted"} & set(names), names


# ---- an old kernel, a strict container -----------------------------------------------------

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
        assert "/etc/passwd" not in processes.fds(pid).values(), processes.name(pid)
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


# ---- containers ------------------------------------------------------------------------

@shows("J4")
@boxes.needs_root
def test_as_pid_1(cluster):
    """Without the oracle: what `status` calls a process is a number of the
    container, and only the test outside can end it."""
    c = cluster(workers=2, start=False, routes={"/": "evil"})
    c.through = boxes.as_pid_1()
    c.start()
    first, = processes.children(c.pid())
    c.process.close()
    c.process = processes.Process(first)
    assert c.status()["pid"] == 1
    with c.load(keepalive=2) as book:
        assert c.ctl("kill", "web/0").code == 0
        c.await_event("worker.exited")
        c.await_ready()
        # strangers that lose their parents there are its children now
        for _ in range(5):
            subprocess.run(["nsenter", "-t", str(first), "--pid", "sh", "-c", "(true &)"],
                           check=True)
        book.await_each()
        wait.until(lambda: not processes.zombies(first), 5, "the end of the strangers")
    assert c.stop() == 0, "TERM is heard"


@shows("J4")
@boxes.needs_root
@pytest.mark.parametrize("mode", ["-t", None])
def test_without_proc(row, mode):
    r = row(start=False)
    r.through = boxes.mounted("mount -t tmpfs none /proc")
    result = r.clusterd(*([mode] if mode else []))
    assert result.code == 1 and "/proc is not mounted" in result.err, result
    assert not os.path.exists(r.dir + "/run")


@shows("J4")
@boxes.needs_root
def test_a_root_that_is_read_only(row):
    """But for what the row writes to."""
    r = row(start=False)
    r.through = boxes.mounted('mount --bind "%s" "%s"; mount -o remount,bind,ro /' % (
        r.dir, r.dir))
    r.start()
    r.kill_worker("web/0")
    assert r.ctl("reload").code == 0
    r.served()


@shows("J4")
@boxes.needs_root
@pytest.mark.parametrize("options, said", [
    ("noexec", "noexec"), ("ro", "Read-only file system")])
def test_a_state_dir_that_is_of_no_use(row, options, said):
    r = row(start=False)
    os.mkdir(r.dir + "/state")
    r.through = boxes.mounted('mount -t tmpfs -o %s,mode=777 none "%s/state"' % (options, r.dir))
    result = r.clusterd()
    assert result.code == 1 and said in result.err and r.dir + "/state" in result.err, result


@shows("J4")
@boxes.needs_root
def test_without_any_capability(row):
    """As root that is none: it could not become anybody else, so it is not begun."""
    r = row(start=False)
    r.through = boxes.without_capabilities()
    result = r.clusterd()
    assert result.code == 1 and "Operation not permitted" in result.err, result


@shows("J4")
@shows("P12")
@boxes.needs_root
def test_priorities_that_are_refused(row):
    """Neither its niceness nor what the system kills first is worth a start."""
    r = row(start=False, nice=-5)
    r.through = boxes.without_capabilities("sys_nice", "sys_resource")
    r.start()
    for worker in r.workers():
        assert os.getpriority(os.PRIO_PROCESS, worker["pid"]) == \
            os.getpriority(os.PRIO_PROCESS, 0), "it stays as it is here"
    r.kill_worker("web/0")


@shows("J4")
@boxes.needs_root
def test_an_account_without_a_name(row):
    r = row(start=False)
    r.run_as(54321)
    r.start()
    assert os.stat("/proc/%d" % r.master_pid()).st_uid == 54321
    r.await_log("share the account of uid 54321")
    r.kill_worker("web/0")
    assert r.ctl("reload").code == 0


# ---- the look-up of accounts ----------------------------------------------------------

def hesiod():
    """A source of accounts of the C library, which a test can replace."""
    known = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=False)
    found = re.search(r"libnss_hesiod\.so\.2 \(libc6,[^)]*\) => (\S+)", known.stdout)
    if found is None:
        pytest.skip("no source of accounts to be replaced")
    return found.group(1)


def evil_accounts(r, how, name):
    """The look-up of this name sleeps, or aborts, in each program of the daemon."""
    module = next(path + "/nss_evil.so" for path in r.plugin_dirs
                  if os.path.exists(path + "/nss_evil.so"))
    with open(r.dir + "/nsswitch.conf", "w", encoding="ascii") as f:
        f.write("passwd: hesiod files\ngroup: files\n")
    r.env["FI_NSS"] = "%s %s" % (how, name)
    r.through = boxes.mounted(
        'mount --bind "%s/nsswitch.conf" /etc/nsswitch.conf; mount --bind "%s" "%s"' % (
            r.dir, module, hesiod()))


@shows("J7")
@boxes.needs_root
@pytest.mark.parametrize("how", ["sleep", "abort"])
@pytest.mark.parametrize("name", ["clusterd-worker", "clusterd"])
def test_a_look_up_of_accounts(row, how, name):
    """It blocks, or crashes, in the keeper's start or in the checker: said by the
    account, in five seconds at most."""
    r = row(start=False)
    evil_accounts(r, how, name)
    before = set(processes.descendants(os.getpid()))
    for mode in ([], ["-t"]):
        began = time.monotonic()
        result = r.clusterd(*mode)
        took = time.monotonic() - began
        assert result.code == 78 and re.search(r"account \"?%s\"? cannot be looked up" % name,
                                               result.err), result
        assert how == "abort" or 5 / r.scale <= took < 10 * 5 / r.scale, took
    processes.reap()
    assert set(processes.descendants(os.getpid())) <= before
    r.through, r.env = [], {}
    r.start()                           # and nothing of it stays


@shows("J7")
@boxes.needs_root
def test_a_look_up_of_accounts_at_a_reload(row):
    """The keeper is unharmed, and so is all that serves."""
    r = row(start=False)
    evil_accounts(r, "sleep", "nobody")
    r.start()
    before = [(w["worker"], w["id"]) for w in r.workers()]
    r.write_config(user="nobody")
    result = r.ctl("reload")
    assert result.code == 1 and 'account "nobody" cannot be looked up' in result, result
    assert [(w["worker"], w["id"]) for w in r.workers()] == before
    r.served()
