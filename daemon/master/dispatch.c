/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch.c: accept and pass; see dispatch.h.
 * Order: room first, then accept, send at once, close our copy.  What a dead
 * or stalled worker had not taken comes before what is new.
 */
#include "daemon/master/dispatch.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "daemon/master/dispatch_parts.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/proto/connection.h"
#include "daemon/supervisor/state.h"

enum { ACCEPTS_A_TURN = 16, RETRY_FIRST_MS = 100, RETRY_LAST_MS = 1000,
	SAY_AGAIN_MS = 10000 };

/* -- room --------------------------------------------------------------------------- */

static void
on_room(evutil_socket_t fd, short what, void *arg)
{
	struct process *process = arg;

	(void)fd;
	(void)what;
	process->awaited = false;
	if (process->pool != MEMO_NONE)
		process->master->pool[process->pool].has_room = true;
}

void
dispatch_watch(struct process *process)
{
	int fd = process->fd[PFD_CONNECTIONS];

	if (fd < 0 || process->room != NULL)
		return;
	/* Edge-triggered: the least send buffer may hold more than one
	 * window, and such a socket is always writable. */
	process->room = event_new(process->master->base, fd,
	    EV_WRITE | EV_PERSIST | EV_ET, on_room, process);
	CHECK(process->room != NULL);
}

/* Nobody has room: wait for a message to be taken.  Where a worker takes none for
 * another reason its socket is writable, which would be told at once; such a one is
 * looked at with each tick. */
static void
await_room(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);

	listeners_arm(m, pool, false);
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct process *process = m->process[i];

		if (dispatch_lacks_room_only(m, process, pool) &&
		    process->room != NULL)
			process->awaited = event_add(process->room, NULL) == 0;
	}
}

/* Whatever they tell: each is asked. */
static void
distrust(struct master *m, uint16_t pool)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (m->process[i] != NULL && m->process[i]->pool == pool)
			m->process[i]->awaited = false;
}

/* Somebody has room.  Where the kernel does not count, a socket is writable while
 * its one message waits: to watch it anew would be told at once, for ever. */
static void
stop_awaiting(struct master *m, uint16_t pool)
{
	uint16_t count = m->window_unit != 0 ? turn_look(m)->workers : 0;

	distrust(m, pool);
	for (uint16_t i = 0; i < count; i++)
		if (m->process[i] != NULL && m->process[i]->pool == pool &&
		    m->process[i]->room != NULL)
			event_del(m->process[i]->room);
}

/* -- pausing ----------------------------------------------------------------------- */

static bool
is_paused(const struct pool_run *run)
{
	return run->retry_at_ns > clock_now_ns();
}

/* The timer is for the pause that ends first. */
static void
arm_retry(struct master *m)
{
	uint64_t first = 0, now = clock_now_ns(), left;
	struct timeval when;

	for (size_t i = 0; i < MEMO_POOLS; i++) {
		uint64_t at = m->pool[i].retry_at_ns;

		if (at != 0 && (first == 0 || at < first))
			first = at;
	}
	if (first == 0)
		return;
	left = first > now ? (first - now) / 1000 + 1 : 0;
	when.tv_sec = (time_t)(left / 1000000);
	when.tv_usec = (suseconds_t)(left % 1000000);
	event_add(m->retry, &when);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct master *m = arg;

	(void)fd;
	(void)what;
	for (uint16_t i = 0; i < MEMO_POOLS; i++) {
		struct pool_run *run = &m->pool[i];

		if (run->retry_at_ns == 0 || is_paused(run))
			continue;
		run->retry_at_ns = 0;
		if (i < turn_look(m)->pools)
			dispatch_kick(m, i);
	}
	arm_retry(m);
}

/* EMFILE and the like: try again in 100 ms, later in up to a second. */
static void
pause_pool(struct master *m, uint16_t pool, const char *what, int code)
{
	struct pool_run *run = &m->pool[pool];
	uint64_t now = clock_now_ns();

	run->retry_ms = run->retry_ms == 0 ? RETRY_FIRST_MS :
	    run->retry_ms * 2 < RETRY_LAST_MS ? run->retry_ms * 2 :
	    RETRY_LAST_MS;
	run->retry_at_ns = now + clock_scaled_ms(run->retry_ms) * NS_PER_MS;
	listeners_arm(m, pool, false);
	arm_retry(m);
	if (run->retry_said_ns != 0 && now - run->retry_said_ns <
	    clock_scaled_ms(SAY_AGAIN_MS) * NS_PER_MS)
		return;
	run->retry_said_ns = now;
	log_warn("dispatch: pool %s: cannot %s: %s",
	    turn_look(m)->pool[pool].name, what, strerror(code));
}

/* What was to be sent on was not: for want of room, or of means. */
static void
wait_to_pass(struct master *m, uint16_t pool)
{
	int code = m->pool[pool].pass_error;

	m->pool[pool].pass_error = 0;
	if (code == 0)
		await_room(m, pool);
	else
		pause_pool(m, pool, "pass a connection", code);
}

/* -- accepting ------------------------------------------------------------------------ */

static void
describe_peer(const struct sockaddr_storage *from, struct connection_passed *to)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	to->family = from->ss_family;
	if (from->ss_family == AF_INET) {
		to->port = ntohs(in->sin_port);
		memcpy(to->address, &in->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		to->port = ntohs(in6->sin6_port);
		to->scope_or_uid = in6->sin6_scope_id;
		memcpy(to->address, &in6->sin6_addr, 16);
	}
}

/* The number that is kept for what is taken back will do, as it is free again at
 * once: clients of the control socket may have all others. */
static int
accept_next(struct listener *listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	int fd = accept4(listener->fd, (struct sockaddr *)from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 || errno != EMFILE || !dispatch_lend_number(listener->master))
		return fd;
	len = sizeof(*from);
	return accept4(listener->fd, (struct sockaddr *)from, &len,
	    SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* 1: one more was passed; 0: nothing waits there; -1: stop for now. */
static int
accept_one(struct listener *listener, uint16_t pool)
{
	struct master *m = listener->master;
	struct connection_passed message = { .version = CONNECTION_VERSION,
		.listener = (uint16_t)listener->id };
	struct sockaddr_storage from = { 0 };
	int fd = accept_next(listener, &from);

	if (fd < 0) {
		int code = errno;

		(void)dispatch_hold_number(m);
		if (code == EAGAIN)
			return 0;
		if (code == EINVAL)
			listeners_heal(listener);
		if (code == EMFILE || code == ENFILE || code == ENOBUFS ||
		    code == ENOMEM) {
			pause_pool(m, pool, "accept", code);
			return -1;
		}
		return code == EINVAL ? 0 : 1;
	}
	m->pool[pool].retry_ms = 0;
	m->pool[pool].retry_at_ns = 0;
	(void)FP("dispatch.after_accept");
	listener->accepted++;
	message.accepted_ns = clock_now_ns();
	message.number = m->connection_number++;
	describe_peer(&from, &message);
	if (!dispatch_pass(m, pool, &message, fd)) {
		m->pool[pool].hand_fd = fd;
		m->pool[pool].hand = message;
		return -1;
	}
	(void)FP("dispatch.after_send");
	close(fd);
	(void)dispatch_hold_number(m);
	return 1;
}

void
dispatch_init(struct master *m)
{
	dispatch_measure(m);
	(void)dispatch_hold_number(m);
	m->retry = evtimer_new(m->base, on_retry, m);
	CHECK(m->retry != NULL);
}

bool
dispatch_is_balanced(struct master *m, uint16_t pool)
{
	const struct conf_pool *conf = master_pool_now(m, pool);

	return conf != NULL && (conf->schedule == SCHEDULE_ROUND_ROBIN ||
	    conf->schedule == SCHEDULE_LEAST_CONNECTIONS) &&
	    conf->protocol != PROTOCOL_UDP;
}

/* What comes before what is new.  False: it could not be passed, and the pool
 * waits. */
static bool
pass_old(struct master *m, uint16_t pool)
{
	if (dispatch_send_hand(m, pool) && dispatch_take_back(m, pool))
		return true;
	wait_to_pass(m, pool);
	return false;
}

/* Some of those at that listener to those collected.  False: no more for now, and
 * the pool waits. */
static bool
accept_some(struct listener *listener, uint16_t pool)
{
	struct master *m = listener->master;

	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		int rc;

		if (dispatch_choose(m, pool) < 0) {
			await_room(m, pool);
			return false;
		}
		rc = accept_one(listener, pool);
		if (rc == 0)
			return true;
		if (rc < 0) {
			if (m->pool[pool].hand_fd >= 0)
				wait_to_pass(m, pool);
			return false;
		}
	}
	return true;
}

void
dispatch_accept(struct listener *listener)
{
	struct master *m = listener->master;
	uint16_t pool = state_find_pool(turn_look(m), listener->pool);

	if (pool == MEMO_NONE || !dispatch_is_balanced(m, pool)) {
		event_del(listener->readable);
		listener->armed = false;
		return;
	}
	if (!pass_old(m, pool))
		return;
	dispatch_collect(m, pool, NULL);
	(void)accept_some(listener, pool);
}

/* May new ones be accepted in this pool? */
static bool
may_accept(struct master *m, uint16_t pool)
{
	if (m->ending || is_paused(&m->pool[pool]) || !pass_old(m, pool))
		return false;
	dispatch_release_empty(m);
	if (!dispatch_is_balanced(m, pool))
		return false;
	dispatch_collect(m, pool, NULL);
	if (dispatch_choose(m, pool) >= 0)
		return true;
	await_room(m, pool);
	return false;
}

/* Under load the queue of the listener is as full as those of the workers: to poll
 * for the one and the other in turn is four calls more than to look into it. */
static void
refill(struct master *m, uint16_t pool)
{
	const char *name = turn_look(m)->pool[pool].name;
	uint32_t *served = &m->pool[pool].served_listener;
	struct listener *last = listeners_find(m, *served), *l;

	if (m->listeners == NULL || !may_accept(m, pool))
		return;
	if (last == NULL)
		last = m->listeners;
	l = last;
	do {				/* the others first */
		l = l->next != NULL ? l->next : m->listeners;
		if (l->readable == NULL || l->remaking || l->broken ||
		    strcmp(l->pool, name) != 0)
			continue;
		*served = l->id;
		if (!accept_some(l, pool))
			return;
	} while (l != last);
	stop_awaiting(m, pool);
	listeners_arm(m, pool, true);
}

void
dispatch_refill(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		if (m->pool[i].has_room) {
			m->pool[i].has_room = false;
			refill(m, i);
		}
}

void
dispatch_kick(struct master *m, uint16_t pool)
{
	if (pool == MEMO_NONE)
		return;
	distrust(m, pool);
	if (!may_accept(m, pool))
		return;
	stop_awaiting(m, pool);
	listeners_arm(m, pool, true);
}

void
dispatch_kick_all(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0')
			dispatch_kick(m, i);
	dispatch_release_empty(m);
}

void
dispatch_take_back_later(struct master *m, uint64_t unused)
{
	(void)unused;
	dispatch_kick_all(m);
}

void
dispatch_judge_end(struct process *process)
{
	struct pollfd ours = { .fd = process->fd[PFD_CONNECTIONS],
		.events = POLLIN | POLLRDHUP };

	/* We hold its end as well, so that its death is none of these. */
	if (ours.fd < 0 || poll(&ours, 1, 0) <= 0)
		return;
	if (ours.revents & (POLLRDHUP | POLLHUP))
		life_violation(process, "its connections socket is shut");
	else if (ours.revents & POLLIN)
		life_violation(process, "it writes into its connections socket");
}

void
dispatch_on(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];

	if (process == NULL)
		return;
	process->on = true;
	process->stalled = false;
	dispatch_kick(m, process->pool);
}

void
dispatch_off(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];

	if (process != NULL)
		process->on = false;
}
