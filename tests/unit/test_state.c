/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_state.c: the rows of the memo and the flip between its copies. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/table/worker.h"
#include "daemon/supervisor/state.h"

/* A memo with pool web, slots 0 and 1, a current worker 7 in slot 0. */
static struct memo *
make(void)
{
	struct memo *memo = malloc(sizeof(*memo));
	struct memo_copy *copy;
	uint16_t slot;

	state_init(memo);
	copy = state_begin(memo);
	slot = state_add_slot(copy, state_add_pool(copy, "web"), 0);
	state_add_slot(copy, 0, 1);
	state_add_worker(copy, slot, 7, 0);
	state_commit(memo);
	return memo;
}

static void
what_was_committed_is_recovered(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_recover(memo, sizeof(*memo), NULL);
	char name[64];

	(void)state;
	assert_non_null(copy);
	assert_int_equal(copy->number, 1);
	assert_int_equal(state_find_worker(copy, 7), 0);
	assert_string_equal(state_slot_name(copy, 1, name, sizeof(name)),
	    "web/1");
	free(memo);
}

static void
a_turn_that_was_not_committed_never_was(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_begin(memo);

	(void)state;
	copy->worker[0].state = WS_READY;
	state_add_worker(copy, 1, 8, 0);
	copy = state_recover(memo, sizeof(*memo), NULL);
	assert_int_equal(copy->worker[0].state, WS_DOWN);
	assert_int_equal(state_find_worker(copy, 8), MEMO_NONE);
	free(memo);
}

static void
a_damaged_copy_does_not_give_way_to_the_older_one(void **state)
{
	struct memo *memo = make();
	struct errmsg err = { 0 };

	(void)state;
	state_begin(memo);
	state_commit(memo);		/* both are whole now */
	assert_ptr_equal(state_salvage(memo, sizeof(*memo)),
	    &memo->copy[memo->current]);
	memo->copy[memo->current].slot[0].restarts ^= 1;
	assert_null(state_recover(memo, sizeof(*memo), &err));
	assert_string_equal(err.text, "the memo has a wrong digest");
	/* its numbers are better than none */
	assert_ptr_equal(state_salvage(memo, sizeof(*memo)),
	    &memo->copy[!memo->current]);
	memo->copy[!memo->current].slot[0].restarts ^= 1;
	assert_null(state_salvage(memo, sizeof(*memo)));
	free(memo);
}

static void
a_damaged_idle_copy_is_nothing(void **state)
{
	struct memo *memo = make();

	(void)state;
	state_begin(memo);
	state_commit(memo);
	memo->copy[!memo->current].slot[0].restarts ^= 1;
	assert_ptr_equal(state_recover(memo, sizeof(*memo), NULL),
	    &memo->copy[memo->current]);
	free(memo);
}

/* It is read as a string. */
static void
a_reason_without_an_end_is_refused(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_begin(memo);
	struct errmsg err = { 0 };

	(void)state;
	memset(copy->worker[0].reason, 'a', MEMO_REASON);
	state_commit(memo);
	assert_null(state_recover(memo, sizeof(*memo), &err));
	assert_string_equal(err.text, "the memo has a worker that cannot be");
	free(memo);
}

static void
a_memo_that_is_wrong_is_refused_with_words(void **state)
{
	struct memo *memo = make();
	struct errmsg err = { 0 };

	(void)state;
	memo->copy[0].crc ^= 1;
	memo->copy[1].crc ^= 1;
	assert_null(state_recover(memo, sizeof(*memo), &err));
	assert_string_equal(err.text, "the memo has a wrong digest");
	memo->version++;
	assert_null(state_recover(memo, sizeof(*memo), &err));
	assert_int_equal(err.code, ERR_VERSION);
	assert_null(state_recover(memo, 100, &err));
	free(memo);
}

static void
successor_and_predecessor_change_places(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_begin(memo);

	(void)state;
	state_add_worker(copy, 0, 8, 1);
	state_swap(copy, 0);
	assert_int_equal(copy->worker[copy->slot[0].current].id, 8);
	assert_int_equal(copy->worker[copy->slot[0].other].id, 7);
	assert_true(copy->worker[copy->slot[0].other].is_other);
	state_free_worker(copy, copy->slot[0].other);
	assert_int_equal(copy->slot[0].other, MEMO_NONE);
	free(memo);
}

static void
a_retired_slot_leaves_its_sums(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_begin(memo);

	(void)state;
	copy->slot[1].restarts = 3;
	state_retire_slot(copy, 1);
	assert_int_equal(state_sum_restarts(copy, 0), 3);
	assert_int_equal(copy->slots, 1);
	assert_int_equal(state_add_slot(copy, 0, 1), 1);
	assert_int_equal(copy->slot[1].restarts, 0);
	free(memo);
}

static void
tables_have_an_end(void **state)
{
	struct memo *memo = make();
	struct memo_copy *copy = state_begin(memo);
	uint16_t n = 2;

	(void)state;
	while (state_add_slot(copy, 0, n) != MEMO_NONE)
		n++;
	assert_int_equal(n, MEMO_SLOTS);
	assert_int_equal(state_add_pool(copy, "a-name-that-is-longer-than-"
	    "the-table-has-room-for-it"), MEMO_NONE);
	free(memo);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_committed_is_recovered),
		cmocka_unit_test(a_turn_that_was_not_committed_never_was),
		cmocka_unit_test(
		    a_damaged_copy_does_not_give_way_to_the_older_one),
		cmocka_unit_test(a_damaged_idle_copy_is_nothing),
		cmocka_unit_test(a_reason_without_an_end_is_refused),
		cmocka_unit_test(a_memo_that_is_wrong_is_refused_with_words),
		cmocka_unit_test(successor_and_predecessor_change_places),
		cmocka_unit_test(a_retired_slot_leaves_its_sums),
		cmocka_unit_test(tables_have_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
