# SPDX-License-Identifier: MIT
"""What is counted, as a scraper reads it."""

import os
import re
import signal

from harness import http, wait

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (-?[0-9]+(?:\.[0-9]+)?)$" % (NAME, LABEL, LABEL))
PARTS = {"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}}


def parse(text):
    """The text format 0.0.4, strictly: {(name, labels): value}, {name: type}."""
    samples, types, helped, family = {}, {}, set(), None
    assert text.endswith("\n")
    for line in text.splitlines():
        head = re.match(r"# (HELP|TYPE) (%s) (.+)$" % NAME, line)
        if head and head[1] == "HELP":
            assert head[2] not in helped, "once, and all of a name together: " + line
            helped.add(head[2])
            family = head[2]
        elif head:
            assert head[2] == family and family not in types, line
            assert head[3] in PARTS, line
            types[family] = head[3]
            assert (head[3] == "counter") == family.endswith("_total"), line
        else:
            sample = SAMPLE.match(line)
            assert sample, "no sample: %r" % line
            suffix = sample[1][len(family):]
            assert sample[1].startswith(family) and suffix in PARTS[types[family]], line
            assert (sample[1], sample[2]) not in samples, line
            samples[sample[1], sample[2]] = float(sample[3])
    return samples, types


def scrape(c):
    result = c.ctl("metrics")
    assert result.code == 0, result
    return parse(result.out)


def web(samples, name):
    return samples["clusterd_" + name, 'pool="web"']


def test_the_format_is_that_of_prometheus(cluster):
    c = cluster(workers=2, pools={"api": {"workers": 1}})
    samples, types = scrape(c)
    assert len(types) > 40
    for name in ("accepted_total", "requests_total", "answers_2xx_total", "bytes_out_total",
                 "header_timeouts_total", "lines_dropped_total", "drain_aborted_total",
                 "connections_passed_total", "connections_recovered_total",
                 "connections_lost_total", "output_lines_dropped_total"):
        assert types["clusterd_" + name] == "counter"
        for pool in ("web", "api"):
            assert ("clusterd_" + name, 'pool="%s"' % pool) in samples, name
    for name in ("store_written_total", "store_lost_total", "store_waiting",
                 "store_memory_bytes", "events_memory_bytes",
                 "verdicts_memory_bytes", "log_lines_dropped_total", "stalls_total"):
        assert ("clusterd_" + name, None) in samples, name
    address = 'pool="web",address="%s"' % c.address()
    assert ("clusterd_listener_accepted_total", address) in samples


def test_answers_are_counted_and_timed(cluster):
    c = cluster(workers=2, routes={"/": "evil"})
    for _ in range(10):
        c.get("/")
    c.get("/sleep?300")
    c.get("/status?404", expect=404)
    samples = wait.until(lambda: web(scrape(c)[0], "requests_total") == 12
                         and scrape(c)[0], 5, "twelve requests")
    assert web(samples, "answers_2xx_total") == 11
    assert web(samples, "answers_4xx_total") == 1
    assert web(samples, "taken_total") == web(samples, "connections_passed_total") == 12
    buckets = [(float(re.search('le="(.*)"', labels)[1]), value)
               for (name, labels), value in samples.items()
               if name == "clusterd_answer_seconds_bucket"]
    assert len(buckets) == 64
    assert buckets == sorted(buckets) and buckets[-1] == (float("inf"), 12)
    assert [v for _, v in buckets] == sorted(v for _, v in buckets), "cumulative"
    assert web(samples, "answer_seconds_count") == 12
    # the loop's clock may be a little behind
    assert 0.25 <= web(samples, "answer_seconds_sum") < 5
    assert max(v for le, v in buckets if le < 0.25) <= 11, "not the one that slept"


def test_totals_never_go_back(cluster):
    """Whoever ends: a worker by a crash or by a drain, a slot, the master."""
    c = cluster(workers=3, routes={"/": "evil"})
    for _ in range(30):
        c.get("/")
    totals = [counters(c)]
    assert totals[0]["clusterd_requests_total", 'pool="web"'] >= 30

    def look(what):
        totals.append(counters(c))
        for key, before in totals[-2].items():
            assert totals[-1][key] >= before, "%s after %s" % (key, what)
        assert totals[-1]["clusterd_requests_total", 'pool="web"'] == len(totals) + 28
        c.get("/")

    look("nothing")
    seen = c.last_event()
    os.kill(c.worker("web/1")["pid"], signal.SIGKILL)
    death = c.await_event("worker.exited", after=seen)
    look("a crash")
    c.await_event("worker.ready", after=death)
    assert c.ctl("restart", "web").code == 0
    c.await_state(lambda s: len(s["workers"]) == 3)
    look("a restart")
    assert c.ctl("scale", "web", "1").code == 0
    c.await_state(lambda s: len(s["workers"]) == 1)
    look("a scale")
    os.kill(c.master_pid(), signal.SIGKILL)
    c.await_event("master.adopted")
    look("another master")


# Those are counted on the pages of workers and kept in the memo; what the master
# itself counts begins anew with it.
OF_MASTER = ("connections_", "output_", "listener_", "stalls", "log_", "store_")


def counters(c):
    samples, types = scrape(c)
    return {key: value for key, value in samples.items()
            if types.get(key[0]) == "counter"
            and not key[0][len("clusterd_"):].startswith(OF_MASTER)
            or key[0] == "clusterd_answer_seconds_bucket"}


def test_what_is_lost_with_a_worker_is_counted(cluster):
    c = cluster(workers=1, routes={"/": "evil"})
    with c.connect() as one:
        assert one.request("GET", "/").status == 200
        one.send(http.head("GET", "/block", "a"))
        wait.until(lambda: c.worker("web/0")["doing"], 5, "a request")
        seen = c.last_event()
        os.kill(c.worker("web/0")["pid"], signal.SIGKILL)
        c.await_event("worker.exited", after=seen)
    assert web(scrape(c)[0], "connections_lost_total") == 1
