/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_policy.c: the restart policy, by its written rules. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/supervisor/policy.h"

static const struct policy_limits limits = {
	.stable_after_ms = 60000, .backoff_min_ms = 250,
	.backoff_max_ms = 30000, .restart_burst = 6, .restart_rate = 12,
};

static const struct {
	const char *spec;
	struct policy_exit gone;
	uint32_t early;			/* before it */
	enum worker_event expect;
	uint32_t early_after;
} cases[] = {
	{ "after long service: at once",
	    { .wanted = 1, .ready_for_ms = 60000 }, 3, WE_START, 0 },
	{ "a lone early death: at once",
	    { .wanted = 1, .ready_for_ms = 5 }, 0, WE_START, 1 },
	{ "a second early death: wait",
	    { .wanted = 1, .ready_for_ms = 5 }, 1, WE_WAIT, 2 },
	{ "never READY counts as early",
	    { .wanted = 1 }, 1, WE_WAIT, 2 },
	{ "asked: at once, not counted",
	    { .wanted = 1, .asked = 1 }, 4, WE_START, 4 },
	{ "not wanted: stay down",
	    { .ready_for_ms = 100000 }, 0, WE_NONE, 0 },
	{ "successor of a transaction: reported, not counted",
	    { .wanted = 1, .transaction = 1 }, 0, WE_NONE, 0 },
	{ "plugin of another ABI: hold, not counted",
	    { .wanted = 1, .fatal_class = 1 }, 0, WE_HOLD, 0 },
	{ "nor after early deaths of its slot",
	    { .wanted = 1, .fatal_class = 1 }, 4, WE_HOLD, 4 },
	{ "asked while it said why it cannot start: at once",
	    { .wanted = 1, .asked = 1, .fatal_class = 1 }, 1, WE_START, 1 },
	{ "spawn failed: wait, not counted",
	    { .wanted = 1, .spawn_failed = 1 }, 2, WE_WAIT, 2 },
};

static void
verdict_follows_history(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_pool pool = { .name = "web" };
		struct memo_slot slot = { .early = cases[i].early };
		uint64_t wait_ms = 0;
		enum worker_event got = policy_after_exit(&limits, &pool,
		    &slot, &cases[i].gone, NS_PER_S, 0, &wait_ms);

		if (got != cases[i].expect ||
		    slot.early != cases[i].early_after)
			fail_msg("%s: got %s, early %u", cases[i].spec,
			    worker_event_name(got), slot.early);
	}
}

static void
delays_double_up_to_the_most(void **state)
{
	static const uint64_t most[] = { 0, 0, 250, 500, 1000, 2000, 4000,
		8000, 16000, 30000, 30000, 30000 };

	(void)state;
	for (uint32_t n = 0; n < COUNT(most); n++) {
		assert_int_equal(policy_delay_ms(&limits, n, UINT32_MAX),
		    most[n]);
		assert_int_equal(policy_delay_ms(&limits, n, 0), most[n] / 2);
	}
	assert_int_equal(policy_delay_ms(&limits, UINT32_MAX, UINT32_MAX),
	    30000);
}

static void
a_bucket_starts_full_and_refills(void **state)
{
	struct memo_pool pool = { .name = "web" };

	(void)state;
	for (int i = 0; i < 6; i++)
		assert_int_equal(policy_take(&limits, &pool, NS_PER_S), 0);
	assert_int_equal(policy_take(&limits, &pool, NS_PER_S), 5001);
	assert_int_equal(policy_take(&limits, &pool, 6 * NS_PER_S), 0);
	assert_true(policy_take(&limits, &pool, 6 * NS_PER_S) > 0);
}

static void
a_bucket_is_as_large_as_its_pool(void **state)
{
	static const struct { uint32_t slots, burst, rate; } autos[] = {
		{ 0, 6, 12 }, { 3, 6, 12 }, { 4, 8, 12 }, { 12, 24, 12 },
		{ 13, 26, 13 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(autos); i++) {
		assert_int_equal(policy_auto_burst(autos[i].slots),
		    autos[i].burst);
		assert_int_equal(policy_auto_rate(autos[i].slots),
		    autos[i].rate);
	}
}

static void
take(struct memo_pool *pool, unsigned count, uint64_t now_ns)
{
	while (count-- > 0)
		assert_int_equal(policy_take(&limits, pool, now_ns), 0);
}

static void
a_bucket_keeps_what_it_has(void **state)
{
	struct memo_pool pool = { .name = "web" };

	(void)state;
	take(&pool, 3, NS_PER_S);
	assert_int_equal(pool.tokens_milli, 3000);	/* as the memo has it */
	take(&pool, 4, 6 * NS_PER_S);
	assert_int_equal(policy_take(&limits, &pool, 10 * NS_PER_S), 1001);
}

/* Looked at more often than a thousandth of a token comes. */
static void
a_bucket_that_is_looked_at_often_refills(void **state)
{
	struct memo_pool pool = { .name = "web" };
	uint64_t now_ns = NS_PER_S;

	(void)state;
	take(&pool, 6, now_ns);
	while (policy_take(&limits, &pool, now_ns) > 0 &&
	    now_ns < 10 * NS_PER_S)
		now_ns += NS_PER_MS;
	assert_int_equal(now_ns / NS_PER_MS, 6000);
}

static void
a_bucket_without_a_rate_does_not_refill(void **state)
{
	struct policy_limits none = limits;
	struct memo_pool pool = { .name = "web" };

	(void)state;
	none.restart_rate = 0;
	for (int i = 0; i < 6; i++)
		assert_int_equal(policy_take(&none, &pool, NS_PER_S), 0);
	assert_int_equal(policy_take(&none, &pool, 9 * NS_PER_S), 60001);
}

/* So long that the tokens of all that time are more than a number holds. */
static void
a_bucket_is_full_after_any_time(void **state)
{
	struct policy_limits fast = limits;
	struct memo_pool pool = { .name = "web" };
	uint64_t long_ms = UINT64_MAX / 6000000 + 1;

	(void)state;
	fast.restart_rate = 6000;
	take(&pool, 6, NS_PER_MS);
	for (int i = 0; i < 6; i++)
		assert_int_equal(policy_take(&fast, &pool,
		    (1 + long_ms) * NS_PER_MS), 0);
}

static void
a_bucket_is_not_fuller_than_its_size(void **state)
{
	struct memo_pool pool = { .name = "web" };
	int taken = 0;

	(void)state;
	assert_int_equal(policy_take(&limits, &pool, NS_PER_S), 0);
	while (policy_take(&limits, &pool, 3600 * NS_PER_S) == 0)
		taken++;
	assert_int_equal(taken, 6);
}

static void
without_a_token_even_a_lone_death_waits(void **state)
{
	struct policy_exit gone = { .wanted = 1, .ready_for_ms = 100000 };
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { 0 };
	uint64_t wait_ms = 0;

	(void)state;
	while (policy_take(&limits, &pool, NS_PER_S) == 0)
		continue;
	assert_int_equal(policy_after_exit(&limits, &pool, &slot, &gone,
	    NS_PER_S, 0, &wait_ms), WE_WAIT);
	assert_int_equal(wait_ms, 5001);
}

static void
the_starter_lets_in_as_many_as_cpus(void **state)
{
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { 0 };
	uint64_t wait_ms = 0;

	(void)state;
	assert_int_equal(policy_admit(&limits, &pool, &slot, 2, 2, NS_PER_S,
	    &wait_ms), WE_WAIT);
	assert_int_equal(wait_ms, 10);
	assert_int_equal(policy_admit(&limits, &pool, &slot, 1, 2, NS_PER_S,
	    &wait_ms), WE_START);
}

static void
a_start_that_is_free_takes_no_token(void **state)
{
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { .start_is_free = 1 };
	uint64_t wait_ms = 0;

	(void)state;
	while (policy_take(&limits, &pool, NS_PER_S) == 0)
		continue;
	/* The starter is full: it is free still when there is room. */
	assert_int_equal(policy_admit(&limits, &pool, &slot, 2, 2, NS_PER_S,
	    &wait_ms), WE_WAIT);
	assert_int_equal(policy_admit(&limits, &pool, &slot, 0, 2, NS_PER_S,
	    &wait_ms), WE_START);
	assert_int_equal(policy_admit(&limits, &pool, &slot, 0, 2, NS_PER_S,
	    &wait_ms), WE_WAIT);
	assert_int_equal(wait_ms, 5001);
}

static void
a_start_after_a_failed_spawn_is_free(void **state)
{
	struct policy_exit failed = { .wanted = 1, .spawn_failed = 1 };
	struct policy_exit death = { .wanted = 1, .ready_for_ms = 5 };
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { .early = 3 };
	uint64_t wait_ms = 0;

	(void)state;
	assert_int_equal(policy_after_exit(&limits, &pool, &slot, &failed,
	    NS_PER_S, 0, &wait_ms), WE_WAIT);
	assert_int_equal(slot.start_is_free, 1);
	assert_int_equal(policy_after_exit(&limits, &pool, &slot, &death,
	    NS_PER_S, 0, &wait_ms), WE_WAIT);
	assert_int_equal(slot.start_is_free, 0);
}

static void
spawn_failures_wait_longer_and_longer(void **state)
{
	static const uint64_t expect[] = { 1000, 2000, 4000, 8000, 16000,
		30000, 30000 };
	struct policy_exit gone = { .wanted = 1, .spawn_failed = 1 };
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(expect); i++) {
		uint64_t wait_ms = 0;

		policy_after_exit(&limits, &pool, &slot, &gone, NS_PER_S, 0,
		    &wait_ms);
		assert_int_equal(wait_ms, expect[i]);
	}
}

static void
a_young_generation_that_serves_nobody_is_taken_back(void **state)
{
	static const struct {
		struct memo_pool pool;
		uint64_t empty_ms, age_ms;
		int64_t limit_ms;
		int expect;
	} takes[] = {
		{ { .early_deaths = 3, .was_stable = 1 }, 5000, 600000, 600000, 1 },
		{ { .early_deaths = 2, .was_stable = 1 }, 5000, 600000, 600000, 0 },
		{ { .early_deaths = 3 }, 5000, 600000, 600000, 0 },
		{ { .early_deaths = 3, .was_stable = 1 }, 4999, 600000, 600000, 0 },
		{ { .early_deaths = 3, .was_stable = 1 }, 5000, 600001, 600000, 0 },
		{ { .early_deaths = 3, .was_stable = 1 }, 5000, 600, -1, 0 },
		{ { .early_deaths = 3, .was_stable = 1 }, 5000, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(takes); i++)
		if (policy_takes_back(&takes[i].pool, takes[i].empty_ms,
		    takes[i].age_ms, takes[i].limit_ms) != takes[i].expect)
			fail_msg("case %zu", i);
}

static void
early_deaths_are_counted_for_the_pool(void **state)
{
	static const struct policy_exit exits[] = {
		{ .wanted = 1, .ready_for_ms = 5 },
		{ .wanted = 1, .fatal_class = 1 },
		{ .wanted = 1, .ready_for_ms = 60000 },
		{ .wanted = 1, .asked = 1 },
		{ .wanted = 1, .spawn_failed = 1 },
		{ .transaction = 1 },
	};
	struct memo_pool pool = { .name = "web" };
	struct memo_slot slot = { 0 };
	uint64_t wait_ms;

	(void)state;
	for (size_t i = 0; i < COUNT(exits); i++)
		policy_after_exit(&limits, &pool, &slot, &exits[i], NS_PER_S,
		    0, &wait_ms);
	assert_int_equal(pool.early_deaths, 2);
}

static void
counts_of_deaths_have_an_end(void **state)
{
	static const struct policy_exit gone = { .wanted = 1 };
	struct memo_pool pool = { .name = "web", .early_deaths = UINT32_MAX };
	struct memo_slot slot = { .early = UINT32_MAX };
	uint64_t wait_ms;

	(void)state;
	policy_after_exit(&limits, &pool, &slot, &gone, NS_PER_S, 0, &wait_ms);
	assert_int_equal(pool.early_deaths, UINT32_MAX);
	assert_int_equal(slot.early, UINT32_MAX);
}

static void
excess_is_relative_to_the_limit(void **state)
{
	static const struct { uint64_t value, limit, expect; } cases_of[] = {
		{ 10, 10, 0 }, { 11, 0, 0 }, { 0, 10, 0 },
		{ 11, 10, 101 }, { 1000001, 1000000, 1 }, { 20, 10, 1001 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases_of); i++)
		assert_int_equal(policy_excess(cases_of[i].value,
		    cases_of[i].limit), cases_of[i].expect);
	/* the largest that can be multiplied, and one more */
	assert_true(policy_excess(UINT64_MAX / 1000 + 7, 7) ==
	    UINT64_MAX / 1000 * 1000 / 7 + 1);
	assert_true(policy_excess(UINT64_MAX, 1000) ==
	    (UINT64_MAX - 1000) / 1000 * 1000 + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdict_follows_history),
		cmocka_unit_test(delays_double_up_to_the_most),
		cmocka_unit_test(a_bucket_starts_full_and_refills),
		cmocka_unit_test(a_bucket_is_as_large_as_its_pool),
		cmocka_unit_test(a_bucket_keeps_what_it_has),
		cmocka_unit_test(a_bucket_that_is_looked_at_often_refills),
		cmocka_unit_test(a_bucket_without_a_rate_does_not_refill),
		cmocka_unit_test(a_bucket_is_full_after_any_time),
		cmocka_unit_test(counts_of_deaths_have_an_end),
		cmocka_unit_test(a_bucket_is_not_fuller_than_its_size),
		cmocka_unit_test(without_a_token_even_a_lone_death_waits),
		cmocka_unit_test(the_starter_lets_in_as_many_as_cpus),
		cmocka_unit_test(a_start_that_is_free_takes_no_token),
		cmocka_unit_test(a_start_after_a_failed_spawn_is_free),
		cmocka_unit_test(a_young_generation_that_serves_nobody_is_taken_back),
		cmocka_unit_test(early_deaths_are_counted_for_the_pool),
		cmocka_unit_test(excess_is_relative_to_the_limit),
		cmocka_unit_test(spawn_failures_wait_longer_and_longer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
