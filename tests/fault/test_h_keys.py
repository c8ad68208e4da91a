# SPDX-License-Identifier: MIT
"""Addresses, schedules, limits and accounts that change at a reload: at once, by
rolling the pool, or refused by name."""

import os
import pwd

import pytest

from harness import http, shows, wait

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: accounts")


def two_pools(row, **how):
    return row(pools={"api": {"workers": 1, "routes": {"/": "evil"}}}, **how)


def ids(r, pool):
    return [w["id"] for w in r.workers() if w["pool"] == pool and w["current"]]


def listen(r, **pools):
    """The addresses of each pool besides its own of any port."""
    for name, more in pools.items():
        r.pools[name][0]["listen"] = ["127.0.0.1:0"] + more
    r.write_config()


def reload(r, ok=True):
    result = r.ctl("reload")
    assert (result.code == 0) == ok, result
    return result


def await_left(r, address, pool):
    wait.until(lambda: not any(one["address"] == address and one["pool"] == pool
                               for one in r.json("listeners")), 10, "end of the address")


def give_up(r, address):
    """No pool has it any more, and nobody listens there."""
    listen(r, web=[], api=[])
    reload(r)
    wait.until(lambda: not http.answers(address), 10, "end of the address")


def refused(r, words):
    """By name, and nothing is another."""
    before = r.status()["generation"], ids(r, "web"), ids(r, "api")
    result = reload(r, ok=False)
    assert words in result.err, result
    assert (r.status()["generation"], ids(r, "web"), ids(r, "api")) == before
    r.served()


def address_of(r, kind, port):
    return "unix:%s/web.sock" % r.dir if kind == "unix" else "127.0.0.1:%d" % port


@shows("H14")
@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_addresses_come_go_and_move(row, port, kind):
    """No worker is replaced for it.  Between pools an address moves in two steps."""
    r = two_pools(row)
    # as root the workers and the keeper have accounts of their own
    os.chmod(r.dir, 0o777 | 0o1000)
    address = address_of(r, kind, port)
    before = ids(r, "web"), ids(r, "api")
    listen(r, web=[address])
    reload(r)
    assert http.answers(address)
    assert address in r.ask_pool("web")["listen"]
    held = http.Connection(address)
    assert held.request("GET", "/").status == 200
    listen(r, web=[], api=[address])
    refused(r, "[pool api] listen: %s belongs to [pool web]" % address)
    assert http.answers(address)
    listen(r, web=[], api=[])
    reload(r)
    assert held.request("GET", "/").status == 200, "one that is there stays"
    held.close()
    listen(r, web=[], api=[address])
    result = r.ctl("reload")            # it may have left by now
    assert result.code == 0 or "belongs to [pool web]" in result.err, result
    await_left(r, address, "web")
    reload(r)
    served = r.ask_pool("api")["requests"]
    assert http.answers(address)
    wait.until(lambda: r.ask_pool("api")["requests"] > served, 5,
               "a request of the other pool")
    assert (ids(r, "web"), ids(r, "api")) == before
    give_up(r, address)


@shows("H14")
@shows("node-C9")
def test_schedules(row):
    """Among three at once; reuseport makes sockets of another kind."""
    r = two_pools(row)
    before = ids(r, "web"), ids(r, "api")
    for schedule in ("least-connections", "shared", "round-robin", "shared",
                     "least-connections", "round-robin"):
        r.write_config(schedule=schedule)
        reload(r)
        r.served()
        assert r.ask_pool("web")["schedule"] == schedule
    assert (ids(r, "web"), ids(r, "api")) == before
    r.write_config(schedule="reuseport")
    refused(r, "[pool web] schedule: a change of this needs a restart")


@shows("H14")
@shows("node-C9")
def test_schedule_that_cannot_be_left(row):
    r = two_pools(row, schedule="reuseport")
    for schedule in ("round-robin", "shared"):
        r.write_config(schedule=schedule)
        refused(r, "[pool web] schedule: a change of this needs a restart")


@shows("H14")
def test_limits(row):
    """Those of the master at once, those of a worker with its successor, and the
    other pool is not touched."""
    r = two_pools(row)
    web, api = ids(r, "web"), ids(r, "api")
    r.write_config(handler_timeout="7s", drain_timeout="3s", max_surge=2, backlog=99,
                   dispatch_window=4)
    reload(r)
    assert (ids(r, "web"), ids(r, "api")) == (web, api)
    r.write_config(max_connections=99, max_headers=50)
    reload(r)
    assert not set(ids(r, "web")) & set(web)
    assert ids(r, "api") == api
    status = {"name%d" % n: "x" for n in range(60)}
    with r.connect() as one:
        assert one.request("GET", "/", status).status == 431
    assert r.get("/").status == 200


@shows("H14")
@pytest.mark.parametrize("schedule", ["round-robin", "shared"])
def test_master_dies_right_after_the_commit(row, port, schedule):
    """What was told to no worker yet is told by the next master."""
    r = two_pools(row, schedule="shared" if schedule == "round-robin" else "round-robin",
                  env={"CLUSTERD_FP": "reload.flipped:kill@1/1"})
    r.master_ends()
    before, address = ids(r, "web"), "127.0.0.1:%d" % port
    r.write_config(schedule=schedule, listen=["127.0.0.1:0", address])
    reload(r)
    r.served()
    assert all(http.answers(address) for _ in range(8))
    assert ids(r, "web") == before
    give_up(r, address)


def account_of(r, pool):
    pid = next(w["pid"] for w in r.workers() if w["pool"] == pool and w["current"])
    return pwd.getpwuid(os.stat("/proc/%d" % pid).st_uid).pw_name


@NEEDS_ROOT
@shows("H14")
def test_accounts(row):
    """One that the daemon began with, by rolling the pool; a new one is refused."""
    r = two_pools(row, user="games")
    api = ids(r, "api")
    common = account_of(r, "api")
    assert account_of(r, "web") == "games"
    del r.pools["web"][0]["user"]
    r.write_config()
    reload(r)
    assert account_of(r, "web") == common
    r.write_config(user="games")
    reload(r)
    assert account_of(r, "web") == "games"
    r.write_config(user="news")
    refused(r, '[pool web] user: account "news" was not there at the start')
    r.pools["api"][0]["user"] = "man"
    r.write_config(user="games")
    refused(r, '[pool api] user: account "man" was not there at the start')
    assert ids(r, "api") == api
