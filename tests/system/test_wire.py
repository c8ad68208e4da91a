# SPDX-License-Identifier: MIT
"""The wire table (harness/wire): what a client sends, byte for byte, and what comes
of it.  Each case whole, byte by byte and cut in two at every place: the verdict is
the same however the bytes come."""

import pytest

from harness import sanitized, slow
from harness.wire import case as cases
from harness.wire import client, verdict
from harness.wire.table import CASES

SAMPLE = 23                     # of so many cuts one, in the quick set
EDGE = 300                      # of what is long only the ends are cut everywhere


@pytest.fixture
def wire(cluster):
    c = cluster(workers=2, routes={"/": "wire"}, header_timeout="20s", start=False,
                **cases.LIMITS)
    c.write_config(listen=["127.0.0.1:0", "unix:" + c.dir + "/wire"])
    c.start()
    return c


@pytest.fixture(params=["wire_passed", "wire_streamed"])
def asked(cluster, request):
    """The plugin is asked at the head of what has a body."""
    c = cluster(workers=2, routes={"/": request.param}, header_timeout="20s", start=False,
                **cases.LIMITS)
    c.write_config(listen=["127.0.0.1:0", "unix:" + c.dir + "/wire"])
    c.start()
    return c


def check(address, jobs):
    """jobs: (case, segments) each."""
    done = client.run(address, [(segments, case.end == cases.SILENT)
                                for case, segments in jobs], 250)
    wrong = []
    for (case, segments), exchange in zip(jobs, done):
        words = verdict.wrong(case, exchange, segments)
        if words:
            wrong.append("%s\n  cut at %d of %d: %s\n  %r" % (
                case, len(segments[0]), sum(map(len, segments)), words,
                exchange.received[:400]))
    assert not wrong, "%d of %d:\n%s" % (len(wrong), len(jobs), "\n".join(wrong[:20]))


def tcp(wire):
    return next(one for one in wire.ask_pool("web")["listen"] if not one.startswith("unix:"))


def unix(wire):
    return next(one for one in wire.ask_pool("web")["listen"] if one.startswith("unix:"))


def test_there_are_enough_of_them():
    assert len(CASES) >= 300
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names), sorted(n for n in names if names.count(n) > 1)


@sanitized
def test_whole(wire):
    check(tcp(wire), [(case, [case.bytes]) for case in CASES])


def places_in(case):
    """Where to cut: between any two bytes, but seldom in the middle of a long one."""
    end = len(case.send)
    return [at for at in range(1, end)
            if at < EDGE or end - at < EDGE or at % (EDGE - 1) == 0]


def in_bytes(case):
    """Each byte of the case a segment; the probe comes with the last."""
    places = [0, *places_in(case), len(case.bytes)]
    return [case.bytes[at:end] for at, end in zip(places, places[1:])]


@sanitized
def test_byte_by_byte(wire):
    check(unix(wire), [(case, in_bytes(case)) for case in CASES])


def cuts():
    for case in CASES:
        for at in places_in(case):
            yield case, [case.bytes[:at], case.bytes[at:]]


def test_cut_in_two_at_some_places(wire):
    check(unix(wire), list(cuts())[::SAMPLE])


def test_where_heads_are_asked_about(asked):
    """The same verdicts, whoever reads the bodies."""
    check(tcp(asked), [(case, [case.bytes]) for case in CASES])
    check(unix(asked), list(cuts())[::3 * SAMPLE])


@slow
@pytest.mark.limit(300)
def test_cut_in_two_at_every_place(wire):
    check(unix(wire), list(cuts()))


@slow
@pytest.mark.limit(600)
def test_byte_by_byte_where_heads_are_asked_about(asked):
    check(unix(asked), [(case, in_bytes(case)) for case in CASES])
    check(unix(asked), list(cuts()))
