# SPDX-License-Identifier: MIT
"""Messages between workers, as plugin mail sends and keeps them."""

from harness import wait

# Beside what the pool serves at /.
MAIL = {"/" + path: "mail" for path in (
    "send", "quiet", "ask", "got", "start", "stop", "outcomes", "gate", "gate-counts",
    "misuse", "answers", "who", "fill", "firsts")}

UNDER_WAY = 1                           # an outcome that is not there yet


class Got:
    """One that was kept."""

    def __init__(self, line):
        self.sender, self.id, topic, length, fds, flags, total, self.data = \
            (line + " ").split(" ", 7)
        self.data = self.data.rstrip(" ")
        self.id, self.topic = int(self.id), topic[1:-1]
        self.len, self.fds, self.flags, self.sum = map(int, (length, fds, flags, total))


class Post:
    """A connection to each worker of pool web that is asked, by its name."""

    def __init__(self, c):
        self.c, self.conns = c, {}

    def to(self, worker):
        for _ in range(400):
            if worker in self.conns:
                return self.conns[worker]
            conn = self.c.connect(timeout=30)
            name = conn.request("GET", "/who").header("X-Worker")
            if name in self.conns:
                conn.close()
            else:
                self.conns[name] = conn
        raise AssertionError("never served by " + worker)

    def forget(self, worker):
        """It is another process by now."""
        if worker in self.conns:
            self.conns.pop(worker).close()

    def close(self):
        for worker in list(self.conns):
            self.forget(worker)

    def ask(self, worker, path):
        answer = self.to(worker).request("GET", path)
        assert answer.status == 200, answer.text
        return answer.text

    # ---- one ---------------------------------------------------------------------

    def send(self, worker, query):
        """(error, taken) of done(), or what cluster_send() said alone."""
        words = [int(word) for word in self.ask(worker, "/send?" + query).split()]
        return words[0] if len(words) == 1 else tuple(words)

    def got(self, worker, sender=None):
        rows = self.ask(worker, "/got" + ("?from=" + sender if sender else ""))
        return [Got(line) for line in rows.splitlines()]

    def await_got(self, worker, count, sender=None, timeout=wait.PATIENCE):
        wait.until(lambda: len(self.got(worker, sender)) >= count, timeout,
                   "%d messages at %s" % (count, worker))
        return self.got(worker, sender)

    # ---- many, numbered, which /start sends ----------------------------------------

    def outcomes(self, worker):
        """(how often there was no room, [the outcome of each])"""
        refused, *outcomes = map(int, self.ask(worker, "/outcomes").split())
        return refused, outcomes

    def await_outcomes(self, worker, count, timeout=wait.PATIENCE):
        def known():
            found = self.outcomes(worker)
            return len(found[1]) == count and UNDER_WAY not in found[1] and found
        return wait.until(known, timeout, "the outcome of each message")

    def numbers(self, worker, sender):
        return [int(one.data) for one in self.got(worker, sender)
                if one.topic == "numbered"]
