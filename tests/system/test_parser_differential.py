# SPDX-License-Identifier: MIT
"""Our HTTP parser against Node's.

What we accept, Node must accept with the same method, target, fields, body and
start of the next message.  What we refuse and Node accepts must be listed in
harness/disagreements.py; anything else is a hole on one of the two sides and fails.
"""

import pathlib

import pytest

from harness import parsers
from harness.disagreements import ALWAYS, expected_of
from harness.messages import NEXT, ROWS, chunked

TOP = pathlib.Path(__file__).resolve().parents[2]

# Each is changed at every place by each of these bytes.
SEEDS = [
    b"\r\n" + b"GET http://b/c?d HTTP/1.1\r\nHost: a:80\r\nX: y z\r\n\r\n",
    b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nhello, world",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, close\r\n\r\n",
    b"GET / HTTP/1.0\r\nConnection: x, keep-alive\r\nUpgrade: y\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: y\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x , chunked\r\n"
    b"Expect: 100-continue\r\n\r\n1\r\n0\r\n0\r\n\r\n",
    b"PUT /%41 HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;a=\"b\";c=d\r\nhello\r\n1\r\nx\r\n0\r\nT: u\r\n\r\n",
]
BYTES = b"\0\t\n\r \"%*+,/0:;=@Hx\x0b\x7f\x80\xff"


def mutations(seed):
    for at in range(len(seed)):
        yield seed[:at] + seed[at + 1:]
        yield seed[:at] + seed[at:at + 1] + seed[at:]
        for byte in BYTES:
            yield seed[:at] + bytes([byte]) + seed[at:]
            yield seed[:at] + bytes([byte]) + seed[at + 1:]
    # two neighbours change places: CRLF among them
    for at in range(len(seed) - 1):
        yield seed[:at] + seed[at + 1:at + 2] + seed[at:at + 1] + seed[at + 2:]


# ---- the comparison ---------------------------------------------------------


@pytest.fixture(scope="module")
def ours(build):
    return parsers.ours(build)


@pytest.fixture(scope="module")
def oracle():
    command, version = parsers.oracle("parser_oracle.js")

    def ask(cases):
        return parsers.verdicts(command, cases)
    ask.version = version
    return ask


def difference(mine, theirs, expected):
    """None, or what is wrong about the two verdicts."""
    whole = len(mine["messages"])
    if mine["messages"] != theirs["messages"][:whole]:
        return "accepted by us, read differently by the oracle"
    if not mine["status"] and len(theirs["messages"]) > whole:
        return "the end for us, the oracle reads on"
    if mine["status"] and len(theirs["messages"]) > whole and mine["reason"] not in expected:
        return "refused by us (%s), accepted by the oracle" % mine["reason"]
    return None


def compare(cases, ours, oracle):
    """Fails with each input about which the two differ."""
    expected = expected_of(oracle.version)
    mine, theirs = ours(cases), oracle(cases)
    assert len(mine) == len(theirs) == len(cases)
    wrong = []
    for case, verdict, answer in zip(cases, mine, theirs):
        words = difference(verdict, answer, expected)
        if words:
            wrong.append("%r: %s\n  ours   %s\n  oracle %s" % (case, words, verdict, answer))
    assert not wrong, "%d of %d:\n%s" % (len(wrong), len(cases), "\n".join(wrong[:20]))
    return mine, theirs


def test_the_rows_of_the_specification(ours, oracle):
    cases = [(status, text) for status, texts in ROWS for text in texts]
    mine, theirs = compare([text + NEXT for _, text in cases], ours, oracle)
    for (status, text), verdict in zip(cases, mine):
        assert verdict["status"] == status, (text, verdict)
        assert bool(verdict["messages"]) == (status == 0), (text, verdict)
    # what is listed is true of every version: no reason that covers nothing
    seen = {verdict["reason"] for verdict, answer in zip(mine, theirs)
            if len(answer["messages"]) > len(verdict["messages"])}
    assert set(ALWAYS) <= seen


def test_every_byte_of_a_message_changed(ours, oracle):
    cases = sorted({text + NEXT for seed in SEEDS for text in mutations(seed)})
    mine, theirs = compare(cases, ours, oracle)
    # both sides were there, and the comparison saw something
    assert sum(1 for verdict in mine if verdict["status"]) > len(cases) // 3
    assert sum(1 for verdict in mine if len(verdict["messages"]) == 2) > len(cases) // 20
    assert sum(1 for answer in theirs if len(answer["messages"]) == 2) > len(cases) // 20


def test_the_fuzz_corpora(ours, oracle):
    cases = []
    for path in sorted((TOP / "tests/fuzz/corpus/head").iterdir()):
        cases.append(path.read_bytes()[1:] + NEXT)
    for path in sorted((TOP / "tests/fuzz/corpus/chunk").iterdir()):
        cases.append(chunked(path.read_bytes()[1:]) + NEXT)
    compare(cases, ours, oracle)


@pytest.mark.parametrize("mine, theirs, says", [
    ([1], [2], "read differently"), ([1], [], "read differently"), ([1], [1, 2], "reads on"),
    ([1, 2], [1, 2], None),
])
def test_the_comparison_sees_a_difference(mine, theirs, says):
    words = difference({"messages": mine, "status": 0, "reason": ""}, {"messages": theirs}, {})
    assert words is None if says is None else says in words


def test_the_comparison_sees_a_refusal_that_is_not_listed():
    refused = {"messages": [], "status": 400, "reason": "odd"}
    assert "accepted by the oracle" in difference(refused, {"messages": [1]}, {})
    assert difference(refused, {"messages": [1]}, {"odd": "listed"}) is None
