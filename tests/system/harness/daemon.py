# SPDX-License-Identifier: MIT
"""One clusterd of the build under test, in a directory of its own."""

import collections
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from signal import SIGTERM

from harness import accounts, boxes, config, control, http, ledger, processes, stage, wait

# What a healthy log never contains; a test may `allow_in_log` one of them.
ALARMS = re.compile(r"\bbug\.|(?<![/\w.])abort(?!\+0x)|Sanitizer|runtime error:|"
                    r"the one before ended: SIG(SEGV|BUS|FPE|ILL)")


# What the masters step on in the table of states: as the model of the
# supervisor has explored it.
with open(os.path.join(os.path.dirname(__file__), "../../unit/supervisor_model.cells"),
          encoding="utf-8") as _f:
    CELLS = set(_f.read().splitlines())


class Result:
    """What a program said: out, err, code.  `"text" in result` looks at both."""

    def __init__(self, args, code, out, err):
        self.args, self.code, self.out, self.err = args, code, out, err

    def __contains__(self, text):
        return text in self.out or text in self.err

    def __repr__(self):
        return "<%s: code %s\nout: %s\nerr: %s>" % (
            " ".join(self.args), self.code, self.out, self.err)


class Daemon:
    def __init__(self, build, plugin_dirs, workers=2, routes=None, daemon=None,
                 plugins=None, pools=None, env=None, scale=5, start=True, **keys):
        """A cluster as the test states it.

        workers, routes and any further keyword make `[pool web]`; pools adds
        others: {"api": {"workers": 1, "routes": {...}, ...}}.  daemon are keys
        of `[daemon]`, plugins {instance: {option: value}}, env more variables.
        """
        self.build = build
        self.plugin_dirs = plugin_dirs
        self.env = dict(env or {})
        self.scale = scale
        self.daemon_keys = dict(daemon or {})
        self.plugins = dict(plugins or {})
        self.pools = {}
        self.add_pool("web", dict(keys, workers=workers),
                      {"/": "hello"} if routes is None else routes)
        for name, pool in (pools or {}).items():
            pool = dict(pool)
            self.add_pool(name, pool, pool.pop("routes", {"/": "hello"}))
        # short, since the address of a Unix socket holds 108 bytes; passable,
        # since as root the workers have an account of their own
        self.dir = tempfile.mkdtemp(prefix="cl", dir="/tmp")
        os.chmod(self.dir, 0o755)
        self.config_file = self.dir + "/clusterd.ini"
        self.socket = self.dir + "/run/control.sock"
        self.log_file = self.dir + "/log"
        self.through = []               # words before clusterd: strace, a filter
        self.cells_file = self.dir + "/cells"
        with open(self.cells_file, "w", encoding="utf-8"):
            os.chmod(self.cells_file, 0o666)    # as root the master is somebody else
        self.keeper = None              # Popen
        self.process = None             # Process
        self.exits = []                 # of every run, in order
        self.allowed_exits = {0}
        self.allowed_in_log = []
        self.ledgers = []
        self.write_config()
        if start:
            self.start()

    def add_pool(self, name, keys, routes):
        full = dict(config.QUICK, listen="127.0.0.1:0")
        full.update(keys)
        self.pools[name] = ({k: v for k, v in full.items() if v is not None}, routes)

    def write_config(self, text=None, **keys):
        """Write the configuration again, with changed keys of [pool web] or
        as a whole."""
        self.pools["web"][0].update(keys)
        if text is None:
            text = config.render(self.dir, self.plugin_dirs, self.daemon_keys,
                                 self.pools, self.plugins)
        temporary = self.config_file + ".new"
        with open(temporary, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(temporary, 0o644)
        os.rename(temporary, self.config_file)

    def arm(self, *rules):
        """Lay these rules of failpoints now, in place of those before (none: take
        them all away).  Before the first start once, with or without rules."""
        path = self.dir + "/failpoints"
        if self.process is None:
            self.env["CLUSTERD_FP"] = "@" + path
        assert self.env.get("CLUSTERD_FP") == "@" + path, "arm() before the start"
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(",".join(rules))
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def copy_programs(self):
        """Before the start, which is from copies then; returns their directory."""
        self.build = accounts.programs(self.build, self.dir + "/bin")
        return self.build

    def run_as(self, uid):
        """Before the start: clusterd is of this account alone, as is its directory."""
        self.through = boxes.as_uid(uid)
        self.copy_programs()
        os.chown(self.dir, uid, uid)

    # ---- programs ---------------------------------------------------------

    def environment(self):
        env = {key: value for key, value in os.environ.items()
               if key in ("PATH", "HOME", "LANG", "TMPDIR") or "SAN_OPTIONS" in key}
        env["CLUSTERD_TEST_SCALE"] = str(self.scale)
        env["CLUSTERD_TEST_CELLS"] = self.cells_file
        env.update(self.env)
        return env

    def run_program(self, program, *args, timeout=20, stdin=None, uid=None):
        """Run a program of the build to its end; uid: as that account."""
        before = self.through if program == "clusterd" else []
        path = os.path.join(self.build, program)
        who = {}
        if uid is not None:
            path = accounts.program(self.build, program, self.dir)
            who = accounts.become(uid)
        command = [*before, path, *map(str, args)]
        env = dict(self.environment(), NO_COLOR="1")
        done = subprocess.run(command, capture_output=True, text=True,
                              timeout=timeout, env=env, input=stdin, check=False,
                              errors="replace", **who)
        return Result(command, done.returncode, done.stdout, done.stderr)

    def clusterd(self, *args, **how):
        """clusterd with this configuration to its end: c.clusterd("-t")"""
        return self.run_program("clusterd", "-c", self.config_file, *args, **how)

    def ctl(self, *args, **how):
        """clusterctl to its end: out, err, code"""
        return self.run_program("clusterctl", "-s", self.socket, *args, **how)

    def ctl_start(self, *args):
        """clusterctl left running, as a Popen with pipes; ended with the test."""
        command = [os.path.join(self.build, "clusterctl"), "-s", self.socket,
                   *map(str, args)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.PIPE, env=self.environment())

    def json(self, *args, **how):
        """The document that clusterctl --json prints."""
        result = self.ctl("--json", *args, **how)
        try:
            return json.loads(result.out)
        except ValueError:
            raise AssertionError("no JSON: %r" % result) from None

    def rows(self, *args, **how):
        """The same of what is listed, as a list where it is one alone, too."""
        rows = self.json(*args, **how)
        return rows if isinstance(rows, list) else [rows]

    def ask(self, command, args=None, timeout=wait.PATIENCE, **members):
        """One request over the control socket itself: all answers, the final
        one last."""
        with http.connect("unix:" + self.socket, timeout) as sock:
            sock.sendall(control.line(command, args, **members))
            answers = []
            with sock.makefile("rb") as lines:
                for line in lines:
                    answers.append(json.loads(line))
                    if "ok" in answers[-1]:
                        return answers
        raise AssertionError("closed without a final answer: %r" % answers)

    # ---- life -------------------------------------------------------------

    def start(self, *args, ready=True, timeout=wait.PATIENCE):
        """Start clusterd; with ready, wait until every pool is complete."""
        with open(self.log_file, "ab") as log:
            # a session of its own: nobody's Ctrl-C but ours reaches it
            self.keeper = subprocess.Popen(
                [*self.through, os.path.join(self.build, "clusterd"), "-c",
                 self.config_file, *args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment(), start_new_session=True)
        processes.own(self.keeper.pid)
        self.process = processes.Process(self.keeper.pid)
        if ready:
            self.await_ready(timeout)
        return self

    def await_ready(self, timeout=wait.PATIENCE):
        try:
            return wait.until(self._ready, timeout, "ready worker in every slot",
                              self.process.pidfd)
        except AssertionError as error:
            raise AssertionError("%s; the log says:\n%s"
                                 % (error, self.log()[-4000:])) from None

    def _ready(self):
        status = self.ask_status()
        return status and all(pool["ready"] >= pool["desired"]
                              for pool in status["pools"]) and status

    def ask_result(self, command):
        """What it answers, or None if nobody does."""
        try:
            return self.ask(command, timeout=2)[-1].get("result")
        except (OSError, AssertionError, ValueError):
            return None                 # not yet there, or just being replaced

    def ask_status(self):
        return self.ask_result("status")

    def alive(self):
        return self.process is not None and self.process.alive()

    def pid(self):
        return self.keeper.pid

    def signal(self, number):
        """A signal to the main process."""
        self.process.send(number)

    def stop(self, number=SIGTERM, timeout=wait.PATIENCE):
        """End the daemon gracefully; returns its exit status."""
        if self.alive():
            self.signal(number)
        return self.await_exit(timeout)

    def await_exit(self, timeout=wait.PATIENCE):
        """Wait for the end of the daemon; returns its exit status."""
        self.process.await_end(timeout)
        code = self.keeper.wait()
        processes.disown(self.keeper.pid)
        self.process.close()
        self.process = None
        self.exits.append(code)
        return code

    def restart_daemon(self):
        """Stop it, start it again with the same directory."""
        code = self.stop()
        assert code == 0, "stopped with %d" % code
        self.start()

    def expect_exit(self, *codes):
        """The daemon of this test may end with one of these (negative: signal)."""
        self.allowed_exits |= set(codes)

    # ---- what it says ---------------------------------------------------------

    def cells(self):
        """The cells of the table of states that its masters stepped on."""
        with open(self.cells_file, encoding="utf-8") as f:
            return set(f.read().splitlines())

    def log(self):
        try:
            with open(self.log_file, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def allow_in_log(self, words):
        """Lines with this are expected in the log of this test."""
        self.allowed_in_log.append(words)

    def plugin_is_reported(self):
        """A sanitizer, if there is one, says of the plugin what is wrong with it."""
        self.allow_in_log("Sanitizer")

    def await_log(self, words, timeout=wait.PATIENCE):
        """Wait for a line with these words; returns it."""
        def line():
            return next((one for one in self.log().splitlines() if words in one), None)
        return wait.until(line, timeout, "line with %r in the log" % words)

    # What is asked most often, over the socket: clusterctl takes several times as long; it
    # is asked where nobody answers, since it waits for a master.

    def status(self):
        return self.ask_status() or self.json("status")

    def workers(self):
        """All rows of status, those of processes being replaced included."""
        return self.status()["workers"]

    def worker(self, name):
        """The current row of a slot."""
        for row in self.workers():
            if row["worker"] == name and row.get("current", True):
                return row
        raise AssertionError("no worker %s in %r" % (name, self.status()))

    def pool(self, name="web"):
        for row in self.status()["pools"]:
            if row["pool"] == name:
                return row
        raise AssertionError("no pool %s" % name)

    def metrics(self):
        """{NAME: value} of each clusterd_NAME as a scraper reads them at one moment,
        the sum over all pools."""
        sums = collections.Counter()
        told = self.ask_result("metrics")
        for name, value in re.findall(r"^clusterd_(\w+)(?:{[^}]*})? (\d+)$",
                                      told["text"] if told else self.ctl("metrics").out, re.M):
            sums[name] += int(value)
        return dict(sums)

    def metric(self, name):
        now = self.metrics()
        assert name in now, "no metric " + name
        return now[name]

    def master_pid(self):
        return self.status()["master"]["pid"]

    def await_state(self, predicate, timeout=wait.PATIENCE):
        """Wait until predicate(status) is true; returns that status."""
        last = {}

        def holds():
            last["status"] = self.ask_status()
            return last["status"] and predicate(last["status"]) and last["status"]
        try:
            return wait.until(holds, timeout, "such state",
                              self.process.pidfd if self.process else None)
        except AssertionError as error:
            raise AssertionError("%s; status is %r" % (error, last["status"])) from None

    def commands(self, name, count, timeout=wait.PATIENCE):
        """So many commands of this name (at least) that have ended, the first one
        first, as soon as they are stored; `time` is when they were given."""
        def stored():
            rows = [row for row in self.json("audit")
                    if row["command"] == name and row["ended"]]
            return len(rows) >= count and sorted(rows, key=lambda row: row["time"])
        return wait.until(stored, timeout, "records of %d x %s" % (count, name))

    def death(self, worker_id, timeout=wait.PATIENCE):
        """The death record of a process, as soon as it is stored."""
        def stored():
            return next((row for row in self.rows("deaths") if row["id"] == worker_id), None)
        return wait.until(stored, timeout, "death record of %d" % worker_id)

    # ---- events -----------------------------------------------------------------

    def events(self, since=0):
        """The history after a sequence number."""
        try:
            *answers, last = self.ask("events", {"since": str(since)})
            assert last["ok"], last
            # the others say what is not there
            rows = [_as_printed(answer) for answer in answers if "row" in answer]
        except (OSError, AssertionError):
            result = self.ctl("--json", "events", "--since", since)
            assert result.code == 0, result
            rows = map(json.loads, result.out.splitlines())
        return [row for row in rows if row["seq"] > since]

    def last_event(self):
        """The sequence number of the newest event."""
        rows = self.events()
        return rows[-1]["seq"] if rows else 0

    def await_event(self, event, after=0, timeout=wait.PATIENCE, **match):
        """The first event of this name (and with these members) after a
        sequence number or an earlier event, already there or still to come.

        A value of match may be a function of the member.
        """
        since = after["seq"] if isinstance(after, dict) else after
        deadline = wait.Deadline(timeout)
        seen = []
        while not deadline.passed():
            for row in self._follow(since, deadline):
                seen.append(row)
                since = row["seq"]
                if row["event"] == event and _matches(row, match):
                    return row
            # the master was replaced under the follower: ask the next one
            if not self.alive():
                break
            wait.readable(self.process.pidfd, 0.02)
        raise AssertionError("no %s %s %s; seen:\n%s\nlog:\n%s" % (
            event, match or "", "within %g s" % timeout if self.alive()
            else "before the daemon ended",
            "\n".join(json.dumps(row) for row in seen[-40:]), self.log()[-3000:]))

    def _follow(self, since, deadline):
        """Rows of the stream of events until the deadline or its end."""
        try:
            with http.connect("unix:" + self.socket) as sock:
                sock.sendall(control.line("events", {"since": str(since), "follow": True}))
                buffer = b""
                while wait.readable(sock, deadline.left()):
                    data = sock.recv(65536)
                    if not data:
                        return
                    *lines, buffer = (buffer + data).split(b"\n")
                    for answer in map(json.loads, lines):
                        if answer.get("row", {}).get("seq", 0) > since:
                            yield _as_printed(answer)
        except OSError:
            return                      # the master is being replaced, or not there yet

    # ---- clients ------------------------------------------------------------------

    def address(self, pool="web"):
        """The first address of a pool, as published."""
        return self.ask_pool(pool)["listen"][0]

    def ask_pool(self, name):
        status = wait.until(self.ask_status, 10, "status")
        return next(row for row in status["pools"] if row["pool"] == name)

    def serving(self):
        """What a change that is refused leaves as it was."""
        status = self.status()
        return (status["generation"], status["pid"], status["master"]["pid"],
                [(row["worker"], row["id"], row["pid"]) for row in status["workers"]])

    def built(self, name):
        """The file of a plugin of the tests."""
        return stage.find(self.plugin_dirs, name)

    def connect(self, pool="web", timeout=wait.PATIENCE):
        return http.Connection(self.address(pool), timeout)

    def request(self, method, path, headers=(), body=None, pool="web",
                expect=None, timeout=wait.PATIENCE):
        """One request over a connection of its own.

        expect: a status, or "connection lost" for a connection that ends
        without an answer (then None is returned).
        """
        with self.connect(pool, timeout) as connection:
            try:
                response = connection.request(method, path, headers, body)
            except (http.ConnectionLost, socket.timeout) as error:
                if expect == "connection lost" and isinstance(error, http.ConnectionLost):
                    return None
                raise
        assert expect is None or response.status == expect, response
        return response

    def get(self, path, **how):
        return self.request("GET", path, **how)

    def post(self, path, body, **how):
        return self.request("POST", path, body=body, **how)

    def exchange(self, *parts, pool="web", **how):
        """Raw bytes out, raw bytes in, until the server closes."""
        return http.exchange(self.address(pool), *parts, **how)

    def trickle(self, data, every, pool="web", **how):
        """A slow client: (answer, seconds)."""
        return http.trickle(self.address(pool), data, every, **how)

    def load(self, pool="web", path="/", **kinds):
        """Clients that run until the end of the with block:

            with c.load(keepalive=2, new=1) as ledger: ...
        """
        book = ledger.Ledger(self.address(pool), path, **kinds)
        self.ledgers.append(book)
        return book

    # ---- the end --------------------------------------------------------------------

    def finish(self):
        """Stop what still runs; return what was wrong, one line each."""
        wrong = []
        for book in self.ledgers:
            book.stop()
        if self.process is not None:
            try:
                self.stop()
            except (AssertionError, ProcessLookupError) as error:
                wrong.append("stop: %s" % error)
                processes.end_all(processes.descendants(self.keeper.pid)
                                  + [self.keeper.pid])
                self.exits.append(self.keeper.wait())
                processes.disown(self.keeper.pid)
                self.process.close()
                self.process = None
        wrong += ["clusterd ended with %d" % code for code in self.exits
                  if code not in self.allowed_exits]
        for line in self.log().splitlines():
            if ALARMS.search(line) and not any(w in line for w in self.allowed_in_log):
                wrong.append("log: " + line)
        wrong += ["no state of the model has `%s'" % cell
                  for cell in sorted(self.cells() - CELLS)]
        return wrong

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def _as_printed(answer):
    """A row of events as clusterctl --json prints it."""
    return {"api": 1, **answer["row"]}


def _matches(row, match):
    return all(want(row.get(key)) if callable(want) else row.get(key) == want
               for key, want in match.items())
