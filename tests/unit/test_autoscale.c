/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_autoscale.c: how busy workers are, and what is to be done about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/table/worker.h"
#include "daemon/supervisor/autoscale.h"
#include "daemon/supervisor/policy.h"

/* ---- measuring ------------------------------------------------------------- */

/* What a look at `now' finds on the page of the one worker, in ms. */
struct look { unsigned now, beat, busy; };

static const struct {
	const char *spec;
	struct look looks[6];
	unsigned percent, measured;	/* after the last of them */
} measures[] = {
	{ "the first look has nothing to compare with",
	    {{ 1000, 1000, 500 }}, 0, 0 },
	{ "half of each beat",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 250 }, { 2000, 2000, 500 }},
	    50, 1000 },
	{ "the mean of what was measured, as long as that is little",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 500 }, { 2000, 2000, 500 },
	    { 2500, 2500, 500 }, { 3000, 3000, 500 }}, 25, 2000 },
	{ "no beat since the last look says nothing",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 100 }, { 2000, 1500, 100 }},
	    20, 500 },
	{ "the next beat tells of all the time since the last one",
	    {{ 1000, 1000, 0 }, { 1500, 1000, 0 }, { 1990, 1990, 99 }},
	    10, 990 },
	{ "one that stalls is busy",
	    {{ 1000, 1000, 0 }, { 1500, 1000, 0 }, { 2000, 1000, 0 },
	    { 2500, 1000, 0 }}, 100, 1500 },
	{ "what it says of that afterwards is not counted again",
	    {{ 1000, 1000, 0 }, { 1500, 1000, 0 }, { 2000, 1000, 0 },
	    { 2500, 2500, 1000 }, { 3000, 3000, 1000 }, { 3500, 3500, 1000 }},
	    60, 2500 },
	{ "more than the time that has passed is cut",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 9000000 }}, 100, 500 },
	{ "busy time that went back is none",
	    {{ 1000, 1000, 900 }, { 1500, 1500, 100 }}, 0, 500 },
	{ "a beat of the future is now",
	    {{ 1000, 1000, 0 }, { 1500, 2200, 250 }}, 50, 500 },
	{ "a suspend: nobody is judged, what was known is forgotten",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 500 }, { 2000, 2000, 1000 },
	    { 902000, 2000, 1000 }, { 902500, 902500, 1050 }}, 10, 500 },
	{ "we were stopped for a little longer than a tick is late",
	    {{ 1000, 1000, 0 }, { 1500, 1500, 500 }, { 3100, 3100, 2100 }},
	    100, 0 },
	{ "a clock that went back is a gap, too",
	    {{ 5000, 5000, 0 }, { 5500, 5500, 500 }, { 4000, 4000, 500 },
	    { 4500, 4500, 600 }}, 60, 1000 },
};

static void
look(struct busy_mean *mean, struct busy_mark *mark, const struct look *at)
{
	struct busy_round round = busy_begin(mean, at->now * NS_PER_MS);

	busy_add(&round, mark, at->beat * NS_PER_MS, at->busy * NS_PER_MS);
	busy_end(&round, mean);
}

static void
a_worker_is_as_busy_as_its_loop(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(measures); i++) {
		struct busy_mean mean = { 0 };
		struct busy_mark mark = { 0 };
		unsigned percent, measured;

		for (size_t n = 0; n < COUNT(measures[i].looks) &&
		    measures[i].looks[n].now != 0; n++)
			look(&mean, &mark, &measures[i].looks[n]);
		percent = (mean.share + 5000) / 10000;
		measured = (unsigned)(mean.measured_ns / NS_PER_MS);
		if (percent != measures[i].percent ||
		    measured != measures[i].measured)
			fail_msg("%s: %u %% of %u ms", measures[i].spec,
			    percent, measured);
	}
}

/* Idle for a minute, then busy: 63 % after the time constant, 95 % after three. */
static void
the_mean_forgets_exponentially(void **state)
{
	struct busy_mean mean = { 0 };
	struct busy_mark mark = { 0 };
	struct look at = { .now = 0 };

	(void)state;
	for (unsigned ms = 500; ms <= 91000; ms += 500) {
		at.now = at.beat = ms;
		at.busy = ms > 61000 ? ms - 61000 : 0;
		look(&mean, &mark, &at);
		if (ms == 61000)
			assert_int_equal(mean.share, 0);
		if (ms == 71000)
			assert_in_range(mean.share, 610000, 640000);
	}
	assert_in_range(mean.share, 940000, 960000);
	assert_int_equal(mean.measured_ns, BUSY_MEAN_MS * NS_PER_MS);
	assert_int_equal(busy_known_ns(&mean, 7), 7);
}

static void
it_is_a_mean_of_those_that_serve(void **state)
{
	struct busy_mean mean = { 0 };
	struct busy_mark marks[2] = {{ 0 }};
	struct busy_round round;

	(void)state;
	for (unsigned ms = 500; ms <= 3000; ms += 500) {
		round = busy_begin(&mean, ms * NS_PER_MS);
		busy_add(&round, &marks[0], ms * NS_PER_MS, ms * NS_PER_MS);
		/* the second comes later, and what it did before is its own */
		if (ms >= 1500)
			busy_add(&round, &marks[1], ms * NS_PER_MS, NS_PER_S);
		busy_end(&round, &mean);
		if (ms <= 1500)
			assert_true(mean.share == (ms > 500 ? BUSY_ALL : 0));
	}
	assert_int_equal(mean.workers, 2);
	assert_in_range(mean.share, 600000, 700000);
	/* nobody serves: what is known goes as it came, and nothing is made up */
	for (unsigned ms = 3500; ms <= 5000; ms += 500) {
		round = busy_begin(&mean, ms * NS_PER_MS);
		busy_end(&round, &mean);
	}
	assert_int_equal(mean.workers, 0);
	assert_int_equal(mean.measured_ns, 250 * NS_PER_MS);
	round = busy_begin(&mean, 5500 * NS_PER_MS);
	busy_end(&round, &mean);
	assert_int_equal(mean.measured_ns, 0);
}

/* ---- deciding -------------------------------------------------------------- */

enum { NOW_S = 1000 };

/* 2..4, up above 50 %, down below 25 %, hold 30 s; slots by a letter: R ready,
 * S starting, D draining, W waiting, x drained by an operator, c in a crash loop,
 * o leaving, as the size is less now, g gone, - no worker.  What is not said: three that are ready, held long ago, a mean
 * that is known. */
static const struct {
	const char *spec, *slots;
	unsigned percent;		/* busy */
	int expect;
	unsigned min, max;
	unsigned held_s;		/* since the last step */
	unsigned missing_s;		/* of the mean */
	uint8_t by_operator, trans, stopping;
} steps[] = {
	{ "busy", "RRR", 51, 1 },
	{ "idle", "RRR", 24, -1 },
	{ "at the upper limit", "RRR", 50, 0 },
	{ "at the lower limit", "RRR", 25, 0 },
	{ "as many as there may be", "RRRR", 100, 0 },
	{ "as few as there may be", "RR", 0, 0 },
	{ "as many as there are", "RRR", 100, 0, .min = 3, .max = 3 },
	{ "MIN = MAX, idle", "RRR", 0, 0, .min = 3, .max = 3 },
	{ "more than there may be, busy", "RRR", 100, -1, .min = 1, .max = 2 },
	{ "fewer than there should be, idle", "R", 0, 1 },
	{ "within the hold", "RRR", 100, 0, .held_s = 29 },
	{ "within the hold, the other way", "RRR", 0, 0, .held_s = 29 },
	{ "the hold is over", "RRR", 100, 1, .held_s = 30 },
	{ "too little is known", "RRR", 100, 0, .missing_s = 1 },
	{ "a number by hand", "RRR", 100, 0, .by_operator = 1 },
	{ "a number by hand outside the bounds", "RRRRR", 0, 0,
	    .by_operator = 1 },
	{ "a transaction", "RRR", 100, 0, .trans = TRANS_RELOAD },
	{ "another scale", "RRR", 0, 0, .trans = TRANS_SCALE },
	{ "the daemon stops", "RRR", 100, 0, .stopping = STOP_DRAIN },
	{ "one starts", "RRS", 100, 0 },
	{ "one drains", "RDR", 0, 0 },
	{ "one waits", "RRW", 0, 0 },
	{ "one is not there yet", "RR-", 100, 0 },
	{ "one leaves, and would be in the way", "RRo", 100, 0 },
	{ "one leaves", "RRRo", 0, 0 },
	{ "one has left", "RRRg", 0, -1 },
	{ "a crash loop", "RcR", 100, 0 },
	{ "an operator has taken one out", "RxR", 100, 1 },
	{ "an operator has taken all out", "xxx", 0, 0 },
	{ "nobody is ready", "SSS", 0, 0 },
};

static void
fill_slot(struct memo_copy *copy, uint16_t i, char letter)
{
	copy->slot[i] = (struct memo_slot){ .number = i, .current = i,
		.other = MEMO_NONE, .drained = letter == 'x',
		.wanted = letter != 'o' && letter != 'g',
		.early = letter == 'c' ? POLICY_CRASH_LOOP : 0 };
	copy->worker[i].state = letter == 'S' ? WS_STARTING :
	    letter == 'D' || letter == 'o' ? WS_DRAINING :
	    letter == 'W' ? WS_WAITING :
	    letter == 'x' || letter == 'g' ? WS_DOWN : WS_READY;
	if (letter == '-')
		copy->slot[i].current = MEMO_NONE;
}

static int
decide(size_t i)
{
	static struct memo_copy copy;
	struct memo_pool *pool = &copy.pool[0];
	struct autoscale_rules rules = { .min = steps[i].min > 0 ?
		steps[i].min : 2, .max = steps[i].max > 0 ? steps[i].max : 4,
		.up_percent = 50, .down_percent = 25, .hold_ms = 30000 };
	struct busy_mean mean = { .share = steps[i].percent * 10000,
		.measured_ns = BUSY_MEAN_MS * NS_PER_MS -
		    steps[i].missing_s * NS_PER_S };

	copy = (struct memo_copy){ .pools = 1 };
	for (; steps[i].slots[copy.slots] != '\0'; copy.slots++) {
		fill_slot(&copy, (uint16_t)copy.slots,
		    steps[i].slots[copy.slots]);
		pool->desired += copy.slot[copy.slots].wanted;
	}
	copy.globals.trans_kind = steps[i].trans;
	copy.globals.stopping = steps[i].stopping;
	pool->desired_by_operator = steps[i].by_operator;
	if (steps[i].held_s > 0)
		pool->hold_from_ns = (NOW_S - steps[i].held_s) * NS_PER_S;
	return autoscale_step(&copy, 0, &rules, &mean, NOW_S * NS_PER_S);
}

static void
a_step_is_taken_when_it_may_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(steps); i++) {
		int step = decide(i);

		if (step != steps[i].expect)
			fail_msg("%s: %d", steps[i].spec, step);
	}
}

/* The later of the two: the hold, and the mean that is not complete. */
static void
the_next_step_is_announced(void **state)
{
	const struct autoscale_rules rules = { 2, 4, 50, 25, 30000 };
	struct memo_pool pool = { .hold_from_ns = 90 * NS_PER_S };
	struct busy_mean mean = { .measured_ns = 3 * NS_PER_S };

	(void)state;
	assert_true(autoscale_next_ns(&pool, &rules, &mean, 100 * NS_PER_S) ==
	    120 * NS_PER_S);
	assert_true(autoscale_next_ns(&pool, &rules, &mean, 119 * NS_PER_S) ==
	    126 * NS_PER_S);
	assert_int_equal(autoscale_bound(&rules, 1), 2);
	assert_int_equal(autoscale_bound(&rules, 3), 3);
	assert_int_equal(autoscale_bound(&rules, 9), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_is_as_busy_as_its_loop),
		cmocka_unit_test(the_mean_forgets_exponentially),
		cmocka_unit_test(it_is_a_mean_of_those_that_serve),
		cmocka_unit_test(a_step_is_taken_when_it_may_be),
		cmocka_unit_test(the_next_step_is_announced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
