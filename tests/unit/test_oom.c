/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_oom.c: kills for want of memory, by the kernel's counters. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/base/oom.h"

static const struct {
	const char *text;
	int rc;
	uint64_t count;
} counts[] = {
	{ "low 0\nhigh 1\nmax 7\noom 3\noom_kill 2\noom_group_kill 1\n", 0, 2 },
	{ "pgfault 8\noom_kill 0\nnuma_hit 5\n", 0, 0 },
	{ "oom_kill 18446744073709551615", 0, UINT64_MAX },
	{ "oom_kill 12", 0, 12 },
	{ "oom 3\noom_group_kill 1\n", ERR_FORMAT, 0 },
	{ "my_oom_kill 4\n", ERR_FORMAT, 0 },
	{ "oom_kill \n", ERR_FORMAT, 0 },
	{ "oom_kill -1\n", ERR_FORMAT, 0 },
	{ "oom_kill 4x\n", ERR_FORMAT, 0 },
	{ "", ERR_FORMAT, 0 },
};

static void
the_count_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(counts); i++) {
		uint64_t count = 0;
		int rc = oom_parse(counts[i].text, &count);

		if (rc != counts[i].rc || count != counts[i].count)
			fail_msg("%s: %d, %llu", counts[i].text, rc,
			    (unsigned long long)count);
	}
}

static void
our_path_is_that_of_the_one_hierarchy(void **state)
{
	char out[16];

	(void)state;
	assert_int_equal(oom_parse_path("0::/a/b\n", out, sizeof(out)), 0);
	assert_string_equal(out, "/a/b");
	assert_int_equal(oom_parse_path("4:memory:/x\n0::/\n", out,
	    sizeof(out)), 0);
	assert_string_equal(out, "/");
	assert_int_equal(oom_parse_path("0::/123456789012345", out,
	    sizeof(out)), ERR_FORMAT);
	assert_int_equal(oom_parse_path("4:memory:/x\n", out, sizeof(out)),
	    ERR_FORMAT);
	assert_int_equal(oom_parse_path("", out, sizeof(out)), ERR_FORMAT);
}

static void
a_count_that_rises_explains_as_many_deaths(void **state)
{
	struct oom_watch watch = { 0 };

	(void)state;
	oom_look(&watch, 5);		/* what was before us is no news */
	assert_int_equal(oom_explains(&watch, 5), 0);
	assert_int_equal(oom_explains(&watch, 6), 1);
	assert_int_equal(oom_explains(&watch, 6), 0);
	assert_int_equal(oom_explains(&watch, 8), 1);
	assert_int_equal(oom_explains(&watch, 8), 1);
	assert_int_equal(oom_explains(&watch, 8), 0);
}

static void
a_kill_is_known_for_two_looks(void **state)
{
	struct oom_watch watch = { 0 };

	(void)state;
	oom_look(&watch, 0);
	oom_look(&watch, 1);		/* a look between kill and death */
	assert_int_equal(oom_explains(&watch, 1), 1);
	oom_look(&watch, 2);
	oom_look(&watch, 2);		/* somebody else's, then */
	assert_int_equal(oom_explains(&watch, 2), 0);
}

static void
another_counter_explains_nothing(void **state)
{
	struct oom_watch watch = { 0 };

	(void)state;
	assert_int_equal(oom_explains(&watch, 9), 0);
	oom_look(&watch, 10);
	assert_int_equal(oom_explains(&watch, 3), 0);
	assert_int_equal(oom_explains(&watch, 4), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_count_is_found),
		cmocka_unit_test(our_path_is_that_of_the_one_hierarchy),
		cmocka_unit_test(a_count_that_rises_explains_as_many_deaths),
		cmocka_unit_test(a_kill_is_known_for_two_looks),
		cmocka_unit_test(another_counter_explains_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
