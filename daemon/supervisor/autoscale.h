/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * autoscale.h: `workers = MIN..MAX', one worker more or fewer by how busy they
 * are.  Pure; called by the master at each tick.  A step is a scale like any
 * other: the size and the time from which the next one waits are in the memo.
 */
#ifndef CLUSTERD_SUPERVISOR_AUTOSCALE_H
#define CLUSTERD_SUPERVISOR_AUTOSCALE_H

#include <stdint.h>

#include "daemon/proto/memo.h"
#include "daemon/supervisor/busy.h"

/* Of the pool as it is configured. */
struct autoscale_rules {
	uint32_t min, max;		/* equal: it does not scale by itself */
	uint32_t up_percent, down_percent;
	uint64_t hold_ms;
};

/* The size within the bounds that is nearest to this one. */
uint32_t autoscale_bound(const struct autoscale_rules *rules, uint32_t size);

/* Does the pool scale by itself, and not by an operator's number? */
int autoscale_is_on(const struct memo_pool *pool,
    const struct autoscale_rules *rules);

/* No step is taken before then; for a pool that scales by itself. */
uint64_t autoscale_next_ns(const struct memo_pool *pool,
    const struct autoscale_rules *rules, const struct busy_mean *mean,
    uint64_t now_ns);

/* 1: one worker more, -1: one fewer, 0: as it is. */
int autoscale_step(const struct memo_copy *copy, uint16_t pool,
    const struct autoscale_rules *rules, const struct busy_mean *mean,
    uint64_t now_ns);

#endif
