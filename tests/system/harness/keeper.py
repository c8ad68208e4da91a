# SPDX-License-Identifier: MIT
"""The real keeper with programs of the test in the place of the others.

The stand-in master hands its end of the keeper's socket to the test, which is
then the master; the stand-in checker and workers take their orders from the
test over a socket of their own.
"""

import array
import fcntl
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from harness import processes, wait

SOURCE = pathlib.Path(__file__).resolve().parents[3]
SIZES = {"U8": 1, "U16": 2, "U32": 4, "U64": 8, "I64": 8}
FORMATS = {"U8": "B", "U16": "H", "U32": "I", "U64": "Q", "I64": "q"}
HEADER = struct.Struct("=HHIII")

STAND_IN = r'''#!/usr/bin/python3 -SsE
import json, os, signal, socket, struct, sys, array
def fds():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[name] = os.readlink("/proc/self/fd/" + name)
        except OSError:
            pass
    return found
def status(word):
    for line in open("/proc/self/status"):
        if line.startswith(word + ":"):
            return line.split(":", 1)[1].strip()
hello = {"argv": sys.argv[1:], "pid": os.getpid(), "fds": fds(), "env": dict(os.environ),
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
    "sid": os.getsid(0), "cwd": os.getcwd(), "seccomp": status("NoNewPrivs"),
    "caps": [status(w) for w in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "blocked": status("SigBlk"), "ignored": status("SigIgn"),
    "oom": open("/proc/self/oom_score_adj").read().strip(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0), "umask": os.umask(0o27)}
who = "master" if os.path.basename(sys.argv[0]) == "master" else (
    "checker" if "--check" in sys.argv else "worker")
hello["who"] = who
line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
line.connect(os.environ["FI_TEST"])
passed = [3] if who == "master" else []
line.sendmsg([json.dumps(hello).encode() + b"\n"],
    [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", passed))] if passed else [])
if who == "master":
    os.close(3)
for order in line.makefile():
    code, reply = order.strip(), None
    try:
        reply = eval(code)
    except Exception as error:
        reply = repr(error)
    line.sendall(json.dumps(reply, default=str).encode() + b"\n")
'''


def messages():
    """{name: (type, sender, [(field, kind, size or count)])} of keeper.def."""
    text = (SOURCE / "daemon/proto/keeper.def").read_text()
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    found = {}
    for at, part in enumerate(text.split("KEEPER_MESSAGE(")[1:], 1):
        name, _, sender = [w.strip() for w in part.split(",")[:3]]
        fields = []
        for kind, args in re.findall(r"F_(\w+)\(([^)]*)\)", part):
            words = [w.strip() for w in args.split(",")]
            kind = kind.replace("_MAX", "")
            count = int(words[1]) if kind not in SIZES else 1
            fields.append((words[0], kind, count))
        found[name] = (at, sender, fields)
    return found


MESSAGES = messages()
NAMES = {row[0]: name for name, row in MESSAGES.items()}


def encode(name, ref, values):
    number, _, fields = MESSAGES[name]
    body = b""
    values = dict(values)
    for field, kind, count in fields:
        value = values.pop(field, None)
        if kind in FORMATS:
            body += struct.pack("=" + FORMATS[kind], value or 0)
        elif kind in ("U32S", "U64S"):
            numbers = list(value or ())
            numbers += [0] * (count - len(numbers))
            body += struct.pack("=%d%s" % (count, FORMATS[kind[:-1]]), *numbers)
        else:
            data = value.encode() if isinstance(value, str) else (value or b"")
            assert len(data) <= count
            body += data.ljust(count, b"\0")
    assert not values, values
    return HEADER.pack(number, len(body), ref, 0, 0), body


class Message(dict):
    """Fields by name; .name, .ref, .code, .fds"""


def decode(data, fds):
    number, size, ref, code, count = HEADER.unpack_from(data)
    assert size == len(data) - HEADER.size and count == len(fds)
    message = Message()
    message.name, message.ref, message.code, message.fds = NAMES[number], ref, code, fds
    at = HEADER.size
    for field, kind, count in MESSAGES[message.name][2]:
        if kind in FORMATS:
            message[field], = struct.unpack_from("=" + FORMATS[kind], data, at)
            at += SIZES[kind]
        elif kind in ("U32S", "U64S"):
            message[field] = struct.unpack_from("=%d%s" % (count, FORMATS[kind[:-1]]), data, at)
            at += SIZES[kind[:-1]] * count
        else:
            part = data[at:at + count]
            message[field] = part.split(b"\0")[0].decode() if kind == "TEXT" else part
            at += count
    assert at == len(data)
    return message


class Peer:
    """A stand-in: what it said of itself, and a line to it."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(10)
        data, fds = b"", []
        while not data.endswith(b"\n"):
            part, ancillary, _, _ = sock.recvmsg(65536, socket.CMSG_SPACE(4))
            assert part, "a stand-in left before it said anything"
            data += part
            for _, _, raw in ancillary:
                fds += array.array("i", raw)
        self.hello = json.loads(data)
        self.who, self.pid = self.hello["who"], self.hello["pid"]
        self.reader = sock.makefile("rb")
        self.link = None
        if fds:
            self.link = socket.socket(fileno=fds[0])
            self.link.settimeout(10)
        self.ref = 0
        self.events = []
        self.fds = []                   # all that came; closed with the peer

    def ask(self, code, answer=True):
        """Evaluate an expression over there."""
        self.sock.sendall(code.encode() + b"\n")
        return json.loads(self.reader.readline() or b"null") if answer else None

    # ---- as master ------------------------------------------------------------

    def receive(self):
        data, fds, _, _ = socket.recv_fds(self.link, 512, 16)
        self.fds += fds
        assert data, "the keeper closed its socket"
        return decode(data, fds)

    def send(self, name, fds=(), /, **values):
        self.ref += 1
        header, body = encode(name, self.ref, values)
        header = header[:12] + struct.pack("=I", len(fds))
        socket.send_fds(self.link, [header + body], list(fds))
        return self.ref

    def answer(self, ref):
        for message in self.events:
            if message.ref == ref:
                self.events.remove(message)
                return message
        while True:
            message = self.receive()
            if message.ref == ref:
                return message
            self.events.append(message)

    def request(self, name, fds=(), /, **values):
        return self.answer(self.send(name, fds, **values))

    def event(self, name, /, **match):
        """The next event of that name and those fields."""
        def fits(message):
            return message.name == name and all(message[k] == v for k, v in match.items())
        for message in self.events:
            if fits(message):
                self.events.remove(message)
                return message
        while True:
            message = self.receive()
            if fits(message):
                return message
            self.events.append(message)

    def attach(self):
        """(WELCOME, inventory without HAVE_END); its beat is fresh for ever."""
        welcome = self.request("ATTACH", proto_min=1, proto_max=1, stamp="test")
        assert welcome.name == "WELCOME", (welcome.name, welcome)
        self.page = welcome.fds[1]
        self.beat(welcome["number"], 2 ** 62)
        inventory = []
        while True:
            message = self.receive()
            if message.name == "HAVE_END":
                counts = (message["listeners"], message["kept"], message["workers"])
                assert sum(counts) == len(inventory)
                return welcome, inventory
            inventory.append(message)

    def beat(self, number, at):
        os.pwrite(self.page, struct.pack("=I", number), 160)
        os.pwrite(self.page, struct.pack("=Q", at), 128)

    def close(self):
        self.reader.close()
        self.sock.close()
        if self.link is not None:
            self.link.close()
        while self.fds:
            os.close(self.fds.pop())


# ---- what masters say -----------------------------------------------------------

MEMFD_SEALS = 1033, 15                  # F_ADD_SEALS; SEAL | SHRINK | GROW | WRITE
NONE = 2 ** 64 - 1


def sealed_memfd():
    fd = os.memfd_create("snapshot", os.MFD_ALLOW_SEALING)
    os.write(fd, b"x")
    fcntl.fcntl(fd, *MEMFD_SEALS)
    return fd


def inet(port=0, host="127.0.0.1"):
    return struct.pack("=H", socket.AF_INET) + struct.pack(">H", port) + \
        socket.inet_aton(host) + bytes(8)


def unix(path):
    return struct.pack("=H108s", socket.AF_UNIX, path.encode())


def bind(master, listener, address, kind=1, flags=0, mode=0, gid=0, backlog=16):
    return master.request("BIND", listener=listener, type=kind, backlog=backlog, flags=flags,
                          mode=mode, gid=gid, address_len=len(address), address=address)


def spawn(k, master, number, name="web/0", listeners=(), **values):
    """(SPAWNED, the stand-in)"""
    fd = sealed_memfd()
    assert master.request("KEEP", [fd], number=7, kind=1).name == "OK"
    os.close(fd)
    for at in range(0, len(listeners), 64):
        some = listeners[at:at + 64]
        assert master.request("SPAWN_FDS", id=number, count=len(some),
                              listeners=some).name == "OK"
    row = dict(id=number, role=1, account=1, snapshot=7, name=name,
               rlimit_nofile=NONE, rlimit_core=NONE, rlimit_as=NONE)
    row.update(values)
    answer = master.request("SPAWN", **row)
    if answer.name != "SPAWNED":
        return answer, None
    return answer, k.peer("worker" if row["role"] == 1 else "checker")


class Keeper:
    """One keeper in a directory of its own."""

    def __init__(self, build, env=None, scale=5, accounts=None, args=(), start=True,
                 grace_ms=1000, directory=None, **popen):
        self.build, self.env, self.scale, self.args = build, dict(env or {}), scale, args
        self.dir = directory or tempfile.mkdtemp(prefix="ke", dir="/tmp")
        self.owner = directory is None
        os.chmod(self.dir, 0o755)
        self.peers, self.popen = [], popen
        self.process, self.keeper, self.exit = None, None, None
        self.accounts, self.grace_ms = accounts or self.own_accounts(), grace_ms
        self.config = self.dir + "/clusterd.ini"
        for name in ("master", "worker"):
            path = "%s/%s" % (self.dir, name)
            if not os.path.exists(path):
                with open(path, "w", encoding="utf-8") as f:
                    f.write(STAND_IN)
                os.chmod(path, 0o755)
        self.path = "%s/test%s" % (self.dir, os.urandom(6).hex())
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        os.chmod(self.path, 0o777)
        self.listener.listen(64)
        self.patience = wait.PATIENCE
        if start:
            self.start()

    @staticmethod
    def own_accounts():
        """user, worker_user"""
        if os.geteuid() != 0:
            return [(os.getuid(), os.getgid(), []), (os.getuid(), os.getgid(), [])]
        return [(54321, 54321, [54321]), (54322, 54322, [54322, 54323])]

    def environment(self):
        env = {key: value for key, value in os.environ.items()
               if key in ("PATH", "LANG") or "SAN_OPTIONS" in key}
        env.update(CLUSTERD_TEST_SCALE=str(self.scale), FI_TEST=self.path,
                   CLUSTERD_MASTER=self.dir + "/master",
                   CLUSTERD_WORKER_IMAGE=self.dir + "/worker", SECRET="never")
        env.update(self.env)
        return env

    def start(self, *args, wrapper=()):
        self.log = open(self.dir + "/log", "ab+")
        self.keeper = subprocess.Popen(
            [*wrapper, os.path.join(self.build, "clusterd"), "-c", self.config, *self.args, *args],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env=self.environment(), start_new_session=True, **self.popen)
        processes.own(self.keeper.pid)
        self.process = processes.Process(self.keeper.pid)

    def said(self):
        if not os.path.exists(self.dir + "/log"):
            return ""
        with open(self.dir + "/log", encoding="utf-8", errors="replace") as f:
            return f.read()

    def peer(self, who):
        """The next stand-in that calls, which must be such a one."""
        ready = select.poll()
        ready.register(self.listener, select.POLLIN)
        if self.exit is None and self.process and "-d" not in self.args:
            ready.register(self.process.pidfd, select.POLLIN)
        if self.listener.fileno() not in dict(ready.poll(self.patience * 1000)):
            raise AssertionError("no %s came; the log says:\n%s" % (who, self.said()))
        peer = Peer(self.listener.accept()[0])
        assert peer.who == who, (peer.who, who)
        self.peers.append(peer)
        return peer

    def header(self, accounts=None, **values):
        accounts = accounts or self.accounts
        row = {"magic": 0x68434c01, "version": 1, "size": 11552, "count": len(accounts),
               "user": 0, "worker_user": len(accounts) - 1}
        row.update(values)
        data = struct.pack("=6IQ256s256s", *[row[k] for k in (
            "magic", "version", "size", "count", "user", "worker_user")],
            self.grace_ms, (self.dir + "/run").encode(), (self.dir + "/state").encode())
        for uid, gid, groups in accounts:
            data += struct.pack("=3I32I32s", uid, gid, len(groups),
                                *(list(groups) + [0] * (32 - len(groups))), b"account")
        return data.ljust(11552, b"\0")

    def check(self, **values):
        """Play the first checker up to its header; as root it runs twice."""
        checker = self.peer("checker")
        assert checker.hello["argv"] == ["--check", "--first", self.config]
        header = self.header(**values)
        checker.ask("os.write(4, bytes.fromhex('%s'))" % header.hex(), answer=False)
        if os.geteuid() == 0 and not values:
            checker = self.peer("checker")
            checker.ask("os.write(4, bytes.fromhex('%s'))" % header.hex(), answer=False)
        return checker

    def serve(self):
        """Up to a master that is attached and has released the checker."""
        checker = self.check()
        master = self.peer("master")
        master.welcome, master.inventory = master.attach()
        assert checker.reader.readline() == b"11552\n"
        assert checker.ask("os.read(4, 1).decode()") == "g"
        checker.ask("os._exit(0)", answer=False)
        master.event("EXITED", id=1)
        assert master.request("RELEASE", id=1).name == "OK"
        return master

    def await_exit(self, timeout=wait.PATIENCE):
        self.process.await_end(timeout)
        self.exit = self.keeper.wait()
        processes.disown(self.keeper.pid)
        return self.exit

    def stop(self, master):
        """TERM, and the master does as it is told."""
        self.process.send(signal.SIGTERM)
        order = master.event("ORDER")
        assert order["order"] == 1
        assert master.request("ORDER_TAKEN", order=1).name == "OK"
        assert master.request("EXIT", status=0, text="").name == "OK"
        master.ask("os._exit(0)", answer=False)
        return self.await_exit()

    def close(self):
        if self.process is not None:
            if self.exit is None:
                try:
                    self.process.send(signal.SIGKILL)
                except ProcessLookupError:
                    pass
                self.await_exit()
            self.process.close()
            self.log.close()
        for peer in self.peers:
            peer.close()
        self.listener.close()

    def remove(self):
        if self.owner:
            shutil.rmtree(self.dir, ignore_errors=True)
