/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * heal.c: listeners that a plugin broke, through the description that it shares
 * with everybody.  On the same socket where that is possible, else the keeper
 * makes another one for the same address, which is handed round.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

static void
tell_healed(struct listener *l)
{
	struct event_fields fields = { .pool = l->pool, .text = l->address };

	l->healed++;
	l->broken = false;
	turn_tell(l->master, EVENT_LISTENER_HEALED, &fields);
}

static void
on_remade(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *p = answer->packet;
	struct listener *l = listeners_find(m, (uint32_t)id);

	if (l == NULL)
		return;
	l->remaking = false;
	if (p->header.type != KEEPER_BOUND) {
		/* The next tick tries again. */
		if (!l->broken)
			log_error("listener %s of pool %s is broken and cannot "
			    "be made again: %s", l->address, l->pool,
			    p->body.error.text);
		l->broken = true;
		return;
	}
	tell_healed(l);
	listeners_own(l, answer, p->body.bound.address,
	    p->body.bound.address_len);
	listeners_tell(l, LISTENER_ADD, l->fd);
	dispatch_kick(m, state_find_pool(turn_look(m), l->pool));
}

/* Nothing can be accepted from it, and poll would say so without end. */
static void
remake(struct listener *l)
{
	struct keeper_packet packet;

	if (l->armed)
		event_del(l->readable);
	l->armed = false;
	l->remaking = true;
	keeper_begin(&packet, KEEPER_REMAKE, 0);
	packet.body.remake.listener = l->id;
	link_request(l->master->link, &packet, NULL, 0, on_remade, l->id);
}

/* A port that the kernel had chosen goes with the shutdown of its socket:
 * listen() then takes another one. */
static bool
has_moved(const struct listener *l)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} at = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(at);
	const char *port = strrchr(l->address, ':');

	if (getsockname(l->fd, &at.any, &len) != 0 || port == NULL)
		return true;
	return strtoul(port + 1, NULL, 10) != ntohs(
	    at.any.sa_family == AF_INET6 ? at.in6.sin6_port : at.in.sin_port);
}

/* A Unix socket goes on to call itself listening when it has been shut down. */
static bool
is_shut(const struct listener *l)
{
	struct pollfd one = { .fd = l->fd };
	socklen_t len = sizeof(int);
	int listening = 1;

	return getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len)
	    != 0 || !listening || (poll(&one, 1, 0) > 0 &&
	    (one.revents & POLLHUP) != 0);
}

/* One of datagrams takes none, or those of one peer alone. */
static bool
is_deaf(const struct listener *l, bool *is_tied)
{
	struct pollfd one = { .fd = l->fd, .events = POLLRDHUP };
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	*is_tied = getpeername(l->fd, (struct sockaddr *)&peer, &len) == 0;
	return *is_tied || (poll(&one, 1, 0) > 0 &&
	    (one.revents & (POLLHUP | POLLRDHUP)) != 0);
}

/* A port that the kernel had chosen goes when it is untied. */
static bool
untie(const struct listener *l)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	bool is_tied;

	return connect(l->fd, &nobody, sizeof(nobody)) == 0 && !has_moved(l) &&
	    !is_deaf(l, &is_tied);
}

void
listeners_heal(struct listener *l)
{
	socklen_t len = sizeof(int);
	int type = 0, flags = fcntl(l->fd, F_GETFL);
	bool healed = false, is_tied = false;

	if (l->remaking)
		return;
	getsockopt(l->fd, SOL_SOCKET, SO_TYPE, &type, &len);
	if (flags >= 0 && !(flags & O_NONBLOCK)) {
		fcntl(l->fd, F_SETFL, flags | O_NONBLOCK);
		healed = true;
	}
	if (type == SOCK_STREAM && is_shut(l)) {
		if (strncmp(l->address, "unix:", 5) == 0 ||
		    listen(l->fd, (int)l->backlog) != 0 || has_moved(l)) {
			remake(l);
			return;
		}
		healed = true;
	}
	if (type == SOCK_DGRAM && is_deaf(l, &is_tied)) {
		if (!is_tied || !untie(l)) {
			remake(l);
			return;
		}
		healed = true;
	}
	if (healed)
		tell_healed(l);
}
