/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_choose.c: which worker gets the next connection. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/supervisor/choose.h"

/* One letter a worker, slots 0.. : r room · b busy · f full · . no room */
static size_t
make(const char *letters, struct choice *choices)
{
	size_t n;

	for (n = 0; letters[n] != '\0'; n++) {
		choices[n] = (struct choice){ .slot = (uint32_t)n,
		    .room = letters[n] != '.', .busy = letters[n] == 'b',
		    .full = letters[n] == 'f' };
	}
	return n;
}

static const struct {
	const char *spec, *workers; uint32_t last; int expect;
} cases[] = {
	{ "the next one", "rrrr", 0, 1 },
	{ "round the corner", "rrrr", 3, 0 },
	{ "one that is gone was last", "rrr", 7, 0 },
	{ "no room is passed over", "r..r", 0, 3 },
	{ "busy is passed over while another is not", "rbbr", 0, 3 },
	{ "full is passed over while another is not", "rffr", 0, 3 },
	{ "all busy: the next with room", "bbbb", 1, 2 },
	{ "busy with room before none", "..b.", 0, 2 },
	{ "nobody", "....", 0, -1 },
	{ "no worker at all", "", 0, -1 },
};

static void
round_robin_takes_two_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct choice choices[8];
		size_t count = make(cases[i].workers, choices);
		int got = choose_round_robin(choices, count, cases[i].last);

		if (got != cases[i].expect)
			fail_msg("%s: got %d", cases[i].spec, got);
	}
}

static void
least_connections_takes_the_emptiest(void **state)
{
	struct choice choices[4];

	(void)state;
	make("rrrr", choices);
	choices[0].load = 3, choices[1].load = 1;
	choices[2].load = 2, choices[3].load = 1;
	assert_int_equal(choose_least(choices, 4, 1), 3);
	assert_int_equal(choose_least(choices, 4, 3), 1);
	choices[1].busy = choices[3].busy = 1;
	assert_int_equal(choose_least(choices, 4, 3), 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_takes_two_passes),
		cmocka_unit_test(least_connections_takes_the_emptiest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
