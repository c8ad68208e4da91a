/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* waiting.c: whose turn comes when; see waiting.h. */
#include "daemon/http/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/http/conn.h"

/* ---- heap: the first is due first --------------------------------------------- */

static void
put_at(struct waiting *waiting, uint32_t at, struct conn *conn)
{
	waiting->heap[at] = conn;
	conn->heap_at = at;
}

/* To its place, from there. */
static void
sift(struct waiting *waiting, uint32_t at, struct conn *conn)
{
	struct conn **heap = waiting->heap;
	uint32_t child;

	for (; at > 0 && conn->due_ns < heap[(at - 1) / 2]->due_ns;
	    at = (at - 1) / 2)
		put_at(waiting, at, heap[(at - 1) / 2]);
	while ((child = 2 * at + 1) < waiting->heap_count) {
		if (child + 1 < waiting->heap_count &&
		    heap[child + 1]->due_ns < heap[child]->due_ns)
			child++;
		if (conn->due_ns <= heap[child]->due_ns)
			break;
		put_at(waiting, at, heap[child]);
		at = child;
	}
	put_at(waiting, at, conn);
}

static void
heap_remove(struct waiting *waiting, struct conn *conn)
{
	struct conn *last = waiting->heap[--waiting->heap_count];

	if (last != conn)
		sift(waiting, conn->heap_at, last);
}

/* ---- the timer ------------------------------------------------------------------ */

/* Not later than then.  For want of memory it comes at once, and tries again. */
static void
wake_at(struct waiting *waiting, uint64_t due_ns, uint64_t now_ns)
{
	uint64_t us = due_ns > now_ns ? (due_ns - now_ns) / 1000 + 1 : 0;
	struct timeval time = { .tv_sec = (time_t)(us / 1000000),
	    .tv_usec = (suseconds_t)(us % 1000000) };

	waiting->wake_ns = due_ns;
	if (event_add(&waiting->timer, &time) != 0)
		event_active(&waiting->timer, EV_TIMEOUT, 0);
}

/* The first in the heap, or in the list of that kind. */
static struct conn *
first_of(const struct waiting *waiting, unsigned kind)
{
	if (kind != WAITING_NOWHERE)
		return TAILQ_FIRST(&waiting->lists[kind]);
	return waiting->heap_count > 0 ? waiting->heap[0] : NULL;
}

/* Who was late himself excuses others (clock.h).  Once: whoever is due by the end
 * of an excuse is judged there, however late that is, or a worker that is always
 * late would judge nobody. */
static bool
excuse(struct waiting *waiting, uint64_t now_ns)
{
	if (now_ns < waiting->excused_ns)
		return true;
	if (waiting->wake_ns <= waiting->excused_ns || now_ns <
	    waiting->wake_ns + clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS)
		return false;
	waiting->excused_ns = now_ns +
	    clock_scaled_ms(CLOCK_EXCUSE_MS) * NS_PER_MS;
	return true;
}

/* Timers of libevent count from the begin of its pass, by a clock that moves in
 * steps: they are early by some milliseconds, and no deadline may be. */
static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *waiting = arg;
	uint64_t now_ns = clock_now_ns(), next_ns = UINT64_MAX;
	bool excused = excuse(waiting, now_ns);
	struct conn *conn;

	(void)fd;
	(void)what;
	waiting->wake_ns = 0;
	for (unsigned i = 0; i < WAITING_PASS && !excused; i++)
		while ((conn = first_of(waiting, i)) != NULL &&
		    conn->due_ns <= now_ns) {
			waiting_end(waiting, conn);
			waiting->turn(conn);
		}
	for (unsigned i = 0; i < WAITING_PASS; i++)
		if ((conn = first_of(waiting, i)) != NULL &&
		    conn->due_ns < next_ns)
			next_ns = conn->due_ns;
	if (excused && next_ns < waiting->excused_ns)
		next_ns = waiting->excused_ns;
	if (next_ns != UINT64_MAX)
		wake_at(waiting, next_ns, clock_now_ns());
}

static void
arm_pass(struct waiting *waiting)
{
	static const struct timeval now = { 0, 0 };

	if (waiting->passing)
		return;
	/* not event_active(): that is still this pass */
	waiting->passing = true;
	if (event_add(&waiting->pass, &now) != 0)
		event_active(&waiting->pass, EV_TIMEOUT, 0);
}

static void
on_pass(evutil_socket_t fd, short what, void *arg)
{
	struct waiting *waiting = arg;
	struct conn_list *list = &waiting->lists[WAITING_PASS];
	struct conn *conn;
	bool ended = true;

	(void)fd;
	(void)what;
	waiting->passing = false;
	while (ended && (conn = TAILQ_FIRST(list)) != NULL) {
		ended = conn->dead;
		waiting_end(waiting, conn);
		waiting->turn(conn);
	}
	if (!TAILQ_EMPTY(list))
		arm_pass(waiting);
}

/* ---- coming and going -------------------------------------------------------------- */

static void
look_at_timer(struct waiting *waiting, const struct conn *conn)
{
	if (waiting->wake_ns == 0 || conn->due_ns < waiting->wake_ns)
		wake_at(waiting, conn->due_ns, clock_now_ns());
}

static void
put_last(struct waiting *waiting, struct conn *conn, unsigned place)
{
	TAILQ_INSERT_TAIL(&waiting->lists[place], conn, due_link);
	conn->place = (uint8_t)place;
}

void
waiting_in_list(struct waiting *waiting, struct conn *conn, unsigned kind)
{
	waiting_end(waiting, conn);
	put_last(waiting, conn, kind);
	look_at_timer(waiting, conn);
}

void
waiting_in_heap(struct waiting *waiting, struct conn *conn)
{
	waiting_end(waiting, conn);
	sift(waiting, waiting->heap_count++, conn);
	conn->place = WAITING_HEAP;
	look_at_timer(waiting, conn);
}

void
waiting_for_pass(struct waiting *waiting, struct conn *conn)
{
	waiting_end(waiting, conn);
	put_last(waiting, conn, WAITING_PASS);
	arm_pass(waiting);
}

void
waiting_end(struct waiting *waiting, struct conn *conn)
{
	unsigned place = conn->place;

	conn->place = WAITING_NOWHERE;
	if (place == WAITING_HEAP)
		heap_remove(waiting, conn);
	else if (place != WAITING_NOWHERE)
		TAILQ_REMOVE(&waiting->lists[place], conn, due_link);
}

int
waiting_init(struct waiting *waiting, struct event_base *base, uint32_t most,
    void (*turn)(struct conn *conn))
{
	memset(waiting, 0, sizeof(*waiting));
	for (size_t i = 0; i < COUNT(waiting->lists); i++)
		TAILQ_INIT(&waiting->lists[i]);
	waiting->turn = turn;
	waiting->heap = calloc(most, sizeof(struct conn *));
	event_assign(&waiting->timer, base, -1, 0, on_timer, waiting);
	event_assign(&waiting->pass, base, -1, 0, on_pass, waiting);
	return waiting->heap == NULL ? ERR_MEMORY : 0;
}
