/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_packet.c: packets of a child's channel, by bytes that are typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "daemon/child/packet.h"
#include "tests/unit/page_end.h"

static char *page;

static int
read_at_the_end(const char *bytes, size_t len, size_t fds, struct packet *out)
{
	return packet_read((const uint8_t *)page_end_copy(page, bytes, len),
	    len, fds, out);
}

static void
what_is_written_is_as_the_page_says(void **state)
{
	static const char expect[] = "\2\0\0\0\1\1\0\0hi";
	uint8_t bytes[16];

	(void)state;
	assert_int_equal(packet_begin(bytes, "hi", 257), sizeof(expect) - 1);
	assert_memory_equal(bytes, expect, sizeof(expect) - 1);
	assert_int_equal(packet_begin(bytes, "", 0), PACKET_HEAD);
	assert_false(packet_is_large(2, CLUSTER_PEER_PACKET_MAX - 10));
	assert_true(packet_is_large(2, CLUSTER_PEER_PACKET_MAX - 9));
}

static const struct {
	const char *bytes; size_t len, fds;
	const char *topic, *data; uint32_t flags;
} good[] = {
	{ "\0\0\0\0\0\0\0\0", 8, 0, "", "", 0 },
	{ "\0\0\0\0\1\0\0\0{}", 10, 16, "", "{}", 1 },
	{ "\3\0\0\0\0\0\0\0abcdef", 14, 0, "abc", "def", 0 },
	{ "\3\0\0\0\0\0\0\0abc", 11, 1, "abc", "", 0 },
	{ "\1\0\0\0\1\1\0\0t", 9, 1, "t", "", 257 },
	{ "\10\0\0\0\0\0\0\0clusterd.", 17, 0, "clusterd", ".", 0 },
	{ "\12\0\0\0\0\0\0\0xclusterd.", 18, 0, "xclusterd.", "", 0 },
	{ "\2\0\0\0\0\0\0\0\xc3\xa9", 10, 0, "\xc3\xa9", "", 0 },
	{ "\0\0\0\0\3\2\0\0web", 11, 0, "", "web", 515 },
};

static void
a_message_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct packet got;

		if (read_at_the_end(good[i].bytes, good[i].len, good[i].fds,
		    &got) != 0)
			fail_msg("refused: packet %zu", i);
		assert_string_equal(got.topic, good[i].topic);
		assert_int_equal(got.len, strlen(good[i].data));
		assert_memory_equal(got.data, good[i].data, got.len);
		assert_int_equal(got.flags, good[i].flags);
	}
}

static const struct { const char *bytes; size_t len, fds; } bad[] = {
	{ "", 0, 0 }, { "\0\0\0\0\0\0\0", 7, 0 }, { "\1\0\0\0\0\0\0\0", 8, 0 },
	{ "\377\377\377\377\0\0\0\0x", 9, 0 }, { "\0\0\0\0\2\0\0\0", 8, 0 },
	{ "\0\0\0\0\0\0\0\200", 8, 0 }, { "\1\0\0\0\0\0\0\0\n", 9, 0 },
	{ "\1\0\0\0\0\0\0\0\0", 9, 0 }, { "\1\0\0\0\0\0\0\0\x7f", 9, 0 },
	{ "\11\0\0\0\0\0\0\0clusterd.", 17, 0 },
	{ "\0\0\0\0\0\1\0\0", 8, 0 }, { "\0\0\0\0\0\1\0\0x", 9, 1 },
};

static void
what_is_no_message_is_refused(void **state)
{
	char longest[8 + CLUSTER_TOPIC_MAX + 1] = { CLUSTER_TOPIC_MAX + 1 };
	struct packet got = { .len = 4711 };

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (read_at_the_end(bad[i].bytes, bad[i].len, bad[i].fds,
		    &got) != ERR_FORMAT)
			fail_msg("taken: packet %zu", i);
	memset(longest + 8, 't', sizeof(longest) - 8);
	assert_int_equal(read_at_the_end(longest, sizeof(longest), 0, &got),
	    ERR_FORMAT);
	assert_int_equal(got.len, 4711);
	longest[0]--;
	assert_int_equal(read_at_the_end(longest, sizeof(longest), 0, &got), 0);
	assert_int_equal(got.len, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_as_the_page_says),
		cmocka_unit_test(a_message_is_read),
		cmocka_unit_test(what_is_no_message_is_refused),
	};

	page = page_end_open();
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
