/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* messages.c: codec of the control channel; see messages.h. */
#include "daemon/proto/messages.h"

#include <inttypes.h>
#include <stdio.h>
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
#define F_ZERO ROW_ZERO
#define CHANNEL_MESSAGE(id, name, sender, tail, fds_min, fds_max, ...)	\
	static const struct field fields_##name[] = { __VA_ARGS__ };
#include "daemon/proto/messages.def"

#define CHANNEL_MESSAGE(id, name_, sender_, tail, min, max, ...)	\
	[CHANNEL_##id] = { .name = #id, .fields = fields_##name_,	\
	    .count = COUNT(fields_##name_),				\
	    .size = sizeof(struct channel_msg_##name_),			\
	    .tail_max = tail, .sender = CHANNEL_FROM_##sender_,		\
	    .fds_min = min, .fds_max = max },
static const struct record records[CHANNEL__COUNT] = {
#include "daemon/proto/messages.def"
};

_Static_assert(sizeof(struct channel_header) == 16, "header of 16 bytes");
_Static_assert(sizeof(union channel_body) == CHANNEL_BODY_MAX,
    "every message fits the greatest body");

const struct record *
channel_record(unsigned type)
{
	if (type == CHANNEL_NONE || type >= CHANNEL__COUNT)
		return NULL;
	return &records[type];
}

void
channel_begin(struct channel_packet *packet, enum channel_type type,
    uint64_t ref)
{
	memset(packet, 0, sizeof(packet->header) + records[type].size);
	packet->header.type = (uint16_t)type;
	packet->header.length = records[type].size;
	packet->header.ref = ref;
}

size_t
channel_end(struct channel_packet *packet, size_t tail)
{
	const struct record *record = &records[packet->header.type];

	CHECK(tail <= record->tail_max);
	packet->header.length = (uint32_t)(record->size + tail);
	return sizeof(packet->header) + packet->header.length;
}

bool
channel_is_mail(const struct channel_packet *packet)
{
	unsigned type = packet->header.type;

	return type == CHANNEL_MESSAGE || type == CHANNEL_ANSWER ||
	    type == CHANNEL_DELIVER || type == CHANNEL_REPLY;
}

uint32_t
channel_letters(const struct channel_packet *packet)
{
	switch (packet->header.type) {
	case CHANNEL_MESSAGE:
		return packet->body.message.letters;
	case CHANNEL_ANSWER:
		return packet->body.answer.letters;
	case CHANNEL_DELIVER:
		return packet->body.deliver.letters;
	case CHANNEL_REPLY:
		return packet->body.reply.letters;
	}
	return 1;
}

char *
channel_command_id(uint64_t worker_id, uint64_t ref,
    char out[CHANNEL_COMMAND_ID])
{
	snprintf(out, CHANNEL_COMMAND_ID, "p%" PRIx64 ".%" PRIx64, worker_id,
	    ref & 0xffffffffffffff);
	return out;
}

uint8_t *
channel_tail(struct channel_packet *packet, size_t *len)
{
	size_t size = records[packet->header.type].size;

	if (len != NULL)
		*len = packet->header.length - size;
	return packet->body.bytes + size;
}

int
channel_check(const struct channel_packet *packet, size_t len, size_t fds,
    enum channel_sender sender, struct errmsg *err)
{
	const struct record *record;

	if (len < sizeof(packet->header))
		return errmsg_set(err, ERR_FORMAT, "%zu bytes, no header", len);
	record = channel_record(packet->header.type);
	if (record == NULL)
		return errmsg_set(err, ERR_VERSION, "unknown type %u",
		    packet->header.type);
	if (record->sender != sender)
		return errmsg_set(err, ERR_FORMAT, "%s is not for it to send",
		    record->name);
	if (packet->header.length != len - sizeof(packet->header) ||
	    packet->header.flags != 0)
		return errmsg_set(err, ERR_FORMAT, "%s: header and packet "
		    "disagree", record->name);
	return record_check(record, &packet->body, packet->header.length, fds,
	    err);
}
