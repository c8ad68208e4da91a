/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners_check.c: each tick: queues, repairs, addresses that have left. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "daemon/master/listeners.h"
#include "daemon/master/listeners_parts.h"
#include "daemon/master/master.h"
#include "daemon/master/owners.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"

enum { LEAVE_EMPTY_MS = 1000 };

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
static void
look_for_end(struct listener *l, uint64_t now)
{
	struct pollfd one = { .fd = l->fd, .events = POLLIN };

	if (poll(&one, 1, 0) > 0)
		l->empty_since_ns = 0;
	else if (l->empty_since_ns == 0)
		l->empty_since_ns = now;
}

static bool
is_over(const struct listener *l, uint64_t now)
{
	return l->fd < 0 || now >= l->leave_by_ns ||
	    (l->empty_since_ns != 0 && now - l->empty_since_ns >=
	    clock_scaled_ms(LEAVE_EMPTY_MS) * NS_PER_MS);
}

/* All sockets of its address at once: while one of them listens, clients come,
 * and would find its neighbours closed or, worse, closing. */
static bool
has_left(struct master *m, const struct listener *listener, uint64_t now)
{
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (listener_has_address_of(l, listener) && !is_over(l, now))
			return false;
	return true;
}

static uint32_t
find_left(struct master *m, uint64_t now)
{
	for (const struct listener *l = m->listeners; l != NULL; l = l->next)
		if (l->leaving && has_left(m, l, now))
			return KEEPER_LISTENER_ADDRESS(l->id);
	return 0;
}

static void
drop_address(struct master *m, uint32_t id)
{
	struct listener *next;

	for (struct listener *l = m->listeners; l != NULL; l = next) {
		next = l->next;
		if (KEEPER_LISTENER_ADDRESS(l->id) == id)
			listener_unbind(m, l);
	}
	turn_change(m);			/* perhaps its pool's last */
}

void
listeners_check(struct master *m)
{
	uint64_t now = tick_awake_ns(m);
	uint32_t left;

	for (struct listener *l = m->listeners; l != NULL; l = l->next) {
		if (l->fd < 0)
			continue;
		look_at_queue(l);
		if (l->leaving)
			look_for_end(l, now);
		else
			listeners_heal(l);
	}
	while ((left = find_left(m, now)) != 0)
		drop_address(m, left);
	owners_follow(m);		/* somebody may not have been told */
}
