/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_lines.c: streams cut into lines, at every split point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/wire/lines.h"

static const struct {
	const char *spec, *stream;
	const char *expect[5];
	int overlong;
	size_t rest;
} cases[] = {
	{ "nothing", "", { NULL }, 0, 0 },
	{ "a whole line", "abc\n", { "abc" }, 0, 0 },
	{ "two in one", "a\nbc\n", { "a", "bc" }, 0, 0 },
	{ "carriage return goes", "a\r\n\r\n", { "a", "" }, 0, 0 },
	{ "inside it stays", "a\rb\n", { "a\rb" }, 0, 0 },
	{ "half a line waits", "a\nbcd", { "a" }, 0, 3 },
	{ "as long as allowed", "12345678\n", { "12345678" }, 0, 0 },
	{ "one byte too long", "123456789\n", { NULL }, 1, 10 },
	{ "too long, not even whole", "1234567890", { NULL }, 1, 10 },
	{ "too long after a good one", "a\n1234567890\n", { "a" }, 1, 11 },
};

static void
check_split(size_t number, size_t split)
{
	const char *stream = cases[number].stream;
	size_t total = strlen(stream), seen = 0, len;
	struct lines lines;
	char *line;

	lines_init(&lines, 8);
	for (int part = 0; part < 2; part++) {
		const char *from = part == 0 ? stream : stream + split;

		assert_int_equal(lines_add(&lines, from,
		    part == 0 ? split : total - split), 0);
		while ((line = lines_next(&lines, &len)) != NULL) {
			if (cases[number].expect[seen] == NULL)
				fail_msg("%s at %zu: unexpected \"%s\"",
				    cases[number].spec, split, line);
			assert_string_equal(line, cases[number].expect[seen]);
			assert_int_equal(len, strlen(line));
			seen++;
		}
	}
	assert_null(cases[number].expect[seen]);
	assert_int_equal(lines_overlong(&lines), cases[number].overlong);
	assert_int_equal(lines_rest(&lines), cases[number].rest);
	lines_done(&lines);
}

static void
lines_are_cut_at_every_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		for (size_t split = 0; split <= strlen(cases[i].stream); split++)
			check_split(i, split);
	}
}

static void
a_nul_is_a_byte_like_others(void **state)
{
	struct lines lines;
	size_t len;
	char *line;

	(void)state;
	lines_init(&lines, 8);
	lines_add(&lines, "a\0b\n", 4);
	line = lines_next(&lines, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(line, "a\0b", 4);
	lines_done(&lines);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_cut_at_every_split),
		cmocka_unit_test(a_nul_is_a_byte_like_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
