/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * packet.h: one message as a packet of a child's channel, as clusterd-channel(7)
 * says.  Whoever sends it is believed in nothing.  Pure.
 */
#ifndef DAEMON_CHILD_PACKET_H
#define DAEMON_CHILD_PACKET_H

#include <stdint.h>

#include <clusterd/peer.h>

enum {
	PACKET_HEAD = 8,		/* bytes before the topic */
	/* Of a task alone: the data begins with the word for whom it is, and a
	 * NUL; the worker passes it on. */
	PACKET_PASS_ON = 512,
};

struct packet {
	char topic[CLUSTER_TOPIC_MAX + 1];
	uint32_t flags;			/* CLUSTER_SEND_JSON, CLUSTER_PEER_LARGE,
					 * PACKET_PASS_ON, with it
					 * CLUSTER_SEND_NOT_SELF */
	const uint8_t *data;		/* borrowed; none where it is LARGE */
	size_t len;
};

/* Does that much data need to travel beside the packet? */
static inline bool
packet_is_large(size_t topic_len, size_t len)
{
	return PACKET_HEAD + topic_len + len > CLUSTER_PEER_PACKET_MAX;
}

/* Write head and topic (which is good); the number of bytes. */
size_t packet_begin(uint8_t *to, const char *topic, uint32_t flags);

/* 0 or ERR_FORMAT.  fd_count: of the descriptors that came with it. */
int packet_read(const uint8_t *at, size_t len, size_t fd_count,
    struct packet *out);

#endif
