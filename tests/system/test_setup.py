# SPDX-License-Identifier: MIT
"""./setup as a newcomer meets it: usage, run, Ctrl-C."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness import http, processes, wait

TOP = pathlib.Path(__file__).resolve().parents[2]
SETUP = str(TOP / "setup")


@pytest.fixture
def release(build):
    """The build of ./setup build, where the tests run inside ./setup test."""
    if pathlib.Path(build) != TOP / "build" / "test":
        pytest.skip("not a build of ./setup test")
    return TOP / "build"


@pytest.mark.parametrize("words", [[], ["nonsense"], ["fuzz"], ["fuzz", "soon"],
                                   ["test", "--some"], ["run", "--fast"]])
def test_wrong_words_are_usage(words):
    done = subprocess.run([SETUP, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage: ./setup VERB" in done.stderr


def test_run_serves_the_sample_and_ctrl_c_ends_it(release, tmp_path_factory):
    home = tmp_path_factory.mktemp("r")
    for directory in (home, home.parent, home.parent.parent):
        os.chmod(directory, 0o755)      # as root the workers must get there
    with open(home / "out", "wb") as out:
        run = subprocess.Popen(
            [SETUP, "run", "--listen", "127.0.0.1:0", "--dir", str(home)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    processes.own(run.pid)
    process = processes.Process(run.pid)

    def status():
        done = subprocess.run(
            [str(release / "clusterctl"), "-s", str(home / "run" / "control.sock"),
             "--json", "status"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    try:
        pool = wait.until(status, 40, "status", process.pidfd)["pools"][0]
        with http.Connection(pool["listen"][0]) as connection:
            assert connection.request("GET", "/").text == "Hello, World!\n"
            assert connection.request("POST", "/echo", body=b"a body").status == 200
        process.send(signal.SIGINT)
        process.await_end(15)
        assert run.wait() == 0
    except BaseException:
        print((home / "out").read_text(errors="replace"))
        raise
    finally:
        if process.alive():
            processes.end_all(processes.descendants(run.pid) + [run.pid])
            run.wait()
        process.close()
        processes.disown(run.pid)
    words = (home / "out").read_text()
    assert "curl http://127.0.0.1:0/" in words
    assert "clusterctl status" in words
