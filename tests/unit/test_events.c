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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
