# SPDX-License-Identifier: MIT
"""What chaos does to a daemon.  An action returns at once; what has to end
later (a lock, a stop, a limit) is given back as `undo`, to be called then."""

import os
import random
import resource
import signal
import sqlite3
import threading
import time

from harness import http, netfault, processes

NOTHING = None

BROKEN_TEXTS = {
    "syntax": "\n[daemon\n", "unknown key": "\n[pool web]\nno_such_key = 1\n",
    "no such plugin": "\n[plugin absent]\n", "range": "\n[pool more]\nworkers = -3\n",
}


class Actions:
    """The actions of schedule.py by their names, on one Row."""

    def __init__(self, row):
        self.row = row
        self.masters_killed = []        # at which time
        self.masters_stopped = []       # [from, until]
        self.verdicts = []              # (command, exit status)
        self.skipped = 0                # there was nobody to do it to
        self._threads = []
        row.plugins.setdefault("evil", {})

    # ---- processes ------------------------------------------------------------

    def kill_worker(self, slot):
        self._signal(self._worker(slot), signal.SIGKILL)

    def stop_worker(self, slot, ms):
        return self._stop(self._worker(slot), ms)

    def kill_master(self):
        pid = self._master()
        # when it ends, not when it is told to
        if self._signal(pid, signal.SIGKILL):
            self.masters_killed.append(time.monotonic())

    def stop_master(self, ms):
        pid = self._master()
        span = [time.monotonic(), time.monotonic() + ms / 1000 + 3]
        undo = self._stop(pid, ms)
        if undo is not NOTHING:
            self.masters_stopped.append(span)
        return undo

    def _stop(self, pid, ms):
        if not self._signal(pid, signal.SIGSTOP):
            return NOTHING
        process = _process(pid)
        if process is None:
            return NOTHING

        def go_on():
            try:
                process.send(signal.SIGCONT)
            except ProcessLookupError:
                pass
            process.close()
        return ms, go_on

    def starve_worker(self, slot, ms):
        return self._starve(self._worker(slot), ms)

    def starve_master(self, ms):
        return self._starve(self._master(), ms)

    def _starve(self, pid, ms):
        """No descriptor is left to it but two."""
        try:
            used = max(int(n) for n in os.listdir("/proc/%d/fd" % pid)) + 1
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (min(used + 2, hard), hard))
        except (OSError, TypeError, ValueError):
            self.skipped += 1
            return NOTHING
        process = _process(pid)

        def feed():
            try:
                if process is not None and process.alive():
                    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
            except OSError:
                pass
            if process is not None:
                process.close()
        return ms, feed

    # ---- clients --------------------------------------------------------------

    def deadly_request(self, path):
        self._in_background(self._request, path)

    hanging_request = slow_request = deadly_request

    def _request(self, path):
        try:
            self.row.get(path, timeout=5)
        except (OSError, http.ConnectionLost, AssertionError):
            pass                        # that is what it is for

    def slow_client(self, count):
        self._in_background(self._trickle, count)

    def _trickle(self, count):
        try:
            self.row.trickle(b"GET / HTTP/1.1\r\nHost: slow\r\n"[:count], 0.05, timeout=5)
        except OSError:
            pass

    def leaving_client(self, count):
        """Connections that are reset with a request in the worker's hands."""
        address = self.row.book.address
        for _ in range(count):
            try:
                sock = http.connect(address, 2)
                sock.sendall(b"GET /sleep?50 HTTP/1.1\r\nHost: gone\r\n\r\n")
                netfault.reset(sock)
            except OSError:
                pass

    def control_noise(self, seed):
        self._in_background(self._noise, seed)

    def _noise(self, seed):
        random_ = random.Random(seed)
        try:
            with http.connect("unix:" + self.row.socket, 2) as sock:
                for _ in range(20):
                    line = bytes(random_.choice(b'{}[]":,0aef\\\x00\xff ')
                                 for _ in range(random_.randrange(200)))
                    sock.sendall(line + b"\n")
                    if not sock.recv(65536):
                        return
        except OSError:
            pass

    # ---- commands -------------------------------------------------------------

    def reload(self, number):
        """Another generation, as good as the last."""
        self.row.plugins["evil"].pop("mode", None)
        self.row.write_config(idle_timeout="%ds" % (60 + number))
        self._command("reload")

    def bad_reload(self, how):
        if how in BROKEN_TEXTS:
            with open(self.row.config_file, encoding="utf-8") as f:
                self.row.write_config(text=f.read() + BROKEN_TEXTS[how])
        else:
            self.row.plugins["evil"]["mode"] = how
            self.row.write_config()
        self._command("reload")

    def rollback(self):
        self._command("rollback")

    def scale(self, count):
        self._command("scale", "web", count)

    def restart(self):
        self._command("restart", "web")

    def pause(self, slot, ms):
        name = "web/%d" % slot
        self._command("pause", name)
        return ms, lambda: self._command("resume", name)

    def _command(self, *words):
        self._in_background(self._say, words)

    def _say(self, words):
        result = self.row.ctl(*words, timeout=120)
        self.verdicts.append((" ".join(map(str, words)), result.code))

    # ---- the database -------------------------------------------------------------

    def lock_database(self, how, ms):
        path = self.row.dir + "/state/state.db"
        if not os.path.exists(path):
            return NOTHING
        lock = sqlite3.connect(path, isolation_level=None, timeout=0.5,
                               check_same_thread=False)
        try:
            lock.execute("BEGIN " + how)
        except sqlite3.Error:
            lock.close()
            self.skipped += 1
            return NOTHING
        return ms, lock.close

    def delete_database(self):
        for name in os.listdir(self.row.dir + "/state"):
            if name.startswith("state.db"):
                try:
                    os.unlink(self.row.dir + "/state/" + name)
                except FileNotFoundError:
                    pass

    # ---- what they share ----------------------------------------------------------

    def settle(self, timeout=150):
        """Wait for the clients and commands that are still under way."""
        end = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _in_background(self, function, *arguments):
        self._threads = [t for t in self._threads if t.is_alive()]
        self._threads.append(threading.Thread(
            target=function, args=arguments, daemon=True,
            name="%s %r" % (function.__name__, arguments)))
        self._threads[-1].start()

    def _worker(self, number):
        status = self.row.ask_status()
        rows = [row for row in status["workers"] if row["pid"]] if status else []
        return rows[number % len(rows)]["pid"] if rows else None

    def _master(self):
        status = self.row.ask_status()
        return status["master"]["pid"] if status else None

    def _signal(self, pid, number):
        process = pid and _process(pid)
        if not process:
            self.skipped += 1
            return False
        try:
            process.send(number)
        except ProcessLookupError:
            return False
        finally:
            process.close()
        return True


def _process(pid):
    try:
        return processes.Process(pid)
    except ProcessLookupError:
        return None
