/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_worker_fsm.c: the life of a worker against the typed table of
 * worker_table.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/supervisor/worker_fsm.h"
#include "tests/unit/worker_table.h"

static void
every_cell_is_as_the_page_says(void **state)
{
	(void)state;
	for (unsigned e = WE_NONE + 1; e < WE__COUNT; e++)
		for (unsigned s = 0; s < WS__COUNT; s++) {
			const struct worker_edge *got = worker_edge(s, e);
			struct worker_edge want = worker_table_cell(s, e);

			if (got->kind != want.kind ||
			    got->actions != want.actions ||
			    (want.kind == EDGE_GO && got->state != want.state))
				fail_msg("%s in %s: kind %u state %u actions "
				    "%x, the page says %s",
				    worker_event_name(e), worker_state_name(s),
				    got->kind, got->state, got->actions,
				    worker_table_text(s, e));
		}
}

static void
nothing_is_always_ignored(void **state)
{
	(void)state;
	for (unsigned s = 0; s < WS__COUNT; s++)
		assert_int_equal(worker_edge(s, WE_NONE)->kind, EDGE_IGNORE);
}

static void
no_cell_is_missing(void **state)
{
	(void)state;
	for (unsigned s = 0; s < WS__COUNT; s++)
		for (unsigned e = 0; e < WE__COUNT; e++)
			if (worker_edge(s, e)->kind == EDGE_MISSING)
				fail_msg("missing: %s in %s",
				    worker_event_name(e), worker_state_name(s));
}

static const struct step_input at_1s = {
	.now_ns = NS_PER_S, .start_ms = 30000, .stable_ms = 60000,
	.stop_ms = 5000, .drain_ns = 31 * NS_PER_S, .wait_ms = 250,
	.cause = CAUSE_HANG,
};

/* The row after one event in a state; the deadline in ms after now, 0: none. */
static uint64_t
deadline_after(uint8_t from, enum worker_event event, struct memo_worker *row)
{
	row->state = from;
	worker_step(row, event, &at_1s);
	return row->deadline_ns == 0 ? 0 :
	    (row->deadline_ns - at_1s.now_ns) / NS_PER_MS;
}

static void
deadlines_are_set_on_entry(void **state)
{
	static const struct {
		uint8_t from; enum worker_event event; uint64_t ms;
	} cases[] = {
		{ WS_DOWN, WE_START, 30000 }, { WS_STARTING, WE_READY, 60000 },
		{ WS_READY, WE_DRAIN, 32000 }, { WS_READY, WE_STOP, 5000 },
		{ WS_DRAINING, WE_DRAINED, 5000 }, { WS_READY, WE_KILL, 2000 },
		{ WS_READY, WE_VIOLATION, 5000 }, { WS_DOWN, WE_WAIT, 250 },
		{ WS_DOWN, WE_HOLD, 60000 }, { WS_READY, WE_EXITED, 0 },
		{ WS_READY, WE_DEADLINE, 0 }, { WS_KILLING, WE_KILL, 5000 },
		{ WS_HELD, WE_RETRY, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_worker row = { 0 };
		uint64_t got = deadline_after(cases[i].from, cases[i].event,
		    &row);

		if (got != cases[i].ms)
			fail_msg("%s in %s: deadline after %llu ms",
			    worker_event_name(cases[i].event),
			    worker_state_name(cases[i].from),
			    (unsigned long long)got);
	}
}

static void
the_ladder_ends_in_unkillable(void **state)
{
	struct memo_worker row = { .state = WS_READY };
	struct step_result got;

	(void)state;
	worker_step(&row, WE_KILL, &at_1s);
	assert_int_equal(row.ladder, 1);
	got = worker_step(&row, WE_DEADLINE, &at_1s);
	assert_int_equal(row.ladder, 2);
	assert_true(got.actions & ACT_KILL);
	got = worker_step(&row, WE_DEADLINE, &at_1s);
	assert_int_equal(row.state, WS_DOWN);
	assert_true(got.actions & ACT_DETACH);
	assert_int_equal(row.cause, CAUSE_HANG);
}

static void
a_message_out_of_turn_kills_the_worker(void **state)
{
	struct memo_worker row = { .state = WS_READY };
	struct step_result got = worker_step(&row, WE_READY, &at_1s);

	(void)state;
	assert_int_equal(got.kind, EDGE_VIOLATION);
	assert_int_equal(row.state, WS_KILLING);
	assert_int_equal(row.ladder, 2);
	assert_int_equal(row.cause, CAUSE_PROTOCOL);
	assert_false(row.asked);
}

static void
orders_are_asked_and_deaths_are_not(void **state)
{
	struct memo_worker drained = { .state = WS_READY };
	struct memo_worker fatal = { .state = WS_STARTING };

	(void)state;
	worker_step(&drained, WE_DRAIN, &at_1s);
	assert_true(drained.asked);
	worker_step(&fatal, WE_FATAL, &at_1s);
	assert_int_equal(fatal.state, WS_STOPPING);
	assert_false(fatal.asked);
	assert_int_equal(fatal.cause, CAUSE_FATAL);
}

static void
the_earlier_drain_deadline_counts(void **state)
{
	struct memo_worker row = { .state = WS_READY };
	struct step_input later = at_1s;

	(void)state;
	worker_step(&row, WE_DRAIN, &at_1s);
	later.drain_ns = 90 * NS_PER_S;
	worker_step(&row, WE_DRAIN, &later);
	assert_int_equal(row.drain_ns / NS_PER_S, 31);
	later.drain_ns = 2 * NS_PER_S;
	worker_step(&row, WE_DRAIN, &later);
	assert_int_equal(row.drain_ns / NS_PER_S, 2);
}

static void
a_core_is_waited_for_ten_seconds(void **state)
{
	struct memo_worker row = { .state = WS_READY };

	(void)state;
	assert_int_equal(worker_await_core(&row, NS_PER_S), 0);
	worker_step(&row, WE_KILL, &at_1s);
	assert_int_equal(worker_await_core(&row, 3 * NS_PER_S), 1);
	assert_int_equal(row.ladder, 1);
	assert_true(row.deadline_ns > 3 * NS_PER_S);
	assert_true(row.deadline_ns <= 4 * NS_PER_S);
	assert_int_equal(worker_await_core(&row, 11 * NS_PER_S - 1), 1);
	assert_int_equal(row.deadline_ns, 11 * NS_PER_S);
	assert_int_equal(worker_await_core(&row, 11 * NS_PER_S), 0);
	/* After SIGKILL there is none to wait for. */
	row.ladder = 2;
	assert_int_equal(worker_await_core(&row, 4 * NS_PER_S), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cell_is_as_the_page_says),
		cmocka_unit_test(no_cell_is_missing),
		cmocka_unit_test(nothing_is_always_ignored),
		cmocka_unit_test(deadlines_are_set_on_entry),
		cmocka_unit_test(the_ladder_ends_in_unkillable),
		cmocka_unit_test(a_message_out_of_turn_kills_the_worker),
		cmocka_unit_test(orders_are_asked_and_deaths_are_not),
		cmocka_unit_test(the_earlier_drain_deadline_counts),
		cmocka_unit_test(a_core_is_waited_for_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
