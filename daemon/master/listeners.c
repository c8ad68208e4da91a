/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners.c: the addresses of the pools, and who accepts from them; see
 * listeners.h.
 */
#include "daemon/master/listeners.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/memory.h"
#include "daemon/journal/journal.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

struct listener *
listeners_find(struct master *m, uint32_t id)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->id == id)
			return l;
	return NULL;
}

struct listener *
listener_of(const struct master *m, const char *pool, const char *configured)
{
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (KEEPER_LISTENER_SOCKET(l->id) == 0 &&
		    strcmp(l->pool, pool) == 0 &&
		    strcmp(l->configured, configured) == 0)
			return l;
	return NULL;
}

bool
listener_has_address_of(const struct listener *l, const struct listener *first)
{
	return KEEPER_LISTENER_ADDRESS(l->id) ==
	    KEEPER_LISTENER_ADDRESS(first->id);
}

uint32_t
listener_id(const char *pool, const char *configured)
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
add(struct master *m, uint32_t id, const char *pool, const char *configured)
{
	struct listener *l = memory_new(sizeof(*l));

	l->master = m;
	l->id = id;
	l->fd = -1;
	snprintf(l->pool, sizeof(l->pool), "%s", pool);
	snprintf(l->configured, sizeof(l->configured), "%s", configured);
	snprintf(l->address, sizeof(l->address), "%s", configured);
	l->next = m->listeners;
	m->listeners = l;
	return l;
}

struct listener *
listener_new(struct master *m, const char *pool, const char *configured)
{
	uint32_t id = listener_id(pool, configured);

	while (listeners_find(m, id) != NULL)
		id = 1 + id % (LISTENER_CONTROL - 1);
	return add(m, id, pool, configured);
}

struct listener *
listener_new_socket(const struct listener *first, uint32_t number)
{
	struct listener *l = add(first->master, KEEPER_LISTENER(first->id,
	    number), first->pool, first->configured);

	l->backlog = first->backlog;
	l->mode = first->mode;
	l->gid = first->gid;
	l->adding = first->adding;
	l->reuseport = true;
	l->awaits_data = first->awaits_data;
	return l;
}

void
listener_await_data(struct listener *l, bool on)
{
	int seconds = on;

	l->awaits_data = on;
	if (l->fd >= 0)
		(void)setsockopt(l->fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds,
		    sizeof(seconds));
}

void
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

void
listener_bound(struct listener *l, const struct link_packet *answer)
{
	const struct keeper_msg_bound *bound = &answer->packet->body.bound;

	(void)FP("listener.bound");
	listeners_own(l, answer, bound->address, bound->address_len);
	if (!l->adding)
		listeners_tell(l, LISTENER_ADD, l->fd);
	turn_change(l->master);		/* it has no owner yet */
}

const char *
listener_why_not(const struct keeper_packet *answer)
{
	return answer->header.type == KEEPER_ERROR &&
	    answer->body.error.text[0] != '\0' ? answer->body.error.text :
	    strerror((int)answer->header.code);
}

/* To all workers of its pool. */
void
listeners_tell(struct listener *l, enum listener_op op, int fd)
{
	struct master *m = l->master;

	listener_note_told(l, op);
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];

		if (process == NULL || process->pool == MEMO_NONE || strcmp(
		    turn_look(m)->pool[process->pool].name, l->pool) != 0)
			continue;
		(void)listener_say(process, l->id, op, fd);
		if (op == LISTENER_ADD && process->on &&
		    !turn_look(m)->worker[i].paused)
			listeners_tell_worker(process, true);
	}
}

void
listener_unbind(struct master *m, struct listener *listener)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_UNBIND, 0);
	packet.body.unbind.listener = listener->id;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
	listeners_tell(listener, LISTENER_DROP, -1);
	listener_free(listener);
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
		if ((l->fd >= 0 || (KEEPER_LISTENER_SOCKET(l->id) != 0 &&
		    !l->adding)) && strcmp(l->pool, pool) == 0 && count < max)
			ids[count++] = l->id;
	return count;
}

size_t
listeners_addresses(const struct master *m, const struct conf_pool *conf,
    const char **addresses, size_t max)
{
	const struct listener *l;
	size_t count = 0;

	for (size_t i = 0; i < conf->listen_count && count < max; i++)
		if ((l = listener_of(m, conf->name, conf->listens[i].text)) !=
		    NULL && !l->leaving)
			addresses[count++] = l->address;
	return count;
}

static void
tell_listening(struct process *process, const struct listener *l)
{
	const struct event_member more[] = {
		EVENT_TEXT("address", l->address),
		EVENT_TEXT("configured", l->configured),
		EVENT_END
	};

	turn_tell_worker(process->master, EVENT_WORKER_LISTENING, process->row,
	    l->address, more);
}

void
listeners_publish(struct process *process)
{
	struct master *m = process->master;
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = master_pool_conf(m,
	    copy->worker[process->row].generation,
	    copy->pool[process->pool].name);

	for (size_t i = 0; conf != NULL && i < conf->listen_count; i++) {
		const struct listener *l = listener_of(m, conf->name,
		    conf->listens[i].text);

		if (l != NULL && l->fd >= 0)
			tell_listening(process, l);
	}
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
	l->owner = 0;
	listener_await_data(l, l->awaits_data);
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
		if (l->fd >= 0 && !l->reuseport && strcmp(l->pool, name) == 0)
			(void)listener_say(process, l->id, on ?
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
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->fd >= 0 && !l->leaving)
			listeners_tell(l, LISTENER_ADD, l->fd);
}
