# SPDX-License-Identifier: MIT
"""Commands: their client dies, there are many of them, or somebody may not give
them."""

import json
import os
import random
import re
import signal
import socket
import threading
import time

import pytest

from harness import control, shows, slow, wait

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: other accounts")
NOBODY = 65534


def change(r, ms):
    """Another configuration: what /sleep takes by itself."""
    r.plugins["evil"] = {"ms": "%dms" % ms}
    r.write_config()


# ---- F4: the client dies --------------------------------------------------------------

@shows("F4")
def test_client_dies_in_the_middle_of_its_command(row):
    r = row()
    before, seen = r.status()["generation"], r.last_event()
    change(r, 1)
    runner = r.ctl_start("reload")
    assert runner.stderr.readline().strip()         # its first progress
    runner.send_signal(signal.SIGKILL)
    runner.communicate()
    started = r.await_event("command.started", after=seen)
    done = r.await_event("command.done", after=started)
    assert done["command_id"] == started["command_id"]
    verdict = r.ask("verdict", {"command_id": done["command_id"]})[-1]
    assert verdict["ok"] is True and verdict["result"]["changed"] is True
    assert verdict["result"]["generation"] == r.status()["generation"] > before
    recorded, = [one for one in r.commands("reload", 1)
                 if one["command_id"] == done["command_id"]]
    assert (recorded["command"], recorded["state"]) == ("reload", "done")
    assert recorded["result"]["generation"] == verdict["result"]["generation"]
    assert recorded["exe"] in (os.path.realpath(r.build + "/clusterctl"), "[clusterctl]")


# ---- F5: everything at once --------------------------------------------------------------

KINDS = {"reload", "scale", "restart", "rollback"}


class Operators:
    """Clients that give random changes, one after the other, and keep the
    verdicts: {command id: (command, arguments, final answer)}.  For so long, and
    until each kind of change has been made."""

    def __init__(self, r, count, seconds):
        self.r, self.until = r, time.monotonic() + seconds
        self.at_last = self.until + 60
        self.verdicts, self.wrong, self.made = {}, [], set()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self._run, args=(number,))
                        for number in range(count)]

    def run(self):
        for thread in self.threads:
            thread.start()
        for thread in self.threads:
            thread.join(self.at_last - time.monotonic() + 60)
            assert not thread.is_alive(), "one has no verdict"
        assert not self.wrong, self.wrong[:3]
        return self.verdicts

    def _run(self, number):
        chance = random.Random(number)
        try:
            with control.Client(self.r.socket, timeout=40) as one:
                turn = 0
                while not self._are_done():
                    command, args = self._choose(chance)
                    turn += 1
                    name = "f5-%d-%d" % (number, turn)
                    answer = one.ask(command, args, command_id=name)
                    self.verdicts[name] = command, args, answer
                    if answer["ok"]:
                        self.made.add(command)
        except (OSError, ValueError) as error:
            self.wrong.append("client %d: %r" % (number, error))

    def _are_done(self):
        now = time.monotonic()
        return now >= self.until and (self.made == KINDS or now >= self.at_last)

    def _choose(self, chance):
        command = chance.choice(sorted(KINDS))
        if command == "scale":
            return command, {"pool": "web", "workers": str(chance.randrange(1, 7))}
        if command == "restart":
            return command, {"worker": "web/%d" % chance.randrange(4)}
        if command == "reload":
            with self.lock:
                change(self.r, chance.randrange(1, 10000))
        return command, {}


# What one may hear whose turn did not come, or came too late: too many wait; the
# slot has just gone; there is nothing to go back to.
REFUSED = {"busy", "not_found", "conflict"}


def assert_one_verdict_each(r, verdicts):
    ended = [e for e in r.events() if e["event"] in ("command.done", "command.failed")]
    ids = [e["command_id"] for e in ended if e["command_id"].startswith("f5-")]
    # what is not there is not always found out before it begins
    begun = {name for name, (_, _, answer) in verdicts.items()
             if answer["ok"] or answer["error"]["code"] != "not_found"}
    assert len(ids) == len(set(ids)) and begun <= set(ids) <= set(verdicts)
    for command, args, answer in verdicts.values():
        assert answer["ok"] or answer["error"]["code"] in REFUSED, (command, args, answer)
    for name in random.Random(1).sample(sorted(begun), min(20, len(begun))):
        assert r.ask("verdict", {"command_id": name})[-1].get("ok") == \
            verdicts[name][2]["ok"]
    return [name for name in ids if verdicts[name][2]["ok"]]


@shows("F5")
@pytest.mark.limit(150)
@pytest.mark.parametrize("seconds", [4, pytest.param(30, marks=slow)])
def test_everything_at_once(row, seconds):
    """The last that was accepted is in force, and no request pays for it."""
    r = row(canary_hold="50ms")
    verdicts = Operators(r, 16, seconds).run()
    good = assert_one_verdict_each(r, verdicts)
    kinds = {verdicts[name][0] for name in good}
    assert kinds == KINDS, kinds
    size, = [verdicts[name][1]["workers"] for name in good
             if verdicts[name][0] == "scale"][-1:]
    r.await_state(lambda s: s["state"] == "ok" and s["pools"][0]["ready"] == int(size)
                  and len(s["workers"]) == int(size), timeout=15)
    status = r.status()
    assert status["pools"][0]["desired"] == int(size)
    committed = [e for e in r.events() if e["event"] == "reload.committed"]
    assert status["generation"] == committed[-1]["generation"]
    assert {w["generation"] for w in status["workers"]} == {status["generation"]}
    assert status["pools"][0]["restarts"] == 0
    r.served()
    assert r.ctl("scale", "web", "4").code == 0


# ---- F6: who may not ------------------------------------------------------------------------

# Every command there is, and what a reader is told.
READ = """status pools workers plugins listeners generations events deaths metrics
    requests children ping version verdict+command_id=x why+worker=web/0 config_show
    help""".split()
NOT_YET = "top history".split()
DENIED = """config_check config_diff scale+pool=web+workers=1 reload rollback
    restart+worker=web drain+worker=web kill+worker=web pause+worker=web resume+worker=web
    retry+worker=web send+worker=web+message=x logs log_level+level=debug log_reopen audit
    stop upgrade db_backup+file=/tmp/x""".split()


def parse(text):
    """"log_level+level=debug": the command and its arguments."""
    command, *pairs = text.split("+")
    return command.replace("_", " "), dict(pair.split("=") for pair in pairs)


@NEEDS_ROOT
@shows("F6")
def test_a_stranger(row):
    r = row()
    refused = r.ctl("status", uid=NOBODY)
    assert refused.code == 4 and "Permission denied" in refused.err, refused
    with pytest.raises(PermissionError):
        control.Client(r.socket, who=(NOBODY, NOBODY))


@NEEDS_ROOT
@shows("F6")
def test_a_reader(row):
    """Every command that does more than read is denied and recorded (of a flood,
    ten a second), and nothing is done."""
    r = row(daemon={"control_read": "all"})
    known = {re.match("[a-z ]+(?=:| )", line).group()
             for line in r.ask("help")[-1]["result"]["text"].splitlines()}
    assert known == {parse(text)[0] for text in READ + NOT_YET + DENIED}
    before = r.status()
    with control.Client(r.socket, who=(NOBODY, NOBODY)) as one:
        for text in READ:
            answer = one.ask(*parse(text))
            assert answer["ok"] or answer["error"]["code"] == "not_found", answer
        for text in NOT_YET:
            assert one.ask(*parse(text))["error"]["code"] == "unknown_command"
        for text in DENIED:
            command, args = parse(text)
            answer = one.ask(command, args)
            assert answer["ok"] is False and answer["error"]["code"] == "denied", answer
            assert answer["error"]["text"].startswith("`%s' needs the right to" % command)
    said = r.ctl("scale", "web", "1", uid=NOBODY)
    assert said.code == 4 and "may only read" in said.err, said
    def denied():
        found = [one for one in r.json("audit") if one["state"] == "denied"]
        return len(found) >= 10 and found
    rows = wait.until(denied, 5, "rows of those that were denied")
    assert [one["command"] for one in rows][:10] == [parse(text)[0] for text in DENIED[:10]]
    for one in rows:
        assert (one["uid"], one["gid"], one["code"]) == (NOBODY, NOBODY, "denied")
        assert one["pid"] == os.getpid() or one["command"] == "scale", one
        assert os.path.basename(one["exe"]).startswith(
            ("python", "[python", "[pytest", "clusterctl", "[clusterctl]")), one
    assert rows[2]["args"] == {"pool": "web", "workers": "1"}
    after = r.status()
    assert [w["id"] for w in after["workers"]] == [w["id"] for w in before["workers"]]
    assert after["generation"] == before["generation"]


# ---- F9: another version ------------------------------------------------------------------------

@shows("F9")
def test_what_the_daemon_does_not_know(row):
    r = row()
    for command, args, members, code, text in (
            ("scael", {}, {}, "unknown_command",
             "there is no command \"scael\", did you mean `scale'?"),
            ("reload", {"plan": True, "fast": True}, {}, "bad_argument",
             '`reload\' has no argument "fast"'),
            ("scale", {"pool": "web"}, {}, "bad_argument", "workers: is missing"),
            ("ping", {}, {"api": 2}, "bad_request", "api: this daemon speaks 1, not 2"),
            ("ping", {}, {"api": 0}, "bad_request", "api: this daemon speaks 1, not 0")):
        answer = r.ask(command, args, **members)[-1]
        assert answer["error"] == {"code": code, "text": text}
    assert r.ask("ping", api=1)[-1]["ok"] is True


def daemon_of(version, listener):
    """What a daemon of another version would answer, once."""
    one, _ = listener.accept()
    with one, one.makefile("rb") as lines:
        number = json.loads(lines.readline())["id"]
        one.sendall(json.dumps({"id": number, "ok": True, "result": {
            "api": version, "state": "fine"}}).encode() + b"\n")


@shows("F9")
@pytest.mark.parametrize("version", [0, 2])
@pytest.mark.parametrize("words", [["status"], ["--json", "ping"], ["scale", "web", "2"]])
def test_a_daemon_of_another_version(cluster, version, words):
    """No load: there is no daemon of ours in it."""
    c = cluster(start=False)
    os.mkdir(c.dir + "/run")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(c.socket)
        listener.listen(1)
        listener.settimeout(10)
        there = threading.Thread(target=daemon_of, args=(version, listener))
        there.start()
        result = c.ctl(*words)
        there.join(10)
    assert (result.code, result.out) == (3, "")
    assert result.err == "clusterctl: the daemon speaks version %d of the control " \
        "protocol, this clusterctl version 1\n" % version
