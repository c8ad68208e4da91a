# SPDX-License-Identifier: MIT
"""Manual pages and help agree with the rows of commands; no daemon is needed."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((SOURCE / "doc").glob("*.[1-8]"))

# Typed here, not taken from the table: what users were promised.
COMMANDS = """status pools workers plugins listeners generations scale reload
restart drain kill pause resume retry rollback stop events why deaths top
requests children send logs history audit metrics upgrade ping version help
verdict""".split() + ["config show", "config check", "config diff", "log level",
                      "log reopen", "db backup"]


@pytest.fixture(name="ctl")
def _ctl(build):
    def run(*args, **env):
        return subprocess.run([build + "/clusterctl", *args], text=True, timeout=20,
                              capture_output=True, check=False,
                              env=dict(os.environ, **env))
    return run


def test_help_lists_every_command(ctl):
    listed = ctl("help")
    assert listed.returncode == 0 and listed.stderr == ""
    for command in COMMANDS:
        assert re.search(r"^  %s\b" % command, listed.stdout, re.M), command
    assert ctl("--help").stdout == listed.stdout
    assert ctl("-h").stdout == listed.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(ctl, command):
    words = command.split()
    one = ctl("help", *words)
    assert one.returncode == 0
    assert one.stdout.startswith("usage: clusterctl " + command)
    assert ctl(*words, "--help").stdout == one.stdout


def test_the_manual_has_the_rows_of_commands(ctl):
    page = (SOURCE / "doc/clusterctl.1").read_text()
    assert ctl("--manual").stdout in page, \
        "doc/clusterctl.1 differs from `clusterctl --manual'"
    for command in COMMANDS:
        assert re.search(r"^\.It Cm %s\b" % command, page, re.M), command


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_manual_pages_are_clean(page):
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    lint = subprocess.run([mandoc, "-Tlint", "-W", "warning", str(page)], text=True,
                          capture_output=True, check=False)
    assert lint.stdout + lint.stderr == ""


USAGE = [
    [], ["frobnicate"], ["config"], ["scale"], ["scale", "web"],
    ["scale", "web", "1", "2"], ["status", "extra"], ["reload", "--plam"],
    ["reload", "--hold"], ["stop", "--now=1"], ["events", "--since"],
    ["log", "level"], ["-s"], ["help", "frobnicate"],
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_wrong_usage_is_2_and_said_on_stderr(ctl, words):
    wrong = ctl(*words, CLUSTERCTL_SOCKET="/nonexistent")
    assert wrong.returncode == 2
    assert wrong.stdout == ""
    assert "clusterctl" in wrong.stderr


def test_no_daemon_is_3(ctl):
    for words in (["status"], ["--json", "workers"], ["reload"], ["events", "-f"]):
        lost = ctl(*words, CLUSTERCTL_SOCKET="/nonexistent/control.sock")
        assert lost.returncode == 3 and lost.stdout == "", words
        assert "is the daemon running?" in lost.stderr


def test_completion_knows_commands_and_options(ctl):
    assert {"status", "config", "reload"} <= set(ctl("--complete").stdout.split())
    assert ctl("--complete", "config").stdout.split() == ["show", "check", "diff"]
    assert "--plan" in ctl("--complete", "reload").stdout.split()
