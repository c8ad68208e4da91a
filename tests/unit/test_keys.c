/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_keys.c: the rows of keys.def are sound, and values as text. */
#include "common/table/keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"

static void
test_rows_are_sound(void **state)
{
	char text[64], range[256];

	(void)state;
	for (const struct key *key = keys; key < keys + KEY__COUNT; key++) {
		int64_t value, again;

		assert_non_null(key->name);
		assert_non_null(key->help);
		assert_ptr_equal(key_by_number(key->number), key);
		if (key > keys)
			assert_true(key->number > key[-1].number);
		if (!key_is_written(key))
			continue;
		assert_ptr_equal(key_by_name(key->scope, key->name), key);
		assert_true(key->kind == KIND_LIST || key->preset != NULL);
		key_format_range(key, range, sizeof(range));
		assert_true(strlen(range) < 120);
		if (!key_is_number(key))
			continue;
		assert_int_equal(key_parse(key, key->preset, &value, NULL), 0);
		key_format(key, value, text, sizeof(text));
		assert_int_equal(key_parse(key, text, &again, NULL), 0);
		assert_int_equal(again, value);
		for (int i = 0; i < 2 && key->kind != KIND_WORD; i++) {
			value = i == 0 ? key->min : key->max;
			assert_true(key_value_is_legal(key, value));
			key_format(key, value, text, sizeof(text));
			assert_int_equal(key_parse(key, text, &again, NULL), 0);
			assert_int_equal(again, value);
		}
		if (key->kind != KIND_WORD && key->kind != KIND_SHARE)
			assert_false(key_value_is_legal(key, key->max + 1));
	}
}

static void
test_values(void **state)
{
	static const struct {
		enum key_id key;
		const char *text;
		int rc;
		int64_t value;
		const char *words;
	} rows[] = {
		{ KEY_POOL_HANDLER_TIMEOUT, "250ms", 0, 250, NULL },
		{ KEY_POOL_HANDLER_TIMEOUT, "30", ERR_UNIT, 0,
		    "\"30\" needs a unit: ms, s, m, h or d" },
		{ KEY_POOL_HANDLER_TIMEOUT, "99ms", ERR_RANGE, 0,
		    "must be 100ms-1h, not \"99ms\"" },
		{ KEY_POOL_HANDLER_TIMEOUT, "off", ERR_FORMAT, 0,
		    "must be 100ms-1h, not \"off\"" },
		{ KEY_POOL_REQUEST_TIMEOUT, "off", 0, CONF_OFF, NULL },
		{ KEY_POOL_MAX_FDS, "auto", 0, CONF_AUTO, NULL },
		{ KEY_POOL_MAX_FDS, "off", 0, CONF_OFF, NULL },
		{ KEY_POOL_MAX_BODY_SIZE, "8K", ERR_UNIT, 0,
		    "\"8K\" has no unit of a size: k, M, G or T" },
		{ KEY_POOL_NICE, "-20", 0, -20, NULL },
		{ KEY_POOL_NICE, "-1", 0, -1, NULL },
		{ KEY_POOL_NICE, "20", ERR_RANGE, 0,
		    "must be -20 to 19, not \"20\"" },
		{ KEY_POOL_SOCKET_MODE, "0666", 0, 0666, NULL },
		{ KEY_POOL_SOCKET_MODE, "0888", ERR_FORMAT, 0,
		    "must be 0600-0777, not \"0888\"" },
		{ KEY_POOL_MAX_SURGE, "25%", 0, CONF_SHARE_PERCENT + 25, NULL },
		{ KEY_POOL_MAX_SURGE, "0%", ERR_RANGE, 0,
		    "must be auto, 1-1024, 1%-100%, not \"0%\"" },
		{ KEY_POOL_MAX_SURGE, "1048601", ERR_RANGE, 0, NULL },
		{ KEY_POOL_SCHEDULE, "shared", 0, SCHEDULE_SHARED, NULL },
		{ KEY_POOL_SCHEDULE, "random", ERR_FORMAT, 0,
		    "must be one of round-robin, least-connections, shared, "
		    "reuseport, not \"random\"" },
		{ KEY_POOL_MAX_REQUESTS, "18446744073709551615", ERR_RANGE, 0,
		    NULL },
		{ KEY_POOL_MAX_REQUESTS, "99999999999999999999", ERR_RANGE, 0,
		    NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct errmsg err = { 0 };
		int64_t value = 0;

		assert_int_equal(key_parse(&keys[rows[i].key], rows[i].text,
		    &value, &err), rows[i].rc);
		assert_int_equal(value, rows[i].value);
		if (rows[i].words != NULL)
			assert_string_equal(err.text, rows[i].words);
	}
}

static void
test_did_you_mean(void **state)
{
	(void)state;
	assert_string_equal(key_nearest(SCOPE_POOL, "handler_timout"),
	    "handler_timeout");
	assert_string_equal(key_nearest(SCOPE_POOL, "worker"), "workers");
	assert_string_equal(key_nearest(SCOPE_POOL, "lsiten"), "listen");
	assert_string_equal(key_nearest(SCOPE_DAEMON, "loglevel"), "log_level");
	assert_null(key_nearest(SCOPE_DAEMON, "zzzzzzzzzz"));
	assert_null(key_nearest(SCOPE_POOL, ""));
	assert_int_equal(word_distance("abcd", "abdc", 3), 1);
	assert_int_equal(word_distance("", "abcd", 3), 4);
	assert_int_equal(word_distance("same", "same", 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_are_sound),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_did_you_mean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
