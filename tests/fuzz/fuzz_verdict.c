/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_verdict.c: any bytes as a message of the checker, which has run foreign
 * constructors, to the master.  What passes is what its row says, and is the
 * same when it is made again from its fields.  The first byte: descriptors.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proto/verdict.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(int truth)
{
	if (!truth)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct record *record;
	struct verdict_packet packet, again;
	struct errmsg err = { 0 };
	const uint8_t *at = (const uint8_t *)&packet.body;
	size_t len, fds;

	if (size < 1 || size - 1 > sizeof(packet))
		return 0;
	fds = data[0] & 3;
	len = size - 1;
	memset(&packet, 0, sizeof(packet));
	memcpy(&packet, data + 1, len);
	if (verdict_check(&packet, len, fds, &err) != 0) {
		expect(err.code == ERR_FORMAT && err.text[0] != '\0');
		return 0;
	}
	record = verdict_record(packet.header.type);
	expect(fds >= record->fds_min && fds <= record->fds_max);
	for (unsigned i = 0; i < record->count; i++) {
		if (record->fields[i].kind == FIELD_TEXT)
			expect(memchr(at, '\0', record->fields[i].size) != NULL);
		at += record->fields[i].size;
	}
	expect(verdict_begin(&again, (enum verdict_type)packet.header.type) ==
	    len);
	memcpy(&again.body, &packet.body, packet.header.length);
	expect(memcmp(&again, &packet, len) == 0);
	return 0;
}
