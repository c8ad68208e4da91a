/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_value.c: members of answers as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "ctl/show.h"

static const struct {
	const char *name, *json, *expect;
} cases[] = {
	{ "pid", "null", "-" },
	{ "pid", "1234", "1234" },
	{ "current", "true", "yes" },
	{ "current", "false", "no" },
	{ "uptime_ms", "0", "0ms" },
	{ "uptime_ms", "999", "999ms" },
	{ "uptime_ms", "1500", "1.5s" },
	{ "uptime_ms", "61000", "1m01s" },
	{ "uptime_ms", "3660000", "1h01m" },
	{ "uptime_ms", "90000000", "1d01h" },
	{ "rss_kb", "512", "512k" },
	{ "rss_kb", "20480", "20M" },
	{ "rss_kb", "20971520", "20G" },
	{ "time", "1769860800123", "2026-01-31 12:00:00.123" },
	{ "listen", "[\"127.0.0.1:80\",\"[::1]:80\"]", "127.0.0.1:80,[::1]:80" },
	{ "listen", "[]", "-" },
	{ "sha256", "\"0123456789abcdef\"", "0123456789ab" },
	{ "doing", "{\"method\":\"GET\",\"path\":\"/x\",\"since_ms\":null}",
	    "GET /x -" },
	{ "args", "{\"pool\":\"web\"}", "{\"pool\":\"web\"}" },
	/* Nothing that moves a cursor reaches a terminal. */
	{ "text", "\"a\\u001b[31mb\\n\"", "a\\x1B[31mb\\x0A" },
	{ "text", "\"\\u009b1m\"", "\\xC21m" },
	{ "text", "\"\\u00e4\\u20ac\"", "\xc3\xa4\xe2\x82\xac" },
};

static void
values_are_shown_by_their_unit(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *json = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
		char *text = show_value(cases[i].name, json);

		assert_string_equal(text, cases[i].expect);
		free(text);
		json_decref(json);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_shown_by_their_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
