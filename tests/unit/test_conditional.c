/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_conditional.c: conditional requests, and the dates of HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "plugins/static/conditional.h"
#include "plugins/static/httpdate.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define THAT "Sun, 06 Nov 1994 08:49:37 GMT"
#define BEFORE "Sun, 06 Nov 1994 08:49:36 GMT"
#define AFTER "Sun, 06 Nov 1994 08:49:38 GMT"
enum { SECONDS = 784111777 };

/* of a file with the tag "x" */
static const struct {
	struct conditions conditions;
	enum condition expect;
} rows[] = {
	{ { 0 }, CONDITION_HOLDS },
	{ { .if_match = "\"x\"" }, CONDITION_HOLDS },
	{ { .if_match = "*" }, CONDITION_HOLDS },
	{ { .if_match = "\"y\"" }, CONDITION_FAILED },
	{ { .if_match = "\"y\", \"x\"" }, CONDITION_HOLDS },
	{ { .if_match = "\"y\",\"x\",\"z\"" }, CONDITION_HOLDS },
	{ { .if_match = "\"y\" \"x\"" }, CONDITION_FAILED },
	{ { .if_match = ", ,\"x\"" }, CONDITION_HOLDS },
	{ { .if_match = "W/\"x\"" }, CONDITION_FAILED },
	{ { .if_match = "W/\"x\", \"x\"" }, CONDITION_HOLDS },
	{ { .if_match = "x" }, CONDITION_FAILED },
	{ { .if_match = "\"x" }, CONDITION_FAILED },
	{ { .if_match = "" }, CONDITION_FAILED },
	{ { .if_match = "\"X\"" }, CONDITION_FAILED },
	{ { .if_match = "\"x\"y" }, CONDITION_HOLDS },
	{ { .if_match = "\"a,\"x\"" }, CONDITION_FAILED },
	{ { .if_none_match = "\"x\"" }, CONDITION_NOT_MODIFIED },
	{ { .if_none_match = "W/\"x\"" }, CONDITION_NOT_MODIFIED },
	{ { .if_none_match = "*" }, CONDITION_NOT_MODIFIED },
	{ { .if_none_match = "\"y\"" }, CONDITION_HOLDS },
	{ { .if_none_match = "\"y\", W/\"x\"" }, CONDITION_NOT_MODIFIED },
	{ { .if_none_match = "\"y\", *" }, CONDITION_HOLDS },
	{ { .if_none_match = "w/\"x\"" }, CONDITION_HOLDS },
	{ { .if_none_match = "x" }, CONDITION_HOLDS },
	{ { .if_modified_since = THAT }, CONDITION_NOT_MODIFIED },
	{ { .if_modified_since = AFTER }, CONDITION_NOT_MODIFIED },
	{ { .if_modified_since = BEFORE }, CONDITION_HOLDS },
	{ { .if_modified_since = "yesterday" }, CONDITION_HOLDS },
	{ { .if_modified_since = "" }, CONDITION_HOLDS },
	{ { .if_unmodified_since = THAT }, CONDITION_HOLDS },
	{ { .if_unmodified_since = AFTER }, CONDITION_HOLDS },
	{ { .if_unmodified_since = BEFORE }, CONDITION_FAILED },
	{ { .if_unmodified_since = "yesterday" }, CONDITION_HOLDS },
	/* a tag is better than a date */
	{ { .if_match = "\"x\"", .if_unmodified_since = BEFORE },
	    CONDITION_HOLDS },
	{ { .if_match = "\"y\"", .if_unmodified_since = AFTER },
	    CONDITION_FAILED },
	{ { .if_none_match = "\"x\"", .if_modified_since = BEFORE },
	    CONDITION_NOT_MODIFIED },
	{ { .if_none_match = "\"y\"", .if_modified_since = AFTER },
	    CONDITION_HOLDS },
	/* what fails comes first */
	{ { .if_match = "\"y\"", .if_none_match = "\"x\"" }, CONDITION_FAILED },
	{ { .if_match = "\"x\"", .if_none_match = "\"x\"" },
	    CONDITION_NOT_MODIFIED },
	{ { .if_unmodified_since = BEFORE, .if_none_match = "\"x\"" },
	    CONDITION_FAILED },
	{ { .if_unmodified_since = AFTER, .if_modified_since = AFTER },
	    CONDITION_NOT_MODIFIED },
};

static void
conditions_are_tested_in_their_order(void **state)
{
	const struct validators validators = { "\"x\"", SECONDS };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (conditional_test(&rows[i].conditions, &validators) !=
		    rows[i].expect)
			fail_msg("row %zu", i);
}

static void
a_weak_tag_is_no_strong_one(void **state)
{
	const struct validators weak = { "W/\"x\"", SECONDS };
	struct conditions conditions = { .if_match = "\"x\"" };

	(void)state;
	assert_int_equal(conditional_test(&conditions, &weak),
	    CONDITION_FAILED);
	conditions.if_match = "*";
	assert_int_equal(conditional_test(&conditions, &weak),
	    CONDITION_HOLDS);
	conditions = (struct conditions){ .if_none_match = "\"x\"" };
	assert_int_equal(conditional_test(&conditions, &weak),
	    CONDITION_NOT_MODIFIED);
}

static void
a_part_is_of_the_whole_that_the_client_has(void **state)
{
	static const struct {
		const char *etag, *if_range;
		bool allowed;
	} table[] = {
		{ "\"x\"", NULL, true },
		{ "\"x\"", "\"x\"", true },
		{ "\"x\"", "\"y\"", false },
		{ "\"x\"", "W/\"x\"", false },
		{ "\"x\"", "x", false },
		{ "\"x\"", "\"x\", \"x\"", false },
		{ "\"x\"", "*", false },
		{ "\"x\"", "", false },
		{ "\"x\"", THAT, true },
		{ "\"x\"", BEFORE, false },
		{ "\"x\"", AFTER, false },
		{ "\"x\"", "Wed, 09 Nov 1994 08:49:37 GMT", false },
		{ "W/\"x\"", "\"x\"", false },
		{ "W/\"x\"", "W/\"x\"", false },
		{ "W/\"x\"", THAT, false },
		{ "W/\"x\"", NULL, true },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct validators validators = { table[i].etag, SECONDS };
		const struct conditions conditions = {
			.if_range = table[i].if_range };

		if (conditional_allows_range(&conditions, &validators) !=
		    table[i].allowed)
			fail_msg("%s with %s", table[i].etag, table[i].if_range);
	}
}

/* ---- dates ---------------------------------------------------------------------- */

static void
dates_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} dates[] = {
		{ THAT, SECONDS },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", SECONDS },
		{ "Sun Nov  6 08:49:37 1994", SECONDS },
		{ "Sun Nov 06 08:49:37 1994", SECONDS },
		{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
		{ "Tue, 29 Feb 2000 12:00:00 GMT", 951825600 },
		{ "Wed, 01 Mar 2000 00:00:00 GMT", 951868800 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799) },
		{ "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
		{ "Tuesday, 19-Jan-38 03:14:08 GMT", INT64_C(2147483648) },
		{ "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
		{ "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
		{ "Mon, 29 Feb 2100 12:00:00 GMT", -1 },
		{ "Sun, 29 Feb 2001 12:00:00 GMT", -1 },
		{ "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 00 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:61 GMT", -1 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 94 08:49:37 GMT", -1 },
		{ "Sun, 06 nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 CET", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 +0000", -1 },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
		{ "Sun, 06 Nov 1994 8:49:37 GMT", -1 },
		{ "Son, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun", -1 }, { "Sun, ", -1 }, { "Sunday", -1 }, { "", -1 },
		{ "Sun Nov", -1 }, { "Sun, 06", -1 }, { "784111777", -1 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(dates); i++)
		if (httpdate_parse(dates[i].text) != dates[i].seconds)
			fail_msg("%s: %lld", dates[i].text,
			    (long long)httpdate_parse(dates[i].text));
}

static void
dates_are_written(void **state)
{
	char text[HTTPDATE_MAX];

	(void)state;
	httpdate_format(SECONDS, text);
	assert_string_equal(text, THAT);
	/* a prime number of seconds, so that each day and hour comes by */
	for (int64_t second = 0; second < INT64_C(253402300799);
	    second += 86028121) {
		httpdate_format(second, text);
		assert_int_equal(strlen(text), HTTPDATE_MAX - 1);
		assert_true(httpdate_parse(text) == second);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions_are_tested_in_their_order),
		cmocka_unit_test(a_weak_tag_is_no_strong_one),
		cmocka_unit_test(a_part_is_of_the_whole_that_the_client_has),
		cmocka_unit_test(dates_are_read),
		cmocka_unit_test(dates_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
