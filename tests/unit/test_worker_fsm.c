/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_worker_fsm.c: the life of a worker against a copy of its table that
 * was typed from the written policy, not taken from the rows of the program.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/supervisor/worker_fsm.h"

/*
 * Columns: DOWN STARTING READY DRAINING STOPPING KILLING WAITING HELD.
 * "." ignored · "!" cannot happen · "V" as VIOLATION · "=" the same state, else
 * the next one; then the actions.
 */
static const struct {
	enum worker_event event;
	const char *cells[8];
} page[] = {
{ WE_START, { "STARTING spawn", "!", "!", "!", "!", "!", "STARTING spawn", "!" } },
{ WE_WAIT, { "WAITING", "!", "!", "!", "!", "!", "=", "!" } },
{ WE_HOLD, { "HELD", "!", "!", "!", "!", "!", "!", "!" } },
{ WE_DRAIN, { ".", "STOPPING say_stop", "DRAINING off say_drain", "= say_drain",
    ".", ".", "DOWN", "DOWN" } },
{ WE_STOP, { ".", "STOPPING say_stop", "STOPPING off say_stop",
    "STOPPING say_stop", ".", ".", "DOWN", "DOWN" } },
{ WE_KILL, { ".", "KILLING kill", "KILLING off kill", "KILLING kill",
    "KILLING kill", "= kill", ".", "." } },
{ WE_RETRY, { ".", ".", ".", ".", ".", ".", "= queue", "WAITING queue" } },
{ WE_SPAWNED, { "! stray", "= note", "!", "!", "= note say_stop",
    "= note kill", "! stray", "! stray" } },
{ WE_SPAWN_FAILED, { "!", "DOWN ask", "!", "!", "DOWN ask", "DOWN ask", "!",
    "!" } },
{ WE_EXITED, { "!", "DOWN record ask", "DOWN off record ask",
    "DOWN record ask", "DOWN record ask", "DOWN record ask", "!", "!" } },
{ WE_PROGRESS, { "!", "= publish", "V", "V", ".", ".", "!", "!" } },
{ WE_READY, { "!", "READY on", "V", "V", ".", ".", "!", "!" } },
{ WE_FATAL, { "!", "STOPPING fatal", "V", "V", "= fatal", ".", "!", "!" } },
{ WE_LEAVING, { "!", "STOPPING leaving", "DRAINING off leaving", ".", ".", ".",
    "!", "!" } },
{ WE_DRAINED, { "!", "V", "V", "STOPPING", ".", ".", "!", "!" } },
{ WE_REQUEST, { "!", "= pass", "= pass", "= pass", "= pass", ".", "!", "!" } },
{ WE_VIOLATION, { "!", "KILLING kill", "KILLING off kill", "KILLING kill",
    "KILLING kill", ".", "!", "!" } },
{ WE_DEADLINE, { "!", "KILLING kill", "= stable", "KILLING kill",
    "KILLING kill", "= kill", "= queue", "WAITING queue" } },
{ WE_UNKILLABLE, { "!", "!", "!", "!", "!", "DOWN detach ask", "!", "!" } },
};

static const struct { const char *word; uint32_t bit; } actions[] = {
	{ "spawn", ACT_SPAWN }, { "say_stop", ACT_SAY_STOP },
	{ "say_drain", ACT_SAY_DRAIN }, { "off", ACT_OFF }, { "on", ACT_ON },
	{ "kill", ACT_KILL }, { "record", ACT_RECORD }, { "ask", ACT_ASK },
	{ "queue", ACT_QUEUE }, { "note", ACT_NOTE },
	{ "stray", ACT_KILL_STRAY }, { "publish", ACT_PUBLISH },
	{ "stable", ACT_STABLE }, { "detach", ACT_DETACH },
	{ "pass", ACT_PASS }, { "fatal", ACT_NOTE_FATAL },
	{ "leaving", ACT_NOTE_LEAVING },
};

static const char *const state_words[WS__COUNT] = {
	"DOWN", "STARTING", "READY", "DRAINING", "STOPPING", "KILLING",
	"WAITING", "HELD",
};

static struct worker_edge
read_cell(const char *cell, unsigned state)
{
	struct worker_edge edge = { EDGE_GO, (uint8_t)state, 0 };
	char text[64], *word, *rest = NULL;

	snprintf(text, sizeof(text), "%s", cell);
	word = strtok_r(text, " ", &rest);
	if (strcmp(word, ".") == 0)
		edge.kind = EDGE_IGNORE;
	else if (strcmp(word, "!") == 0)
		edge.kind = EDGE_NEVER;
	else if (strcmp(word, "V") == 0)
		edge.kind = EDGE_VIOLATION;
	else if (strcmp(word, "=") != 0)
		for (unsigned i = 0; i < WS__COUNT; i++)
			if (strcmp(word, state_words[i]) == 0)
				edge.state = (uint8_t)i;
	while ((word = strtok_r(NULL, " ", &rest)) != NULL)
		for (size_t i = 0; i < COUNT(actions); i++)
			if (strcmp(word, actions[i].word) == 0)
				edge.actions |= actions[i].bit;
	return edge;
}

static void
every_cell_is_as_the_page_says(void **state)
{
	(void)state;
	assert_int_equal(COUNT(page), WE__COUNT - 1);
	for (size_t i = 0; i < COUNT(page); i++) {
		for (unsigned s = 0; s < WS__COUNT; s++) {
			const struct worker_edge *got =
			    worker_edge(s, page[i].event);
			struct worker_edge want =
			    read_cell(page[i].cells[s], s);

			if (got->kind != want.kind ||
			    got->actions != want.actions ||
			    (want.kind == EDGE_GO && got->state != want.state))
				fail_msg("%s in %s: kind %u state %u actions "
				    "%x, the page says %s",
				    worker_event_name(page[i].event),
				    state_words[s], got->kind, got->state,
				    got->actions, page[i].cells[s]);
		}
	}
}

static void
no_cell_is_missing(void **state)
{
	(void)state;
	for (unsigned s = 0; s < WS__COUNT; s++)
		for (unsigned e = 0; e < WE__COUNT; e++)
			if (worker_edge(s, e)->kind == EDGE_MISSING)
				fail_msg("missing: %s in %s",
				    worker_event_name(e), state_words[s]);
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
			    state_words[cases[i].from],
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
		cmocka_unit_test(deadlines_are_set_on_entry),
		cmocka_unit_test(the_ladder_ends_in_unkillable),
		cmocka_unit_test(a_message_out_of_turn_kills_the_worker),
		cmocka_unit_test(orders_are_asked_and_deaths_are_not),
		cmocka_unit_test(the_earlier_drain_deadline_counts),
		cmocka_unit_test(a_core_is_waited_for_ten_seconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
