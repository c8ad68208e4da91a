/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_events.c: the table of events is whole, and has the names of old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/check.h"
#include "common/table/events.h"

static void
test_rows(void **state)
{
	(void)state;
	for (int i = 0; i < EVENT__COUNT; i++) {
		const struct event_row *row = &event_table[i];

		assert_int_equal(row->id, i);
		assert_non_null(strchr(row->name, '.'));
		assert_non_null(row->help);
		assert_true(row->level >= LL_ERROR && row->level <= LL_DEBUG);
		assert_int_equal(event_by_name(row->name), i);
	}
	assert_int_equal(event_by_name("worker"), -1);
	assert_int_equal(event_by_name(""), -1);
}

/* Scripts wait for these. */
static void
test_names(void **state)
{
	static const char *const names[] = {
		"master.started", "master.adopted", "config.applied",
		"config.rejected", "pool.scaled", "worker.forked",
		"worker.online", "worker.listening", "worker.ready",
		"worker.message", "worker.draining", "worker.disconnected",
		"worker.exited", "worker.stalled", "worker.hung",
		"worker.backoff", "worker.failed", "worker.recovered",
		"reload.started", "reload.canary", "reload.held",
		"reload.committed", "reload.rolled_back", "listener.healed",
		"store.behind", "store.recovered",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		if (event_by_name(names[i]) < 0)
			fail_msg("no event %s", names[i]);
}

static void
test_patterns(void **state)
{
	static const char *const wrong[] = { "", "*.ready", "worker", "worker.*,",
		",worker.*", "worker.redy", "worker.*, config.*", "zzz*",
		"worker.ready*x" };
	const uint64_t ready = (uint64_t)1 << EVENT_WORKER_READY;
	uint64_t found = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		if (events_parse_pattern(wrong[i], strlen(wrong[i]),
		    &found) == 0)
			fail_msg("a pattern: \"%s\"", wrong[i]);
	assert_int_equal(events_parse_pattern("worker.ready since", 12,
	    &found), 0);
	assert_int_equal(found, ready);
	assert_int_equal(events_parse_pattern("config.*,worker.ready", 21,
	    &found), 0);
	assert_int_equal(found, ready | (uint64_t)1 << EVENT_CONFIG_APPLIED |
	    (uint64_t)1 << EVENT_CONFIG_REJECTED);
	assert_int_equal(events_parse_pattern("*", 1, &found), 0);
	assert_int_equal(found, ~(uint64_t)0 >> (64 - EVENT__COUNT));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
