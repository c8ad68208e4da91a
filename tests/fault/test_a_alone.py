# SPDX-License-Identifier: MIT
"""A worker dies while it spins."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from harness import alone, http, processes, shows, wait

pytestmark = alone

INSIDE = "CLUSTERD_TEST_PID_NAMESPACE"
LAST_PID = "/proc/sys/kernel/ns_last_pid"


def own_pids(test):
    """In a pid namespace of its own the test is run as process 1; elsewhere this
    does that, and says what came of it."""
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if os.geteuid() != 0 or not shutil.which("unshare") or not os.path.exists(LAST_PID):
        pytest.skip("needs root, unshare(1) and " + LAST_PID)
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip("no pid namespace: " + tried.stderr.strip())
    done = subprocess.run(
        [*command, sys.executable, "-m", "pytest", "-q", "-s", "--color=no",
         __file__ + "::" + test],
        env=dict(os.environ, **{INSIDE: "yes"}), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def offer_pid(pid):
    """The next process gets that number, if it is free and nobody is quicker."""
    with open(LAST_PID, "w", encoding="ascii") as f:
        f.write(str(pid - 1))


def start_with_pid(pid):
    """A stranger of that number."""
    for _ in range(100):
        offer_pid(pid)
        stranger = subprocess.Popen(["/bin/sleep", "1000"])
        if stranger.pid == pid:
            processes.own(pid)
            return stranger
        stranger.kill()                 # somebody else was quicker
        stranger.wait()
    raise AssertionError("the number %d is not to be had" % pid)


@shows("A12")
@shows("node-W2")
def test_a_pid_that_is_anothers_meanwhile(request):
    """The first step of the ladder is held up while the worker dies and a stranger
    gets its number: what follows is not for the stranger."""
    if os.environ.get(INSIDE) != "yes":
        own_pids(request.function.__name__)
        return
    r = request.getfixturevalue("row")(handler_timeout="500ms", request_timeout="5s",
                                       env={"CLUSTERD_FP": "ladder.k1:sleep=900"})
    master = r.master_pid()
    with r.connect() as conn:
        victim = r.blame(r.worker(conn.request("GET", "/").header("X-Worker")))
        worker = processes.Process(victim["pid"])
        conn.send(http.head("GET", "/spin", r.address()))
        wait.until(lambda: processes.is_asleep(master), 10, "the master at the first step")
        worker.send(signal.SIGKILL)
        wait.until(lambda: victim["pid"] not in processes.table(), 5, "the worker reaped")
        worker.close()
        stranger = start_with_pid(victim["pid"])
        started = time.time() * 1000
        death = r.await_event("worker.exited", id=victim["id"])
        r.await_event("worker.ready", worker=victim["worker"], id=lambda i: i != victim["id"])
    assert (death["cause"], death["signal"]) == ("hang", "SIGKILL"), "before its SIGABRT"
    assert death["time"] > started, "while the master was held"
    assert stranger.poll() is None, "it was signalled"
    stranger.kill()
    stranger.wait()
    processes.disown(victim["pid"])


def start_heir(conn, session):
    """Who is left of a session of that number, whose leader was no worker."""
    for _ in range(100):
        offer_pid(session)
        pid, of = map(int, conn.request("GET", "/heir").text.split())
        if of == session:
            return processes.Process(pid)
        processes.end_all([pid])
    raise AssertionError("the number %d is not to be had" % session)


@shows("A12")
def test_a_session_that_has_the_number_of_a_dead_worker(request):
    """Who left a worker for a session of his own is nobody's business, also when its
    number was that of a worker before."""
    if os.environ.get(INSIDE) != "yes":
        own_pids(request.function.__name__)
        return
    r = request.getfixturevalue("row")()
    dead, next_one = r.blame(*[r.worker(name) for name in ("web/1", "web/2")])
    os.kill(dead["pid"], signal.SIGKILL)
    r.await_event("worker.exited", id=dead["id"])
    r.await_event("worker.ready", worker="web/1", id=lambda i: i != dead["id"])
    with r.connection_to(r.worker("web/0")) as conn:
        heir = start_heir(conn, dead["pid"])
    os.kill(next_one["pid"], signal.SIGKILL)
    r.await_event("worker.exited", id=next_one["id"])
    r.await_event("worker.ready", worker="web/2", id=lambda i: i != next_one["id"])
    assert heir.alive(), "it was ended"
    heir.send(signal.SIGKILL)
    heir.await_end()
    heir.close()
