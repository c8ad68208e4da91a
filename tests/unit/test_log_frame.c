/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_log_frame.c: frames of a worker's log pipe, at every split point. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/proto/log_frame.h"

struct out { char bytes[16384]; size_t len; };

static void
add(struct out *out, const char *text, size_t len, uint8_t level)
{
	struct log_frame head = { .magic = LOG_FRAME_MAGIC,
		.len = (uint16_t)len, .level = level };

	memcpy(out->bytes + out->len, &head, sizeof(head));
	memcpy(out->bytes + out->len + sizeof(head), text, len);
	out->len += sizeof(head) + len;
}

/* The texts, each with its level before and a bar behind it. */
static void
read_all(struct log_frame_reader *reader, const char *data, size_t len,
    char *texts)
{
	const struct log_frame *frame;
	size_t used = 0, at = strlen(texts);

	while ((frame = log_frame_next(reader, data, len, &used)) != NULL) {
		texts[at++] = (char)('0' + frame->level);
		memcpy(texts + at, frame->text, frame->len);
		at += frame->len;
		texts[at++] = '|';
	}
	texts[at] = '\0';
	assert_int_equal(used, len);
}

static void
test_every_split_point(void **state)
{
	static struct log_frame_reader reader;
	struct out out = { .len = 0 };
	char texts[256];

	(void)state;
	add(&out, "one", 3, 2);
	add(&out, "", 0, 1);
	add(&out, "and two", 7, 4);
	for (size_t cut = 0; cut <= out.len; cut++) {
		memset(&reader, 0, sizeof(reader));
		texts[0] = '\0';
		read_all(&reader, out.bytes, cut, texts);
		read_all(&reader, out.bytes + cut, out.len - cut, texts);
		assert_string_equal(texts, "2one|1|4and two|");
	}
	memset(&reader, 0, sizeof(reader));
	texts[0] = '\0';
	for (size_t i = 0; i < out.len; i++)
		read_all(&reader, out.bytes + i, 1, texts);
	assert_string_equal(texts, "2one|1|4and two|");
}

static void
test_the_longest(void **state)
{
	static struct log_frame_reader reader;
	static struct out out;
	static char text[LOG_FRAME_TEXT_MAX], texts[LOG_FRAME_TEXT_MAX + 16];

	(void)state;
	memset(text, 'x', sizeof(text));
	add(&out, text, sizeof(text), 3);
	read_all(&reader, out.bytes, out.len, texts);
	assert_int_equal(strlen(texts), LOG_FRAME_TEXT_MAX + 2);
}

static void
test_what_is_no_frame_is_skipped(void **state)
{
	static struct log_frame_reader reader;
	struct out out = { .len = 0 };
	struct log_frame long_one = { .magic = LOG_FRAME_MAGIC,
		.len = LOG_FRAME_TEXT_MAX + 1 };
	char texts[256] = "";

	(void)state;
	memcpy(out.bytes, "rubbish from a wild pointer", 27);
	out.len = 27;
	add(&out, "one", 3, 2);
	memcpy(out.bytes + out.len, &long_one, sizeof(long_one));
	out.len += sizeof(long_one);
	add(&out, "two", 3, 2);
	read_all(&reader, out.bytes, out.len, texts);
	assert_string_equal(texts, "2one|2two|");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_split_point),
		cmocka_unit_test(test_the_longest),
		cmocka_unit_test(test_what_is_no_frame_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
