/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_trace.c: the header traceparent, and the numbers that requests are known
 * by.  Each input ends where an unmapped page begins.
 */

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/ids.h"
#include "daemon/http/trace.h"
#include "tests/unit/page_end.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"
#define ZERO16 "0000000000000000"

static const struct {
	const char *in;
	int flags;			/* -1: refused */
} rows[] = {
	{ "00-" TRACE "-" SPAN "-00", 0 },
	{ "00-" TRACE "-" SPAN "-01", 1 },
	{ "00-" TRACE "-" SPAN "-ff", 1 },
	{ "00-" TRACE "-" SPAN "-02", 0 },
	{ "00-" TRACE "-" SPAN "-0", -1 },
	{ "00-" TRACE "-" SPAN "-", -1 },
	{ "00-" TRACE "-" SPAN "-0g", -1 },
	{ "00-" TRACE "-" SPAN "-0A", -1 },
	{ "00-" TRACE "-" SPAN "-001", -1 },
	{ "00-" TRACE "-" SPAN "-01-", -1 },
	{ "00-" TRACE "-" SPAN "-01 ", -1 },
	{ " 00-" TRACE "-" SPAN "-01", -1 },
	{ "01-" TRACE "-" SPAN "-01", 1 },
	{ "01-" TRACE "-" SPAN "-01-", 1 },
	{ "01-" TRACE "-" SPAN "-01-a b", 1 },
	{ "01-" TRACE "-" SPAN "-011", -1 },
	{ "01-" TRACE "-" SPAN "-01_", -1 },
	{ "fe-" TRACE "-" SPAN "-01", 1 },
	{ "ff-" TRACE "-" SPAN "-01", -1 },
	{ "FE-" TRACE "-" SPAN "-01", -1 },
	{ "0-" TRACE "-" SPAN "-01", -1 },
	{ "000-" TRACE "-" SPAN "-01", -1 },
	{ "0x-" TRACE "-" SPAN "-01", -1 },
	{ "00-" ZERO16 ZERO16 "-" SPAN "-01", -1 },
	{ "00-" ZERO16 "0000000000000001-" SPAN "-01", 1 },
	{ "00-1" ZERO16 "000000000000000-" SPAN "-01", 1 },
	{ "00-" TRACE "-" ZERO16 "-01", -1 },
	{ "00-" TRACE "-0000000000000001-01", 1 },
	{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", -1 },
	{ "00-" TRACE "-00F067AA0BA902B7-01", -1 },
	{ "00-4bf92f3577b34da6a3ce929d0e0e473-" SPAN "0-01", -1 },
	{ "00-4bf92f3577b34da6a3ce929d0e0e473g-" SPAN "-01", -1 },
	{ "00-" TRACE "-00f067aa0ba902b-0-1", -1 },
	{ "00_" TRACE "-" SPAN "-01", -1 },
	{ "00-" TRACE "_" SPAN "-01", -1 },
	{ "00-" TRACE "-" SPAN "_01", -1 },
	{ "", -1 },
};

static void
headers(void **state)
{
	char *page = page_end_open();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct trace trace = { .flags = 99 };
		size_t len = strlen(rows[i].in);
		bool is = trace_parse(page_end_copy(page, rows[i].in, len),
		    len, &trace);

		if (is != (rows[i].flags >= 0) ||
		    trace.flags != (is ? (unsigned)rows[i].flags : 99))
			fail_msg("\"%s\"", rows[i].in);
		if (is)
			assert_memory_equal(trace.trace_id, rows[i].in + 3,
			    TRACE_ID);
		if (is)
			assert_memory_equal(trace.parent_id, rows[i].in + 36,
			    TRACE_SPAN);
	}
	page_end_close(page);
}

/* However it is cut, a part is no header. */
static void
a_part_is_none(void **state)
{
	static const char whole[] = "00-" TRACE "-" SPAN "-01";
	char *page = page_end_open();
	struct trace trace;

	(void)state;
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		assert_false(trace_parse(page_end_copy(page, whole, len), len,
		    &trace));
	page_end_close(page);
}

static void
what_is_sent_on_is_read_again(void **state)
{
	char text[TRACE_TEXT + 1];
	struct trace trace;

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		trace_print(text, TRACE, SPAN, flags);
		assert_int_equal(strlen(text), TRACE_TEXT);
		assert_true(trace_parse(text, TRACE_TEXT, &trace));
		assert_int_equal(trace.flags, flags & 1);
		assert_string_equal(trace.trace_id, TRACE);
		assert_string_equal(trace.parent_id, SPAN);
	}
}

/* ---- numbers ------------------------------------------------------------------------ */

enum { MANY = 20000 };

static int
compare(const void *a, const void *b)
{
	return memcmp(a, b, 2 * sizeof(uint64_t));
}

/* Of two workers, each use: none of all these is there twice. */
static void
no_two_ids_are_the_same(void **state)
{
	static uint64_t all[2 * 3 * MANY][2];
	static struct ids workers[2];
	size_t count = 0;

	(void)state;
	ids_init(&workers[0]);
	ids_init(&workers[1]);
	for (int w = 0; w < 2; w++)
		for (uint64_t number = 1; number <= MANY; number++)
			for (int kind = IDS_REQUEST; kind <= IDS_SPAN; kind++)
				ids_make(&workers[w], number,
				    (enum ids_kind)kind, all[count++]);
	qsort(all, count, sizeof(all[0]), compare);
	for (size_t i = 1; i < count; i++)
		assert_true(compare(all[i - 1], all[i]) < 0);
}

/* Each bit of ids of numbers in a row is set in about half of them. */
static void
ids_are_well_mixed(void **state)
{
	struct ids ids = { { 0, 0 } };	/* the worst there is */
	unsigned set[128] = { 0 };
	uint64_t id[2];

	(void)state;
	for (uint64_t number = 1; number <= MANY; number++) {
		ids_make(&ids, number, IDS_REQUEST, id);
		assert_true(id[0] != 0 && id[1] != 0);
		for (unsigned bit = 0; bit < 128; bit++)
			set[bit] += id[bit / 64] >> bit % 64 & 1;
	}
	for (unsigned bit = 0; bit < 128; bit++)
		assert_in_range(set[bit], MANY / 2 - MANY / 40,
		    MANY / 2 + MANY / 40);
}

static void
sixteen_digits(void **state)
{
	char out[17] = "................";

	(void)state;
	ids_print(out, 0x0123456789abcdef);
	assert_string_equal(out, "0123456789abcdef");
	ids_print(out, 0);
	assert_string_equal(out, "0000000000000000");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers),
		cmocka_unit_test(a_part_is_none),
		cmocka_unit_test(what_is_sent_on_is_read_again),
		cmocka_unit_test(no_two_ids_are_the_same),
		cmocka_unit_test(ids_are_well_mixed),
		cmocka_unit_test(sixteen_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
