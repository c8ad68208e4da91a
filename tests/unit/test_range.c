/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_range.c: what a Range field asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plugins/static/range.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FIVE "0-0,2-2,4-4,6-6,8-8,"

/* expect: the parts as "first-last", "whole" or "refused" */
static const struct {
	const char *value;
	uint64_t size;
	const char *expect;
} rows[] = {
	{ "bytes=0-0", 10, "0-0" },
	{ "bytes=0-9", 10, "0-9" },
	{ "bytes=0-10", 10, "0-9" },
	{ "bytes=0-", 10, "0-9" },
	{ "bytes=9-", 10, "9-9" },
	{ "bytes=9-9", 10, "9-9" },
	{ "bytes=10-", 10, "refused" },
	{ "bytes=10-10", 10, "refused" },
	{ "bytes=3-5", 10, "3-5" },
	{ "bytes=003-0005", 10, "3-5" },
	{ "bytes=5-3", 10, "refused" },
	{ "bytes=-1", 10, "9-9" },
	{ "bytes=-10", 10, "0-9" },
	{ "bytes=-11", 10, "0-9" },
	{ "bytes=-0", 10, "refused" },
	{ "BYTES=0-0", 10, "0-0" },
	{ "Bytes=-2", 10, "8-9" },
	{ "bytes=0-18446744073709551615", 10, "0-9" },
	{ "bytes=0-99999999999999999999999", 10, "0-9" },
	{ "bytes=-99999999999999999999999", 10, "0-9" },
	{ "bytes=18446744073709551615-", 10, "refused" },
	{ "bytes=99999999999999999999999-", 10, "refused" },
	{ "bytes=18446744073709551614-18446744073709551615", 10, "refused" },
	{ "bytes=0-0,2-2", 10, "0-0 2-2" },
	{ "bytes=0-0, 2-2 ,\t4-4", 10, "0-0 2-2 4-4" },
	{ "bytes= 0-0", 10, "0-0" },
	{ "bytes=0-0 ", 10, "0-0" },
	{ "bytes=,0-0", 10, "0-0" },
	{ "bytes=0-0,", 10, "0-0" },
	{ "bytes=0-0,,2-2", 10, "0-0 2-2" },
	{ "bytes=2-2,0-0", 10, "2-2 0-0" },
	{ "bytes=0-0,-1", 10, "0-0 9-9" },
	{ "bytes=0-4,5-9", 10, "0-4 5-9" },
	{ "bytes=0-0,10-", 10, "0-0" },
	{ "bytes=10-,0-0", 10, "0-0" },
	{ "bytes=0-0,5-3", 10, "0-0" },
	{ "bytes=10-,11-,12-12", 10, "refused" },
	{ "bytes=0-5,5-9", 10, "whole" },	/* 11 of 10 bytes */
	{ "bytes=0-,0-", 10, "whole" },
	{ "bytes=0-5,2-3", 10, "0-5 2-3" },
	{ "bytes=" FIVE FIVE "9-9", 10, "whole" },
	{ "bytes=0-", 0, "whole" },
	{ "bytes=0-0", 0, "whole" },
	{ "bytes=-1", 0, "whole" },
	{ "bytes=1-", 0, "refused" },
	{ "bytes=-0", 0, "whole" },
	{ "bytes=0-18446744073709551613", UINT64_C(1) << 62,
	    "0-4611686018427387903" },
	{ "bytes=4611686018427387903-", UINT64_C(1) << 62,
	    "4611686018427387903-4611686018427387903" },
	{ "bytes=", 10, "refused" },
	{ "bytes=-", 10, "refused" },
	{ "bytes=,", 10, "refused" },
	{ "bytes=a-b", 10, "refused" },
	{ "bytes=0", 10, "refused" },
	{ "bytes=0x0-1", 10, "refused" },
	{ "bytes=+1-2", 10, "refused" },
	{ "bytes=--1", 10, "refused" },
	{ "bytes=1--2", 10, "refused" },
	{ "bytes=0 -1", 10, "refused" },
	{ "bytes=0- 1", 10, "refused" },
	{ "bytes=0-1;2-3", 10, "refused" },
	{ "bytes=0-1 2-3", 10, "refused" },
	{ "bytes=0-0,x", 10, "refused" },
	{ "bytes=0.0-1", 10, "refused" },
	{ "bytes", 10, "whole" },
	{ "bytes 0-1", 10, "whole" },
	{ "bytes =0-1", 10, "whole" },
	{ "byte=0-1", 10, "whole" },
	{ "lines=0-1", 10, "whole" },
	{ "", 10, "whole" },
	{ "0-1", 10, "whole" },
};

static void
tell(const char *value, uint64_t size, char *out, size_t room)
{
	struct range ranges[RANGES_MAX];
	size_t at = 0;
	unsigned count;

	switch (range_parse(value, size, ranges, &count)) {
	case RANGE_WHOLE:
		snprintf(out, room, "whole");
		return;
	case RANGE_REFUSED:
		snprintf(out, room, "refused");
		return;
	case RANGE_PARTS:
		break;
	}
	for (unsigned i = 0; i < count; i++)
		at += (size_t)snprintf(out + at, room - at,
		    "%s%" PRIu64 "-%" PRIu64, i > 0 ? " " : "",
		    ranges[i].start, ranges[i].end - 1);
}

static void
ranges_are_read(void **state)
{
	char text[4096];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		tell(rows[i].value, rows[i].size, text, sizeof(text));
		if (strcmp(text, rows[i].expect) != 0)
			fail_msg("%s of %" PRIu64 ": %s", rows[i].value,
			    rows[i].size, text);
	}
}

static void
many_parts_are_the_whole(void **state)
{
	char value[4096] = "bytes=0-0";
	struct range ranges[RANGES_MAX];
	unsigned count;

	(void)state;
	for (unsigned i = 1; i < RANGES_MAX; i++)
		snprintf(value + strlen(value), sizeof(value) - strlen(value),
		    ",%u-%u", i, i);
	assert_int_equal(range_parse(value, 100, ranges, &count), RANGE_PARTS);
	assert_int_equal(count, RANGES_MAX);
	strncat(value, ",100-", sizeof(value) - strlen(value) - 1);
	assert_int_equal(range_parse(value, 100, ranges, &count), RANGE_PARTS);
	strncat(value, ",99-", sizeof(value) - strlen(value) - 1);
	assert_int_equal(range_parse(value, 100, ranges, &count), RANGE_WHOLE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read),
		cmocka_unit_test(many_parts_are_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
