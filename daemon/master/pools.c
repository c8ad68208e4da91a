/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* pools.c: the rows of a pool, and what is remembered of it; see pools.h. */
#include "daemon/master/pools.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/conf/conf.h"
#include "daemon/master/change.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/autoscale.h"
#include "daemon/supervisor/state.h"

/* A size of a pool, and what the file said then. */
struct pool_size {
	uint32_t desired;
	bool by_operator;
	uint32_t file_least, file_most;
};

/* The file says the same as when that size was found. */
static bool
is_same_file(const struct conf_pool *conf, uint32_t least, uint32_t most)
{
	return conf->workers_min == (int64_t)least &&
	    conf->workers_max == (int64_t)(most != 0 ? most : least);
}

/* What `scale' said holds until the file says another; a size by load goes on
 * from where it was, as far as the file allows it. */
static void
pool_resume_size(struct master *m, uint16_t index,
    const struct conf_pool *conf, const struct pool_size *was)
{
	struct memo_pool *pool = &turn_change(m)->pool[index];
	struct autoscale_rules rules;

	if (was->by_operator &&
	    is_same_file(conf, was->file_least, was->file_most)) {
		pool->desired = was->desired;
		pool->desired_by_operator = 1;
		return;
	}
	autoscale_rules(m, index, &rules);
	pool->desired = autoscale_bound(&rules, was->desired);
	pool->desired_by_operator = 0;	/* whatever an older source said */
}

static void
pool_remember(struct master *m, uint16_t index, const struct conf_pool *conf)
{
	const struct store_loaded *loaded = store_load(m->store);
	struct memo_pool *pool = &turn_change(m)->pool[index];

	for (size_t i = 0; i < loaded->pool_count; i++) {
		const struct store_pool *row = &loaded->pools[i];

		if (strcmp(row->pool, pool->name) != 0)
			continue;
		pool->retired_restarts = row->restarts;
		pool->retired_replacements = row->replacements;
		pool->retired_requests = row->requests;
		pool->retired_connections = row->connections;
		/* Of one that was removed meanwhile nothing holds. */
		if (!m->attached) {
			pool->drained = row->drained != 0;
			snprintf(pool->drained_by, sizeof(pool->drained_by),
			    "%s", row->drained_by);
		}
		if (row->scaled || !m->attached)
			pool_resume_size(m, index, conf, &(struct pool_size){
			    row->desired, row->scaled != 0, row->file_workers,
			    row->file_workers_max });
	}
}

/* Of a larger pool, once: its counts are the pool's from now on, unless there
 * is a memo, which has them there already. */
static void
forget_slot(struct master *m, uint16_t index, const struct store_slot *row)
{
	struct memo_pool *pool = &turn_change(m)->pool[index];

	if (m->salvage == NULL) {
		pool->retired_restarts += row->restarts;
		pool->retired_replacements += row->replacements;
		pool->retired_requests += row->requests;
		pool->retired_connections += row->connections;
	}
	store_remove_slot(m->store, pool->name, row->slot);
}

static void
slots_remember(struct master *m, uint16_t pool)
{
	const struct store_loaded *loaded = store_load(m->store);
	struct memo_copy *copy = turn_change(m);

	for (size_t i = 0; i < loaded->slot_count; i++) {
		const struct store_slot *row = &loaded->slots[i];
		struct memo_slot *slot;
		uint16_t index;

		if (strcmp(row->pool, copy->pool[pool].name) != 0)
			continue;
		index = state_find_slot(copy, pool, (uint16_t)row->slot);
		if (index == MEMO_NONE) {
			forget_slot(m, pool, row);
			continue;
		}
		slot = &copy->slot[index];
		slot->restarts = row->restarts;
		slot->replacements = row->replacements;
		slot->requests = row->requests;
		slot->connections = row->connections;
		if (!m->attached)
			slot->drained = row->drained != 0;
	}
}

/* What the memo before this one said of the pool, where there was one. */
static void
pool_salvage(struct master *m, uint16_t index, const struct conf_pool *conf)
{
	struct memo_pool *pool = &turn_change(m)->pool[index];
	const struct memo_pool *was;
	uint16_t old = m->salvage == NULL ? MEMO_NONE :
	    state_find_pool(m->salvage, pool->name);

	if (old == MEMO_NONE)
		return;
	was = &m->salvage->pool[old];
	pool->retired_restarts = was->retired_restarts;
	pool->retired_replacements = was->retired_replacements;
	pool->retired_requests = was->retired_requests;
	pool->retired_connections = was->retired_connections;
	memcpy(pool->counters, was->counters, sizeof(pool->counters));
	memcpy(pool->histogram, was->histogram, sizeof(pool->histogram));
	pool->drained = was->drained;
	memcpy(pool->drained_by, was->drained_by, sizeof(pool->drained_by));
	if (was->desired <= MEMO_SLOTS)
		pool_resume_size(m, index, conf, &(struct pool_size){
		    was->desired, was->desired_by_operator != 0,
		    was->file_workers, was->file_workers_max });
}

static void
slots_salvage(struct master *m, uint16_t pool)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t old = m->salvage == NULL ? MEMO_NONE :
	    state_find_pool(m->salvage, copy->pool[pool].name);

	for (uint16_t i = 0; old != MEMO_NONE && i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];
		const struct memo_slot *was;
		uint16_t index;

		if (slot->pool != pool)
			continue;
		index = state_find_slot(m->salvage, old, slot->number);
		if (index == MEMO_NONE)
			continue;
		was = &m->salvage->slot[index];
		slot->restarts = was->restarts;
		slot->replacements = was->replacements;
		slot->requests = was->requests;
		slot->connections = was->connections;
		slot->early = was->early;
		slot->drained = was->drained;
	}
}

int
pools_add(struct master *m, const struct conf_pool *conf,
    uint64_t generation)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t pool = state_find_pool(copy, conf->name);

	if (pool == MEMO_NONE)
		pool = state_add_pool(copy, conf->name);
	if (pool == MEMO_NONE)
		return ERR_FULL;
	copy->pool[pool].generation = generation;
	copy->pool[pool].file_workers = (uint32_t)conf->workers_min;
	copy->pool[pool].file_workers_max = (uint32_t)conf->workers_max;
	copy->pool[pool].desired = (uint32_t)conf->workers_min;
	/* The memo that is gone may have held it from now on at the latest. */
	if (m->adopted)
		copy->pool[pool].hold_from_ns = clock_now_ns();
	m->pool[pool].started_ns = tick_awake_ns(m);
	pool_remember(m, pool, conf);
	pool_salvage(m, pool, conf);
	if (life_resize(m, pool, copy->pool[pool].desired, "scale") != 0)
		return ERR_FULL;
	slots_remember(m, pool);
	slots_salvage(m, pool);
	m->pool[pool].restarts_at_start = state_sum_restarts(copy, pool);
	return 0;
}
