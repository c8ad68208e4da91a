/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* report.c: the memo's rows into the state database; see report.h. */
#include "daemon/master/report.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/table/worker.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/state.h"

/* Wall time of a monotonic instant; 0 stays 0. */
static int64_t
wall_of(uint64_t mono_ns)
{
	return mono_ns == 0 ? 0 : clock_wall_ms() -
	    (int64_t)((clock_now_ns() - mono_ns) / NS_PER_MS);
}

static const char *
fatal_word(uint8_t class)
{
	static const char *const words[] = { "", "abi", "symbol", "elf",
		"perm", "config", "bind" };

	return class < sizeof(words) / sizeof(words[0]) ? words[class] : "";
}

static void
put_slot(struct master *m, const struct memo_copy *copy, uint16_t index)
{
	const struct memo_slot *slot = &copy->slot[index];
	struct store_slot row = {
		.slot = slot->number, .generation = slot->generation,
		.wanted = slot->wanted, .drained = slot->drained,
		.restarts = slot->restarts,
		.replacements = slot->replacements, .n = slot->early,
		.requests = slot->requests, .connections = slot->connections,
	};
	const struct memo_worker *worker = slot->current == MEMO_NONE ? NULL :
	    &copy->worker[slot->current];

	snprintf(row.pool, sizeof(row.pool), "%s", copy->pool[slot->pool].name);
	snprintf(row.state, sizeof(row.state), "%s",
	    worker_state_name(worker == NULL ? WS_DOWN : worker->state));
	snprintf(row.fatal, sizeof(row.fatal), "%s",
	    fatal_word(slot->fatal_class));
	if (slot->next_try_boot_ms != 0)
		row.next_try = clock_wall_ms() + (int64_t)
		    (slot->next_try_boot_ms - clock_boot_ms());
	if (worker != NULL) {
		row.id = worker->id;
		row.pid = worker->pid;
		row.generation = worker->generation;
		row.started = wall_of(worker->forked_ns);
		row.ready = wall_of(worker->ready_ns);
	}
	store_put_slot(m->store, &row);
}

static void
put_pool(struct master *m, const struct memo_copy *copy, uint16_t index)
{
	const struct memo_pool *pool = &copy->pool[index];
	struct store_pool row = {
		.desired = pool->desired,
		.scaled = pool->desired_by_operator != 0,
		.file_workers = pool->file_workers,
		.file_workers_max = pool->file_workers_max,
		.bucket_milli = pool->tokens_milli,
		.bucket_time = wall_of(pool->tokens_ns),
		.restarts = pool->retired_restarts,
		.replacements = pool->retired_replacements,
		.requests = pool->retired_requests,
		.connections = pool->retired_connections,
		.drained = pool->drained != 0,
	};

	snprintf(row.pool, sizeof(row.pool), "%s", pool->name);
	snprintf(row.drained_by, sizeof(row.drained_by), "%s",
	    pool->drained_by);
	store_put_pool(m->store, &row);
}

static bool
worker_differs(const struct memo_copy *before, const struct memo_copy *after,
    uint16_t row)
{
	return row != MEMO_NONE && memcmp(&before->worker[row],
	    &after->worker[row], sizeof(after->worker[row])) != 0;
}

/* Slots that are no more: what they counted is the pool's now. */
static void
remove_retired(struct master *m, const struct memo_copy *before,
    const struct memo_copy *after)
{
	for (uint16_t i = 0; i < before->slots; i++) {
		const struct memo_slot *slot = &before->slot[i];
		const struct memo_slot *now = &after->slot[i];

		if (slot->pool == MEMO_NONE || (i < after->slots &&
		    now->pool == slot->pool && now->number == slot->number))
			continue;
		if (after->pool[slot->pool].name[0] != '\0' &&
		    state_find_slot(after, slot->pool, slot->number) ==
		    MEMO_NONE)
			store_remove_slot(m->store,
			    after->pool[slot->pool].name, slot->number);
	}
}

void
report_rows(struct master *m, const struct memo_copy *before,
    const struct memo_copy *after)
{
	if (m->store == NULL)
		return;
	if (before != NULL)
		remove_retired(m, before, after);
	for (uint16_t i = 0; i < after->pools; i++)
		if (after->pool[i].name[0] != '\0' && (before == NULL ||
		    i >= before->pools || memcmp(&before->pool[i],
		    &after->pool[i], sizeof(after->pool[i])) != 0))
			put_pool(m, after, i);
	for (uint16_t i = 0; i < after->slots; i++)
		if (after->slot[i].pool != MEMO_NONE && (before == NULL ||
		    i >= before->slots || memcmp(&before->slot[i],
		    &after->slot[i], sizeof(after->slot[i])) != 0 ||
		    worker_differs(before, after, after->slot[i].current)))
			put_slot(m, after, i);
}
