/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* policy.c: restart policy; see policy.h. */
#include "daemon/supervisor/policy.h"

#include "common/base/clock.h"

enum { TOKEN = 1000, SPAWN_RETRY_MS = 1000, SPAWN_RETRY_MAX_MS = 30000,
	STARTER_MS = 10, EMPTY_MS = 5000, EMPTY_DEATHS = 3 };

uint32_t
policy_auto_burst(uint32_t slots)
{
	return slots * 2 > 6 ? slots * 2 : 6;
}

uint32_t
policy_auto_rate(uint32_t slots)
{
	return slots > 12 ? slots : 12;
}

uint64_t
policy_delay_ms(const struct policy_limits *limits, uint32_t n,
    uint32_t random)
{
	uint64_t d = limits->backoff_min_ms, half;

	if (n <= 1)
		return 0;		/* a lone crash costs no capacity */
	for (uint32_t i = 2; i < n && d < limits->backoff_max_ms; i++)
		d *= 2;
	if (d > limits->backoff_max_ms)
		d = limits->backoff_max_ms;
	half = d / 2;
	return half + (uint64_t)random * (d - half) / UINT32_MAX;
}

void
policy_refill(const struct policy_limits *limits, struct memo_pool *pool,
    uint64_t now_ns)
{
	uint64_t full = (uint64_t)limits->restart_burst * TOKEN;
	uint64_t elapsed_ms, gained;

	if (pool->tokens_ns == 0) {
		pool->tokens_milli = full;
		pool->tokens_ns = now_ns;
	}
	if (now_ns > pool->tokens_ns) {
		elapsed_ms = (now_ns - pool->tokens_ns) / NS_PER_MS;
		if (elapsed_ms > 86400000)
			elapsed_ms = 86400000;
		gained = elapsed_ms * limits->restart_rate * TOKEN / 60000;
		if (gained > 0) {
			pool->tokens_milli += gained;
			pool->tokens_ns = now_ns;
		}
	}
	if (pool->tokens_milli > full)
		pool->tokens_milli = full;
}

uint64_t
policy_take(const struct policy_limits *limits, struct memo_pool *pool,
    uint64_t now_ns)
{
	uint64_t rate = limits->restart_rate > 0 ? limits->restart_rate : 1;
	uint64_t missing;

	policy_refill(limits, pool, now_ns);
	if (pool->tokens_milli >= TOKEN) {
		pool->tokens_milli -= TOKEN;
		return 0;
	}
	missing = TOKEN - pool->tokens_milli;
	return missing * 60000 / (rate * TOKEN) + 1;
}

int
policy_is_death(const struct policy_exit *gone)
{
	return !gone->asked && !gone->spawn_failed;
}

static uint64_t
spawn_retry_ms(struct memo_slot *slot)
{
	uint64_t ms = SPAWN_RETRY_MS;

	for (uint64_t i = 0; i < slot->spawn_failures &&
	    ms < SPAWN_RETRY_MAX_MS; i++)
		ms *= 2;
	slot->spawn_failures++;
	if (ms > SPAWN_RETRY_MAX_MS)
		ms = SPAWN_RETRY_MAX_MS;
	return clock_scaled_ms((unsigned)ms);
}

/* One that said why it cannot start is a failure, known to be one, and no loop:
 * it is a death in `restarts', and one that speaks against its generation. */
static void
count_early(const struct policy_limits *limits, struct memo_pool *pool,
    struct memo_slot *slot, const struct policy_exit *gone)
{
	int early = gone->ready_for_ms < limits->stable_after_ms;

	if (!policy_is_death(gone))
		return;
	pool->early_deaths += early && pool->early_deaths < UINT32_MAX;
	if (gone->fatal_class != 0)
		return;
	if (early)
		slot->early += slot->early < UINT32_MAX;
	else
		slot->early = 0;
}

int
policy_takes_back(const struct memo_pool *pool, uint64_t empty_ms,
    uint64_t age_ms, int64_t limit_ms)
{
	return limit_ms > 0 && age_ms <= (uint64_t)limit_ms &&
	    empty_ms >= clock_scaled_ms(EMPTY_MS) &&
	    pool->early_deaths >= EMPTY_DEATHS && pool->was_stable;
}

enum worker_event
policy_after_exit(const struct policy_limits *limits, struct memo_pool *pool,
    struct memo_slot *slot, const struct policy_exit *gone, uint64_t now_ns,
    uint32_t random, uint64_t *wait_ms)
{
	uint64_t delay, token;

	if (gone->transaction)
		return WE_NONE;		/* reported to it; never enters n */
	count_early(limits, pool, slot, gone);
	/* No process was forked, so there is nothing to be paid again. */
	slot->start_is_free = gone->spawn_failed;
	if (!gone->wanted)
		return WE_NONE;
	if (gone->asked)
		return WE_START;
	if (gone->spawn_failed) {
		*wait_ms = spawn_retry_ms(slot);
		return WE_WAIT;
	}
	if (gone->fatal_class != 0)
		return WE_HOLD;
	delay = policy_delay_ms(limits, slot->early, random);
	if (delay > 0) {
		*wait_ms = delay;	/* its token is taken when it is over */
		return WE_WAIT;
	}
	token = policy_take(limits, pool, now_ns);
	if (token == 0)
		return WE_START;
	*wait_ms = token;
	return WE_WAIT;
}

enum worker_event
policy_admit(const struct policy_limits *limits, struct memo_pool *pool,
    struct memo_slot *slot, uint32_t starting, uint32_t cpus, uint64_t now_ns,
    uint64_t *wait_ms)
{
	uint64_t token;

	if (starting >= cpus) {
		*wait_ms = STARTER_MS;
		return WE_WAIT;
	}
	token = slot->start_is_free ? 0 : policy_take(limits, pool, now_ns);
	if (token > 0) {
		*wait_ms = token;
		return WE_WAIT;
	}
	slot->start_is_free = 0;
	return WE_START;
}

uint64_t
policy_excess(uint64_t value, uint64_t limit)
{
	uint64_t over;

	if (limit == 0 || value <= limit)
		return 0;
	over = value - limit;
	return over > UINT64_MAX / 1000 ? over / limit * 1000 + 1 :
	    over * 1000 / limit + 1;
}
