/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * memo.h: the supervisor's state, which the keeper holds and the next master
 * continues from; version 1.
 *
 * A memfd with two copies of plain arrays, no pointer in them.  A loop turn of
 * the master steps its events on the idle copy, sums it up, flips `current`
 * (that is the commit), and only then acts.  Written by the master alone; the
 * keeper never reads it.
 */
#ifndef CLUSTERD_PROTO_MEMO_H
#define CLUSTERD_PROTO_MEMO_H

#include <stddef.h>
#include <stdint.h>

enum {
	MEMO_MAGIC = 0x4d434c01, MEMO_VERSION = 1,
	MEMO_POOLS = 64, MEMO_SLOTS = 1088, MEMO_WORKERS = 2304,
	MEMO_NONE = 0xffff,	/* an index that points nowhere */
	MEMO_NAME = 48,		/* of a pool */
	MEMO_REASON = 96,
	MEMO_COUNTERS = 64, MEMO_BUCKETS = 64,
	MEMO_MINUTES = 10,
	MEMO_POISONS = 8, MEMO_POISON_DEATHS = 5,	/* a pool; a route */
};

/* memo_globals.trans_kind; numbers are for ever. */
enum trans_kind { TRANS_NONE, TRANS_SCALE, TRANS_RESTART, TRANS_RELOAD,
	TRANS_ROLLBACK };
/* memo_globals.trans_step */
enum trans_step { TRANS_CHECK = 1, TRANS_BIND, TRANS_CANARY, TRANS_ROLL,
	TRANS_HELD, TRANS_UNDO, TRANS_COMMITTED };
/* memo_globals.stopping */
enum stop_kind { STOP_DRAIN = 1, STOP_NOW, STOP_QUIT };

/* Numbers that are never used again, and the one transaction. */
struct memo_globals {
	uint64_t generation, previous;	/* committed; the one before it */
	uint64_t next_id;		/* worker ids: high-water mark */
	uint64_t next_seq;		/* events: high-water mark */
	uint64_t committed_ns;		/* monotonic, of the generation */
	uint64_t trans_generation;	/* the one that it brings */
	uint64_t trans_since_ns;
	uint32_t trans_kind, trans_step;	/* 0: none */
	uint32_t trans_hold_percent;
	uint32_t trans_pool;			/* of a scale */
	uint32_t trans_from, trans_to;		/* scale: sizes */
	uint32_t trans_asked_back;	/* UNDO: somebody wants it so */
	uint32_t stopping;		/* enum stop_kind; 0: not */
	uint32_t rollback_used;		/* of this generation */
	uint32_t master_deaths;		/* shown as master.restarts */
	char trans_command[40];
	char trans_who[64];		/* account of who gave it */
	char trans_why[320];		/* UNDO: what was wrong, or "" */
	uint64_t last_generation;	/* highest number given, refused too */
	/* How the last transaction ended: its record may not have come to the
	 * disk, and whoever gave it still asks. */
	char ended_command[40];		/* its id; "": none */
	char ended_who[64];
	uint32_t ended_kind;		/* enum command_id */
	int32_t ended_code;		/* 0: done, or an ERR_ code */
	char ended_text[256];
	char ended_result[512];		/* JSON; "": none, or too long */
	uint64_t taken_back;		/* generation that failed; 0: none */
	int64_t reload_begun_ms;	/* wall clock, of the last one */
	int64_t change_begun_ms;	/* when the last other one that began
					 * was asked for */
	uint32_t trans_was_by_operator;	/* scale: whose the old size was */
	uint8_t reserved[28];
};

/* A route of which requests have ended workers. */
struct memo_poison {
	uint64_t key;			/* of plugin and route; 0: free */
	uint64_t death_ns[MEMO_POISON_DEATHS];	/* newest first; 0: none */
	uint64_t until_ns;		/* shut: nobody asks before then */
	uint64_t probe_id;		/* worker that may let one in; 0: none */
	uint64_t generation;		/* the pool's, when it was said */
	uint8_t state;			/* enum poison_state */
	uint8_t reserved[7];
};

struct memo_pool {
	char name[MEMO_NAME];		/* "": free */
	uint32_t desired;		/* slots wanted */
	uint32_t desired_by_operator;	/* 1: scale, 0: the file */
	uint32_t file_workers;		/* what the file said then: least */
	uint32_t file_workers_max;	/* and most */
	uint32_t slots;			/* unused; slots are found by pool */
	uint32_t last_slot;		/* round robin: last used number */
	uint32_t drained;		/* by `drain POOL` */
	uint32_t flags;
	uint64_t tokens_milli;		/* bucket level, 1/1000 starts */
	uint64_t tokens_ns;		/* when it was counted */
	uint64_t retired_restarts, retired_replacements;
	uint64_t retired_requests, retired_connections;
	uint64_t generation;		/* its workers' */
	uint64_t stable_generation;	/* the last that was stable once */
	uint32_t was_stable;		/* the one before this was, once */
	uint32_t early_deaths;		/* since this one is in force */
	char drained_by[64];		/* account of who drained it */
	/* What the pages of its ended workers counted, by metrics.def. */
	uint64_t counters[MEMO_COUNTERS];
	uint64_t histogram[MEMO_BUCKETS];
	struct memo_poison poison[MEMO_POISONS];
	uint64_t hold_from_ns;		/* scale_hold counts from then: the
					 * size was another before; 0: never */
	uint8_t reserved[40];
};

struct memo_slot {
	uint16_t pool, number;		/* indices; MEMO_NONE: row is free */
	uint16_t current, other;	/* worker rows, or MEMO_NONE */
	uint8_t wanted, drained, fatal_class, had_trouble;
	uint32_t early;			/* n: early deaths in a row */
	uint64_t next_try_boot_ms;
	uint64_t restarts, replacements;
	uint64_t generation;
	uint64_t requests, connections;	/* of its ended workers */
	uint64_t spawn_failures;	/* in a row */
	char fatal_text[128];
	uint8_t start_is_free;		/* its next start takes no token */
	uint8_t reserved;
	uint16_t spawn_errno;		/* of the last of spawn_failures */
	uint32_t minute;		/* that deaths[minute % …] counts */
	uint16_t deaths[MEMO_MINUTES];	/* of late, by minute */
	uint8_t reserved2[4];
};

/* A row: one process, or the place where one will be. */
struct memo_worker {
	uint64_t id;			/* 0: the row is free */
	uint64_t generation;
	uint64_t since_ns;		/* in this state */
	uint64_t ready_ns;		/* since READY; 0: never was */
	uint64_t forked_ns;
	uint64_t deadline_ns;		/* 0: none */
	uint64_t drain_ns;		/* D, absolute; 0: none */
	uint64_t kill_until_ns;		/* its end before then was ordered */
	uint64_t max_requests, max_age_ms, max_rss, max_fds;	/* as drawn */
	int32_t pid;			/* 0: no process yet */
	uint16_t slot;			/* index in slots */
	uint8_t state;			/* enum worker_state */
	uint8_t asked;			/* its exit was ordered */
	uint8_t cause;			/* enum death_cause noted */
	uint8_t ladder;			/* step of KILLING: 1 k1, 2 k2, 3 k3 */
	uint8_t fatal_class;
	uint8_t image;
	uint8_t is_other;		/* the slot's other, not its current */
	uint8_t transaction;		/* successor of a transaction */
	uint8_t paused, stable;
	uint8_t limits_drawn;		/* max_… above are set */
	uint8_t taken_back;		/* it serves on, its generation does not */
	uint8_t recycle;		/* its plugin asks for it: when that can be */
	/* Why it was asked to go; counts with asked alone, as it is noted before
	 * that when a recycling begins, and of a kill. */
	char reason[MEMO_REASON];
	uint8_t reserved[29];
};

struct memo_copy {
	uint64_t number;
	uint32_t crc;			/* CRC-32C of all that follows */
	uint32_t pools, slots, workers;	/* rows in use: 0..highest used */
	struct memo_globals globals;
	struct memo_pool pool[MEMO_POOLS];
	struct memo_slot slot[MEMO_SLOTS];
	struct memo_worker worker[MEMO_WORKERS];
};

struct memo {
	uint32_t magic;
	uint16_t version, head_size;
	uint32_t layout;		/* digest of the struct sizes */
	uint32_t copy_size;
	uint32_t current;		/* 0 or 1: the whole one */
	uint32_t reserved[11];
	struct memo_copy copy[2];
};

enum { MEMO_SIZE = (sizeof(struct memo) + 4095) / 4096 * 4096 };

_Static_assert(offsetof(struct memo, copy) == 64, "head of the memo");
_Static_assert(sizeof(struct memo_worker) % 8 == 0, "no tail padding");
_Static_assert(sizeof(struct memo_slot) % 8 == 0, "no tail padding");

#endif
