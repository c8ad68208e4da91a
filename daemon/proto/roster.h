/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * roster.h: what the master tells all workers about workers and pools; version 1.
 *
 * It lies behind the master's page, in the same memfd, which every worker maps
 * read-only and every master maps again.  Two copies: the master fills the one
 * that nobody was pointed to last, then says that it is there.  A master that
 * ends in between leaves the other one whole.  scoreboard/ has the only code
 * that reads and writes it.
 */
#ifndef DAEMON_PROTO_ROSTER_H
#define DAEMON_PROTO_ROSTER_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/proto/memo.h"
#include "daemon/proto/page.h"

enum {
	ROSTER_VERSION = 1,
	ROSTER_WORKERS = 2 * MEMO_SLOTS,	/* current and other of each */
	ROSTER_LISTENS = 64,
	ROSTER_ADDRESS = 160,
};

/* A process, or a slot without one. */
struct roster_worker {
	uint64_t id;			/* 0: none yet */
	uint64_t generation;
	uint64_t forked_ns;		/* monotonic; 0: no process */
	uint64_t restarts;		/* of the slot */
	uint64_t requests;
	uint32_t connections;
	int32_t pid;			/* 0: no process */
	uint16_t pool;			/* index in this copy */
	uint16_t slot;			/* number in the pool */
	uint8_t state;			/* enum worker_state */
	uint8_t connected;		/* its control channel is open */
	uint8_t reserved[2];
};

struct roster_pool {
	char name[MEMO_NAME];
	uint64_t generation, restarts, requests;
	uint32_t desired, ready;
	uint32_t connections;		/* open now */
	uint32_t listens;
	uint8_t protocol, schedule;	/* numbers of words.def */
	uint8_t reserved[6];
	char listen[ROSTER_LISTENS][ROSTER_ADDRESS];	/* as bound */
};

struct roster_copy {
	uint64_t at_ns;			/* monotonic: as it was then */
	uint32_t pools, workers;	/* rows in use */
	struct roster_worker worker[ROSTER_WORKERS];	/* by pool and slot */
	struct roster_pool pool[MEMO_POOLS];
};

/*
 * Who leads a pool: one word, which is not of a tick but as it is.  It survives
 * the master, so a leader leads while there is none.  former: who was named last;
 * it may still be in a callback in which it led.
 */
struct roster_leader {
	uint64_t id;			/* of the worker; 0: nobody */
	uint64_t former;
	char pool[MEMO_NAME];		/* "": free */
};

struct roster {
	uint32_t version;		/* 0: nothing was ever written */
	uint32_t copy_size;
	uint64_t begun, done;		/* copies; number n is copy[n % 2] */
	uint32_t leaders;		/* rows in use: 0..highest used */
	uint32_t reserved[9];
	struct roster_leader leader[MEMO_POOLS];
	struct roster_copy copy[2];
};

/* All of the master's page. */
struct master_page {
	struct page page;
	struct roster roster;
};

enum { MASTER_PAGE_BYTES = (sizeof(struct master_page) + 4095) / 4096 * 4096 };

_Static_assert(sizeof(struct roster_worker) == 56, "worker");
_Static_assert(sizeof(struct roster_pool) % 8 == 0, "pool");
_Static_assert(sizeof(struct roster_leader) == 64, "leader");
_Static_assert(offsetof(struct roster, leader) == 64, "head of the roster");
_Static_assert(offsetof(struct master_page, roster) == PAGE_SIZE_BYTES,
    "behind the page");

#endif
