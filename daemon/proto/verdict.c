/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* verdict.c: codec of the wall between checker and master; see verdict.h. */
#include "daemon/proto/verdict.h"

#include <string.h>

#include "common/base/check.h"

#define F_U32 ROW_U32
#define F_U64 ROW_U64
#define F_TEXT ROW_TEXT
#define F_BYTES ROW_BYTES
#define F_ZERO ROW_ZERO
#define VERDICT_MESSAGE(id, name, fds_min, fds_max, ...)		\
	static const struct field fields_##name[] = { __VA_ARGS__ };
#include "daemon/proto/verdict.def"

#define VERDICT_MESSAGE(id, name_, min, max, ...)			\
	[VERDICT_##id] = { .name = #id, .fields = fields_##name_,	\
	    .count = COUNT(fields_##name_),				\
	    .size = sizeof(struct verdict_msg_##name_),			\
	    .fds_min = min, .fds_max = max },
static const struct record records[VERDICT__COUNT] = {
#include "daemon/proto/verdict.def"
};

const struct record *
verdict_record(unsigned type)
{
	if (type == VERDICT_NONE || type >= VERDICT__COUNT)
		return NULL;
	return &records[type];
}

size_t
verdict_begin(struct verdict_packet *packet, enum verdict_type type)
{
	memset(packet, 0, sizeof(*packet));
	packet->header.version = VERDICT_VERSION;
	packet->header.type = (uint16_t)type;
	packet->header.length = records[type].size;
	return sizeof(packet->header) + records[type].size;
}

int
verdict_check(const struct verdict_packet *packet, size_t len, size_t fds,
    struct errmsg *err)
{
	const struct record *record;

	if (len < sizeof(packet->header))
		return errmsg_set(err, ERR_FORMAT, "%zu bytes, no header", len);
	if (packet->header.version != VERDICT_VERSION)
		return errmsg_set(err, ERR_FORMAT, "version %u of the verdict",
		    packet->header.version);
	record = verdict_record(packet->header.type);
	if (record == NULL)
		return errmsg_set(err, ERR_FORMAT, "unknown type %u",
		    packet->header.type);
	if (packet->header.length != len - sizeof(packet->header))
		return errmsg_set(err, ERR_FORMAT, "%s: header and packet "
		    "disagree", record->name);
	return record_check(record, &packet->body, packet->header.length, fds,
	    err);
}
