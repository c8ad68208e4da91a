/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * messages.h: the control channel between master and worker, version 1.
 * A SOCK_SEQPACKET pair, one message a packet: struct channel_header, the
 * fixed fields of messages.def, then the tail.  Body at most 64 KiB.
 * What a worker sends that is malformed or not for it to send is a VIOLATION;
 * an unknown type from the master is ignored by a worker and counted.
 */
#ifndef CLUSTERD_PROTO_MESSAGES_H
#define CLUSTERD_PROTO_MESSAGES_H

#include <stdbool.h>

#include "daemon/proto/record.h"

enum { CHANNEL_PROTOCOL = 1, CHANNEL_BODY_MAX = 65536,
	GATES_MAX = 8,		/* routes of a pool that can be shut at once */
	DRAIN_GRACE_MS = 2000 };	/* behind the end of a drain, to be scaled:
				 * who has not left then is killed */

enum channel_sender { CHANNEL_FROM_WORKER, CHANNEL_FROM_MASTER };
/* Permanent failures before READY (POLICIES of restart): the worker's FATAL. */
enum fatal_class { FATAL_NONE, FATAL_ABI, FATAL_SYMBOL, FATAL_ELF, FATAL_PERM,
	FATAL_CONFIG, FATAL_BIND, FATAL__LAST = FATAL_BIND };
enum leaving_why { LEAVING_PERSON = 1, LEAVING_LOST_FD,
	LEAVING__LAST = LEAVING_LOST_FD };
enum listener_op { LISTENER_ADD = 1, LISTENER_DROP, LISTENER_ARM,
	LISTENER_DISARM, LISTENER__LAST = LISTENER_DISARM };
/* What of a worker goes to a file that the master has opened. */
enum reopen_which { REOPEN_ACCESS, REOPEN_STDOUT, REOPEN_STDERR,
	REOPEN__LAST = REOPEN_STDERR };
enum { LISTENER_ALL = 0 };	/* with DISARM, in place of an id */
enum gate_op { GATE_OP_SHUT = 1, GATE_OP_LEAVE, GATE_OP_OPEN,
	GATE__LAST = GATE_OP_OPEN };
enum result_kind { RESULT_ROW, RESULT_PROGRESS, RESULT_DONE,
	RESULT__LAST = RESULT_DONE };
enum { FOLLOW_PATTERN = 256, COMMAND_ARGS_MAX = 15360,
	/* of a worker */
	COMMANDS_AT_ONCE = 8, OBSERVERS_AT_ONCE = 16 };
enum probe_word { PROBE_ASK = 1, PROBE_LIVED, PROBE_UNUSED,
	PROBE__LAST = PROBE_UNUSED };

/* mail_report.kind: so many receivers have it; do not have it, and why; are
 * meant at all, where the sender cannot know. */
enum mail_report_kind { MAIL_TAKEN = 1, MAIL_FAILED, MAIL_MEANT };

/* In REPORT. */
struct mail_report {
	uint64_t ref;
	uint32_t kind;
	uint32_t error;		/* MAIL_FAILED: an errno */
	uint32_t receivers;
	uint32_t zero;
};

struct channel_header {
	uint16_t type;		/* enum channel_type */
	uint16_t flags;		/* zero */
	uint32_t length;	/* of the body: fields and tail */
	uint64_t ref;
};

enum channel_type {
	CHANNEL_NONE,
#define CHANNEL_MESSAGE(id, name, sender, tail, fds_min, fds_max, ...)	\
	CHANNEL_##id,
#include "daemon/proto/messages.def"
	CHANNEL__COUNT
};

#define F_U8 RECORD_U8
#define F_U16 RECORD_U16
#define F_U32 RECORD_U32
#define F_U64 RECORD_U64
#define F_I64 RECORD_I64
#define F_U8_MAX RECORD_U8_MAX
#define F_U32_MAX RECORD_U32_MAX
#define F_TEXT RECORD_TEXT
#define F_ZERO RECORD_ZERO
#define CHANNEL_MESSAGE(id, name, sender, tail, fds_min, fds_max, ...)	\
	struct channel_msg_##name { __VA_ARGS__ };
#include "daemon/proto/messages.def"
#undef F_U8
#undef F_U16
#undef F_U32
#undef F_U64
#undef F_I64
#undef F_U8_MAX
#undef F_U32_MAX
#undef F_TEXT
#undef F_ZERO

union channel_body {
#define CHANNEL_MESSAGE(id, name, sender, tail, fds_min, fds_max, ...)	\
	struct channel_msg_##name name;
#include "daemon/proto/messages.def"
	uint8_t bytes[CHANNEL_BODY_MAX];
};

struct channel_packet {
	struct channel_header header;
	union channel_body body;
};

/* Row of a type, NULL if there is none. */
const struct record *channel_record(unsigned type);

/*
 * Begin a message: header and fixed fields zeroed (the tail is not).  end()
 * gives the bytes to send; tail: how many were put behind the fields.
 */
void channel_begin(struct channel_packet *packet, enum channel_type type,
    uint64_t ref);
size_t channel_end(struct channel_packet *packet, size_t tail);

/* Does it carry letters (letter.h), and how many; 1 for all others. */
bool channel_is_mail(const struct channel_packet *packet);
uint32_t channel_letters(const struct channel_packet *packet);

/* The id under which a change is on record that a plugin asked for: never used by
 * another, so that its worker can ask any master for the end.  Returns out. */
enum { CHANNEL_COMMAND_ID = 33 };
char *channel_command_id(uint64_t worker_id, uint64_t ref,
    char out[CHANNEL_COMMAND_ID]);

/* Where the tail of a message starts, and its length in a checked packet. */
uint8_t *channel_tail(struct channel_packet *packet, size_t *len);

/*
 * Check a received packet of len bytes with fds descriptors from `sender`.
 * 0; ERR_FORMAT with words; ERR_VERSION for a type that is not known here (a
 * worker ignores it).
 */
int channel_check(const struct channel_packet *packet, size_t len, size_t fds,
    enum channel_sender sender, struct errmsg *err);

#endif
