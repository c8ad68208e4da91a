/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_keeper_frames.c: any bytes as a message between keeper and master.
 * What passes must be what its row says, and must pass again when it is sent
 * on.  The first byte of an input chooses sender and descriptors.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proto/keeper.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int truth)
{
	if (!truth)
		abort();
}

static void
look_at_fields(const struct record *record, const uint8_t *at)
{
	for (unsigned i = 0; i < record->count; i++) {
		const struct field *field = &record->fields[i];
		uint64_t value = 0;

		if (field->kind == FIELD_UINT) {
			memcpy(&value, at, field->size);
			expect(value <= field->max);
		}
		if (field->kind == FIELD_TEXT)
			expect(memchr(at, '\0', field->size) != NULL);
		if (field->kind == FIELD_ZERO)
			expect(at[0] == 0 && at[field->size - 1] == 0);
		at += field->size;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct keeper_packet packet, again;
	enum keeper_sender sender;
	struct errmsg err;
	size_t len, fds;

	if (size < 1 || size - 1 > sizeof(packet))
		return 0;
	sender = data[0] & 1 ? KEEPER_FROM_KEEPER : KEEPER_FROM_MASTER;
	fds = data[0] >> 1 & 31;
	len = size - 1;
	memset(&packet, 0, sizeof(packet));
	memcpy(&packet, data + 1, len);
	if (keeper_check(&packet, len, fds, sender, &err) != 0) {
		expect(err.code == ERR_FORMAT && err.text[0] != '\0');
		return 0;
	}
	look_at_fields(keeper_record(packet.header.type),
	    (const uint8_t *)&packet.body);
	keeper_begin(&again, (enum keeper_type)packet.header.type,
	    packet.header.ref);
	memcpy(&again.body, &packet.body, packet.header.size);
	expect(keeper_end(&again, packet.header.code, fds) == len);
	expect(memcmp(&again, &packet, len) == 0);
	expect(keeper_check(&again, len, fds, sender, &err) == 0);
	return 0;
}
