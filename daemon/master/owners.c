/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* owners.c: who polls which socket of a pool with one a slot; see owners.h. */
#include "daemon/master/owners.h"

#include <string.h>

#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/owner.h"
#include "daemon/supervisor/state.h"
#include "daemon/supervisor/worker_fsm.h"

/* Of one pool: who may own a socket, in the order of slots. */
static struct {
	struct owner_worker worker[MEMO_WORKERS];
	size_t count;
} list;				/* one loop thread */

/* Slots are in the order they were made. */
static void
sort_last(void)
{
	struct owner_worker last = list.worker[list.count - 1];
	size_t i = list.count - 1;

	for (; i > 0 && list.worker[i - 1].slot > last.slot; i--)
		list.worker[i] = list.worker[i - 1];
	list.worker[i] = last;
}

static void
add(struct master *m, uint32_t slot, uint16_t row)
{
	const struct memo_worker *worker;
	const struct process *process;

	if (row == MEMO_NONE || (process = m->process[row]) == NULL)
		return;
	worker = &turn_look(m)->worker[row];
	list.worker[list.count++] = (struct owner_worker){ .slot = slot,
	    .id = worker->id, .ready = worker->state == WS_READY,
	    .stalled = process->stalled || process->deaf,
	    .paused = worker->paused };
	sort_last();
}

static void
collect(struct master *m, const char *pool)
{
	const struct memo_copy *copy = turn_look(m);
	uint16_t index = state_find_pool(copy, pool);

	list.count = 0;
	for (uint16_t i = 0; index != MEMO_NONE && i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != index)
			continue;
		add(m, slot->number, slot->current);
		add(m, slot->number, slot->other);
	}
	list.count = owner_choose(list.worker, list.count);
}

/* The new one first: for a moment both poll, which is better than nobody.  It
 * gets the socket with that word, as it may have begun before that was there. */
static void
hand_over(struct listener *l, uint64_t owner)
{
	struct process *from = l->owner == 0 ? NULL :
	    process_find(l->master, l->owner);
	struct process *to = owner == 0 ? NULL :
	    process_find(l->master, owner);

	if (to != NULL && !process_say_listener(to, l->id, LISTENER_ARM, l->fd))
		return;			/* the tick tries again */
	if (from != NULL)
		(void)listener_say(from, l->id, LISTENER_DISARM, -1);
	l->owner = owner;
}

void
owners_follow(struct master *m)
{
	const char *pool = NULL;

	if (!m->attached)
		return;
	for (struct listener *l = m->listeners; l != NULL; l = l->next) {
		uint64_t owner;

		if (!l->reuseport || l->fd < 0 || l->adding)
			continue;
		if (pool == NULL || strcmp(pool, l->pool) != 0)
			collect(m, pool = l->pool);
		owner = owner_of(KEEPER_LISTENER_SOCKET(l->id), list.worker,
		    list.count);
		if (owner != l->owner)
			hand_over(l, owner);
	}
}

const char *
owners_name(const struct listener *l)
{
	const struct process *process = l->owner == 0 ? NULL :
	    process_find(l->master, l->owner);

	return process != NULL ? process->name : NULL;
}

unsigned
owners_count(struct master *m, uint64_t id)
{
	unsigned count = 0;

	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		count += l->owner == id;
	return count;
}
