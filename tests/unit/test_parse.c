/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_parse.c: numbers, sizes and durations as people write them. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/base/parse.h"

typedef int (*parser)(const char *text, size_t len, uint64_t *value);

static const struct { parser parse; const char *text; int rc; uint64_t value; }
cases[] = {
	{ parse_number, "0", 0, 0 }, { parse_number, "42", 0, 42 },
	{ parse_number, "18446744073709551615", 0, UINT64_MAX },
	{ parse_number, "18446744073709551616", ERR_RANGE, 0 },
	{ parse_number, "", ERR_FORMAT, 0 }, { parse_number, "-1", ERR_FORMAT, 0 },
	{ parse_number, " 1", ERR_FORMAT, 0 }, { parse_number, "1 ", ERR_FORMAT, 0 },
	{ parse_number, "0x10", ERR_FORMAT, 0 }, { parse_number, "1e3", ERR_FORMAT, 0 },
	{ parse_size, "8k", 0, 8192 }, { parse_size, "64M", 0, 64ULL << 20 },
	{ parse_size, "1G", 0, 1ULL << 30 }, { parse_size, "2T", 0, 2ULL << 40 },
	{ parse_size, "100", 0, 100 }, { parse_size, "8K", ERR_UNIT, 0 },
	{ parse_size, "8kb", ERR_UNIT, 0 }, { parse_size, "k", ERR_FORMAT, 0 },
	{ parse_size, "99999999999999999T", ERR_RANGE, 0 },
	{ parse_duration, "250ms", 0, 250 }, { parse_duration, "30s", 0, 30000 },
	{ parse_duration, "5m", 0, 300000 }, { parse_duration, "1h", 0, 3600000 },
	{ parse_duration, "7d", 0, 604800000 }, { parse_duration, "0", 0, 0 },
	{ parse_duration, "30", ERR_UNIT, 0 }, { parse_duration, "1.5s", ERR_UNIT, 0 },
	{ parse_duration, "s", ERR_FORMAT, 0 }, { parse_duration, "1 s", ERR_UNIT, 0 },
	{ parse_duration, "213503982334602d", ERR_RANGE, 0 },
};

static void
values_and_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 12345;
		int rc = cases[i].parse(cases[i].text, strlen(cases[i].text),
		    &value);

		if (rc != cases[i].rc ||
		    value != (rc == 0 ? cases[i].value : 12345))
			fail_msg("'%s': %d, %llu", cases[i].text, rc,
			    (unsigned long long)value);
	}
}

static void
signs_percents_and_modes(void **state)
{
	unsigned small = 7;
	int64_t value = 7;

	(void)state;
	assert_int_equal(parse_signed("-20", 3, &value), 0);
	assert_true(value == -20);
	assert_int_equal(parse_signed("+3", 2, &value), 0);
	assert_true(value == 3);
	assert_int_equal(parse_signed("--3", 3, &value), ERR_FORMAT);
	assert_int_equal(parse_signed("", 0, &value), ERR_FORMAT);
	assert_int_equal(parse_signed("9223372036854775808", 19, &value),
	    ERR_RANGE);
	assert_int_equal(parse_percent("25%", 3, &small), 0);
	assert_int_equal(small, 25);
	assert_int_equal(parse_percent("101", 3, &small), ERR_RANGE);
	assert_int_equal(parse_octal("0660", 4, &small), 0);
	assert_int_equal(small, 0660);
	assert_int_equal(parse_octal("0680", 4, &small), ERR_FORMAT);
	assert_int_equal(parse_octal("17777", 5, &small), ERR_RANGE);
}

static void
what_is_formatted_parses_back(void **state)
{
	static const uint64_t values[] = { 0, 1, 250, 1000, 1500, 30000, 60000,
		3600000, 86400000, 1023, 1024, 8192, 1 << 20, 1ULL << 40 };
	char text[32];
	uint64_t back;

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		format_duration(text, sizeof(text), values[i]);
		assert_int_equal(parse_duration(text, strlen(text), &back), 0);
		assert_true(back == values[i]);
		format_size(text, sizeof(text), values[i]);
		assert_int_equal(parse_size(text, strlen(text), &back), 0);
		assert_true(back == values[i]);
	}
	assert_string_equal(format_duration(text, sizeof(text), 1500),
	    "1500ms");
	assert_string_equal(format_size(text, sizeof(text), 8192), "8k");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_and_refusals),
		cmocka_unit_test(signs_percents_and_modes),
		cmocka_unit_test(what_is_formatted_parses_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
