/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * flow_time.c: deadlines of a flow; see flow.h.  Traffic moves none: when one is
 * due it is looked whether there was any, and the rest is awaited.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/stream/flow.h"

enum { LOOK_MS = 1000 };		/* at a client that takes nothing */

static void
set_timer(struct flow *flow, const struct timeval *time)
{
	if (event_add(&flow->timer, time) != 0)
		flow_fail(flow, -ENOMEM, true);
}

void
flow_await(struct flow *flow, enum flow_deadline deadline, int64_t ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	flow->deadline = (uint8_t)deadline;
	set_timer(flow, &time);
}

static int64_t
idle_ms(const struct flow *flow)
{
	return flow->idle_ms == FLOW_IDLE_USUAL ? flow->tcp->config.idle_ms :
	    flow->idle_ms;
}

/* Of a time that runs since then, in ms and never too short; 0: it is over. */
static int64_t
rest_ms(const struct flow *flow, uint64_t since_ns, int64_t ms)
{
	uint64_t now_ns = flow->tcp->now_ns;
	uint64_t end_ns = since_ns + (uint64_t)ms * NS_PER_MS;

	return end_ns <= now_ns ? 0 :
	    (int64_t)((end_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void
await_idle(struct flow *flow)
{
	int64_t ms = idle_ms(flow), rest = rest_ms(flow, flow->moved_ns, ms);

	if (ms == 0) {
		flow->deadline = FLOW_NONE;
		event_del(&flow->timer);
	} else if (rest > 0 && rest == flow->tcp->config.idle_ms) {
		flow->deadline = FLOW_IDLE;
		set_timer(flow, flow->tcp->idle);
	} else {
		flow_await(flow, FLOW_IDLE, rest > 0 ? rest : 1);
	}
}

/* Look again in a while, or when the time of one that takes nothing is over. */
static void
await_taking(struct flow *flow)
{
	int64_t rest = rest_ms(flow, flow->took_ns, flow->tcp->config.send_ms);
	int64_t look = (int64_t)clock_scaled_ms(LOOK_MS);

	flow_await(flow, FLOW_SEND, rest < look ? rest : look);
}

void
flow_arm(struct flow *flow)
{
	enum flow_deadline deadline = (enum flow_deadline)flow->deadline;

	if (flow->told)
		return;			/* it lingers */
	if (flow->away) {
		flow->deadline = FLOW_NONE;
		event_del(&flow->timer);
		return;
	}
	if (flow_left(flow) == 0) {
		if (deadline != FLOW_IDLE)
			await_idle(flow);
		flow->waits = false;
	} else if (deadline != FLOW_SEND) {
		flow_look(flow);
		if (!flow->waits)
			flow->took_ns = flow->tcp->now_ns;
		if (!flow->waited)
			(void)fd_set_untaken(flow->fd,
			    flow->tcp->config.send_ms);
		flow->waited = true;
		flow->waits = true;
		await_taking(flow);
	}
}

void
flow_set_idle(struct flow *flow, int64_t ms)
{
	flow->idle_ms = ms;
	flow->moved_ns = clock_now_ns();
	if (flow->deadline == FLOW_IDLE)
		flow->deadline = FLOW_NONE;
	flow_soon(flow);
}

/* Who was late himself excuses others (clock.h): once, until something moves. */
static bool
excuse(struct flow *flow, uint64_t *since_ns, int64_t ms)
{
	uint64_t late_ns = flow->tcp->now_ns - *since_ns -
	    (uint64_t)ms * NS_PER_MS;

	if (*since_ns == flow->excused_ns ||
	    late_ns < clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS)
		return false;
	*since_ns += late_ns + clock_scaled_ms(CLOCK_EXCUSE_MS) * NS_PER_MS;
	flow->excused_ns = *since_ns;
	return true;
}

/* What came in time waits for us. */
static bool
is_to_read(const struct flow *flow)
{
	int bytes = 0;

	return flow->reading && ioctl(flow->fd, FIONREAD, &bytes) == 0 &&
	    bytes > 0;
}

void
flow_expire(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;
	enum flow_deadline deadline = (enum flow_deadline)flow->deadline;

	flow->deadline = FLOW_NONE;
	switch (deadline) {
	case FLOW_NONE:
		break;
	case FLOW_IDLE:
		if (rest_ms(flow, flow->moved_ns, idle_ms(flow)) > 0 ||
		    excuse(flow, &flow->moved_ns, idle_ms(flow)))
			break;
		if (is_to_read(flow)) {
			flow->moved_ns = tcp->now_ns;
			break;
		}
		board_add(tcp->board, METRIC_IDLE_TIMEOUTS, 1);
		flow_fail(flow, -ETIMEDOUT, false);
		break;
	case FLOW_SEND:
		flow_look(flow);
		if (rest_ms(flow, flow->took_ns, tcp->config.send_ms) > 0 ||
		    excuse(flow, &flow->took_ns, tcp->config.send_ms))
			break;
		board_add(tcp->board, METRIC_SEND_TIMEOUTS, 1);
		flow_fail(flow, -ETIMEDOUT, true);
		break;
	case FLOW_LINGER:
		flow->dead = true;
		break;
	}
}
