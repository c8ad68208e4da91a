# SPDX-License-Identifier: MIT
"""Commands and observers of plugin control, at a worker that is named."""

import json
import os
import time
from signal import SIGKILL

from harness import processes, wait
from harness.post import Post

ROUTES = {"/": "hello"}
ROUTES.update({"/" + path: "control" for path in (
    "command", "scale", "ended", "observe", "seen", "free", "block", "misuse", "who")})


class Operator(Post):
    def say(self, worker, path, body):
        answer = self.to(worker).request("POST", path, body=body.encode())
        assert answer.status == 200, answer.text
        return json.loads(answer.text)

    def read(self, worker, path):
        return json.loads(self.ask(worker, path))

    # ---- commands ------------------------------------------------------------

    def command(self, worker, name, args=None, query=""):
        """What cluster_command() said, if it refused; else all of the answer."""
        text = args if isinstance(args, str) else json.dumps(args or {})
        said = self.say(worker, "/command" + query, name + "\n" + text)
        return said.get("rc", said)

    def scale(self, worker, pool, size):
        said = self.say(worker, "/scale", "%s\n%s" % (pool, size))
        return said.get("rc", said)

    def begin(self, worker, name, args=None):
        """The same, and nobody waits; it comes to ended()."""
        assert self.command(worker, name, args, "?quiet") == 0

    def begin_unread(self, worker, name, args=None):
        """The same, and the master ends without having read it; when that was."""
        self.to(worker)
        master = self.c.master_pid()
        processes.halt(master)
        self.begin(worker, name, args)
        begun = time.monotonic()
        os.kill(master, SIGKILL)
        return begun

    def ended(self, worker):
        return self.read(worker, "/ended")

    def await_ended(self, worker, count=1, timeout=wait.PATIENCE):
        wait.until(lambda: len(self.ended(worker)) >= count, timeout,
                   "the end of %d commands" % count)
        return self.ended(worker)

    # ---- events ----------------------------------------------------------------

    def observe(self, worker, pattern, free_after=None):
        more = "" if free_after is None else "\n%d" % free_after
        return self.say(worker, "/observe", pattern + more)["rc"]

    def seen(self, worker, observer=0):
        return self.read(worker, "/seen?%d" % observer)

    def names(self, worker, observer=0):
        return [event["event"] for event in self.seen(worker, observer)]

    def await_seen(self, at, event, observer=0, timeout=wait.PATIENCE, **match):
        """The first of that name of which the journal says the same."""
        def found():
            for one in self.seen(at, observer):
                if one["event"] == event and all(
                        one["json"].get(key) == value for key, value in match.items()):
                    return one
            return None
        return wait.until(found, timeout, "%s at %s" % (event, at))

    # ---- the master --------------------------------------------------------------

    def kill_master(self):
        seen = self.c.last_event()
        os.kill(self.c.master_pid(), SIGKILL)
        self.c.await_event("master.adopted", after=seen)
