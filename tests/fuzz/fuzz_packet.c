/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* fuzz_packet.c: a child sends any packet; the first byte is how many
 * descriptors came with it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/child/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t again[PACKET_HEAD + CLUSTER_TOPIC_MAX], *copy;
	struct packet packet;
	size_t len;

	if (size < 1 || size - 1 > CLUSTER_PEER_PACKET_MAX)
		return 0;
	/* of exactly that size, so that a sanitizer sees what lies beyond */
	copy = malloc(size);
	CHECK(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (packet_read(copy, size - 1, data[0], &packet) == 0) {
		len = packet_begin(again, packet.topic, packet.flags);
		CHECK(memcmp(again, copy, len) == 0);
		CHECK(packet.data == copy + len && len + packet.len == size - 1);
		CHECK((packet.flags & CLUSTER_PEER_LARGE) == 0 ||
		    (data[0] > 0 && packet.len == 0));
	}
	free(copy);
	return 0;
}
