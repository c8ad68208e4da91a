/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_sse.c: the text of server-sent events. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/sse.h"

#define DATA(text) .data = text, .data_len = sizeof(text) - 1

static const struct {
	const char *spec;
	struct sse_event event;
	int rc;
	const char *text;
} cases[] = {
	{ "nothing", { 0 }, 0, "\n" },
	{ "a line", { DATA("a") }, 0, "data: a\n\n" },
	{ "an empty one", { DATA("") }, 0, "data: \n\n" },
	{ "two", { DATA("a\nb") }, 0, "data: a\ndata: b\n\n" },
	{ "by CR LF", { DATA("a\r\nb") }, 0, "data: a\ndata: b\n\n" },
	{ "by CR", { DATA("a\rb") }, 0, "data: a\ndata: b\n\n" },
	{ "by LF CR: three", { DATA("a\n\rb") }, 0,
	    "data: a\ndata: \ndata: b\n\n" },
	{ "one at the end", { DATA("a\n") }, 0, "data: a\ndata: \n\n" },
	{ "a CR at the end", { DATA("a\r") }, 0, "data: a\ndata: \n\n" },
	{ "no field of its own", { DATA("a\nevent: b") }, 0,
	    "data: a\ndata: event: b\n\n" },
	{ "all", { .comment = "c", .event = "e", .id = "7", .retry_ms = 3000,
	    DATA("d") }, 0,
	    ": c\nevent: e\nid: 7\nretry: 3000\ndata: d\n\n" },
	{ "a comment of two lines", { .comment = "a\nb" }, 0, ": a\n: b\n\n" },
	{ "an id that is empty", { .id = "" }, 0, "id: \n\n" },
	{ "LF in event", { .event = "a\nb" }, -EINVAL, "" },
	{ "CR in event", { .event = "a\r" }, -EINVAL, "" },
	{ "LF in id", { .id = "\n" }, -EINVAL, "" },
	{ "CR in id", { .id = "a\rb" }, -EINVAL, "" },
	{ "too long", { DATA("0123456789012345678901234567890123456789"
	    "012345678901234567890123456789") }, -EMSGSIZE, "" },
};

static void
an_event_is_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf buf;
		int rc;

		buf_init(&buf, 64);
		rc = sse_compose(&buf, &cases[i].event);
		if (rc != cases[i].rc || buf_len(&buf) !=
		    strlen(cases[i].text) || (rc == 0 && memcmp(buf_at(&buf),
		    cases[i].text, buf_len(&buf)) != 0))
			fail_msg("%s: %d, %.*s", cases[i].spec, rc,
			    (int)buf_len(&buf), buf_at(&buf));
		buf_done(&buf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
