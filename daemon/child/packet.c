/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* packet.c: packets of a child's channel; see packet.h. */
#include "daemon/child/packet.h"

#include <string.h>

#include "common/base/errmsg.h"

static const char reserved[] = "clusterd.";

static void
put_number(uint8_t *to, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(number >> 8 * i);
}

static uint32_t
get_number(const uint8_t *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	    (uint32_t)at[3] << 24;
}

size_t
packet_begin(uint8_t *to, const char *topic, uint32_t flags)
{
	size_t len = strlen(topic);

	put_number(to, (uint32_t)len);
	put_number(to + 4, flags);
	memcpy(to + PACKET_HEAD, topic, len);
	return PACKET_HEAD + len;
}

static bool
is_topic(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (at[i] < ' ' || at[i] == 0x7f)
			return false;
	return len < strlen(reserved) ||
	    memcmp(at, reserved, strlen(reserved)) != 0;
}

static bool
are_flags(uint32_t flags)
{
	uint32_t known = CLUSTER_SEND_JSON | CLUSTER_PEER_LARGE |
	    PACKET_PASS_ON;

	if (flags & PACKET_PASS_ON)
		known |= CLUSTER_SEND_NOT_SELF;
	return (flags & ~known) == 0;
}

int
packet_read(const uint8_t *at, size_t len, size_t fd_count, struct packet *out)
{
	uint32_t topic_len, flags;

	if (len < PACKET_HEAD)
		return ERR_FORMAT;
	topic_len = get_number(at);
	flags = get_number(at + 4);
	at += PACKET_HEAD;
	len -= PACKET_HEAD;
	if (topic_len > CLUSTER_TOPIC_MAX || topic_len > len ||
	    !is_topic(at, topic_len) || !are_flags(flags))
		return ERR_FORMAT;
	if ((flags & CLUSTER_PEER_LARGE) && (fd_count == 0 || len > topic_len))
		return ERR_FORMAT;
	memcpy(out->topic, at, topic_len);
	out->topic[topic_len] = '\0';
	out->flags = flags;
	out->data = at + topic_len;
	out->len = len - topic_len;
	return 0;
}
