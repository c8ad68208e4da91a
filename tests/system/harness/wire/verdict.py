# SPDX-License-Identifier: MIT
"""Whether an exchange came out as its case says."""

from harness.wire import case as cases
from harness.wire import client


def _last_of(case, number):
    return case.end != cases.SILENT and number == len(case.expected) - 1


def _about_fields(case, number, fields):
    """Every answer tells its end in the same way, whatever was asked."""
    closes = fields.get("connection") == "close"
    if closes != _last_of(case, number):
        return "answer %d %s" % (number, "closes" if closes else "does not close")
    return None


def _about_saw(answer, body):
    if not answer.saw:
        return None
    seen = client.saw(body)
    for name, value in answer.saw.items():
        got = seen[name]
        if name == "fields":
            got = [tuple(pair) for pair in got]
        if got != value:
            return "the handler saw %s %r, not %r" % (name, got, value)
    return None


def _about_answer(answer, got):
    status, fields, body = got
    if status != answer.status:
        return "%d, not %d" % (status, answer.status)
    for name, value in answer.fields.items():
        if fields.get(name.lower()) != value:
            return "%s is %r, not %r" % (name, fields.get(name.lower()), value)
    return _about_saw(answer, body) if not answer.head and status == 200 else None


def _may_be_reset(case, segments):
    """RFC 9112, 9.6: the last request is whole with the first segment, and says that
    it is the last.  What the client sends all the same may meet the close; a reset
    then takes nothing that has come."""
    return case.end == cases.CLOSE and len(segments) == 2 and len(segments[0]) == case.border


def wrong(case, exchange, segments=()):
    """None, or what is wrong with the exchange of these segments."""
    expected = case.expected
    if exchange.reset and not _may_be_reset(case, segments):
        return "reset"
    try:
        got = client.answers(exchange.received, [answer.head for answer in expected])
    except client.Broken as error:
        return str(error)
    if len(got) != len(expected):
        return "%d answers (%s), not %d" % (
            len(got), [status for status, _, _ in got], len(expected))
    for number, (answer, one) in enumerate(zip(expected, got)):
        words = _about_answer(answer, one) or _about_fields(case, number, one[1])
        if words:
            return "answer %d: %s" % (number, words)
    return None
