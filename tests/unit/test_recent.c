/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_recent.c: deaths of the last ten minutes. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/supervisor/recent.h"

static const struct { const char *spec; unsigned minute, count; } deaths[] = {
	{ "the first of all", 5000, 1 },
	{ "another in the same minute", 5000, 2 },
	{ "nine minutes later", 5009, 3 },
	{ "ten minutes after the first two", 5010, 2 },
	{ "after a quiet hour", 5070, 1 },
	{ "three minutes later", 5073, 2 },
	{ "ten minutes after that: those are over", 5083, 1 },
};

static void
the_last_ten_minutes_count(void **state)
{
	struct memo_slot slot = { .minute = 0 };

	(void)state;
	for (size_t i = 0; i < COUNT(deaths); i++) {
		unsigned count = recent_note_death(&slot,
		    deaths[i].minute * 60ull + 1, 60);

		if (count != deaths[i].count)
			fail_msg("%s: %u", deaths[i].spec, count);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_ten_minutes_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
