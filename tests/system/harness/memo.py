# SPDX-License-Identifier: MIT
"""The memo of a running daemon (daemon/proto/memo.h), read and damaged from
outside by a descriptor of its keeper:

    python3 -m harness.memo PID                     both copies
    python3 -m harness.memo PID flip idle|current|both
    python3 -m harness.memo PID version

Its structs are read from the header; the digest of sizes in the memo's head says
whether they are those of the programs.
"""

import ctypes
import mmap
import os
import pathlib
import re
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[3]
KINDS = {"uint8_t": ctypes.c_uint8, "uint16_t": ctypes.c_uint16,
         "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64,
         "int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "char": ctypes.c_char}


def _source(path):
    text = (SOURCE / path).read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def _words(path):
    return re.findall(r'^\w+\(\w+,\s*"(\w+)"\)', _source(path), re.M)


def _declared(statement, structs, numbers):
    """[(name, type)] of one line of a struct: `uint32_t one, other[MEMO_MANY]'."""
    kind, names = re.fullmatch(r"(struct \w+|\w+)\s+(.*)", statement, re.S).groups()
    base = structs[kind[7:]] if kind.startswith("struct ") else KINDS[kind]
    for name, count in re.findall(r"(\w+)(?:\[(\w+)\])?(?:,|$)", names):
        yield name, base * int(numbers.get(count, count)) if count else base


def _structs(text, numbers):
    """{name: class} of all structs of a header, in its order."""
    found = {}
    for name, body in re.findall(r"^struct (\w+) \{(.*?)^\};", text, re.M | re.S):
        fields = []
        for statement in filter(None, map(str.strip, body.split(";"))):
            fields += _declared(statement, found, numbers)
        found[name] = type(name, (ctypes.Structure,), {"_fields_": fields})
    return found


HEADER = _source("daemon/proto/memo.h")
NUMBERS = {name: int(value, 0)
           for name, value in re.findall(r"(MEMO_\w+) = (0x[0-9a-f]+|\d+)", HEADER)}
STRUCTS = _structs(HEADER, NUMBERS)
MAGIC, VERSION, NONE = (NUMBERS["MEMO_" + word] for word in ("MAGIC", "VERSION", "NONE"))
Head, Copy, Globals, Pool, Slot, Worker = (
    STRUCTS["memo" + word] for word in ("", "_copy", "_globals", "_pool", "_slot",
                                        "_worker"))
STATES = _words("common/table/worker_states.def")
CAUSES = _words("common/table/causes.def")


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)
        yield byte


_TABLE = list(_table())


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return crc ^ 0xffffffff


def _layout():
    sizes = [ctypes.sizeof(one) for one in (Head, Copy, Globals, Pool, Slot, Worker)]
    return crc32c(b"".join(n.to_bytes(4, "little")
                           for n in sizes + [len(STATES), len(CAUSES)]))


def _path(pid):
    for number in os.listdir("/proc/%d/fd" % pid):
        path = "/proc/%d/fd/%s" % (pid, number)
        try:
            if "clusterd-memo" in os.readlink(path):
                return path
        except FileNotFoundError:
            pass                        # it was closed just now
    raise LookupError("process %d holds no memo" % pid)


class Memo:
    """Mapped for as long as the `with' block lasts.  Whoever changes it stops the
    master before, which would write over it."""

    def __init__(self, pid):
        with open(_path(pid), "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 0)
        self.head = Head.from_buffer(self._map)
        assert (self.head.magic, self.head.version) == (MAGIC, VERSION), "another version"
        assert self.head.layout == _layout(), "daemon/proto/memo.h is another one"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        del self.head
        self._map.close()

    def copy(self, which="current"):
        return self.head.copy[self.head.current if which == "current"
                              else 1 - self.head.current]

    def is_whole(self, copy):
        """Does its digest fit what is in it?"""
        rows = [(copy.pool, copy.pools, Pool), (copy.slot, copy.slots, Slot),
                (copy.worker, copy.workers, Worker)]
        data = bytes(copy)[Copy.pools.offset:Copy.pool.offset]
        for table, count, kind in rows:
            data += bytes(table)[:count * ctypes.sizeof(kind)]
        return crc32c(data) == copy.crc

    def flip(self, *which):
        """A byte of each copy named, in a counter that would be missed."""
        for one in which:
            self.copy(one).slot[0].restarts ^= 0x40

    def set_version(self, version):
        self.head.version = version

    def generations(self):
        """{what: generation} of the current copy, as its rows have it."""
        copy = self.copy()
        found = {"memo": copy.globals.generation}
        for slot in copy.slot[:copy.slots]:
            if slot.pool == NONE:
                continue
            name = "%s/%d" % (copy.pool[slot.pool].name.decode(), slot.number)
            found["slot " + name] = slot.generation
            for row in (slot.current, slot.other):
                if row != NONE and copy.worker[row].pid:
                    found["worker %s, %d" % (name, copy.worker[row].id)] = \
                        copy.worker[row].generation
        return found

    def plain(self, which="current"):
        """What a copy says, as numbers and words: {"globals": …, "pools": …,
        "slots": …, "workers": …}."""
        copy = self.copy(which)
        return {
            "number": copy.number, "globals": _plain(copy.globals),
            "pools": [_plain(p) for p in copy.pool[:copy.pools] if p.name],
            "slots": [_plain(s) for s in copy.slot[:copy.slots] if s.pool != NONE],
            "workers": [dict(_plain(w), state=STATES[w.state])
                        for w in copy.worker[:copy.workers] if w.id],
        }


def _plain(struct):
    found = {}
    for name, *_ in struct._fields_:    # pylint: disable=protected-access
        value = getattr(struct, name)
        if isinstance(value, bytes):
            found[name] = value.decode(errors="replace")
        elif isinstance(value, int):
            found[name] = value
    return found


def rows(pid):
    """(pools, slots, workers) in use."""
    with Memo(pid) as memo:
        return tuple(getattr(memo.copy(), table) for table in ("pools", "slots", "workers"))


def _print(memo):
    for which in ("current", "idle"):
        copy = memo.copy(which)
        print("%s: copy %d, %s" % (which, copy.number, "whole" if memo.is_whole(copy)
                                   else "with a wrong digest"))
        for name, rows in memo.plain(which).items():
            for row in rows if isinstance(rows, list) else [rows]:
                if isinstance(row, dict):
                    print("  %s: %s" % (name, " ".join(
                        "%s=%s" % pair for pair in row.items() if pair[1])))


def main():
    with Memo(int(sys.argv[1])) as memo:
        what = sys.argv[2:]
        if what[:1] == ["flip"]:
            memo.flip(*(("current", "idle") if what[1] == "both" else what[1:]))
        elif what == ["version"]:
            memo.set_version(memo.head.version + 1)
        else:
            _print(memo)


if __name__ == "__main__":
    main()
