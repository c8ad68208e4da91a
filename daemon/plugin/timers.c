/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* timers.c: timers of plugins; see timers.h. */
#include "daemon/plugin/timers.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/handle.h"

enum { ROW_BITS = 16 };

struct timer {
	struct event event;
	struct timers *timers;
	struct timer_plan plan;
	uint64_t due_ns;
	uint64_t number;		/* 0: free */
	uint32_t row, next_free;
	bool waits;			/* due, and this worker does not lead */
};

static void
wait_for_lead(struct timer *timer, bool waits)
{
	timer->timers->waiting += waits;
	timer->timers->waiting -= timer->waits;
	timer->waits = waits;
}

/* One more (1) or less (-1) of its plugin. */
static void
count(struct timer *timer, int one)
{
	struct timers *timers = timer->timers;

	if (timer->plan.flags & CLUSTER_TIMER_HOLD)
		timers->holding += (unsigned)one;
	if (timer->plan.plugin < CONF_PLUGINS_MAX)
		timers->of_plugin[timer->plan.plugin] += (unsigned)one;
}

static void
free_row(struct timer *timer)
{
	wait_for_lead(timer, false);
	timer->number = 0;
	timer->next_free = timer->timers->free_first;
	timer->timers->free_first = timer->row + 1;
}

/* The loop counts from the begin of its turn, by a clock that moves in steps:
 * what is still early then is waited for. */
static void
arm(struct timer *timer, uint64_t now_ns)
{
	uint64_t left_ns = timer->due_ns > now_ns ? timer->due_ns - now_ns : 0;
	struct timeval time = {
		.tv_sec = (time_t)(left_ns / NS_PER_S),
		.tv_usec = (suseconds_t)((left_ns % NS_PER_S + 999) / 1000),
	};

	event_add(&timer->event, &time);
}

/* Its own function may free it, so the next time is set before. */
static void
fire_again(struct timer *timer, uint64_t now_ns)
{
	const struct timer_plan plan = timer->plan;
	uint64_t period_ns = plan.ms * NS_PER_MS;

	timer->due_ns += period_ns;
	if (timer->due_ns <= now_ns)
		timer->due_ns = now_ns + period_ns;
	arm(timer, now_ns);
	timer->timers->run(plan.plugin, plan.flags & CLUSTER_TIMER_LEADER,
	    plan.fn, plan.arg, timer->timers->ctx);
}

static void
fire_once(struct timer *timer)
{
	struct timers *timers = timer->timers;
	const struct timer_plan plan = timer->plan;
	uint64_t number = timer->number;

	/* while its function runs it has ended already */
	timer->number = 0;
	count(timer, -1);
	if (timers->run(plan.plugin, plan.flags & CLUSTER_TIMER_LEADER,
	    plan.fn, plan.arg, timers->ctx)) {
		free_row(timer);
		return;
	}
	timer->number = number;
	count(timer, 1);
	wait_for_lead(timer, true);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	struct timer *timer = arg;
	uint64_t now_ns = clock_now_ns();

	(void)fd;
	(void)what;
	if (now_ns < timer->due_ns)
		arm(timer, now_ns);
	else if (timer->plan.again)
		fire_again(timer, now_ns);
	else
		fire_once(timer);
}

static struct timer *
new_row(struct timers *timers)
{
	struct timer **rows, *timer;

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

int
timers_add(struct timers *timers, const struct timer_plan *plan,
    uint64_t *handle)
{
	uint64_t now_ns = clock_now_ns();
	struct timer *timer;

	if (timers->free_first != 0) {
		timer = timers->rows[timers->free_first - 1];
		timers->free_first = timer->next_free;
	} else if (timers->count >= TIMERS_MAX) {
		return -ENOSPC;
	} else if ((timer = new_row(timers)) == NULL) {
		return -ENOMEM;
	}
	timer->plan = *plan;
	timer->number = handle_number(HANDLE_TIMER, ++timers->number);
	timer->due_ns = now_ns + plan->ms * NS_PER_MS;
	count(timer, 1);
	arm(timer, now_ns);
	*handle = timer->number << ROW_BITS | timer->row;
	return 0;
}

unsigned
timers_of_plugin(const struct timers *timers, unsigned plugin)
{
	return plugin < CONF_PLUGINS_MAX ? timers->of_plugin[plugin] : 0;
}

int
timers_cancel(struct timers *timers, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & (TIMERS_MAX - 1));

	if (row >= timers->count || handle >> ROW_BITS == 0 ||
	    timers->rows[row]->number != handle >> ROW_BITS)
		return -ESTALE;
	event_del(&timers->rows[row]->event);
	count(timers->rows[row], -1);
	free_row(timers->rows[row]);
	return 0;
}

void
timers_try_waiting(struct timers *timers)
{
	for (uint32_t i = 0; i < timers->count && timers->waiting > 0; i++)
		if (timers->rows[i]->waits)
			event_active(&timers->rows[i]->event, EV_TIMEOUT, 0);
}
