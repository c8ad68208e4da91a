# SPDX-License-Identifier: MIT
"""Child processes of a worker, as plugin children starts them."""

from urllib.parse import quote

from harness import processes, wait

PATHS = {"/" + path: "children" for path in (
    "spawn", "start", "look", "wait", "write", "close", "pause", "disconnect", "kill", "ref", "info",
    "exec", "exec_file", "run", "started", "token", "stream", "many", "grow")}

GROUP, ONE, TREE = range(3)
ENV_ADD, DETACHED, UNREF = 1, 2, 4
FORK, STDIO, LIMITS, CHDIR, EXEC = range(5)
EXIT, SIGNAL, TIMEOUT, CANCELLED, OVERFLOW, OOM, STOPPING = range(7)
KILL, TRUNCATE, TAIL, SPILL = range(4)


class State:
    """What is known of a child: events in order, output, how it ended."""

    def __init__(self, answer):
        head, _, body = answer.body.partition(b"\n\n")
        fields = dict(line.split("=", 1) for line in head.decode().splitlines())
        self.events = fields["events"].split()
        sizes = [int(size) for size in fields["sizes"].split()]
        self.both, self.out, self.err = body[:sizes[0]], body[sizes[0]:sizes[0] + sizes[1]], \
            body[sizes[0] + sizes[1]:]
        for name in ("exited", "closed", "code", "signal", "core", "cause", "wall_ms",
                     "max_rss", "total"):
            setattr(self, name, int(fields[name]))

    def ended(self):
        return self.code, self.signal, self.cause


def query(how):
    words = []
    for name, value in how.items():
        for one in value if isinstance(value, (list, tuple)) else [value]:
            words.append("%s=%s" % (name.rstrip("_"), quote(str(one), safe="/")))
    return "&".join(words)


class Children:
    """All of one worker (pool of one), by the number that start() gave."""

    def __init__(self, c):
        self.c = c

    def ask(self, path, timeout=30, **how):
        answer = self.c.get("/%s?%s" % (path, query(how)), timeout=timeout)
        assert answer.status == 200, answer.text
        return answer

    def numbers(self, path, **how):
        return tuple(int(word) for word in self.ask(path, **how).text.split())

    def spawn(self, timeout=30, **how):
        """Wait for its end; or (-errno, stage) where it did not start."""
        return self.state(self.ask("spawn", timeout=timeout, **how))

    @staticmethod
    def state(answer):
        if not answer.text.startswith("events="):
            return tuple(int(word) for word in answer.text.split())
        return State(answer)

    def start(self, **how):
        n, failed = self.numbers("start", **how)
        assert n >= 0, (n, failed)
        return n

    def look(self, n):
        return self.state(self.ask("look", n=n))

    def wait(self, n, timeout=30):
        return self.state(self.ask("wait", timeout=timeout, n=n))

    def info(self, n):
        answer = self.ask("info", n=n)
        if not answer.text.startswith("pid="):
            return int(answer.text.split()[0])
        fields = dict(line.split("=", 1) for line in answer.text.splitlines())
        return {name: value if name in ("file", "argv") else int(value)
                for name, value in fields.items()}

    def pid(self, n):
        return self.info(n)["pid"]

    # ---- the worker -----------------------------------------------------------------

    def worker_pid(self):
        return self.c.worker("web/0")["pid"]

    def fds(self):
        """Names of the worker's descriptors, but of sockets: connections come and go."""
        return sorted(name for name in processes.fds_of_worker(self.worker_pid()).values()
                      if not name.startswith("socket:"))

    def await_fds(self, before):
        wait.until(lambda: self.fds() == before, what="the descriptors of before: %s, now %s" %
                   (before, self.fds()))

    def own(self):
        """Processes whose parent is the worker, zombies included."""
        pid = self.worker_pid()
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            return [int(word) for word in file.read().split()]
