/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_keeper_protocol.c: every message of the wall between keeper and master,
 * there and back, and with each of its fields broken in turn.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/proto/keeper.h"

static size_t
make(struct keeper_packet *packet, unsigned type, size_t fds)
{
	keeper_begin(packet, (enum keeper_type)type, 7);
	return keeper_end(packet, 0, fds);
}

static int
check(const struct keeper_packet *packet, size_t len, size_t fds)
{
	const struct record *record = keeper_record(packet->header.type);
	struct errmsg err = { 0 };

	return keeper_check(packet, len, fds, record != NULL ?
	    (enum keeper_sender)record->sender : KEEPER_FROM_MASTER, &err);
}

static void
test_each_message_passes(void **state)
{
	(void)state;
	for (unsigned type = 1; type < KEEPER__COUNT; type++) {
		const struct record *record = keeper_record(type);
		struct keeper_packet packet;
		size_t len;

		for (size_t fds = record->fds_min; fds <= record->fds_max;
		    fds++) {
			len = make(&packet, type, fds);
			assert_true(len <= KEEPER_MESSAGE_MAX);
			assert_int_equal(packet.header.type, type);
			assert_int_equal(packet.header.ref, 7);
			assert_int_equal(check(&packet, len, fds), 0);
		}
	}
}

static void
test_size_sender_and_descriptors(void **state)
{
	(void)state;
	for (unsigned type = 1; type < KEEPER__COUNT; type++) {
		const struct record *record = keeper_record(type);
		struct keeper_packet packet;
		size_t min = record->fds_min, max = record->fds_max;
		size_t len = make(&packet, type, min);
		enum keeper_sender other =
		    record->sender == KEEPER_FROM_MASTER ?
		    KEEPER_FROM_KEEPER : KEEPER_FROM_MASTER;

		assert_int_equal(check(&packet, len - 1, min), ERR_FORMAT);
		assert_int_equal(check(&packet, len + 1, min), ERR_FORMAT);
		assert_int_equal(check(&packet, 15, min), ERR_FORMAT);
		assert_int_equal(check(&packet, len, min + 1), ERR_FORMAT);
		assert_int_equal(keeper_check(&packet, len, min, other, NULL),
		    ERR_FORMAT);
		len = make(&packet, type, max + 1);
		assert_int_equal(check(&packet, len, max + 1), ERR_FORMAT);
		if (min == 0)
			continue;
		len = make(&packet, type, min - 1);
		assert_int_equal(check(&packet, len, min - 1), ERR_FORMAT);
	}
}

/* A body whose field at that place is broken, or what is greatest there. */
static void
try_uint(struct keeper_packet *packet, size_t len, uint8_t *at,
    const struct field *field, size_t fds)
{
	uint64_t value = field->max;

	memcpy(at, &value, field->size);
	assert_int_equal(check(packet, len, fds), 0);
	if (value >= UINT64_MAX >> (64 - 8 * field->size))
		return;
	value++;
	memcpy(at, &value, field->size);
	assert_int_equal(check(packet, len, fds), ERR_FORMAT);
}

static void
try_text(struct keeper_packet *packet, size_t len, uint8_t *at,
    const struct field *field, size_t fds)
{
	memset(at, 'x', field->size);
	assert_int_equal(check(packet, len, fds), ERR_FORMAT);
	at[field->size - 1] = '\0';
	assert_int_equal(check(packet, len, fds), 0);
	at[0] = '\0';
	assert_int_equal(check(packet, len, fds), ERR_FORMAT);
}

static void
test_each_field(void **state)
{
	(void)state;
	for (unsigned type = 1; type < KEEPER__COUNT; type++) {
		const struct record *record = keeper_record(type);
		size_t place = 0, fds = record->fds_min;

		for (unsigned i = 0; i < record->count; i++) {
			const struct field *field = &record->fields[i];
			struct keeper_packet packet;
			size_t len = make(&packet, type, fds);
			uint8_t *at = (uint8_t *)&packet.body + place;

			place += field->size;
			if (field->kind == FIELD_UINT)
				try_uint(&packet, len, at, field, fds);
			if (field->kind == FIELD_TEXT)
				try_text(&packet, len, at, field, fds);
			if (field->kind == FIELD_BYTES)
				memset(at, 0xff, field->size);
			if (field->kind == FIELD_BYTES)
				assert_int_equal(check(&packet, len, fds), 0);
			if (field->kind == FIELD_ZERO) {
				at[field->size - 1] = 1;
				assert_int_equal(check(&packet, len, fds),
				    ERR_FORMAT);
			}
		}
		assert_int_equal(place, record->size);	/* no padding */
	}
}

static void
test_unknown_type(void **state)
{
	struct keeper_packet packet;
	size_t len;

	(void)state;
	len = make(&packet, KEEPER_OK, 0);
	packet.header.type = KEEPER_NONE;
	assert_int_equal(check(&packet, len, 0), ERR_FORMAT);
	packet.header.type = KEEPER__COUNT;
	assert_int_equal(check(&packet, len, 0), ERR_FORMAT);
	assert_null(keeper_record(KEEPER_NONE));
	assert_null(keeper_record(UINT32_MAX));
}

static void
test_text_is_cut_and_filled(void **state)
{
	char field[8];

	(void)state;
	memset(field, 'x', sizeof(field));
	record_put_text(field, sizeof(field), "ab");
	assert_memory_equal(field, "ab\0\0\0\0\0\0", 8);
	record_put_text(field, sizeof(field), "abcdefghi");
	assert_memory_equal(field, "abcdefg\0", 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_message_passes),
		cmocka_unit_test(test_size_sender_and_descriptors),
		cmocka_unit_test(test_each_field),
		cmocka_unit_test(test_unknown_type),
		cmocka_unit_test(test_text_is_cut_and_filled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
