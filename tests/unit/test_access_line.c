/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_access_line.c: formats of the access log, and the lines they make. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/worker/access_line.h"
#include "tests/unit/page_end.h"

#define TEXT(literal) { literal, sizeof(literal) - 1 }

static const char *agent;		/* the only header there is */

static struct access_text
header(const void *ctx, const char *name)
{
	struct access_text none = { NULL, 0 };

	(void)ctx;
	return agent != NULL && strcmp(name, "user-agent") == 0 ?
	    (struct access_text){ agent, strlen(agent) } : none;
}

static struct access_time a_time = { .second = -1 };

static struct access_entry
an_entry(void)
{
	struct access_entry entry = {
		.time = &a_time, .wall_ms = 1795896900007,
		.remote_addr = TEXT("192.0.2.1"), .remote_port = 4711,
		.method = TEXT("GET"), .uri = TEXT("/a?b"), .path = TEXT("/a"),
		.query = TEXT("b"), .protocol = TEXT("HTTP/1.1"),
		.host = TEXT("example.org"), .worker = TEXT("web/0"),
		.pool = TEXT("web"), .plugin = TEXT("hello"),
		.request_id = TEXT("0123456789abcdef0123456789abcdef"),
		.trace_id = TEXT("fedcba9876543210fedcba9876543210"),
		.route = TEXT("/"), .worker_id = 812, .request = 7,
		.status = 200, .bytes = 13, .took_ns = 12345678, .pid = 99,
		.header = header,
	};

	setenv("TZ", "IST-5:30", 1);
	tzset();
	access_time_set(&a_time, 1795896900);
	return entry;
}

static const char *
line_of(const char *text, const struct access_entry *entry, size_t max)
{
	static char out[ACCESS_LINE_MAX + 1];
	static struct access_format format;
	struct errmsg err = { 0 };
	size_t len;

	if (access_format_parse(&format, text, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	len = access_line_make(&format, entry, out, max);
	assert_in_range(len, 1, max);
	assert_ptr_equal(memchr(out, '\n', len), out + len - 1);
	out[len - 1] = '\0';
	return out;
}

/* ---- formats -------------------------------------------------------------- */

static const struct { const char *format, *line; } good[] = {
	{ "combined", "192.0.2.1 - - [29/Nov/2026:01:45:00 +0530] "
	    "\"GET /a?b HTTP/1.1\" 200 13 \"-\" \"me\"" },
	{ "json", "{\"time\":1795896900007,\"request_id\":"
	    "\"0123456789abcdef0123456789abcdef\","
	    "\"request_number\":\"812-7\","
	    "\"worker\":\"web/0\",\"pid\":99,\"remote_addr\":\"192.0.2.1\","
	    "\"remote_port\":4711,\"method\":\"GET\",\"path\":\"/a\","
	    "\"query\":\"b\",\"protocol\":\"HTTP/1.1\","
	    "\"host\":\"example.org\",\"status\":200,\"bytes\":13,"
	    "\"request_us\":12345,\"cut\":false,\"plugin\":\"hello\","
	    "\"route\":\"/\",\"referer\":null,\"user_agent\":\"me\"}" },
	{ "$status", "200" },
	{ "$status\t$path", "200\t/a" },
	{ "\"$status\" \"$path\"", "\"200\" \"/a\"" },
	{ "$$$status$$", "$200$" },
	{ "a$$b ${status}x${path}", "a$b 200x/a" },
	{ "$time_iso8601 $msec $time_ms",
	    "2026-11-29T01:45:00+05:30 1795896900.007 1795896900007" },
	{ "$request_time $request_us $request_number $cut",
	    "0.012 12345 812-7 false" },
	{ "$request_id $trace_id", "0123456789abcdef0123456789abcdef "
	    "fedcba9876543210fedcba9876543210" },
	{ "$pool $worker $pid $plugin $route $remote_port $remote_user",
	    "web web/0 99 hello / 4711 -" },
	{ "$http_user_agent $http_absent_header $host", "me - example.org" },
	{ "$request_method $request_uri $args $server_protocol "
	    "$body_bytes_sent", "GET /a?b b HTTP/1.1 13" },
};

static void
formats(void **state)
{
	struct access_entry entry = an_entry();

	(void)state;
	agent = "me";
	for (size_t i = 0; i < COUNT(good); i++)
		assert_string_equal(line_of(good[i].format, &entry, 8192),
		    good[i].line);
}

/* A new one is not forgotten in the table that makes them. */
static void
each_field_has_a_value(void **state)
{
	static const char *const names[] = {
#define ACCESS_FIELD(id, name, other, help) name,
#include "common/table/access_fields.def"
	};
	struct access_entry entry = an_entry();
	char format[80];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *value;

		snprintf(format, sizeof(format), "$%s", names[i]);
		value = line_of(format, &entry, 8192);
		if (strcmp(value, "-") == 0 &&
		    strcmp(names[i], "remote_user") != 0)
			fail_msg("%s has no value", names[i]);
	}
}

static const struct { const char *format, *words; } bad[] = {
	{ "", "must be combined, json or a format with $variables, not \"\"" },
	{ "$status\n", "has a control character" },
	{ "\x7f$status", "has a control character" },
	{ "common", "must be combined, json or a format with $variables, "
	    "not \"common\"" },
	{ "$", "a \"$\" without a name; \"$$\" is a dollar" },
	{ "$status $", "a \"$\" without a name; \"$$\" is a dollar" },
	{ "$Status", "a \"$\" without a name; \"$$\" is a dollar" },
	{ "${status", "a \"$\" without the \"}\" of its name; "
	    "\"$$\" is a dollar" },
	{ "${}", "a \"$\" without the \"}\" of its name; "
	    "\"$$\" is a dollar" },
	{ "$statuss", "there is no \"$statuss\"; did you mean \"$status\"?" },
	{ "$entirely_unknown", "there is no \"$entirely_unknown\"" },
	{ "$http_", "$http_ needs the name of a header of 1-63 bytes behind "
	    "it" },
};

static void
formats_that_are_none(void **state)
{
	static struct access_format format;
	char many[1024] = "";
	struct errmsg err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_int_equal(access_format_parse(&format, bad[i].format,
		    &err), ERR_BAD_ARGUMENT);
		assert_string_equal(err.text, bad[i].words);
	}
	for (int i = 0; i < 100; i++)
		strcat(many, "$status");
	assert_int_equal(access_format_parse(&format, many, &err), 0);
	strcat(many, " ");
	assert_int_equal(access_format_parse(&format, many, &err),
	    ERR_BAD_ARGUMENT);
	assert_string_equal(err.text,
	    "has more than 100 fields and texts between them");
}

/* ---- values ------------------------------------------------------------------ */

static const struct { const char *value, *text, *json; } values[] = {
	{ "plain", "plain", "\"plain\"" },
	{ NULL, "-", "null" },
	{ "", "-", "\"\"" },
	{ "a\nb\r\tc", "a\\x0ab\\x0d\\x09c", "\"a\\nb\\r\\tc\"" },
	{ "\"\\", "\\x22\\x5c", "\"\\\"\\\\\"" },
	{ "\x01\x7f\x1b[0m", "\\x01\\x7f\\x1b[0m",
	    "\"\\u0001\\u007f\\u001b[0m\"" },
	{ "\xc3\xa4", "\\xc3\\xa4", "\"\xc3\xa4\"" },
	{ "\xff\xc3", "\\xff\\xc3", "\"\\u00ff\\u00c3\"" },
	{ "\" 200 1 \"", "\\x22 200 1 \\x22", "\"\\\" 200 1 \\\"\"" },
};

static void
values_are_escaped(void **state)
{
	struct access_entry entry = an_entry();
	char expect[256];

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++) {
		agent = values[i].value;
		assert_string_equal(line_of("$http_user_agent", &entry, 8192),
		    values[i].text);
		snprintf(expect, sizeof(expect), ",\"user_agent\":%s}",
		    values[i].json);
		assert_non_null(strstr(line_of("json", &entry, 8192), expect));
	}
	agent = NULL;
}

static void
what_is_no_request_is_its_first_line(void **state)
{
	struct access_entry entry = an_entry();
	struct access_text none = { NULL, 0 };

	(void)state;
	entry.first_line = (struct access_text)TEXT("\x16\x03 \"x\"");
	entry.status = 400;
	assert_string_equal(line_of("\"$request\" $status \"\"", &entry, 8192),
	    "\"\\x16\\x03 \\x22x\\x22\" 400 \"\"");
	entry.first_line = entry.method = entry.uri = none;
	assert_string_equal(line_of("$request $method $uri", &entry, 8192),
	    "- - -");
}

/* ---- bounds -------------------------------------------------------------------- */

/* All that a client can make long is, and each byte of it needs an escape. */
static void
long_values_leave_the_document_whole(void **state)
{
	static char many[9000];
	static const size_t most[] = { ACCESS_LINE_PIPE, ACCESS_LINE_MAX };
	struct access_entry entry = an_entry();
	struct access_text text = { many, sizeof(many) - 1 };
	const char *line;

	(void)state;
	memset(many, 0x01, sizeof(many) - 1);
	agent = many;
	entry.path = entry.query = entry.host = entry.route = text;
	entry.wall_ms = entry.worker_id = entry.request = UINT64_MAX;
	entry.bytes = entry.took_ns = UINT64_MAX;
	for (size_t i = 0; i < COUNT(most); i++) {
		line = line_of("json", &entry, most[i]);
		assert_string_equal(line + strlen(line) - 8, "\\u0001\"}");
	}
	agent = NULL;
}

static void
lines_end_within_their_bound(void **state)
{
	static const char *const texts[] = { "combined", "json",
		"$uri $uri $uri $http_user_agent a literal $request$$" };
	static struct access_format format;
	char *memory = page_end_open();
	struct access_entry entry = an_entry();
	size_t len;

	(void)state;
	agent = "\xff\"\\\n";
	for (size_t i = 0; i < COUNT(texts); i++) {
		assert_int_equal(access_format_parse(&format, texts[i], NULL),
		    0);
		for (size_t max = 256; max < 800; max++) {
			char *out = memory + PAGE_END_SIZE - max;

			len = access_line_make(&format, &entry, out, max);
			assert_in_range(len, 1, max);
			assert_int_equal(out[len - 1], '\n');
		}
	}
	page_end_close(memory);
	agent = NULL;
}

static void
time_of_another_second(void **state)
{
	struct access_time time = { .second = -1 };

	(void)state;
	setenv("TZ", "NST3:30", 1);
	tzset();
	access_time_set(&time, 0);
	assert_memory_equal(time.iso.at, "1969-12-31T20:30:00-03:30", 25);
	assert_int_equal(time.iso.len, 25);
	access_time_set(&time, 1);
	assert_memory_equal(time.local.at, "31/Dec/1969:20:30:01 -0330", 26);
	assert_int_equal(time.local.len, 26);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),
		cmocka_unit_test(each_field_has_a_value),
		cmocka_unit_test(formats_that_are_none),
		cmocka_unit_test(values_are_escaped),
		cmocka_unit_test(what_is_no_request_is_its_first_line),
		cmocka_unit_test(long_values_leave_the_document_whole),
		cmocka_unit_test(lines_end_within_their_bound),
		cmocka_unit_test(time_of_another_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
