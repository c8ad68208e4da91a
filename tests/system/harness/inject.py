# SPDX-License-Identifier: MIT
"""Calls of the C library that fail in the daemon's programs, by fi.so: which
and how is said in tests/preload/fi_rules.h."""

import mmap
import os
import struct

from harness import not_sanitized, stage

ROLES = ("keeper", "master", "worker", "checker", "ctl")

# struct fi_role
SPEC, SPEC_SIZE = 8, 1024
COUNTED, COUNTED_SIZE = SPEC + SPEC_SIZE, 16
SEED = COUNTED + COUNTED_SIZE
MATCHED, INJECTED, RULES = SEED + 8, SEED + 16, SEED + 24
CALLS = RULES + 48 * 8
CALL_SIZE, CALL_COUNT = 32, 64
SIZE = CALLS + CALL_SIZE * CALL_COUNT


needs_preload = not_sanitized("a sanitizer wants to be the first library")


def injected_into(c):
    """The shim in a cluster that is not started yet: nothing fails until `arm`."""
    fi = Injector(c.dir + "/fi", c.plugin_dirs)
    c.env.update(fi.env())
    return fi


class Injector:
    """The shared file of one cluster: rules by role, and what was injected."""

    def __init__(self, path, plugin_dirs):
        self.path = path
        self.library = stage.find(plugin_dirs, "fi.so")
        with open(path, "wb") as file:
            file.write(bytes(SIZE * len(ROLES)))
        os.chmod(path, 0o666)           # the roles have accounts of their own
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    def env(self):
        return {"LD_PRELOAD": self.library, "FI_FILE": self.path}

    def arm(self, role, spec, counted="", seed=1):
        """From now on these calls of a role fail; counters begin at 0."""
        at = SIZE * ROLES.index(role)
        number, = struct.unpack_from("<I", self.memory, at)
        assert len(spec) < SPEC_SIZE and len(str(counted)) < COUNTED_SIZE
        # first no rules, so that none counts while the counters are cleared
        self._write(at, number + 1, b"", b"", seed)
        self.memory[at + MATCHED:at + CALLS] = bytes(CALLS - MATCHED)
        for row in range(CALL_COUNT):
            base = at + CALLS + CALL_SIZE * row
            self.memory[base + 16:base + 32] = bytes(16)
        self._write(at, number + 2, spec.encode(), str(counted).encode(), seed)
        return self

    def disarm(self, *roles):
        """Nothing fails any more; the counters stay to be read."""
        for role in roles or ROLES:
            at = SIZE * ROLES.index(role)
            number, = struct.unpack_from("<I", self.memory, at)
            self._write(at, number + 1, b"", b"", 1)

    def _write(self, at, number, spec, counted, seed):
        self.memory[at + SPEC:at + COUNTED] = spec.ljust(SPEC_SIZE, b"\0")
        self.memory[at + COUNTED:at + SEED] = counted.ljust(COUNTED_SIZE, b"\0")
        struct.pack_into("<Q", self.memory, at + SEED, seed)
        struct.pack_into("<I", self.memory, at, number)

    def _word(self, role, offset):
        return struct.unpack_from("<Q", self.memory, SIZE * ROLES.index(role) + offset)[0]

    def injected(self, role, call=None):
        """How many calls of a role failed since it was armed, or of one kind."""
        bad, = struct.unpack_from("<I", self.memory, SIZE * ROLES.index(role) + 4)
        assert not bad, "fi.so does not understand its rules"
        return self._word(role, INJECTED) if call is None else self._call(role, call)[1]

    def calls(self, role, call):
        """How many there were, failed or not."""
        return self._call(role, call)[0]

    def _call(self, role, call):
        base = SIZE * ROLES.index(role) + CALLS
        for row in range(CALL_COUNT):
            at = base + CALL_SIZE * row
            name = bytes(self.memory[at:at + 16]).rstrip(b"\0").decode()
            if name == call:
                return struct.unpack_from("<QQ", self.memory, at + 16)
        return 0, 0                     # no process of that role yet
