/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_verdict_protocol.c: every message of the wall between checker and
 * master, there and back, and with each part of it broken in turn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/proto/verdict.h"

static int
check(const struct verdict_packet *packet, size_t len, size_t fds)
{
	return verdict_check(packet, len, fds, NULL);
}

static void
test_what_is_written_is_read(void **state)
{
	struct verdict_packet sent, got;
	size_t len = verdict_begin(&sent, VERDICT_ERROR);

	(void)state;
	sent.body.error.line = 7;
	record_put_text(sent.body.error.file, 256, "clusterd.ini");
	record_put_text(sent.body.error.text, 768, "[pool web] port: unknown");
	memset(&got, 0xff, sizeof(got));
	memcpy(&got, &sent, len);
	assert_int_equal(check(&got, len, 0), 0);
	assert_int_equal(got.header.type, VERDICT_ERROR);
	assert_int_equal(got.body.error.line, 7);
	assert_string_equal(got.body.error.file, "clusterd.ini");
	assert_string_equal(got.body.error.text, "[pool web] port: unknown");

	len = verdict_begin(&sent, VERDICT_PLUGIN);
	sent.body.plugin.size = 1ull << 40;
	memset(sent.body.plugin.sha256, 0xab, 32);
	record_put_text(sent.body.plugin.name, 32, "hello");
	memcpy(&got, &sent, len);
	assert_int_equal(check(&got, len, 1), 0);
	assert_true(got.body.plugin.size == 1ull << 40);
	assert_int_equal(got.body.plugin.sha256[31], 0xab);
	assert_string_equal(got.body.plugin.name, "hello");
}

static void
test_each_message(void **state)
{
	(void)state;
	for (unsigned type = 1; type < VERDICT__COUNT; type++) {
		const struct record *record = verdict_record(type);
		struct verdict_packet packet;
		size_t len = verdict_begin(&packet, (enum verdict_type)type);
		size_t fds = record->fds_min;

		assert_int_equal(check(&packet, len, fds), 0);
		assert_int_equal(check(&packet, len - 1, fds), ERR_FORMAT);
		assert_int_equal(check(&packet, len + 1, fds), ERR_FORMAT);
		assert_int_equal(check(&packet, 7, fds), ERR_FORMAT);
		assert_int_equal(check(&packet, len, record->fds_max + 1),
		    ERR_FORMAT);
		if (fds > 0)
			assert_int_equal(check(&packet, len, fds - 1),
			    ERR_FORMAT);
		packet.header.version++;
		assert_int_equal(check(&packet, len, fds), ERR_FORMAT);
		packet.header.version--;
		packet.header.length++;
		assert_int_equal(check(&packet, len, fds), ERR_FORMAT);
	}
}

static void
test_each_text_and_reserved_field(void **state)
{
	(void)state;
	for (unsigned type = 1; type < VERDICT__COUNT; type++) {
		const struct record *record = verdict_record(type);
		size_t place = 0;

		for (unsigned i = 0; i < record->count; i++) {
			const struct field *field = &record->fields[i];
			struct verdict_packet packet;
			size_t len = verdict_begin(&packet,
			    (enum verdict_type)type);
			uint8_t *at = (uint8_t *)&packet.body + place;

			memset(at, 'x', field->size);
			assert_int_equal(check(&packet, len, record->fds_min),
			    field->kind == FIELD_TEXT ||
			    field->kind == FIELD_ZERO ? ERR_FORMAT : 0);
			place += field->size;
		}
		assert_int_equal(place, record->size);	/* no padding */
	}
}

static void
test_unknown_type(void **state)
{
	struct verdict_packet packet;
	size_t len = verdict_begin(&packet, VERDICT_OPENING);

	(void)state;
	packet.header.type = VERDICT_NONE;
	assert_int_equal(check(&packet, len, 0), ERR_FORMAT);
	packet.header.type = VERDICT__COUNT;
	assert_int_equal(check(&packet, len, 0), ERR_FORMAT);
	assert_null(verdict_record(UINT32_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(test_each_message),
		cmocka_unit_test(test_each_text_and_reserved_field),
		cmocka_unit_test(test_unknown_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
