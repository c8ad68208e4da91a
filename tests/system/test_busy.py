# SPDX-License-Identifier: MIT
"""What a worker says of its own business, and may not say."""


def test_busy_for_ever_is_a_hang(cluster):
    c = cluster(workers=1, routes={"/": "hello", "/page": "evil"},
                handler_timeout="500ms")
    before = c.worker("web/0")["id"]
    c.request("GET", "/page?busy", expect="connection lost")
    c.await_state(lambda status: status["workers"][0]["id"] != before)
    assert c.death(before)["cause"] == "hang"
