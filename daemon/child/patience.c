/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* patience.c: a time that a child has for something; see patience.h. */
#include "daemon/child/patience.h"

#include "common/base/clock.h"

void
patience_init(struct patience *patience, struct event_base *base,
    event_callback_fn over, void *arg)
{
	evtimer_assign(&patience->event, base, over, arg);
}

static void
wait_until(struct patience *patience, uint64_t now_ns)
{
	uint64_t us = (patience->at_ns - now_ns) / 1000 + 1;
	const struct timeval time = { (time_t)(us / 1000000),
		(suseconds_t)(us % 1000000) };

	event_add(&patience->event, &time);
}

void
patience_begin(struct patience *patience, unsigned ms)
{
	uint64_t now_ns = clock_now_ns();

	patience->at_ns = now_ns + ms * NS_PER_MS;
	patience->excused = false;
	wait_until(patience, now_ns);
}

void
patience_end(struct patience *patience)
{
	event_del(&patience->event);
}

/* The loop counts from the begin of its turn, and its clock moves in steps. */
bool
patience_is_early(struct patience *patience)
{
	uint64_t now_ns = clock_now_ns();

	if (now_ns >= patience->at_ns)
		return false;
	wait_until(patience, now_ns);
	return true;
}

bool
patience_excuse(struct patience *patience)
{
	uint64_t late_ns = clock_now_ns() - patience->at_ns;

	if (patience->excused ||
	    late_ns < clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS)
		return false;
	patience_begin(patience, clock_scaled_ms(CLOCK_EXCUSE_MS));
	patience->excused = true;
	return true;
}
