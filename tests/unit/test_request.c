/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_request.c: lines of the control protocol, good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "common/wire/request.h"
#include "common/wire/writer.h"

#define DEEP16 "[[[[[[[[[[[[[[1]]]]]]]]]]]]]]"

static const struct {
	const char *spec, *line;
	int rc;
	const char *id, *command, *command_id;
} cases[] = {
	{ "the shortest", "{\"command\":\"ping\"}", 0, "null", "ping", NULL },
	{ "with all", "{\"id\":7,\"command\":\"scale\",\"args\":{\"a\":1},"
	    "\"command_id\":\"x\",\"api\":1}", 0, "7", "scale", "x" },
	{ "an id of text", "{\"id\":\"a\\\"b\",\"command\":\"ping\"}", 0,
	    "\"a\\\"b\"", "ping", NULL },
	{ "16 levels", "{\"command\":\"x\",\"args\":{\"a\":" DEEP16 "}}", 0,
	    "null", "x", NULL },
	{ "17 levels", "{\"command\":\"x\",\"args\":{\"a\":[" DEEP16 "]}}",
	    ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "brackets in a text do not count", "{\"command\":\"[[[[[[[[[[[[[[[[["
	    "[[[[\\\"[[[\"}", 0, "null", "[[[[[[[[[[[[[[[[[[[[[\"[[[", NULL },
	{ "empty", "", ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "no object", "[1]", ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "no JSON", "hello", ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "more behind", "{\"command\":\"ping\"} x", ERR_BAD_REQUEST, "null",
	    NULL, NULL },
	{ "no command", "{\"id\":3}", ERR_BAD_REQUEST, "3", NULL, NULL },
	{ "command of another type", "{\"id\":3,\"command\":4}",
	    ERR_BAD_REQUEST, "3", NULL, NULL },
	{ "twice the same member", "{\"command\":\"a\",\"command\":\"b\"}",
	    ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "an unknown member", "{\"id\":3,\"command\":\"a\",\"x\":1}",
	    ERR_BAD_REQUEST, "3", NULL, NULL },
	{ "args not an object", "{\"id\":3,\"command\":\"a\",\"args\":[]}",
	    ERR_BAD_REQUEST, "3", NULL, NULL },
	{ "another api", "{\"id\":3,\"command\":\"a\",\"api\":2}",
	    ERR_BAD_REQUEST, "3", NULL, NULL },
	{ "an id of another type", "{\"id\":{},\"command\":\"a\"}",
	    ERR_BAD_REQUEST, "null", NULL, NULL },
	{ "not UTF-8", "{\"command\":\"\xff\"}", ERR_BAD_REQUEST, "null", NULL,
	    NULL },
	{ "NUL in a text", "{\"command\":\"a\\u0000\"}", ERR_BAD_REQUEST,
	    "null", NULL, NULL },
};

static void
decode_takes_requests_and_names_what_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct request request;
		struct errmsg err = { 0 };
		int rc = request_decode(cases[i].line, strlen(cases[i].line),
		    &request, &err);

		if (rc != cases[i].rc)
			fail_msg("%s: %d, %s", cases[i].spec, rc, err.text);
		assert_string_equal(request.id, cases[i].id);
		if (rc != 0) {
			assert_true(err.text[0] != '\0');
			continue;
		}
		assert_string_equal(request.command, cases[i].command);
		if (cases[i].command_id != NULL)
			assert_string_equal(request.command_id,
			    cases[i].command_id);
		else
			assert_null(request.command_id);
		request_done(&request);
	}
}

static void
writer_writes_what_the_decoder_reads(void **state)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	(void)state;
	buf_init(&buf, 0);
	writer_open(&w, NULL, '{');
	writer_add_text(&w, "a", "x\"\n");
	writer_add_text(&w, "b", NULL);
	writer_add_number(&w, "c", INT64_MIN);
	writer_add_known(&w, "d", -1);
	writer_open(&w, "e", '[');
	writer_add_bool(&w, NULL, true);
	writer_open(&w, NULL, '{');
	writer_close(&w, '}');
	writer_add_json(&w, NULL, "[1]");
	writer_close(&w, ']');
	writer_add_known(&w, "f", 5);
	writer_close(&w, '}');
	buf_add(&buf, "", 1);
	assert_string_equal(buf_at(&buf), "{\"a\":\"x\\\"\\n\",\"b\":null,"
	    "\"c\":-9223372036854775808,\"d\":null,\"e\":[true,{},[1]],"
	    "\"f\":5}");
	buf_done(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode_takes_requests_and_names_what_is_none),
		cmocka_unit_test(writer_writes_what_the_decoder_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
