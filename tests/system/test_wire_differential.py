# SPDX-License-Identifier: MIT
"""The whole server against Node's http server: the same bytes to both, over sockets.

Both answer each request with what they saw of it.  What we accept, Node must accept
with the same method, target and body, so that the next message begins at the same
byte.  What we refuse and Node accepts must be listed in harness/disagreements.py, by
what our parser says, and our server must say what our parser does.
"""

import json
import os
import random
import subprocess

import pytest

from harness import parsers, slow
from harness.disagreements import expected_of, first_in_doubt
from harness.wire import case as cases
from harness.wire import client
from harness.wire.table import CASES

LONGEST = 1500                  # of a case that is changed
BATCH = 1000                    # inputs compared at a time
SEED = os.environ.get("CLUSTERD_TEST_SEED", "clusterd")


@pytest.fixture
def ours(cluster):
    """send(inputs): what our server answers to each."""
    c = cluster(workers=2, routes={"/": "wire"}, header_timeout="20s", **cases.LIMITS)
    return lambda inputs: ask(c.address(), inputs)


@pytest.fixture
def verdicts(build):
    """What our parser says to each, and why."""
    return parsers.ours(build)


@pytest.fixture
def theirs():
    command, version = parsers.oracle("wire_oracle.js")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        port = int(server.stdout.readline())

        def send(inputs):
            return ask("127.0.0.1:%d" % port, inputs)
        send.expected = expected_of(version)
        yield send
        server.stdin.close()
        server.wait(10)


# ---- the comparison ---------------------------------------------------------------


def ask(address, inputs):
    """Each input, and our end: what was answered, as a list of requests, and the
    status of what was refused or 0."""
    told = []
    done = client.run(address, [([one], True) for one in inputs], 20)
    for one, exchange in zip(inputs, done):
        requests, refused = [], 0
        for status, fields, body in answers_to(one, exchange):
            if status == 204:
                requests.append(("OPTIONS", None, None, None))  # *, which no handler saw
            elif status != 200:
                refused = status
            else:
                requests.append(seen(fields["x-method"], body))
        told.append((requests, refused))
    return told


def answers_to(one, exchange):
    try:
        return client.answers(exchange.received)
    except client.Broken as error:
        raise AssertionError("%s\n%r\n%r" % (error, one, exchange.received)) from error


def seen(method, body):
    """(method, path, query, body), of either server."""
    if not body:
        return (method, None, None, None)
    one = json.loads(body.decode("utf-8"))
    if "target" not in one:
        return (method, one["path"], one["query"], one["body"])
    target = one["target"]
    scheme, found, rest = target.partition("://")
    if not target.startswith("/") and found and scheme.lower() in ("http", "https"):
        at = min((rest.find(c) for c in "/?" if c in rest), default=len(rest))
        target = rest[at:]
    path, _, query = target.partition("?")
    return (method, path or "/", query, one["body"])


def same(mine, other):
    return mine == other or mine[1] is None and mine[0] == other[0]


def difference(text, mine, other, verdict, expected):
    """None, or what is wrong about one input."""
    requests, status = mine
    others, _ = other
    reason, messages = verdict["reason"], verdict["messages"]
    doubt = first_in_doubt(messages, text)
    if doubt is not None:
        requests, others, status = requests[:doubt], others[:doubt], 0
    whole = len(requests)
    if status not in (0, 421) and (whole, status) != (len(messages), verdict["status"]):
        return "our server and our parser (%d, %s) differ" % (verdict["status"], reason)
    if whole > len(others) or not all(map(same, requests, others)):
        return "accepted by us, read differently by Node"
    if len(others) == whole:
        return None
    if status == 0:
        return "the end for us, Node reads on"
    if status == 421 or reason in expected:
        return None
    return "refused by us (%d, %s), accepted by Node" % (status, reason)


def compare(inputs, ours, theirs, verdicts):
    """Fails with the inputs about which they differ; gives how many were refused and
    how many accepted by us."""
    accepted = refused = 0
    wrong = []
    for at in range(0, len(inputs), BATCH):
        some = inputs[at:at + BATCH]
        for one, mine, other, verdict in zip(some, ours(some), theirs(some), verdicts(some)):
            words = difference(one, mine, other, verdict, theirs.expected)
            if words:
                wrong.append("%r: %s\n  we   %s\n  Node %s" % (one, words, mine, other))
            accepted += len(mine[0])
            refused += mine[1] != 0
    assert not wrong, "%d of %d:\n%s" % (len(wrong), len(inputs), "\n".join(wrong[:10]))
    return accepted, refused


# ---- inputs -----------------------------------------------------------------------

BYTES = b"\0\t\n\r \"#%*+,-/0123456789:;=?@Aafx[]\x0b\x7f\x80\xff"
LINES = [b"Content-Length: 5", b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Host: b",
         b"Connection: close", b"Connection: keep-alive", b"Expect: 100-continue", b" x", b"",
         b"Upgrade: h2c", b"Connection: upgrade", b"5", b"0", b"hello"]


def change_byte(rng, text):
    at = rng.randrange(len(text))
    byte = bytes([rng.choice(BYTES)])
    return rng.choice((text[:at] + text[at + 1:], text[:at] + byte + text[at + 1:],
                       text[:at] + byte + text[at:], text[:at] + text[at:at + 1] + text[at:]))


def change_line(rng, text):
    lines = text.split(b"\r\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    change = rng.randrange(4)
    if change == 0:
        lines.insert(at, rng.choice(LINES))
    elif change == 1:
        lines[at], lines[other] = lines[other], lines[at]
    elif change == 2:
        del lines[at]
    else:
        lines.insert(at, lines[other])
    return b"\r\n".join(lines)


def mutation(rng, seeds):
    text = rng.choice(seeds)
    if rng.random() < 0.3:
        text += rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        text = rng.choice((change_byte, change_byte, change_line))(rng, text or b"x")
    return text + cases.PROBE


def plain(case):
    """Answered by either server in the same way: Node's drops all at a CONNECT, which
    is compared by test_parser_differential.py."""
    return not any(word in case.send
                   for word in (b"/204", b"/304", b"/later", b"/stream", b"CONNECT"))


def mutations(count):
    rng = random.Random(SEED)
    seeds = [case for case in CASES if len(case.send) < LONGEST and plain(case)]
    good = [case.send for case in seeds if all(one.status == 200 for one in case.answers)]
    # of those refused there are more, and of a good one that is changed much is refused
    return [mutation(rng, good if rng.random() < 0.7 else [case.send for case in seeds])
            for _ in range(count)]


# ---- tests ------------------------------------------------------------------------


def test_the_table(ours, theirs, verdicts):
    accepted, refused = compare([case.bytes for case in CASES if plain(case)], ours, theirs,
                                verdicts)
    assert accepted > 300 and refused > 300


def test_what_is_changed_in_it(ours, theirs, verdicts):
    accepted, refused = compare(mutations(3000), ours, theirs, verdicts)
    assert accepted > 1000 and refused > 1000, "both sides were there"


@slow
@pytest.mark.limit(600)
def test_much_that_is_changed_in_it(ours, theirs, verdicts):
    compare(mutations(50000), ours, theirs, verdicts)


@pytest.mark.parametrize("mine, other, verdict, says", [
    (([(1, 2, 3, 4)], 0), ([(1, 2, 3, 5)], 0), {}, "read differently"),
    (([(1, 2, 3, 4)], 0), ([], 400), {}, "read differently"),
    (([(1, 2, 3, 4)], 0), ([(1, 2, 3, 4), (5, 6, 7, 8)], 0), {}, "reads on"),
    (([], 400), ([(1, 2, 3, 4)], 0), {"status": 400, "reason": "odd"}, "accepted by Node"),
    (([], 400), ([], 0), {"status": 501, "reason": "odd"}, "our parser"),
    (([], 400), ([(1, 2, 3, 4)], 0), {"status": 400, "reason": "listed"}, None),
    (([], 400), ([], 0), {"status": 400, "reason": "odd"}, None),
])
def test_the_comparison_sees_a_difference(mine, other, verdict, says):
    whole = {"status": 0, "reason": "", "messages": [{"minor": 1, "fields": []}] * len(mine[0])}
    words = difference(b"", mine, other, dict(whole, **verdict), {"listed": "why"})
    assert words is None if says is None else says in words
