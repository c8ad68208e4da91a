# SPDX-License-Identifier: MIT
"""Plugins as files: what cannot be loaded or must not be, and what becomes of a
file that is in use."""

import errno
import os
import shutil
import signal
import struct

import pytest

from harness import expect, shows

PT_LOAD = 1
NOTE = b"clusterd\0\0\0\0" + struct.pack("<I", 0x55506c63)
ROOT = os.geteuid() == 0


def deploy(r, name, change=lambda data: data, to="broken.so"):
    """A changed copy of a plugin, where the checker can read it."""
    with open(r.built(name), "rb") as f:
        data = change(f.read())
    path = r.dir + "/" + to
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o644)
    return path


@shows("B1")
@pytest.mark.parametrize("how, words", [("segv", "SIGSEGV"), ("exit0", "ended with status 0")])
def test_a_constructor_that_does_not_return(row, how, words):
    r = row()
    expect.plugin_is_refused(r, "evil_ctor_%s.so" % how, "in the constructor of plugin bad", words)


def cut_in_a_segment(data):
    """What lies behind the last one, for debuggers, nobody would miss."""
    at, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQ", data, at + i * size) for i in range(count)]
    return data[:max(offset + bytes_ // 2 for kind, _, offset, _, _, bytes_ in headers
                     if kind == PT_LOAD)]


def foreign(data):
    machine = 183 if data[18:20] == struct.pack("<H", 62) else 62
    return data[:18] + struct.pack("<H", machine) + data[20:]


@shows("B2")
@pytest.mark.parametrize("name, change, words", [
    ("evil_symbol.so", None, "undefined symbol: nobody_has_this"),
    ("hello.so", lambda data: data[:100], "is cut short or damaged"),
    ("hello.so", cut_in_a_segment, "is cut short or damaged"),
    ("hello.so", foreign, "is not a shared object of this machine"),
    ("hello.so", lambda data: b"#!/bin/sh\nexit 0\n", "is not an ELF file"),
    ("hello.so", lambda data: b"", "has 0 bytes"),
    ("hello.so", lambda data: data.replace(NOTE[:12], b"someone\0\0\0\0\0"),
     "is not a clusterd plugin"),
    ("hello.so", lambda data: data.replace(b"\0libc.so.6\0", b"\0libq.so.6\0"),
     "libq.so.6: cannot open shared object file"),
], ids=["symbol", "100 bytes", "in a segment", "machine", "text", "empty", "no note", "needed"])
def test_a_file_that_cannot_be_loaded(row, name, change, words):
    r = row()
    expect.plugin_is_refused(r, name if change is None else deploy(r, name, change), words)


# Where the words of a note lie, after its magic: offset, width.
FIELDS = {"magic": (0, "I"), "major": (4, "H"), "minor": (6, "H"), "descriptor": (8, "I"),
          "api": (12, "I"), "flags": (80, "I"), "option": (84, "I")}


def note_with(**fields):
    def change(data):
        data = bytearray(data)
        at = data.index(NOTE) + 12
        for name, value in fields.items():
            offset, width = FIELDS[name]
            struct.pack_into("<" + width, data, at + offset, value)
        return bytes(data)
    return change


@shows("B3")
@pytest.mark.parametrize("fields, words", [
    ({"magic": 1}, ["has a damaged plugin note"]),
    ({"major": 2}, ["ABI 2.3", "this clusterd has 1.3"]),
    ({"minor": 7, "flags": 1}, ["ABI 1.7", "this clusterd has 1.3"]),
    ({"api": 4096, "flags": 1}, ["needs 4096 bytes of functions", "ABI 1.3"]),
    ({"descriptor": 8}, ["structures of 8 and", "none of ABI 1.3"]),
    ({"option": 8}, ["and 8 bytes", "none of ABI 1.3"]),
], ids=lambda value: "-".join(value) if isinstance(value, dict) else "")
def test_a_plugin_of_another_abi(row, fields, words):
    """Its constructor would crash: it never runs."""
    r = row()
    expect.plugin_is_refused(r, deploy(r, "evil_ctor_segv.so", note_with(**fields)), *words)


@shows("B3")
def test_a_plugin_that_can_do_with_less(row):
    r = row(start=False)
    r.plugins["evil"] = {"module": deploy(r, "evil.so", note_with(minor=7, api=4096))}
    r.write_config()
    r.start()
    assert r.get("/absent").text == "%d\n" % -errno.ENOSYS
    r.served()


def overwrite(path, data):
    """In place: whoever has mapped it sees it."""
    inode = os.stat(path).st_ino
    with open(path, "r+b") as f:
        f.write(data)
    assert os.stat(path).st_ino == inode


@shows("B4")
def test_a_file_overwritten_in_place(row):
    """With another plugin, then with nothing, while its code is used for the first
    time: workers have a copy of their own."""
    r = row(start=False)
    path = deploy(r, "evil.so", to="evil.so")
    r.plugins["evil"] = {"module": path}
    r.write_config()
    r.start()
    before = {w["worker"]: w["id"] for w in r.workers()}
    with open(r.built("hello.so"), "rb") as f:
        overwrite(path, f.read())
    r.served()
    os.truncate(path, 0)
    for cold in ("/header", "/type", "/pieces", "/flood?1", "/length?long", "/allocate"):
        assert r.get(cold).status == 200
    assert {w["worker"]: w["id"] for w in r.workers()} == before
    victim = r.blame(r.worker("web/0"))
    os.kill(victim["pid"], signal.SIGKILL)
    back = r.await_event("worker.ready", worker="web/0", id=lambda i: i != victim["id"])
    answer = r.get("/")
    while answer.header("X-Worker-Id") != str(back["id"]):
        answer = r.get("/")
    assert answer.text == "evil\n", "the one that came back has what was accepted"
    changed = r.await_state(lambda s: any(one["reason"] == "source_changed"
                                          for one in s["reasons"]))
    assert changed["state"] == "ok", "nothing is wrong yet"
    assert r.rows("plugins")[0]["source_changed"] is True
    shutil.copyfile(r.built("evil.so"), path)
    r.await_state(lambda s: not s["reasons"])
    r.served()


# ---- B6 -------------------------------------------------------------------------------

def group_writable(r, path):
    os.chown(path, -1, 65533)
    os.chmod(path, 0o664)
    return path, "writable by group 65533 (mode 0664)"


def world_writable(r, path):
    os.chmod(path, 0o666)
    return path, "writable by everybody (mode 0666)"


def writable_parent(r, path):
    parent = r.dir + "/open"
    os.mkdir(parent)
    os.rename(path, parent + "/x.so")
    os.chmod(parent, 0o777)
    return parent + "/x.so", parent + " is writable by everybody (mode 0777)"


def setuid(r, path):
    os.chmod(path, 0o4755)
    return path, "is setuid or setgid (mode 4755)"


def foreign_owner(r, path):
    os.chown(path, 65533, -1)
    return path, "belongs to uid 65533"


def link_into_open_tree(r, path):
    """The link is sound; what it leads to is not."""
    path, words = writable_parent(r, path)
    os.symlink(path, r.dir + "/link.so")
    return r.dir + "/link.so", words


NEEDS_ROOT = pytest.mark.skipif(not ROOT, reason="needs root to give a file away")
UNSAFE = [world_writable, writable_parent, setuid, link_into_open_tree,
          pytest.param(group_writable, marks=NEEDS_ROOT),
          pytest.param(foreign_owner, marks=NEEDS_ROOT)]


@shows("B6")
@pytest.mark.parametrize("make", UNSAFE)
def test_a_path_that_others_may_write(row, make):
    """An error under a keeper that is root, else one warning in the same words."""
    r = row()
    path, words = make(r, deploy(r, "hello.so", to="x.so"))
    if ROOT:
        expect.plugin_is_refused(r, path, words)
        return
    r.plugins["bad"] = {"module": path}
    r.write_config()
    result = r.ctl("reload")
    assert result.code == 0, result
    assert (result.out + result.err + r.log()).count(words) == 1, result
    r.served()


@shows("B6")
@pytest.mark.parametrize("what", ["fifo", "/dev/zero", "directory"])
def test_what_is_no_file_blocks_nobody(row, what):
    r = row()
    path = what
    if what != "/dev/zero":
        path = r.dir + "/odd"
        (os.mkfifo if what == "fifo" else os.mkdir)(path, 0o644)
    expect.plugin_is_refused(r, path, "is not a regular file")


@shows("B6")
@pytest.mark.parametrize("how", ["link in a sound tree", "sticky directory"])
def test_paths_that_are_sound(row, how):
    """As a volume of a container has them, and below /tmp, where all tests run."""
    r = row()
    os.mkdir(r.dir + "/one", 0o755)
    path = deploy(r, "hello.so", to="one/hello.so")
    if how.startswith("link"):
        os.symlink("one", r.dir + "/..data")
        os.symlink("..data/hello.so", r.dir + "/hello.so")
        path = r.dir + "/hello.so"
    r.plugins["good"] = {"module": path}
    r.write_config()
    result = r.ctl("reload")
    assert result.code == 0 and "writable" not in result, result
    r.served()
