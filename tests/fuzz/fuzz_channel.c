/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_channel.c: any packet on a control channel, from either side. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/proto/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct channel_packet packet;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum channel_sender sender;
	struct errmsg err = { 0 };
	size_t len = size < 2 ? 0 : size - 2, tail;

	if (size < 2 || len > sizeof(packet))
		return 0;
	sender = (enum channel_sender)(data[0] & 1);
	memset(&packet, 0xaa, sizeof(packet));
	memcpy(&packet, data + 2, len);
	if (channel_check(&packet, len, data[1] & 31, sender, &err) != 0) {
		CHECK(err.text[0] != '\0');
		return 0;
	}
	/* what passes lies inside what came */
	CHECK(channel_record(packet.header.type)->sender == sender);
	CHECK(channel_tail(&packet, &tail) + tail <=
	    (uint8_t *)&packet + len);
	return 0;
}
