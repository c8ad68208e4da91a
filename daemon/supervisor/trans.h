/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * trans.h: the one transaction that runs, as far as it is made of slots: what
 * it does to them, and whether it goes on, is done or has failed.  Whoever gave
 * it, files, listeners and the store are daemon/master/change*.c's.  Pure.
 */
#ifndef CLUSTERD_SUPERVISOR_TRANS_H
#define CLUSTERD_SUPERVISOR_TRANS_H

#include "daemon/supervisor/roll.h"
#include "daemon/supervisor/slots.h"

/* What a reload does to a pool of the memo. */
enum trans_pool {
	TRANS_POOL_STAYS,
	TRANS_POOL_ROLLS,
	TRANS_POOL_RETURNS,	/* it had left: only what is wanted is rolled */
	TRANS_POOL_MOVES,	/* stays, and its workers are as new ones */
};

struct trans {
	/* scale */
	uint16_t pool;
	unsigned from, to;
	bool was_by_operator;
	/* restart, reload, rollback */
	struct roll roll;
	uint8_t pools[MEMO_POOLS];	/* enum trans_pool */
};

enum trans_verdict {
	TRANS_GOES_ON,
	TRANS_DONE,	/* all is there; a reload: to be committed, or is back */
	TRANS_FAILED,	/* a reload: to be undone */
	TRANS_HOLDS,	/* as far as it was to go for now */
};

/* room: for MEMO_SLOTS, until trans_end(). */
void trans_begin(struct supervisor *s, struct trans *t, enum trans_kind kind,
    struct roll_slot *room);
void trans_end(struct supervisor *s, struct trans *t);

/* -- scale ----------------------------------------------------------------- */

/* 0; ERR_FULL, and the size is as before. */
int trans_scale(struct supervisor *s, struct trans *t, uint16_t pool,
    unsigned size, bool by_operator);
/* How many new workers are READY, and should be. */
unsigned trans_scale_ready(const struct memo_copy *copy,
    const struct trans *t, unsigned *wanted);
/* The slot whose starts fail, or MEMO_NONE. */
uint16_t trans_scale_fault(const struct memo_copy *copy,
    const struct trans *t);
/* The old size again. */
void trans_scale_back(struct supervisor *s, struct trans *t);

/* -- restart, reload, rollback --------------------------------------------- */

/* These slots, unhealthy ones first: nothing is lost there. */
void trans_restart(struct supervisor *s, struct trans *t,
    const uint16_t *slots, size_t count);
bool trans_slot_is_drained(const struct memo_copy *copy, uint16_t slot);

/* t->pools is set.  canaries: the first slot of each pool is on trial first. */
void trans_reload(struct supervisor *s, struct trans *t, bool canaries);
void trans_hold(struct supervisor *s);
void trans_go_on(struct supervisor *s);
/* What has been rolled goes back, new before old as well. */
void trans_undo(struct supervisor *s, struct trans *t);
/* It went back as far as it could: what a slot has whose way back failed twice
 * serves on, marked, until its pool's generation starts there again. */
void trans_undone(struct supervisor *s);
/* The generation that it brings is in force; then each of its pools.  Workers
 * that stay are of it from now on where nothing tells them from new ones, or
 * each would hold the generation that it was started with. */
void trans_commit(struct supervisor *s, bool automatic);
void trans_commit_pool(struct supervisor *s, const struct trans *t,
    uint16_t pool);

/* -- all ------------------------------------------------------------------- */

/* At the end of a turn. */
enum trans_verdict trans_follow(struct supervisor *s, struct trans *t);
/* A row's process ended: it may be a successor of this one. */
void trans_hear_end(struct supervisor *s, struct trans *t,
    const struct slot_end *end, const char *text);
/*
 * After a death of the master, begun anew with what the memo says.  What was
 * held is held, what was committed is; a scale goes on; anything else FAILED,
 * and a reload goes back from here.  has_target: its generation is still there.
 */
enum trans_verdict trans_adopt(struct supervisor *s, struct trans *t,
    bool has_target);

/* Without a transaction: successors that one left serve if they are of their
 * slot's generation, else they go. */
void trans_settle_orphans(struct supervisor *s);

/* -- stop ------------------------------------------------------------------ */

/* True if it is graver than the one that goes on. */
bool trans_stop_counts(const struct memo_copy *copy, enum stop_kind kind);
void trans_stop(struct supervisor *s, enum stop_kind kind);
/* `stop --now' has had its second. */
void trans_stop_limit(struct supervisor *s);
bool trans_anything_runs(const struct memo_copy *copy);

#endif
