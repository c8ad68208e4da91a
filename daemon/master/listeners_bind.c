/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners_bind.c: listeners follow the configuration: what it names is bound,
 * what it changes is changed, what it lacks leaves.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/tick.h"

enum { LEAVE_MS = 5000 };

/* What listeners_bind() has asked for and waits for. */
static struct {
	listeners_done done;
	unsigned open;
	int code;
	char text[300];
} batch;

static void
batch_end(struct master *m)
{
	listeners_done done = batch.done;

	if (batch.open > 0 || done == NULL)
		return;
	batch.done = NULL;
	done(m, batch.code, batch.text);
}

/* The first thing that is wrong counts. */
static void
batch_refuse(int code, const char *fmt, ...)
{
	va_list args;

	if (batch.code != 0)
		return;
	batch.code = code;
	va_start(args, fmt);
	vsnprintf(batch.text, sizeof(batch.text), fmt, args);
	va_end(args);
}

static void
on_bound(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct listener *l = listeners_find(m, (uint32_t)id);

	batch.open--;
	if (l != NULL && p->header.type == KEEPER_BOUND) {
		listener_bound(l, answer);
		/* of the keeper before this one, which had more slots */
		if (KEEPER_LISTENER_SOCKET(l->id) == 0)
			batch.open += listener_ask_sockets(l, 1 + p->body.bound.more,
			    on_bound);
	} else if (l != NULL) {
		batch_refuse((int)p->header.code,
		    "[pool %.32s] listen: %.80s: %.150s", l->pool,
		    l->configured, listener_why_not(p));
		listener_free(l);
	}
	batch_end(m);
}

static void
fill_bind(struct keeper_packet *packet, struct listener *l,
    const struct conf_pool *pool, const struct conf_listen *listen)
{
	struct keeper_msg_bind *bind = &packet->body.bind;

	keeper_begin(packet, KEEPER_BIND, 0);
	l->backlog = pool->backlog;
	l->mode = listen->family == AF_UNIX ? (uint32_t)pool->socket_mode : 0;
	l->gid = listen->family == AF_UNIX ? (uint32_t)pool->socket_gid :
	    UINT32_MAX;
	bind->listener = l->id;
	bind->type = listen->type == LISTEN_DGRAM ? BIND_DGRAM : BIND_STREAM;
	bind->backlog = (uint32_t)l->backlog;
	bind->mode = l->mode;
	bind->gid = l->gid;
	l->awaits_data = pool->protocol == PROTOCOL_HTTP;
	l->reuseport = pool->schedule == SCHEDULE_REUSEPORT;
	if (l->reuseport)
		bind->flags |= BIND_REUSEPORT;
	if (listen->family == AF_INET6)
		bind->flags |= BIND_V6ONLY;
	if (listen->inherited != NULL) {
		bind->flags |= BIND_INHERITED;
		snprintf((char *)bind->address, sizeof(bind->address), "%s",
		    listen->inherited);
		bind->address_len = (uint32_t)strlen(listen->inherited);
	} else {
		memcpy(bind->address, listen->address, listen->len);
		bind->address_len = listen->len;
	}
}

static void
ask_bind(struct listener *l, const struct conf_pool *pool,
    const struct conf_listen *listen)
{
	struct keeper_packet packet;

	fill_bind(&packet, l, pool, listen);
	batch.open++;
	link_request(l->master->link, &packet, NULL, 0, on_bound, l->id);
}

/* -- what is new, what changes, what leaves ------------------------------------ */

static void
on_changed(struct master *m, uint64_t id, const struct link_packet *answer)
{
	struct listener *l = listeners_find(m, (uint32_t)id);

	if (l == NULL || answer->packet->header.type == KEEPER_BOUND)
		return;
	l->adopted = true;		/* the next change tries again */
	log_error("[pool %s] listen: %s: %s", l->pool, l->configured,
	    answer->packet->body.error.text);
}

/* Live keys of one that stays.  What the keeper was told of one that another
 * master bound is not known. */
static void
change(struct master *m, struct listener *l, const struct conf_pool *pool,
    const struct conf_listen *listen)
{
	const struct listener before = *l;
	struct keeper_packet packet;

	fill_bind(&packet, l, pool, listen);
	listener_await_data(l, l->awaits_data);
	if (!before.adopted && before.backlog == l->backlog &&
	    before.mode == l->mode && before.gid == l->gid)
		return;
	l->adopted = false;
	link_request(m->link, &packet, NULL, 0, on_changed, l->id);
}

/* One number of TCP and one of UDP are two addresses. */
static bool
is_of_type(const struct listener *l, int type)
{
	int has = 0;
	socklen_t len = sizeof(has);

	return getsockopt(l->fd, SOL_SOCKET, SO_TYPE, &has, &len) != 0 ||
	    has == type;
}

/* The pool that has this address already, or NULL.  Any port is one that nobody
 * has. */
static const char *
owner_of(struct master *m, const char *pool, const struct conf_listen *at)
{
	size_t len = strlen(at->text);

	if (at->family != AF_UNIX && len > 2 &&
	    strcmp(at->text + len - 2, ":0") == 0)
		return NULL;
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && strcmp(l->pool, pool) != 0 &&
		    strcmp(l->configured, at->text) == 0 &&
		    is_of_type(l, at->type == LISTEN_DGRAM ?
		    SOCK_DGRAM : SOCK_STREAM))
			return l->pool;
	return NULL;
}

/* Its queue belongs to the workers of that pool until it has left. */
static void
refuse_to_move(const char *pool, const char *address, const char *owner)
{
	batch_refuse(EADDRINUSE, "[pool %.31s] listen: %.80s "
	    "belongs to [pool %.31s]; take it out there first, in a reload of "
	    "its own, and add it here when it has left (`listeners')", pool,
	    address, owner);
}

/* It was another pool of that name, which has not left yet. */
static bool
is_of_another_kind(const struct listener *l, const struct conf_pool *pool)
{
	if (l->reuseport == (pool->schedule == SCHEDULE_REUSEPORT))
		return false;
	batch_refuse(EADDRINUSE, "[pool %.31s] listen: %.80s is still there "
	    "with another kind of sockets (reuseport); add it when it has "
	    "left (`listeners')", l->pool, l->configured);
	return true;
}

/* Each worker holds all, so that somebody polls each when there is no master. */
static bool
has_too_many(struct master *m, const struct conf_pool *pool)
{
	uint32_t slots = listener_count_slots(m, pool);

	if (conf_sockets(pool, slots) <= KEEPER_SPAWN_LISTENERS)
		return false;
	batch_refuse(ENOSPC, "[pool %.31s] listen: %zu addresses with a socket "
	    "for each of %u slots (reuseport) are more than %d sockets",
	    pool->name, pool->listen_count, slots, KEEPER_SPAWN_LISTENERS);
	return true;
}

void
listener_leave(struct listener *first)
{
	uint64_t by_ns = tick_awake_ns(first->master) +
	    clock_scaled_ms(LEAVE_MS) * NS_PER_MS;

	for (struct listener *l = first->master->listeners; l != NULL;
	    l = l->next) {
		if (!listener_has_address_of(l, first))
			continue;
		/* what the kernel keeps back cannot be waited for */
		listener_await_data(l, false);
		l->leaving = true;
		l->revived = false;
		l->empty_since_ns = 0;
		l->leave_by_ns = by_ns;
	}
}

/* Its address is wanted again before it has left. */
static void
revive(struct listener *first, bool adding)
{
	for (struct listener *l = first->master->listeners; l != NULL;
	    l = l->next) {
		if (!listener_has_address_of(l, first) || !l->leaving)
			continue;
		l->leaving = false;
		l->revived = adding;
	}
}

static void
bind_address(struct master *m, const struct conf_pool *pool,
    const struct conf_listen *at, bool adding)
{
	struct listener *l = listener_of(m, pool->name, at->text);
	const char *owner = l != NULL ? NULL : owner_of(m, pool->name, at);

	if (owner != NULL) {
		refuse_to_move(pool->name, at->text, owner);
		return;
	}
	if (l == NULL) {
		l = listener_new(m, pool->name, at->text);
		l->adding = adding;
		ask_bind(l, pool, at);
	} else if (is_of_another_kind(l, pool)) {
		return;
	} else {
		revive(l, adding);
	}
	batch.open += listener_ask_sockets(l, listener_count_slots(m, pool), on_bound);
}

void
listeners_bind(struct master *m, const struct conf *conf, bool adding,
    listeners_done done)
{
	memset(&batch, 0, sizeof(batch));
	batch.done = done;
	batch.open = 1;
	for (size_t p = 0; p < conf->pool_count; p++) {
		const struct conf_pool *pool = &conf->pools[p];

		for (size_t i = 0; i < pool->listen_count &&
		    !has_too_many(m, pool); i++)
			bind_address(m, pool, &pool->listens[i], adding);
	}
	batch.open--;
	batch_end(m);
}

void
listeners_drop_added(struct master *m)
{
	struct listener *next;

	for (struct listener *l = m->listeners; l != NULL; l = next) {
		next = l->next;
		if (l->adding)
			listener_unbind(m, l);
		else if (l->revived)
			listener_leave(l);
	}
}

/* What conf says of it, and of which pool; NULL: it does not name it. */
static const struct conf_listen *
named(const struct conf *conf, const struct listener *l,
    const struct conf_pool **pool)
{
	*pool = conf_pool_by_name(conf, l->pool);
	for (size_t i = 0; *pool != NULL && i < (*pool)->listen_count; i++)
		if (strcmp((*pool)->listens[i].text, l->configured) == 0)
			return &(*pool)->listens[i];
	return NULL;
}

void
listeners_settle(struct master *m, const struct conf *conf)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next) {
		const struct conf_pool *pool;
		const struct conf_listen *at = named(conf, l, &pool);

		/* A new address replaces no worker: they get it as they are. */
		if (l->adding && l->fd >= 0)
			listeners_tell(l, LISTENER_ADD, l->fd);
		l->adding = l->revived = false;
		if (at != NULL && l->fd >= 0)
			change(m, l, pool, at);
		else if (at == NULL && !l->leaving)
			listener_leave(l);
	}
}
