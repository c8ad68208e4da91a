/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners_adopt.c: the sockets that the keeper held when this master came,
 * given to the addresses that they belong to.
 */
#include <stdio.h>

#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"

void
listeners_have(struct master *m, const struct link_packet *packet)
{
	const struct keeper_msg_have_listener *have =
	    &packet->packet->body.have_listener;
	struct listener *l;

	if (have->listener == LISTENER_CONTROL) {
		m->control_fd = packet->fds[0];
		packet->fds[0] = -1;
		return;
	}
	l = listener_new(m, "", "");
	l->id = have->listener;
	l->reuseport = (have->flags & BIND_REUSEPORT) != 0;
	listeners_own(l, packet, have->address, have->address_len);
}

static void
take(struct listener *l, const struct conf_pool *pool,
    const struct conf_listen *at)
{
	snprintf(l->pool, sizeof(l->pool), "%s", pool->name);
	snprintf(l->configured, sizeof(l->configured), "%s", at->text);
	l->backlog = pool->backlog;
	l->adopted = true;
	listener_await_data(l, pool->protocol == PROTOCOL_HTTP);
}

/* What the inventory has of this address; the first socket of it, or NULL. */
static struct listener *
adopt(struct master *m, const struct conf_pool *pool,
    const struct conf_listen *at)
{
	uint32_t id = listener_id(pool->name, at->text);
	struct listener *l = listeners_find(m, id);

	while (l != NULL && l->pool[0] != '\0') {
		id = 1 + id % (LISTENER_CONTROL - 1);
		l = listeners_find(m, id);
	}
	if (l == NULL)
		return NULL;
	for (struct listener *s = m->listeners; s != NULL; s = s->next)
		if (listener_has_address_of(s, l))
			take(s, pool, at);
	return l;
}

static void
adopt_all(struct master *m, const struct conf *conf, bool leaving)
{
	for (size_t p = 0; p < conf->pool_count; p++) {
		const struct conf_pool *pool = &conf->pools[p];

		for (size_t i = 0; i < pool->listen_count; i++) {
			const struct conf_listen *at = &pool->listens[i];
			struct listener *l = leaving && listener_of(m, pool->name,
			    at->text) != NULL ? NULL : adopt(m, pool, at);

			if (l != NULL && leaving)
				listener_leave(l);
		}
	}
}

void
listeners_adopt(struct master *m, const struct conf *conf)
{
	uint64_t coming = turn_look(m)->globals.trans_generation;

	adopt_all(m, conf, false);
	/* Of one that was in force before: it had not left yet. */
	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].conf != NULL && m->generations[i].conf !=
		    conf && m->generations[i].number != coming)
			adopt_all(m, m->generations[i].conf, true);
	/* What is left was of a change that is gone. */
	for (struct listener *l = m->listeners, *next; l != NULL; l = next) {
		next = l->next;
		if (l->pool[0] == '\0')
			listener_unbind(m, l);
	}
	listener_adopt_sockets(m);
}
