# SPDX-License-Identifier: MIT
"""What a plugin knows of workers."""

import json

from harness import shows
from harness.post import Post

STATES = ["down", "starting", "ready", "draining", "stopping", "killing", "waiting",
          "failed"]
ROUTES = {"/": "hello", "/self": "workers", "/who": "workers"}


class Known(Post):
    """What the plugin says, at a worker that is named."""

    def self(self, worker):
        return json.loads(self.ask(worker, "/self"))


@shows("node-C5")
@shows("node-C6")
def test_a_worker_knows_itself(cluster):
    k = Known(cluster(workers=2, routes=ROUTES))
    for name in ("web/0", "web/1"):
        row, mine = k.c.worker(name), k.self(name)
        assert (mine["worker"], mine["pool"], mine["slot"]) == (name, "web", int(name[-1]))
        assert (mine["id"], mine["pid"]) == (row["id"], row["pid"])
        assert mine["generation"] == row["generation"]
        assert (mine["role"], STATES[mine["state"]]) == (1, "ready")
        assert (mine["connected"], mine["age_ms"]) == (1, 0)
        assert mine["connections"] >= 1
        assert k.self(name)["requests"] == mine["requests"] + 1
        assert k.self(name)["uptime_ms"] >= mine["uptime_ms"]
