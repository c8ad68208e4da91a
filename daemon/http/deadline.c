/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deadline.c: see deadline.h. */
#include "daemon/http/deadline.h"

#include "common/base/clock.h"
#include "daemon/http/response.h"
#include "daemon/http/sending.h"

/* For want of memory the connection would stay for ever. */
static void
set_timer(struct conn *conn, const struct timeval *time)
{
	if (event_add(&conn->timer, time) == 0)
		return;
	conn->dead = true;
	event_active(&conn->timer, EV_TIMEOUT, 0);
}

void
deadline_arm(struct conn *conn, enum deadline deadline, int64_t ms)
{
	const struct http *http = conn->http;
	const struct timeval *time = http->times[deadline];
	uint64_t now_ns = conn->in_turn ? http->now_ns : clock_now_ns();
	struct timeval own;

	conn->deadline = (uint8_t)deadline;
	conn->due_ns = now_ns + (uint64_t)(ms >= 0 ? ms :
	    http->times_ms[deadline]) * NS_PER_MS;
	if (ms >= 0) {
		own.tv_sec = ms / 1000;
		own.tv_usec = ms % 1000 * 1000;
		time = &own;
	}
	if (time == NULL)
		event_del(&conn->timer);
	else
		set_timer(conn, time);
}

void
deadline_arm_request(struct conn *conn)
{
	deadline_arm(conn, DEADLINE_REQUEST, conn->own_ms);
	if (conn->own_ms == 0)
		event_del(&conn->timer);
}

void
deadline_go_on(struct conn *conn)
{
	static const struct timeval now = { 0, 0 };

	/* not event_active(): that is still this pass */
	conn->deadline = DEADLINE_NONE;
	set_timer(conn, &now);
}

/* The timers of libevent count from the begin of its turn, by a clock that moves
 * in steps: they are early by some milliseconds, and no deadline may be. */
static bool
is_early(struct conn *conn)
{
	uint64_t now_ns = conn->http->now_ns, rest_us;
	struct timeval rest;

	if (conn->due_ns <= now_ns)
		return false;
	rest_us = (conn->due_ns - now_ns) / 1000 + 1;
	rest.tv_sec = (time_t)(rest_us / 1000000);
	rest.tv_usec = (suseconds_t)(rest_us % 1000000);
	set_timer(conn, &rest);
	return true;
}

bool
deadline_expire(struct conn *conn)
{
	struct http *http = conn->http;
	enum deadline deadline = (enum deadline)conn->deadline;

	if (is_early(conn))
		return false;
	conn->deadline = DEADLINE_NONE;
	switch (deadline) {
	case DEADLINE_HEADER:
		board_add(http->board, METRIC_HEADER_TIMEOUTS, 1);
		if (conn->state == CONN_HEAD)
			conn_refuse(conn, 408);
		else
			conn->dead = true;
		break;
	case DEADLINE_BODY:
		board_add(http->board, METRIC_BODY_TIMEOUTS, 1);
		if (conn->state == CONN_BODY)
			conn_refuse(conn, 408);
		break;
	case DEADLINE_REQUEST:
		board_add(http->board, METRIC_REQUESTS_ABANDONED, 1);
		http->ops->on_stale(conn, "its time was over", http->ctx);
		if (conn->exchange->answer == ANSWER_NONE)
			response_error(conn, 504, true);
		else
			conn->dead = conn->reset = true;
		break;
	case DEADLINE_SEND:
		if (sending_look(conn))
			return false;
		board_add(http->board, METRIC_SEND_TIMEOUTS, 1);
		conn->dead = conn->reset = true;
		break;
	case DEADLINE_IDLE:
		board_add(http->board, METRIC_IDLE_TIMEOUTS, 1);
		conn->dead = true;
		break;
	case DEADLINE_LINGER:
		conn->dead = true;
		break;
	case DEADLINE_GOODBYE:
		if (conn->state == CONN_IDLE)
			conn_linger(conn, true);
		break;
	case DEADLINE_NONE:
		break;
	}
	return true;
}
