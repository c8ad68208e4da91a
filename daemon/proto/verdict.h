/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * verdict.h: the wall between checker and master, version 1.
 * A SOCK_SEQPACKET pair, from the checker only, one message a packet: struct
 * verdict_header, then the body of verdict.def.  Without DONE and exit status
 * 0 there is no verdict.  The checker runs foreign constructors, so the master
 * believes nothing that it has not checked: sizes, digests, seals, names.
 */
#ifndef CLUSTERD_PROTO_VERDICT_H
#define CLUSTERD_PROTO_VERDICT_H

#include "daemon/proto/record.h"

enum { VERDICT_VERSION = 1 };

struct verdict_header {
	uint16_t version;
	uint16_t type;		/* enum verdict_type */
	uint32_t length;	/* of the body */
};

enum verdict_type {
	VERDICT_NONE,
#define VERDICT_MESSAGE(id, name, fds_min, fds_max, ...) VERDICT_##id,
#include "daemon/proto/verdict.def"
	VERDICT__COUNT
};

#define F_U32 RECORD_U32
#define F_U64 RECORD_U64
#define F_TEXT RECORD_TEXT
#define F_BYTES RECORD_BYTES
#define F_ZERO RECORD_ZERO
#define VERDICT_MESSAGE(id, name, fds_min, fds_max, ...)		\
	struct verdict_msg_##name { __VA_ARGS__ };
#include "daemon/proto/verdict.def"
#undef F_U32
#undef F_U64
#undef F_TEXT
#undef F_BYTES
#undef F_ZERO

union verdict_body {
#define VERDICT_MESSAGE(id, name, fds_min, fds_max, ...)		\
	struct verdict_msg_##name name;
#include "daemon/proto/verdict.def"
};

struct verdict_packet {
	struct verdict_header header;
	union verdict_body body;
};

/* Row of a type, NULL if there is none. */
const struct record *verdict_record(unsigned type);

/* Zero the packet and fill in its header; returns the bytes to send. */
size_t verdict_begin(struct verdict_packet *packet, enum verdict_type type);

/* Check a received packet of len bytes with fds descriptors.  0, or ERR_FORMAT
 * with words: nothing of it may be used. */
int verdict_check(const struct verdict_packet *packet, size_t len, size_t fds,
    struct errmsg *err);

#endif
