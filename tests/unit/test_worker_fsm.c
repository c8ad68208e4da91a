/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_worker_fsm.c: the life of a worker against the typed table of
 * worker_table.c.  shows: node-W4
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
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
	row->deadline_ns = 1;		/* of the state before */
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
what_has_no_effect_changes_nothing(void **state)
{
	(void)state;
	for (unsigned s = 0; s < WS__COUNT; s++)
		for (unsigned e = 0; e < WE__COUNT; e++) {
			struct memo_worker row = { .state = (uint8_t)s,
				.deadline_ns = 7, .since_ns = 8 };
			struct memo_worker before = row;
			struct step_result got;

			if (worker_edge(s, e)->kind == EDGE_GO ||
			    worker_edge(s, e)->kind == EDGE_VIOLATION)
				continue;
			got = worker_step(&row, (enum worker_event)e, &at_1s);
			assert_memory_equal(&row, &before, sizeof(row));
			assert_int_equal(got.from, s);
			assert_int_equal(got.to, s);
		}
}

static void
a_step_says_from_where_to_where(void **state)
{
	struct memo_worker row = { .state = WS_STARTING };
	struct step_result got = worker_step(&row, WE_READY, &at_1s);

	(void)state;
	assert_int_equal(got.from, WS_STARTING);
	assert_int_equal(got.to, WS_READY);
	assert_int_equal(row.ready_ns, at_1s.now_ns);
	assert_int_equal(row.since_ns, at_1s.now_ns);
	assert_int_equal(row.stable, 0);
	row.ready_ns = row.since_ns = 5;
	worker_step(&row, WE_REQUEST, &at_1s);
	assert_int_equal(row.stable, 0);
	worker_step(&row, WE_DEADLINE, &at_1s);
	assert_int_equal(row.stable, 1);
	assert_int_equal(row.ready_ns, 5);
	assert_int_equal(row.since_ns, 5);
}

/* Who ordered an end, and why it will have come: the first reason counts. */
static void
orders_are_asked_and_deaths_are_not(void **state)
{
	static const struct {
		uint8_t from, cause, asked;	/* of the row */
		enum worker_event event;
		uint8_t by_order;		/* of the event */
		uint8_t asked_after, cause_after;
	} cases[] = {
		{ WS_READY, 0, 0, WE_DRAIN, 0, 1, CAUSE_NONE },
		{ WS_READY, 0, 0, WE_STOP, 0, 1, CAUSE_NONE },
		{ WS_DRAINING, CAUSE_LOST_FD, 0, WE_DRAIN, 0, 0, CAUSE_LOST_FD },
		{ WS_DRAINING, CAUSE_LOST_FD, 0, WE_STOP, 0, 0, CAUSE_LOST_FD },
		{ WS_READY, 0, 0, WE_LEAVING, 1, 1, CAUSE_NONE },
		{ WS_READY, 0, 0, WE_LEAVING, 0, 0, CAUSE_LOST_FD },
		{ WS_STARTING, 0, 1, WE_LEAVING, 0, 0, CAUSE_LOST_FD },
		{ WS_READY, 0, 0, WE_KILL, 0, 0, CAUSE_HANG },
		{ WS_READY, 0, 0, WE_KILL, 1, 1, CAUSE_HANG },
		{ WS_DRAINING, 0, 1, WE_KILL, 0, 1, CAUSE_HANG },
		{ WS_KILLING, CAUSE_PROTOCOL, 0, WE_KILL, 1, 0, CAUSE_PROTOCOL },
		{ WS_STARTING, 0, 0, WE_FATAL, 0, 0, CAUSE_FATAL },
		{ WS_READY, 0, 0, WE_VIOLATION, 0, 0, CAUSE_PROTOCOL },
		{ WS_READY, 0, 0, WE_FATAL, 0, 0, CAUSE_PROTOCOL },
		{ WS_STARTING, 0, 0, WE_DEADLINE, 0, 0, CAUSE_START_TIMEOUT },
		{ WS_STARTING, 0, 0, WE_PROGRESS, 0, 0, CAUSE_NONE },
		{ WS_STARTING, 0, 0, WE_READY, 1, 0, CAUSE_NONE },
		{ WS_READY, 0, 0, WE_DEADLINE, 1, 0, CAUSE_NONE },
		{ WS_READY, 0, 0, WE_REQUEST, 0, 0, CAUSE_NONE },
		{ WS_DRAINING, 0, 1, WE_DEADLINE, 0, 1, CAUSE_DRAIN_TIMEOUT },
		{ WS_DRAINING, 0, 1, WE_DRAINED, 0, 1, CAUSE_NONE },
		{ WS_STOPPING, 0, 1, WE_DEADLINE, 0, 1, CAUSE_STOP_TIMEOUT },
		{ WS_STOPPING, 0, 1, WE_REQUEST, 0, 1, CAUSE_NONE },
		{ WS_KILLING, CAUSE_HANG, 0, WE_DEADLINE, 0, 0, CAUSE_HANG },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_worker row = { .state = cases[i].from,
			.cause = cases[i].cause, .asked = cases[i].asked };
		struct step_input input = at_1s;

		input.asked = cases[i].by_order;
		worker_step(&row, cases[i].event, &input);
		if (row.asked != cases[i].asked_after ||
		    row.cause != cases[i].cause_after)
			fail_msg("case %zu: asked %u, cause %s", i, row.asked,
			    death_cause_name(row.cause));
	}
}

/* Whoever asks first says why; with NULL, what was noted before stands. */
static void
the_first_reason_counts(void **state)
{
	struct memo_worker row = { .state = WS_READY, .reason = "noted" };
	struct step_input input = at_1s;

	(void)state;
	worker_step(&row, WE_REQUEST, &input);
	input.reason = "ignored";
	worker_step(&row, WE_DEADLINE, &input);
	assert_string_equal(row.reason, "noted");
	input.reason = NULL;
	worker_step(&row, WE_DRAIN, &input);
	assert_string_equal(row.reason, "noted");
	input.reason = "later";
	worker_step(&row, WE_STOP, &input);
	assert_string_equal(row.reason, "noted");
	row = (struct memo_worker){ .state = WS_READY, .reason = "noted" };
	worker_step(&row, WE_DRAIN, &input);
	assert_string_equal(row.reason, "later");
}

static void
a_reason_is_cut_at_its_place(void **state)
{
	char words[2 * MEMO_REASON];
	struct memo_worker row = { .state = WS_READY };
	struct step_input input = at_1s;

	(void)state;
	memset(words, 'a', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	input.reason = words;
	worker_step(&row, WE_STOP, &input);
	assert_int_equal(strlen(row.reason), MEMO_REASON - 1);
	assert_int_equal(row.reserved[0], 0);
}

static void
the_earlier_drain_deadline_counts(void **state)
{
	static const struct { uint64_t had, told, counts; } cases[] = {
		{ 31, 90, 31 }, { 31, 2, 2 }, { 31, 0, 31 }, { 0, 31, 31 },
		{ 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_worker row = { .state = WS_DRAINING,
			.drain_ns = cases[i].had * NS_PER_S,
			.deadline_ns = cases[i].had == 0 ? 0 :
			    (cases[i].had + 2) * NS_PER_S };
		struct step_input input = at_1s;

		input.drain_ns = cases[i].told * NS_PER_S;
		worker_step(&row, WE_DRAIN, &input);
		assert_int_equal(row.drain_ns, cases[i].counts * NS_PER_S);
		assert_int_equal(row.deadline_ns, cases[i].counts == 0 ? 0 :
		    (cases[i].counts + 2) * NS_PER_S);
	}
}

/* The master was away from 1.5 s to 9.5 s. */
static void
who_was_awaited_meanwhile_has_that_time_again(void **state)
{
	static const struct { uint64_t since, had, has; } cases[] = {
		{ 1000, 0, 0 }, { 1000, 2000, 10000 }, { 1000, 60000, 68000 },
		{ 3500, 5500, 11500 }, { 9500, 11000, 11000 },
		{ 9600, 11000, 11000 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_worker row = { .state = WS_STARTING,
			.since_ns = cases[i].since * NS_PER_MS,
			.deadline_ns = cases[i].had * NS_PER_MS };

		worker_excuse(&row, 1500 * NS_PER_MS, 9500 * NS_PER_MS);
		assert_int_equal(row.deadline_ns, cases[i].has * NS_PER_MS);
	}
}

static void
an_excuse_outlasts_what_changes_nothing(void **state)
{
	struct memo_worker row = { .state = WS_READY };
	struct step_input again = at_1s;

	(void)state;
	worker_step(&row, WE_DRAIN, &at_1s);
	worker_excuse(&row, NS_PER_S, 4 * NS_PER_S);
	assert_int_equal(row.deadline_ns, 36 * NS_PER_S);
	worker_step(&row, WE_REQUEST, &at_1s);
	assert_int_equal(row.deadline_ns, 36 * NS_PER_S);
	again.drain_ns = 90 * NS_PER_S;
	worker_step(&row, WE_DRAIN, &again);
	assert_int_equal(row.deadline_ns, 36 * NS_PER_S);
	again.drain_ns = 5 * NS_PER_S;
	worker_step(&row, WE_DRAIN, &again);
	assert_int_equal(row.deadline_ns, 7 * NS_PER_S);
}

static void
a_new_master_judges_nobody_at_once(void **state)
{
	static const struct { uint64_t had, has; } cases[] = {
		{ 0, 0 }, { 1000, 4000 }, { 3900, 4000 }, { 4100, 4100 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct memo_worker row = { .state = WS_STOPPING,
			.deadline_ns = cases[i].had * NS_PER_MS };

		worker_spare(&row, 3 * NS_PER_S);
		assert_int_equal(row.deadline_ns, cases[i].has * NS_PER_MS);
	}
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
	assert_int_equal(row.deadline_ns, 3 * NS_PER_S + 250 * NS_PER_MS);
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
		cmocka_unit_test(what_has_no_effect_changes_nothing),
		cmocka_unit_test(a_step_says_from_where_to_where),
		cmocka_unit_test(orders_are_asked_and_deaths_are_not),
		cmocka_unit_test(the_first_reason_counts),
		cmocka_unit_test(a_reason_is_cut_at_its_place),
		cmocka_unit_test(the_earlier_drain_deadline_counts),
		cmocka_unit_test(who_was_awaited_meanwhile_has_that_time_again),
		cmocka_unit_test(an_excuse_outlasts_what_changes_nothing),
		cmocka_unit_test(a_new_master_judges_nobody_at_once),
		cmocka_unit_test(a_core_is_waited_for_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
