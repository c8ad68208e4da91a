/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* timers.c: timers of plugins; see timers.h. */
#include "daemon/plugin/timers.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>

enum { ROW_BITS = 16 };

struct timer {
	struct event event;
	struct timers *timers;
	cluster_timer_fn *fn;
	void *arg;
	uint64_t number;		/* 0: free */
	uint32_t row, next_free;
	unsigned plugin;
};

static void
release(struct timers *timers, struct timer *timer)
{
	timer->number = 0;
	timer->next_free = timers->free_first;
	timers->free_first = timer->row + 1;
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct timer *timer = arg;
	struct timers *timers = timer->timers;
	cluster_timer_fn *fn = timer->fn;
	void *fn_arg = timer->arg;

	(void)fd;
	(void)what;
	release(timers, timer);
	timers->run(timer->plugin, fn, fn_arg, timers->ctx);
}

static struct timer *
new_row(struct timers *timers)
{
	struct timer **rows, *timer;

	if (timers->count >= TIMERS_MAX)
		return NULL;
	rows = realloc(timers->rows, (timers->count + 1) * sizeof(rows[0]));
	if (rows == NULL)
		return NULL;
	timers->rows = rows;
	timer = calloc(1, sizeof(*timer));
	if (timer == NULL)
		return NULL;
	timer->timers = timers;
	timer->row = timers->count;
	evtimer_assign(&timer->event, timers->base, on_time, timer);
	rows[timers->count++] = timer;
	return timer;
}

uint64_t
timers_add(struct timers *timers, unsigned plugin, unsigned ms,
    cluster_timer_fn *fn, void *arg)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };
	struct timer *timer;

	if (timers->free_first != 0) {
		timer = timers->rows[timers->free_first - 1];
		timers->free_first = timer->next_free;
	} else if ((timer = new_row(timers)) == NULL) {
		return 0;
	}
	timer->fn = fn;
	timer->arg = arg;
	timer->plugin = plugin;
	timer->number = ++timers->number;
	event_add(&timer->event, &time);
	return timer->number << ROW_BITS | timer->row;
}

int
timers_cancel(struct timers *timers, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & (TIMERS_MAX - 1));

	if (row >= timers->count || handle >> ROW_BITS == 0 ||
	    timers->rows[row]->number != handle >> ROW_BITS)
		return -ESTALE;
	event_del(&timers->rows[row]->event);
	release(timers, timers->rows[row]);
	return 0;
}
