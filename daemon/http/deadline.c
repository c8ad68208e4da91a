/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deadline.c: see deadline.h. */
#include "daemon/http/deadline.h"

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
	const struct timeval *time = conn->http->times[deadline];
	struct timeval own;

	conn->deadline = (uint8_t)deadline;
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

bool
deadline_expire(struct conn *conn)
{
	struct http *http = conn->http;
	enum deadline deadline = (enum deadline)conn->deadline;

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
