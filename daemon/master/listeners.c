/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners.c: the addresses of the pools; see listeners.h. */
#include "daemon/master/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <poll.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/digest.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

enum { LEAVE_EMPTY_MS = 1000, LEAVE_MS = 5000 };

struct listener *
listeners_find(struct master *m, uint32_t id)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->id == id)
			return l;
	return NULL;
}

static struct listener *
find(struct master *m, const char *pool, const char *configured)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (strcmp(l->pool, pool) == 0 &&
		    strcmp(l->configured, configured) == 0)
			return l;
	return NULL;
}

/* The same for the same pool and address in each life of the master. */
static uint32_t
id_of(const char *pool, const char *configured)
{
	uint32_t crc = crc32c(0, pool, strlen(pool) + 1);

	crc = crc32c(crc, configured, strlen(configured));
	return 1 + crc % (LISTENER_CONTROL - 1);
}

static void
address_text(const uint8_t *address, uint32_t len, char *out, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		uint8_t bytes[128];
	} at = { .bytes = { 0 } };
	char host[64] = "?";

	memcpy(at.bytes, address, len < 128 ? len : 128);
	if (at.any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &at.in.sin_addr, host, sizeof(host));
		snprintf(out, size, "%s:%u", host, ntohs(at.in.sin_port));
	} else if (at.any.sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &at.in6.sin6_addr, host, sizeof(host));
		snprintf(out, size, "[%s]:%u", host,
		    ntohs(at.in6.sin6_port));
	} else if (at.any.sa_family == AF_UNIX) {
		snprintf(out, size, "unix:%.107s", at.un.sun_path);
	}
}

static struct listener *
listener_new(struct master *m, const char *pool, const char *configured)
{
	struct listener *l = memory_new(sizeof(*l));

	l->master = m;
	l->fd = -1;
	snprintf(l->pool, sizeof(l->pool), "%s", pool);
	snprintf(l->configured, sizeof(l->configured), "%s", configured);
	snprintf(l->address, sizeof(l->address), "%s", configured);
	l->id = id_of(pool, configured);
	while (listeners_find(m, l->id) != NULL)
		l->id = 1 + l->id % (LISTENER_CONTROL - 1);
	l->next = m->listeners;
	m->listeners = l;
	return l;
}

static void
listener_free(struct listener *listener)
{
	struct listener **at = &listener->master->listeners;

	while (*at != listener)
		at = &(*at)->next;
	*at = listener->next;
	if (listener->readable != NULL)
		event_free(listener->readable);
	fd_close(&listener->fd);
	memory_free(listener);
}

/* To all workers of its pool. */
void
listeners_tell(const struct listener *l, enum listener_op op, int fd)
{
	struct master *m = l->master;

	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];

		if (process == NULL || process->pool == MEMO_NONE || strcmp(
		    turn_look(m)->pool[process->pool].name, l->pool) != 0)
			continue;
		process_say_listener(process, l->id, op, fd);
		if (op == LISTENER_ADD && process->on &&
		    !turn_look(m)->worker[i].paused)
			listeners_tell_worker(process, true);
	}
}

static void
unbind(struct master *m, struct listener *listener)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_UNBIND, 0);
	packet.body.unbind.listener = listener->id;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
	listeners_tell(listener, LISTENER_DROP, -1);
	listener_free(listener);
}

/* -- binding ------------------------------------------------------------------- */

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

static void
on_bound(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct listener *l = listeners_find(m, (uint32_t)id);

	batch.open--;
	if (l != NULL && p->header.type == KEEPER_BOUND) {
		listeners_own(l, answer, p->body.bound.address,
		    p->body.bound.address_len);
	} else if (l != NULL) {
		if (batch.code == 0) {
			batch.code = (int)p->header.code;
			snprintf(batch.text, sizeof(batch.text),
			    "[pool %.32s] listen: %.80s: %.150s", l->pool, l->configured,
			    p->header.type == KEEPER_ERROR &&
			    p->body.error.text[0] != '\0' ?
			    p->body.error.text :
			    strerror((int)p->header.code));
		}
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
	if (pool->schedule == SCHEDULE_REUSEPORT)
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
ask_bind(struct master *m, struct listener *l, const struct conf_pool *pool,
    const struct conf_listen *listen)
{
	struct keeper_packet packet;

	fill_bind(&packet, l, pool, listen);
	batch.open++;
	link_request(m->link, &packet, NULL, 0, on_bound, l->id);
}

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
	if (!before.adopted && before.backlog == l->backlog &&
	    before.mode == l->mode && before.gid == l->gid)
		return;
	l->adopted = false;
	link_request(m->link, &packet, NULL, 0, on_changed, l->id);
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
		    strcmp(l->configured, at->text) == 0)
			return l->pool;
	return NULL;
}

/* Its queue belongs to the workers of that pool until it has left. */
static void
refuse_to_move(const char *pool, const char *address, const char *owner)
{
	if (batch.code != 0)
		return;
	batch.code = EADDRINUSE;
	snprintf(batch.text, sizeof(batch.text), "[pool %.31s] listen: %.80s "
	    "belongs to [pool %.31s]; take it out there first, in a reload of "
	    "its own, and add it here when it has left (`listeners')", pool,
	    address, owner);
}

static void
leave(struct listener *l)
{
	l->leaving = true;
	l->revived = false;
	l->empty_since_ns = 0;
	l->leave_by_ns = clock_now_ns() +
	    clock_scaled_ms(LEAVE_MS) * NS_PER_MS;
}

/* Its address is wanted again before it has left. */
static void
revive(struct listener *l, bool adding)
{
	if (!l->leaving)
		return;
	l->leaving = false;
	l->revived = adding;
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

		for (size_t i = 0; i < pool->listen_count; i++) {
			const struct conf_listen *at = &pool->listens[i];
			struct listener *l = find(m, pool->name, at->text);
			const char *owner = l != NULL ? NULL :
			    owner_of(m, pool->name, at);

			if (l != NULL) {
				revive(l, adding);
				continue;
			}
			if (owner != NULL) {
				refuse_to_move(pool->name, at->text, owner);
				continue;
			}
			l = listener_new(m, pool->name, at->text);
			l->adding = adding;
			ask_bind(m, l, pool, at);
		}
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
			unbind(m, l);
		else if (l->revived)
			leave(l);
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
			leave(l);
	}
}

/* -- inventory -------------------------------------------------------------------- */

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
	listeners_own(l, packet, have->address, have->address_len);
}

/* One of the inventory becomes this address; NULL: it is not there. */
static struct listener *
adopt(struct master *m, const struct conf_pool *pool,
    const struct conf_listen *at)
{
	uint32_t id = id_of(pool->name, at->text);
	struct listener *l = listeners_find(m, id);

	while (l != NULL && l->pool[0] != '\0') {
		id = 1 + id % (LISTENER_CONTROL - 1);
		l = listeners_find(m, id);
	}
	if (l == NULL)
		return NULL;
	snprintf(l->pool, sizeof(l->pool), "%s", pool->name);
	snprintf(l->configured, sizeof(l->configured), "%s", at->text);
	l->backlog = pool->backlog;
	l->adopted = true;
	return l;
}

static void
adopt_all(struct master *m, const struct conf *conf, bool leaving)
{
	for (size_t p = 0; p < conf->pool_count; p++) {
		const struct conf_pool *pool = &conf->pools[p];

		for (size_t i = 0; i < pool->listen_count; i++) {
			const struct conf_listen *at = &pool->listens[i];
			struct listener *l = leaving && find(m, pool->name,
			    at->text) != NULL ? NULL : adopt(m, pool, at);

			if (l != NULL && leaving)
				leave(l);
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
			unbind(m, l);
	}
}

void
listeners_free(struct master *m)
{
	while (m->listeners != NULL)
		listener_free(m->listeners);
}

size_t
listeners_of_pool(struct master *m, const char *pool, uint32_t *ids, size_t max)
{
	size_t count = 0;

	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && strcmp(l->pool, pool) == 0 && count < max)
			ids[count++] = l->id;
	return count;
}

/* -- accepting -------------------------------------------------------------------- */

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_accept(arg);
}

void
listeners_own(struct listener *l, const struct link_packet *packet,
    const uint8_t *address, uint32_t len)
{
	if (l->readable != NULL)
		event_free(l->readable);
	fd_close(&l->fd);
	l->fd = packet->fds[0];
	packet->fds[0] = -1;
	l->armed = false;
	address_text(address, len, l->address, sizeof(l->address));
	l->readable = event_new(l->master->base, l->fd, EV_READ | EV_PERSIST,
	    on_readable, l);
	CHECK(l->readable != NULL);
}

void
listeners_arm(struct master *m, uint16_t pool, bool on)
{
	const char *name = turn_look(m)->pool[pool].name;

	for (struct listener *l = m->listeners; l != NULL; l = l->next) {
		if (l->readable == NULL || l->armed == on ||
		    (on && (l->remaking || l->broken)) ||
		    strcmp(l->pool, name) != 0)
			continue;
		if (on)
			event_add(l->readable, NULL);
		else
			event_del(l->readable);
		l->armed = on;
	}
}

static void
arm_worker(struct process *process, bool on)
{
	struct master *m = process->master;
	const char *name = turn_look(m)->pool[process->pool].name;

	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && strcmp(l->pool, name) == 0)
			process_say_listener(process, l->id, on ?
			    LISTENER_ARM : LISTENER_DISARM, -1);
}

void
listeners_tell_worker(struct process *process, bool on)
{
	struct master *m = process->master;

	if (master_pool_now(m, process->pool) != NULL &&
	    !dispatch_is_balanced(m, process->pool))
		arm_worker(process, on);
}

void
listeners_tell_schedule(struct master *m, uint16_t pool)
{
	bool alone = !dispatch_is_balanced(m, pool);

	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];

		if (process != NULL && process->pool == pool && process->on)
			arm_worker(process, alone &&
			    !turn_look(m)->worker[i].paused);
	}
	dispatch_kick(m, pool);
}

void
listeners_tell_again(struct master *m)
{
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !l->leaving)
			listeners_tell(l, LISTENER_ADD, l->fd);
}

/* -- each tick ---------------------------------------------------------------------- */

int64_t
listeners_queued(const struct listener *l, int64_t *most)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (l->fd < 0 || getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len)
	    != 0 || info.tcpi_state != TCP_LISTEN)
		return -1;
	/* of a socket that listens these two are its accept queue */
	if (most != NULL)
		*most = info.tcpi_sacked;
	return info.tcpi_unacked;
}

/* Full, until it is at nine tenths again. */
static void
look_at_queue(struct listener *l)
{
	int64_t most = 0, queued = listeners_queued(l, &most);

	if (queued < 0 || (l->overflow && queued * 10 <= most * 9)) {
		l->overflow = false;
	} else if (!l->overflow && queued >= most) {
		l->overflow = true;
		l->overflows++;
	}
}

/* An address that left: its queue is served until it has been empty for 1 s,
 * at most 5 s. */
static bool
has_left(struct listener *l)
{
	struct pollfd one = { .fd = l->fd, .events = POLLIN };
	uint64_t now = clock_now_ns();

	if (poll(&one, 1, 0) > 0)
		l->empty_since_ns = 0;
	else if (l->empty_since_ns == 0)
		l->empty_since_ns = now;
	return now >= l->leave_by_ns || (l->empty_since_ns != 0 &&
	    now - l->empty_since_ns >=
	    clock_scaled_ms(LEAVE_EMPTY_MS) * NS_PER_MS);
}

void
listeners_check(struct master *m)
{
	struct listener *next;

	for (struct listener *l = m->listeners; l != NULL; l = next) {
		next = l->next;
		if (l->fd < 0)
			continue;
		look_at_queue(l);
		if (!l->leaving)
			listeners_heal(l);
		else if (has_left(l)) {
			unbind(m, l);
			turn_change(m);	/* perhaps its pool's last */
		}
	}
}
