# SPDX-License-Identifier: MIT
"""The memo of a running daemon (daemon/proto/memo.h), read and damaged from
outside by a descriptor of its keeper:

    python3 -m harness.memo PID                     both copies
    python3 -m harness.memo PID flip idle|current|both
    python3 -m harness.memo PID version

Its structs are spelled here a second time.  The digest of sizes in the memo's
head says whether they are those of the programs.
"""

import ctypes
import mmap
import os
import sys

MAGIC, VERSION = 0x4d434c01, 1
POOLS, SLOTS, WORKERS, NONE = 64, 1088, 2304, 0xffff
MINUTES, POISONS, POISON_DEATHS = 10, 8, 5
STATES = ["down", "starting", "ready", "draining", "stopping", "killing", "waiting",
          "held"]
CAUSES = 13

u8, u16, u32, u64 = ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64


def _text(name, size):
    return [(name, ctypes.c_char * size)]


def _each(kind, names):
    return [(name, kind) for name in names.split()]


class Globals(ctypes.Structure):
    _fields_ = (
        _each(u64, "generation previous next_id next_seq next_connection committed_ns "
              "trans_generation trans_since_ns")
        + _each(u32, "trans_kind trans_step trans_hold_percent trans_pool trans_slot "
                "trans_from trans_to trans_verdict stopping rollback_used "
                "master_deaths last_pool")
        + _text("trans_command", 40) + _text("trans_who", 64)
        + _each(u64, "last_generation")
        + _text("ended_command", 40) + _text("ended_who", 64)
        + _each(u32, "ended_kind ended_code")
        + _text("ended_text", 256) + _text("ended_result", 512)
        + _each(u64, "taken_back") + _text("reserved", 48))


class Poison(ctypes.Structure):
    _fields_ = (_each(u64, "key") + [("death_ns", u64 * POISON_DEATHS)]
                + _each(u64, "until_ns probe_id generation") + _each(u8, "state")
                + _text("reserved", 7))


class Pool(ctypes.Structure):
    _fields_ = (
        _text("name", 48)
        + _each(u32, "desired desired_by_operator file_workers first_slot slots last_slot "
                "drained flags")
        + _each(u64, "tokens_milli tokens_ns retired_restarts retired_replacements "
                "retired_requests retired_connections generation stable_generation")
        + _each(u32, "was_stable early_deaths")
        + _text("drained_by", 64)
        + [("counters", u64 * 64), ("histogram", u64 * 64), ("poison", Poison * POISONS)]
        + _text("reserved", 48))


class Slot(ctypes.Structure):
    _fields_ = (
        _each(u16, "pool number current other")
        + _each(u8, "wanted drained fatal_class had_trouble") + _each(u32, "early")
        + _each(u64, "next_try_boot_ms restarts replacements generation requests "
                "connections spawn_failures")
        + _text("fatal_text", 128) + _each(u8, "start_is_free reserved")
        + _each(u16, "spawn_errno") + _each(u32, "minute")
        + [("deaths", u16 * MINUTES)] + _text("reserved2", 4))


class Worker(ctypes.Structure):
    _fields_ = (
        _each(u64, "id generation since_ns ready_ns forked_ns deadline_ns drain_ns "
              "max_requests max_age_ms max_rss max_fds")
        + [("pid", ctypes.c_int32)] + _each(u16, "slot")
        + _each(u8, "state asked cause ladder fatal_class image is_other transaction "
                "paused stable limits_drawn taken_back")
        + _text("reserved", 30))


class Copy(ctypes.Structure):
    _fields_ = (_each(u64, "number") + _each(u32, "crc pools slots workers")
                + [("globals", Globals), ("pool", Pool * POOLS), ("slot", Slot * SLOTS),
                   ("worker", Worker * WORKERS)])


class Head(ctypes.Structure):
    _fields_ = (_each(u32, "magic") + _each(u16, "version head_size")
                + _each(u32, "layout copy_size current") + [("reserved", u32 * 11),
                                                            ("copy", Copy * 2)])


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
                           for n in sizes + [len(STATES), CAUSES]))


def _path(pid):
    for number in os.listdir("/proc/%d/fd" % pid):
        path = "/proc/%d/fd/%s" % (pid, number)
        if "clusterd-memo" in os.readlink(path):
            return path
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
    found.pop("reserved", None)
    return found


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
