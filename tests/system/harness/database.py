# SPDX-License-Identifier: MIT
"""The state database as somebody else sees it, while the daemon runs."""

import sqlite3

from harness import wait


def path(c):
    return c.dir + "/state/state.db"


def number(c, sql):
    """One number out of the database, None while it cannot be read."""
    try:
        db = sqlite3.connect("file:%s?mode=ro" % path(c), uri=True, timeout=1)
    except sqlite3.Error:
        return None
    try:
        return db.execute(sql).fetchone()[0]
    except (sqlite3.Error, TypeError):
        return None
    finally:
        db.close()


def await_number(c, sql, value):
    wait.until(lambda: number(c, sql) == value, 15, "%s = %r" % (sql, value))


def change(c, sql):
    """Somebody writes to it."""
    db = sqlite3.connect(path(c), isolation_level=None, timeout=5)
    db.execute(sql)
    db.close()


def is_whole(c):
    return number(c, "SELECT integrity_check = 'ok' FROM pragma_integrity_check") == 1


class Lock:
    """Another process that holds the database."""

    def __init__(self, c, how="IMMEDIATE"):
        """IMMEDIATE: nobody may write; EXCLUSIVE: nor read."""
        self.db = sqlite3.connect(path(c), isolation_level=None, timeout=5)
        if how == "EXCLUSIVE":
            self.db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self.db.execute("BEGIN " + how)

    def run(self, sql):
        self.db.execute(sql)

    def release(self, how="ROLLBACK"):
        self.db.execute(how)
        self.db.close()
