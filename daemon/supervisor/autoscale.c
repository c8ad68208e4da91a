/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* autoscale.c: one worker more or fewer; see autoscale.h. */
#include "daemon/supervisor/autoscale.h"

#include "common/base/clock.h"
#include "common/table/worker.h"
#include "daemon/supervisor/policy.h"

uint32_t
autoscale_bound(const struct autoscale_rules *rules, uint32_t size)
{
	return size < rules->min ? rules->min :
	    size > rules->max ? rules->max : size;
}

int
autoscale_is_on(const struct memo_pool *pool,
    const struct autoscale_rules *rules)
{
	return rules->min < rules->max && !pool->desired_by_operator;
}

uint64_t
autoscale_next_ns(const struct memo_pool *pool,
    const struct autoscale_rules *rules, const struct busy_mean *mean,
    uint64_t now_ns)
{
	uint64_t known_ns = busy_known_ns(mean, now_ns);
	uint64_t held_ns = pool->hold_from_ns + rules->hold_ms * NS_PER_MS;

	return known_ns > held_ns ? known_ns : held_ns;
}

static int
slot_is(const struct memo_copy *copy, const struct memo_slot *slot,
    enum worker_state state)
{
	return copy->worker[slot->current].state == state;
}

/*
 * Every slot that should serve does, and none is in a crash loop; nor does one
 * still leave, which a step up would have to wait for.  Those that an operator
 * has taken out do not count: a pool without any other has nothing to go by.
 */
static int
is_settled(const struct memo_copy *copy, uint16_t pool)
{
	int any = 0;

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];
		int empty = slot->current == MEMO_NONE;

		if (slot->pool != pool || (slot->wanted && slot->drained))
			continue;
		if (!slot->wanted && (empty || slot_is(copy, slot, WS_DOWN)))
			continue;
		if (!slot->wanted || empty || !slot_is(copy, slot, WS_READY) ||
		    slot->early >= POLICY_CRASH_LOOP)
			return 0;
		any = 1;
	}
	return any;
}

/* What the bounds ask for, then the mean. */
static int
direction(uint32_t size, const struct autoscale_rules *rules,
    const struct busy_mean *mean)
{
	const uint32_t percent = BUSY_ALL / 100;

	if (size < rules->min || size > rules->max)
		return size < rules->min ? 1 : -1;
	if (mean->share > rules->up_percent * percent)
		return size < rules->max ? 1 : 0;
	if (mean->share < rules->down_percent * percent)
		return size > rules->min ? -1 : 0;
	return 0;
}

int
autoscale_step(const struct memo_copy *copy, uint16_t index,
    const struct autoscale_rules *rules, const struct busy_mean *mean,
    uint64_t now_ns)
{
	const struct memo_pool *pool = &copy->pool[index];

	if (!autoscale_is_on(pool, rules) || copy->globals.stopping != 0 ||
	    copy->globals.trans_kind != TRANS_NONE ||
	    !is_settled(copy, index) ||
	    now_ns < autoscale_next_ns(pool, rules, mean, now_ns))
		return 0;
	return direction(pool->desired, rules, mean);
}
