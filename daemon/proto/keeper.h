/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * keeper.h: the wall between keeper and master, version 1.
 * A SOCK_SEQPACKET pair, one message a packet: struct keeper_header, then the
 * body of keeper.def.  At most 512 bytes and 16 descriptors.  The keeper never
 * waits; a malformed message of the master is the master's end.
 */
#ifndef CLUSTERD_PROTO_KEEPER_H
#define CLUSTERD_PROTO_KEEPER_H

#include "daemon/proto/record.h"

enum {
	KEEPER_PROTOCOL = 1,
	KEEPER_MESSAGE_MAX = 512,
	KEEPER_ACCOUNTS_MAX = 64,
	KEEPER_PROCESSES_MAX = 2304,
	KEEPER_LISTENERS_MAX = 1024,	/* sockets */
	KEEPER_SPAWN_LISTENERS = 256,	/* that one worker gets */
	KEEPER_KEPT_MAX = 1280,
	KEEPER_OPEN_MAX = 64,		/* requests without an answer */
};

/* Descriptors of a role after exec; what is not listed is closed. */
enum worker_fd {
	WORKER_FD_CHANNEL = 3, WORKER_FD_CONNECTIONS, WORKER_FD_LIFELINE,
	WORKER_FD_PAGE, WORKER_FD_MASTER_PAGE, WORKER_FD_SNAPSHOT,
	WORKER_FD_LOG, WORKER_FD_LOCK,
	WORKER_FD_OUTPUT,		/* the pipe that 1 and 2 are at first */
	WORKER_FD_LISTENERS,		/* … and all from here on */
};
/* A worker learns its listeners' ids, in the order of its descriptors, from
 * this variable of its environment: "3,5"; its id and name are in its page. */
#define WORKER_ENV_LISTENERS "CLUSTERD_LISTENERS"
/* And from this one the pid of the master that it is started for. */
#define WORKER_ENV_MASTER "CLUSTERD_MASTER_PID"

enum master_fd { MASTER_FD_KEEPER = 3, MASTER_FD_LIFELINE };

/* KEEPER: stream socket to the keeper for header and "go on", only with
 * --first; the verdict socket is absent with --print. */
enum checker_fd {
	CHECKER_FD_VERDICT = 3, CHECKER_FD_KEEPER, CHECKER_FD_LIFELINE,
};

enum keeper_sender { KEEPER_FROM_MASTER, KEEPER_FROM_KEEPER };
enum keeper_role { ROLE_MASTER, ROLE_WORKER, ROLE_CHECKER,
	ROLE__LAST = ROLE_CHECKER };
enum keeper_kept { KEPT_SNAPSHOT = 1, KEPT_IMAGE, KEPT_LOG,
	KEPT__LAST = KEPT_LOG };
enum keeper_phase { PHASE_STARTING, PHASE_RUNNING, PHASE_RELOADING,
	PHASE_STOPPING, PHASE__LAST = PHASE_STOPPING };
enum keeper_order { ORDER_STOP = 1, ORDER_STOP_NOW, ORDER_QUIT, ORDER_RELOAD,
	ORDER_REOPEN, ORDER_UPGRADE, ORDER_MORE, ORDER_FEWER,
	ORDER__LAST = ORDER_FEWER };

enum keeper_bind_type { BIND_STREAM = 1, BIND_DGRAM = 2 };
enum keeper_bind_flag {
	BIND_REUSEPORT = 1, BIND_V6ONLY = 2, BIND_CONTROL = 4,
	BIND_INHERITED = 8, BIND__ALL = 15,
};
/*
 * The id of a listener is an address, from 1 on, and which of its sockets it is:
 * 0, but for BIND_REUSEPORT, where an address has one for each slot.
 */
#define KEEPER_LISTENER(address, socket) \
	((uint32_t)(socket) << 16 | (uint32_t)(address))
#define KEEPER_LISTENER_ADDRESS(id) ((uint32_t)(id) & 0xffff)
#define KEEPER_LISTENER_SOCKET(id) ((uint32_t)(id) >> 16)
enum keeper_welcome_flag {
	WELCOME_FIRST = 1,	/* first start: the checker is in the inventory */
	WELCOME_REBUILD = 2,	/* do not trust the memo */
	WELCOME_SAFE_MODE = 4,	/* and keep the store closed */
	WELCOME_STOPPING = 8,	/* an order to stop is open */
	WELCOME__ALL = 15,
};

/* Id of the checker that the keeper itself starts; masters begin higher. */
enum { KEEPER_FIRST_CHECKER = 1 };

struct keeper_header {
	uint16_t type;		/* enum keeper_type */
	uint16_t size;		/* of the body */
	uint32_t ref;		/* of the request; 0: an event */
	uint32_t code;		/* ERROR, SPAWN_FAILED: errno; else 0 */
	uint32_t fds;		/* descriptors that come with it */
};

enum keeper_type {
	KEEPER_NONE,
#define KEEPER_MESSAGE(id, name, sender, fds_min, fds_max, ...) KEEPER_##id,
#include "daemon/proto/keeper.def"
	KEEPER__COUNT
};

#define F_U8 RECORD_U8
#define F_U16 RECORD_U16
#define F_U32 RECORD_U32
#define F_U64 RECORD_U64
#define F_I64 RECORD_I64
#define F_U8_MAX RECORD_U8_MAX
#define F_U32_MAX RECORD_U32_MAX
#define F_TEXT RECORD_TEXT
#define F_BYTES RECORD_BYTES
#define F_U32S RECORD_U32S
#define F_U64S RECORD_U64S
#define F_ZERO RECORD_ZERO
#define KEEPER_MESSAGE(id, name, sender, fds_min, fds_max, ...)		\
	struct keeper_msg_##name { __VA_ARGS__ };
#include "daemon/proto/keeper.def"
#undef F_U8
#undef F_U16
#undef F_U32
#undef F_U64
#undef F_I64
#undef F_U8_MAX
#undef F_U32_MAX
#undef F_TEXT
#undef F_BYTES
#undef F_U32S
#undef F_U64S
#undef F_ZERO

/* Room for any body, aligned for all of them. */
union keeper_body {
#define KEEPER_MESSAGE(id, name, sender, fds_min, fds_max, ...)		\
	struct keeper_msg_##name name;
#include "daemon/proto/keeper.def"
	uint64_t aligned[62];
};

struct keeper_packet {
	struct keeper_header header;
	union keeper_body body;
};

/* Number under which a pool's snapshot of a generation is kept; pool 0 is
 * the master's whole one, pool n + 1 the pool with index n. */
#define KEEPER_SNAPSHOT_NUMBER(generation, pool) \
	((uint64_t)(generation) << 8 | (uint64_t)(pool))

/* Row of a type, NULL if there is none. */
const struct record *keeper_record(unsigned type);

/*
 * Fill in the header of packet->body for a type; the body is the caller's to
 * fill (packet is zeroed first by keeper_begin).  Returns the bytes to send.
 */
void keeper_begin(struct keeper_packet *packet, enum keeper_type type,
    uint32_t ref);
size_t keeper_end(struct keeper_packet *packet, uint32_t code, size_t fds);

/*
 * Check a received packet of len bytes with fds descriptors, from `sender`.
 * 0, or ERR_FORMAT with words: nothing of it may be used.
 */
int keeper_check(const struct keeper_packet *packet, size_t len, size_t fds,
    enum keeper_sender sender, struct errmsg *err);

#endif
