/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * policy.h: restart policy, what to do about a worker that is gone.
 * Two accounts must agree: the slot's back-off (is this one sick?) and the
 * pool's token bucket (do we fork too much?).  Pure: the caller passes time,
 * history and a random number; called by the master on the idle memo copy.
 */
#ifndef CLUSTERD_SUPERVISOR_POLICY_H
#define CLUSTERD_SUPERVISOR_POLICY_H

#include <stdint.h>

#include "common/table/worker.h"
#include "daemon/proto/memo.h"

struct policy_limits {
	uint64_t stable_after_ms, backoff_min_ms, backoff_max_ms;
	uint32_t restart_burst;		/* starts */
	uint32_t restart_rate;		/* starts a minute */
};

enum { POLICY_CRASH_LOOP = 5 };		/* early deaths: shown as crash_loop */

/* What ended, and in which circumstances. */
struct policy_exit {
	uint8_t wanted;		/* the slot is (up, not drained) */
	uint8_t asked;		/* the exit was ordered */
	uint8_t transaction;	/* it was a successor of a transaction */
	uint8_t spawn_failed;	/* there was no process */
	uint8_t fatal_class;	/* a FATAL before READY; 0: none */
	uint64_t ready_for_ms;	/* time in READY; 0: never */
};

/* `restart_burst = auto`, `restart_rate = auto` for a pool of that size. */
uint32_t policy_auto_burst(uint32_t slots);
uint32_t policy_auto_rate(uint32_t slots);

/* Delay before the next start after n early deaths in a row, in ms; random:
 * 32 random bits. */
uint64_t policy_delay_ms(const struct policy_limits *limits, uint32_t n,
    uint32_t random);

/* Bucket of the pool at now_ns.  A bucket never counted before is full. */
void policy_refill(const struct policy_limits *limits, struct memo_pool *pool,
    uint64_t now_ns);
/* Take a token.  0: taken; else the ms until there will be one. */
uint64_t policy_take(const struct policy_limits *limits,
    struct memo_pool *pool, uint64_t now_ns);

/*
 * What follows an exit: WE_START, WE_WAIT (*wait_ms is set), WE_HOLD, or
 * WE_NONE (stay DOWN).  Counts early deaths in slot->early and spawn failures
 * in slot->spawn_failures, takes the token of a start at once, and notes in
 * slot->start_is_free if one that waits is to take none.  Never fails.
 */
enum worker_event policy_after_exit(const struct policy_limits *limits,
    struct memo_pool *pool, struct memo_slot *slot,
    const struct policy_exit *gone, uint64_t now_ns, uint32_t random,
    uint64_t *wait_ms);

/*
 * The slot's WAITING row, whose time has come or that is retried by command:
 * WE_START (its token taken, unless it is free), or WE_WAIT with *wait_ms until
 * one can be had.  starting: rows in STARTING now, over all pools; cpus: as
 * many may be at once.
 */
enum worker_event policy_admit(const struct policy_limits *limits,
    struct memo_pool *pool, struct memo_slot *slot, uint32_t starting,
    uint32_t cpus, uint64_t now_ns, uint64_t *wait_ms);

/*
 * A pool is without a worker for empty_ms, under a generation that is in force
 * for age_ms: true if the one before it is to come back.  limit_ms: auto_rollback,
 * not positive: off.
 */
int policy_takes_back(const struct memo_pool *pool, uint64_t empty_ms,
    uint64_t age_ms, int64_t limit_ms);

/* By how much a value is over its limit, in thousandths of the limit and at least
 * 1; 0: it is not over, or there is no limit (0). */
uint64_t policy_excess(uint64_t value, uint64_t limit);

/* True if that exit counts as a death of the slot (restarts). */
int policy_is_death(const struct policy_exit *gone);

#endif
