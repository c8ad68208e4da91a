# SPDX-License-Identifier: MIT
"""./setup as a newcomer meets it: usage, run, Ctrl-C."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from harness import clone, http, processes, wait

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


@pytest.fixture
def home(tmp_path_factory):
    """A directory for `run --dir', which other accounts can enter."""
    home = tmp_path_factory.mktemp("r")
    for directory in (home, home.parent, home.parent.parent):
        os.chmod(directory, 0o755)
    return home


def serves_and_ends(command, ctl, home, socket):
    """Start it, ask it as the README does, end it by Ctrl-C; what it said."""
    with open(home / "out", "wb") as out:
        run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                               stderr=out, start_new_session=True)
    processes.own(run.pid)
    process = processes.Process(run.pid)

    def status():
        done = subprocess.run([str(ctl), "-s", str(socket), "--json", "status"],
                              capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    try:
        pool = wait.until(status, 40, "status", process.pidfd)["pools"][0]
        curl = subprocess.run(["curl", "-sS", "http://%s/" % pool["listen"][0]],
                              capture_output=True, text=True, check=True)
        assert curl.stdout == "Hello, World!\n"
        with http.Connection(pool["listen"][0]) as connection:
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
    return (home / "out").read_text()


def test_run_serves_the_sample_and_ctrl_c_ends_it(release, home):
    words = serves_and_ends(
        [SETUP, "run", "--listen", "127.0.0.1:0", "--dir", str(home)],
        release / "clusterctl", home, home / "run" / "control.sock")
    assert "curl http://127.0.0.1:0/" in words
    assert "clusterctl status" in words


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_run_as_root_below_a_directory_of_roots(release, home, tmp_path):
    """Workers have an account of their own, which cannot enter the clone."""
    if subprocess.run(["unshare", "--mount", "true"], check=False).returncode != 0:
        pytest.skip("no mount namespaces here")
    os.chmod(tmp_path, 0o700)
    inside = tmp_path / "clone"
    inside.mkdir()
    words = serves_and_ends(
        ["unshare", "--mount", "sh", "-c", 'mount --bind "$1" "$2" && cd "$2" && '
         'exec ./setup run --listen 127.0.0.1:0 --dir "$3"', "sh",
         str(TOP), str(inside), str(home)],
        release / "clusterctl", home, home / "run" / "control.sock")
    assert "root: plugins, configuration and state are in" in words


@pytest.mark.skipif(os.geteuid() != 0, reason="gives itself the rights of nobody")
def test_run_as_an_ordinary_user(release, home):
    """A clone of their own, built; state is in build/run."""
    clone.make(home / "clone", build=True)
    clone.own(home)
    words = serves_and_ends(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
         "env", "HOME=" + str(home), str(home / "clone" / "setup"), "run",
         "--listen", "127.0.0.1:0"],
        release / "clusterctl", home,
        home / "clone" / "build" / "run" / "run" / "control.sock")
    assert "plugins share the daemon's account" in words
