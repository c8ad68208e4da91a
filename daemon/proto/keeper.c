/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* keeper.c: codec of the wall between keeper and master; see keeper.h. */
#include "daemon/proto/keeper.h"

#include <string.h>

#include "common/base/check.h"

#define F_U8 ROW_U8
#define F_U16 ROW_U16
#define F_U32 ROW_U32
#define F_U64 ROW_U64
#define F_I64 ROW_I64
#define F_U8_MAX ROW_U8_MAX
#define F_U32_MAX ROW_U32_MAX
#define F_TEXT ROW_TEXT
#define F_BYTES ROW_BYTES
#define F_U32S ROW_U32S
#define F_U64S ROW_U64S
#define F_ZERO ROW_ZERO
#define KEEPER_MESSAGE(id, name, sender, fds_min, fds_max, ...)		\
	static const struct field fields_##name[] = { __VA_ARGS__ };
#include "daemon/proto/keeper.def"

#define KEEPER_MESSAGE(id, name_, sender_, min, max, ...)		\
	[KEEPER_##id] = { .name = #id, .fields = fields_##name_,	\
	    .count = COUNT(fields_##name_),				\
	    .size = sizeof(struct keeper_msg_##name_),			\
	    .sender = KEEPER_FROM_##sender_,				\
	    .fds_min = min, .fds_max = max },
static const struct record records[KEEPER__COUNT] = {
#include "daemon/proto/keeper.def"
};

_Static_assert(sizeof(struct keeper_header) == 16, "header of 16 bytes");
_Static_assert(sizeof(struct keeper_packet) <= KEEPER_MESSAGE_MAX,
    "a message fits 512 bytes");

const struct record *
keeper_record(unsigned type)
{
	if (type == KEEPER_NONE || type >= KEEPER__COUNT)
		return NULL;
	return &records[type];
}

void
keeper_begin(struct keeper_packet *packet, enum keeper_type type, uint32_t ref)
{
	memset(packet, 0, sizeof(*packet));
	packet->header.type = (uint16_t)type;
	packet->header.size = records[type].size;
	packet->header.ref = ref;
}

size_t
keeper_end(struct keeper_packet *packet, uint32_t code, size_t fds)
{
	packet->header.code = code;
	packet->header.fds = (uint32_t)fds;
	return sizeof(packet->header) + packet->header.size;
}

int
keeper_check(const struct keeper_packet *packet, size_t len, size_t fds,
    enum keeper_sender sender, struct errmsg *err)
{
	const struct record *record;

	if (len < sizeof(packet->header))
		return errmsg_set(err, ERR_FORMAT, "%zu bytes, no header", len);
	record = keeper_record(packet->header.type);
	if (record == NULL || record->sender != sender)
		return errmsg_set(err, ERR_FORMAT, "type %u is not for it",
		    packet->header.type);
	if (packet->header.size != len - sizeof(packet->header) ||
	    packet->header.fds != fds)
		return errmsg_set(err, ERR_FORMAT, "%s: header and packet "
		    "disagree", record->name);
	return record_check(record, &packet->body, packet->header.size, fds,
	    err);
}
