# SPDX-License-Identifier: MIT
"""Parsers of HTTP that are compared: ours by itself (tests/unit/parse_verdict.c), and
Node's, whose parser is llhttp."""

import json
import os
import shutil
import subprocess

import pytest

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LLHTTP_MIN = 6                          # who is older reads too much that is wrong


def verdicts(command, inputs, timeout=300):
    """What a program says of each: it reads a line of hex digits for one, and answers
    with a line of JSON."""
    lines = b"".join(one.hex().encode() + b"\n" for one in inputs)
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, check=True,
                          timeout=timeout)
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(build):
    """judge(inputs): the verdicts of our parser."""
    program = os.path.join(build, "tests/unit/parse_verdict")
    return lambda inputs: verdicts([program], inputs)


def node():
    """Where it is; a test without it is skipped."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    return found


def oracle(script):
    """(the command that runs this script of tests/system by Node, version of llhttp); a
    test is skipped where there is none, or one too old."""
    program = node()
    version = subprocess.run([program, "-p", "process.versions.llhttp"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.strip()
    if int(version.split(".")[0]) < LLHTTP_MIN:
        pytest.skip("llhttp %s is too old to be compared with" % version)
    return [program, os.path.join(SCRIPTS, script)], version
