/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_poison.c: which deaths make a route one that is shut, and what opens
 * it. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"
#include "daemon/supervisor/poison.h"

static struct memo_pool pool;
static struct poison_times times;

static int
fresh(void **state)
{
	(void)state;
	memset(&pool, 0, sizeof(pool));
	times = (struct poison_times){ .now_ns = 1000 * NS_PER_S,
		.window_ns = 60 * NS_PER_S, .shut_ns = 30 * NS_PER_S };
	return 0;
}

/* A death each so many seconds; what the last one brings. */
static enum poison_news
die(unsigned count, uint64_t every_s, uint64_t key, int shut)
{
	enum poison_news news = POISON_NONE;

	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(news, POISON_NONE);
		times.now_ns += every_s * NS_PER_S;
		news = poison_note_death(&pool, key, 100 + i, shut, &times);
	}
	return news;
}

static void
keys_are_of_both_names(void **state)
{
	(void)state;
	assert_true(poison_key("a", "/x") == poison_key("a", "/x"));
	assert_true(poison_key("a", "/x") != poison_key("b", "/x"));
	assert_true(poison_key("a", "/x") != poison_key("a", "/y"));
	assert_true(poison_key("a", "b/") != poison_key("ab", "/"));
}

static void
five_within_a_minute_are_said_once(void **state)
{
	(void)state;
	assert_int_equal(die(5, 15, 7, 0), POISON_REPORT);
	assert_int_equal(die(20, 1, 7, 0), POISON_NONE);
	times.now_ns += 61 * NS_PER_S;
	assert_int_equal(poison_tidy(&pool, &times), 1);
	assert_null(poison_find(&pool, 7));
	assert_int_equal(die(5, 1, 7, 0), POISON_REPORT);
}

static void
five_in_more_than_a_minute_are_none(void **state)
{
	(void)state;
	assert_int_equal(die(20, 16, 7, 1), POISON_NONE);
	assert_int_equal(poison_tidy(&pool, &times), 0);
}

static void
others_do_not_count(void **state)
{
	(void)state;
	assert_int_equal(die(4, 1, 7, 1), POISON_NONE);
	assert_int_equal(die(4, 1, 8, 1), POISON_NONE);
	assert_int_equal(die(1, 1, 7, 1), POISON_BEGIN);
	assert_int_equal(poison_find(&pool, 8)->state, POISON_WATCHED);
}

static void
one_probe_decides(void **state)
{
	struct memo_poison *row;

	(void)state;
	pool.generation = 3;
	assert_int_equal(die(5, 1, 7, 1), POISON_BEGIN);
	row = poison_find(&pool, 7);
	assert_int_equal(row->generation, 3);
	assert_true(row->until_ns == times.now_ns + 30 * NS_PER_S);
	/* under way before it was shut */
	assert_int_equal(die(3, 1, 7, 1), POISON_NONE);
	assert_false(poison_grant(row, 1, row->until_ns - 1));
	assert_true(poison_grant(row, 1, row->until_ns));
	assert_false(poison_grant(row, 2, row->until_ns));
	/* gone without an answer: it may be another */
	poison_forget_worker(&pool, 1);
	assert_true(poison_grant(row, 2, row->until_ns));
	times.now_ns += 40 * NS_PER_S;
	assert_int_equal(poison_note_death(&pool, 7, 3, 1, &times),
	    POISON_NONE);
	assert_int_equal(poison_note_death(&pool, 7, 2, 1, &times),
	    POISON_AGAIN);
	assert_true(row->until_ns == times.now_ns + 30 * NS_PER_S);
	assert_false(poison_grant(row, 4, times.now_ns));
	times.now_ns += 600 * NS_PER_S;
	assert_int_equal(poison_tidy(&pool, &times), 0);
}

static void
what_was_said_can_be_shut_later(void **state)
{
	(void)state;
	assert_int_equal(die(5, 1, 7, 0), POISON_REPORT);
	assert_int_equal(die(1, 1, 7, 1), POISON_BEGIN);
}

static void
rows_are_bounded_and_those_shut_are_kept(void **state)
{
	(void)state;
	for (uint64_t key = 1; key < MEMO_POISONS; key++)
		assert_int_equal(die(5, 1, key, 1), POISON_BEGIN);
	/* one row is left, and goes to whoever came last */
	assert_int_equal(die(4, 1, 20, 1), POISON_NONE);
	assert_int_equal(die(1, 1, 21, 1), POISON_NONE);
	assert_null(poison_find(&pool, 20));
	assert_int_equal(die(4, 1, 21, 1), POISON_BEGIN);
	assert_int_equal(die(9, 1, 22, 1), POISON_NONE);
	for (uint64_t key = 1; key < MEMO_POISONS; key++)
		assert_int_equal(poison_find(&pool, key)->state, POISON_SHUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_of_both_names),
		cmocka_unit_test_setup(five_within_a_minute_are_said_once,
		    fresh),
		cmocka_unit_test_setup(five_in_more_than_a_minute_are_none,
		    fresh),
		cmocka_unit_test_setup(others_do_not_count, fresh),
		cmocka_unit_test_setup(one_probe_decides, fresh),
		cmocka_unit_test_setup(what_was_said_can_be_shut_later, fresh),
		cmocka_unit_test_setup(
		    rows_are_bounded_and_those_shut_are_kept, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
