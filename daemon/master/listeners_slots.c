/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners_slots.c: schedule = reuseport: an address has a socket for each slot,
 * made before the slot's first worker.  It stays when the slot is gone.
 */
#include <string.h>

#include "common/base/log.h"
#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

/* Slots of a pool that there are; it may not be in the memo yet. */
static uint32_t
count_slots(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	uint32_t count = 1;

	for (uint16_t i = 0; pool != MEMO_NONE && i < copy->slots; i++)
		if (copy->slot[i].pool == pool && copy->slot[i].number >= count)
			count = copy->slot[i].number + 1u;
	return count;
}

uint32_t
listener_count_slots(struct master *m, const struct conf_pool *conf)
{
	uint16_t pool = state_find_pool(turn_look(m), conf->name);

	return pool == MEMO_NONE && conf->workers_min > 1 ?
	    (uint32_t)conf->workers_min : count_slots(m, pool);
}

unsigned
listener_ask_sockets(const struct listener *first, uint32_t wanted,
    link_answer answer)
{
	struct master *m = first->master;
	unsigned asked = 0;

	if (!first->reuseport)
		return 0;
	for (uint32_t n = 1; n < wanted && n < KEEPER_SPAWN_LISTENERS; n++) {
		struct keeper_packet packet;
		uint32_t id = KEEPER_LISTENER(first->id, n);

		if (listeners_find(m, id) != NULL)
			continue;
		keeper_begin(&packet, KEEPER_BIND, 0);
		packet.body.bind.listener = id;
		listener_new_socket(first, n);
		link_request(m->link, &packet, NULL, 0, answer, id);
		asked++;
	}
	return asked;
}

static void
on_slot_bound(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct listener *l = listeners_find(m, (uint32_t)id);

	if (l == NULL)
		return;
	if (p->header.type != KEEPER_BOUND) {
		/* Nor does that worker start: its next try is ours. */
		log_error("[pool %s] listen: %s: %s", l->pool, l->configured,
		    listener_why_not(p));
		listener_free(l);
		return;
	}
	listener_bound(l, answer);
}

void
listeners_bind_slots(struct master *m, uint16_t pool)
{
	const char *name = turn_look(m)->pool[pool].name;
	uint32_t slots = count_slots(m, pool);

	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (KEEPER_LISTENER_SOCKET(l->id) == 0 && !l->leaving &&
		    strcmp(l->pool, name) == 0)
			listener_ask_sockets(l, slots, on_slot_bound);
}

/* Nobody has been READY there: who was and is gone is counted. */
static bool
is_new_slot(const struct memo_copy *copy, const struct listener *l)
{
	uint16_t pool = state_find_pool(copy, l->pool), index, row;

	if (pool == MEMO_NONE)
		return false;
	index = state_find_slot(copy, pool,
	    (uint16_t)KEEPER_LISTENER_SOCKET(l->id));
	if (index == MEMO_NONE || copy->slot[index].restarts != 0 ||
	    copy->slot[index].replacements != 0)
		return false;
	row = copy->slot[index].current;
	return row != MEMO_NONE && copy->worker[row].ready_ns == 0;
}

void
listener_adopt_sockets(struct master *m)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		l->untold = l->reuseport && is_new_slot(turn_look(m), l);
}

void
listeners_tell_untold(struct master *m)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next) {
		if (l->untold)
			listeners_tell(l, LISTENER_ADD, l->fd);
		l->untold = false;
	}
}
