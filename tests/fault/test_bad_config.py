# SPDX-License-Identifier: MIT
"""A configuration or a plugin that is no good: what is refused, in which words,
and that nothing else changes."""

import os
import struct

import pytest

from harness import shows

NOTE = b"clusterd\0\0\0\0" + struct.pack("<I", 0x55506c63)


def serving(cluster):
    """What must be the same afterwards."""
    status = cluster.status()
    return (status["generation"], status["pid"], status["master"]["pid"],
            [(row["worker"], row["id"], row["pid"]) for row in status["workers"]])


def refused(cluster, words):
    """A reload that is refused with these words and changes nothing."""
    before = serving(cluster)
    last = cluster.last_event()
    result = cluster.ctl("reload")
    assert result.code == 1, result
    assert words in result, result
    cluster.await_event("config.rejected", after=last)
    assert serving(cluster) == before
    assert cluster.get("/").status == 200
    return result


def copy_plugin(cluster, name, change, new="broken.so"):
    """A changed copy of a test plugin, where the checker can read it."""
    for path in cluster.plugin_dirs:
        if os.path.exists("%s/%s" % (path, name)):
            with open("%s/%s" % (path, name), "rb") as file:
                data = file.read()
    path = cluster.dir + "/" + new
    with open(path, "wb") as file:
        file.write(change(data))
    os.chmod(path, 0o644)
    return path


@shows("H1")
def test_reload_of_a_bad_configuration(cluster):
    c = cluster(workers=2)
    c.write_config(idle_timeout="soon", wrokers="4")
    result = refused(c, "%s:" % c.config_file)
    assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result
    assert '[pool web] wrokers: unknown key; did you mean "workers"?' in result
    del c.pools["web"][0]["wrokers"]
    c.write_config(idle_timeout="1s")
    assert c.ctl("reload").code == 0


@pytest.mark.parametrize("how, words", [
    ("segv", ["SIGSEGV"]),
    ("exit0", ["ended with status 0"]),
    # 5 s of CPU, or 10 s where others want the CPU too
    pytest.param("loop", ["SIGXCPU", "took longer than 10 s"], marks=pytest.mark.slow),
])
@shows("B1")
def test_constructor_that_does_not_return(cluster, how, words):
    c = cluster(workers=1)
    c.plugins["bad"] = {"module": "evil_ctor_%s.so" % how}
    c.write_config()
    result = refused(c, "in the constructor of plugin bad")
    assert any(one in result for one in words), result


@pytest.mark.parametrize("change, words", [
    (lambda data: data[:len(data) // 2], "is cut short or damaged"),
    (lambda data: b"MZ" + data[2:], "is not an ELF file"),
    (lambda data: data.replace(b"clusterd\0\0\0\0", b"someone\0\0\0\0\0"),
     "is not a clusterd plugin"),
])
@shows("B2")
def test_plugin_that_cannot_be_loaded(cluster, change, words):
    c = cluster(workers=1)
    c.plugins["bad"] = {"module": copy_plugin(c, "hello.so", change)}
    c.write_config()
    assert "[plugin bad] module: " in refused(c, words)


@shows("B3")
def test_plugin_of_another_abi(cluster):
    """Its constructor would crash: it never runs."""
    def change(data):
        assert NOTE in data
        return data.replace(NOTE + struct.pack("<H", 1), NOTE + struct.pack("<H", 2))

    c = cluster(workers=1)
    c.plugins["bad"] = {"module": copy_plugin(c, "evil_ctor_segv.so", change)}
    c.write_config()
    refused(c, "is made for ABI 2.0, this clusterd has 1.0")


def test_first_start_with_a_bad_configuration(cluster):
    """78, the words on stderr, and nothing made."""
    c = cluster(start=False, idle_timeout="soon")
    result = c.clusterd()
    assert result.code == 78
    assert result.err.count("\n") == 1
    assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result.err
    assert not os.path.exists(c.dir + "/run")
    assert not os.path.exists(c.dir + "/state")


@pytest.mark.parametrize("how", ["segv", "exit0"])
def test_first_start_with_a_bad_constructor(cluster, how):
    c = cluster(start=False, plugins={"bad": {"module": "evil_ctor_%s.so" % how}})
    result = c.clusterd()
    assert result.code == 78
    assert "in the constructor of plugin bad" in result.err


def test_check_only(cluster):
    """clusterd -t and -T, and that they make nothing."""
    c = cluster(start=False)
    result = c.clusterd("-t")
    assert (result.code, result.out) == (0, "")
    assert result.err == "%s: the configuration is good\n" % c.config_file
    result = c.clusterd("-T")
    assert (result.code, result.err) == (0, "")
    assert "\n[pool web]\nlisten = 127.0.0.1:0\n" in result.out
    c.write_config(idle_timeout="soon")
    for option in ("-t", "-T"):
        result = c.clusterd(option)
        assert (result.code, result.out) == (78, "")
        assert '[pool web] idle_timeout: must be 0-1h, not "soon"' in result.err
    assert not os.path.exists(c.dir + "/run")
    assert not os.path.exists(c.dir + "/state")
