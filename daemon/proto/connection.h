/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * connection.h: what the connections socket carries, version 1.
 * SOCK_SEQPACKET, master to worker only: exactly this struct and exactly one
 * descriptor a message.  Where a dead worker did not take it, the master reads
 * it back from the worker's end.
 */
#ifndef CLUSTERD_PROTO_CONNECTION_H
#define CLUSTERD_PROTO_CONNECTION_H

#include <stdint.h>

enum { CONNECTION_VERSION = 1 };
enum connection_flag { CONNECTION_TAKEN_BACK = 1 };

struct connection_passed {
	uint16_t version;
	uint16_t listener;	/* id of the listener that accepted it */
	uint32_t flags;		/* enum connection_flag */
	uint64_t accepted_ns;	/* monotonic; header_timeout runs from here */
	uint16_t family;	/* AF_INET, AF_INET6, AF_UNIX */
	uint16_t port;		/* of the peer, host order */
	uint32_t scope_or_uid;	/* IPv6 scope; AF_UNIX: 0 */
	uint8_t address[16];
	uint64_t number;	/* of this message, used once: the upper 24
				 * bits are the number of the master */
	uint8_t reserved[16];	/* zero */
};
_Static_assert(sizeof(struct connection_passed) == 64, "64 bytes a message");

#endif
