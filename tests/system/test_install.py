# SPDX-License-Identifier: MIT
"""What an ordinary user installs: below a prefix of their own, under other names,
and with the README's plugin compiled against the installed files alone.  As root
the tests become nobody for all of it."""

import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

import pytest

from harness import clone, http, processes, wait

TOP = pathlib.Path(__file__).resolve().parents[2]

# The whole tree is built once here, with a prefix.
pytestmark = pytest.mark.limit(600)


def run(*args, **options):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL,
                          **clone.ordinary(), **options)
    assert done.returncode == 0, "%s\n%s%s" % (args, done.stdout[-2000:], done.stderr[-4000:])
    return done.stdout


@pytest.fixture(scope="module")
def home():
    if not (TOP / "configure").exists():
        pytest.skip("no configure in the source tree")
    path = pathlib.Path(tempfile.mkdtemp(prefix="cl", dir="/tmp"))
    path.chmod(0o755)
    clone.make(path / "source")
    clone.own(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def prefix(home):
    build = home / "build"
    build.mkdir()
    clone.own(build)
    environment = {k: v for k, v in os.environ.items()
                   if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "DESTDIR")}
    run(home / "source" / "configure", "--prefix=%s" % (home / "usr"), "--program-prefix=my-",
        "CFLAGS=-O0", cwd=build, env=environment)
    run("make", "-j2", "install", cwd=build, env=environment)
    return home / "usr"


def pkg_config(prefix, *what, package="clusterd"):
    return run("pkg-config", *what, package,
               env=dict(os.environ, PKG_CONFIG_PATH=str(prefix / "lib" / "pkgconfig"))).split()


class Installed:
    """The installed daemon in the foreground, with a configuration of its own."""

    def __init__(self, prefix, home):
        self.prefix, self.home = prefix, home
        self.file, self.socket = home / "c.ini", home / "run" / "control.sock"

    def start(self):
        out = open(self.home / "out", "wb")
        self.child = subprocess.Popen([self.prefix / "sbin" / "my-clusterd", "-c", self.file],
                                      stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      start_new_session=True, **clone.ordinary())
        out.close()
        processes.own(self.child.pid)
        self.process = processes.Process(self.child.pid)
        wait.until(self.status, 20, "status", self.process.pidfd)

    def ctl(self, *words):
        return subprocess.run([self.prefix / "bin" / "my-clusterctl", "-s", self.socket, *words],
                              capture_output=True, text=True, check=False,
                              **clone.ordinary())

    def status(self):
        done = self.ctl("--json", "status")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def get(self, path):
        with http.Connection(self.status()["pools"][0]["listen"][0]) as connection:
            return connection.request("GET", path)

    def stop(self):
        self.process.send(signal.SIGTERM)
        assert self.child.wait(20) == 0


@pytest.fixture
def installed(prefix, home):
    daemon = Installed(prefix, home)
    daemon.file.write_text(
        "[daemon]\nrun_dir = %s/run\nstate_dir = %s/state\n"
        "[pool web]\nlisten = 127.0.0.1:0\nworkers = 2\nroute = / hello\n[plugin hello]\n"
        % (home, home))
    return daemon


def test_the_tree_below_a_prefix(prefix):
    for name in ("sbin/my-clusterd", "bin/my-clusterctl", "libexec/clusterd/my-clusterd-master",
                 "libexec/clusterd/my-clusterd-worker", "lib/clusterd/plugins/hello.so",
                 "lib/clusterd/plugins/echo.so", "include/clusterd/plugin.h",
                 "include/clusterd/peer.h", "lib/libclusterd-peer.a",
                 "share/man/man7/my-clusterd-channel.7",
                 "etc/clusterd/clusterd.ini"):
        assert (prefix / name).is_file(), name


def test_the_plugin_of_the_readme(prefix, home, installed):
    readme = (TOP / "README.md").read_text()
    source = re.search(r"```c\n(.*?)```", readme, re.S).group(1)
    (home / "greet.c").write_text(source)
    run("cc", "-shared", "-fPIC", *pkg_config(prefix, "--cflags"), "-o", home / "greet.so",
        home / "greet.c")
    shutil.copy(home / "greet.so", pkg_config(prefix, "--variable=plugindir")[0])
    installed.start()
    try:
        assert installed.get("/").text == "Hello, World!\n"
        section = re.search(r"```ini\n(.*?)```", readme, re.S).group(1)
        route, plugin = section.replace("[pool web]\n", "").split("\n\n")
        text = installed.file.read_text().replace("route = / hello\n", "route = / hello\n%s\n" % route)
        installed.file.write_text(text + plugin)
        done = installed.ctl("reload")
        assert done.returncode == 0, done.stderr
        assert installed.get("/greet").text == "Ada"
    finally:
        installed.stop()


def test_the_program_of_the_header(prefix, home):
    """What stands in peer.h, compiled against the installed files alone."""
    header = (prefix / "include/clusterd/peer.h").read_text()
    example = re.search(r"^ \*\t.*?^ \*$\n(?! \*\t)", header, re.M | re.S).group(0)
    body = re.sub(r"^ \*", "", example, flags=re.M)
    (home / "peer.c").write_text(
        "#include <clusterd/peer.h>\nint\nmain(void)\n{\n%s}\n" % body)
    run("cc", "-Wall", "-Werror", *pkg_config(prefix, "--cflags", package="clusterd-peer"),
        "-o", home / "peer", home / "peer.c",
        *pkg_config(prefix, "--libs", package="clusterd-peer"))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        number = str(theirs.fileno())
        child = subprocess.Popen([home / "peer"], pass_fds=[theirs.fileno()],
                                 env={"CLUSTERD_CHANNEL_FD": number,
                                      "CLUSTERD_CHANNEL_KIND": "packet"},
                                 **clone.ordinary())
        theirs.close()
        ours.settimeout(20)
        packet = struct.pack("<II", 5, 0) + b"topicdata"
        ours.send(packet)
        assert ours.recv(65536) == packet
        ours.close()
        assert child.wait(20) == 0
