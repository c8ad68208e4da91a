/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_capacity.c: how many workers are refused, and with which numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/supervisor/capacity.h"

static const struct {
	struct capacity capacity;
	const char *words[3];		/* of the refusal; none: it fits */
} cases[] = {
	{ { .workers = 4, .successors = 1, .nofile = 1024 }, { NULL } },
	{ { .workers = 111, .successors = 1, .nofile = 1024 }, { NULL } },
	{ { .workers = 112, .successors = 1, .nofile = 1024 },
	    { "112 workers", "1032", "1024" } },
	{ { .workers = 100, .successors = 12, .others = 1, .nofile = 1024 },
	    { "100 workers", "1032", "1024" } },
	{ { .workers = 1024, .successors = 1024, .others = 254,
	    .nofile = 1000000 }, { NULL } },
	{ { .workers = 1024, .successors = 1024, .others = 255,
	    .nofile = 1000000 }, { "1024 workers", "257", "2304" } },
	{ { .workers = 10, .sockets = 256, .shared_sockets = 256,
	    .nofile = 1024 }, { NULL } },
	{ { .workers = 10, .sockets = 257, .shared_sockets = 257,
	    .nofile = 1024 }, { "257", "256 and 1024" } },
	{ { .workers = 10, .sockets = 1024, .shared_sockets = 2,
	    .nofile = 100000 }, { "1025", "256 and 1024" } },
	{ { .workers = 90, .sockets = 200, .nofile = 1024 },
	    { "90 workers", "1048", "1024" } },
	{ { .workers = 10, .in_flight = 512, .nofile = 1024 }, { NULL } },
	{ { .workers = 10, .in_flight = 513, .nofile = 1024 },
	    { "513", "10 workers", "1024" } },
};

static void
refusals_name_their_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct errmsg err = { 0 };
		int rc = capacity_check(&cases[i].capacity, &err);

		if ((rc == 0) != (cases[i].words[0] == NULL))
			fail_msg("case %zu: %d %s", i, rc, err.text);
		for (size_t w = 0; w < 3 && cases[i].words[w] != NULL; w++)
			if (strstr(err.text, cases[i].words[w]) == NULL)
				fail_msg("case %zu: no %s in: %s", i,
				    cases[i].words[w], err.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_name_their_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
