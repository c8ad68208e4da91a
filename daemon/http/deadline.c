/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deadline.c: see deadline.h. */
#include "daemon/http/deadline.h"

#include <errno.h>

#include "common/base/clock.h"
#include "daemon/http/delivery.h"
#include "daemon/http/receiving.h"
#include "daemon/http/response.h"
#include "daemon/http/sending.h"

/* What they count from. */
static uint64_t
begin_ns(const struct conn *conn)
{
	return conn->in_turn ? conn->http->now_ns : clock_now_ns();
}

void
deadline_arm(struct conn *conn, enum deadline deadline, int64_t ms)
{
	struct http *http = conn->http;
	int64_t usual_ms = http->times_ms[deadline];

	if (conn->dead)
		return;			/* it waits for its end */
	conn->deadline = (uint8_t)deadline;
	conn->due_ns = begin_ns(conn) + (uint64_t)(ms >= 0 ? ms : usual_ms) * NS_PER_MS;
	if (ms >= 0)
		waiting_in_heap(&http->waiting, conn);
	else if (usual_ms >= 0)
		waiting_in_list(&http->waiting, conn, deadline);
	else
		waiting_end(&http->waiting, conn);
}

static int64_t
left_ms(const struct conn *conn, uint64_t due_ns)
{
	uint64_t now_ns = begin_ns(conn);

	return due_ns <= now_ns ? 0 :
	    (int64_t)((due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

/* The handler's own begins anew behind what had to wait for the client. */
static void
end_wait(struct conn *conn)
{
	if (conn->deadline == DEADLINE_SEND && conn->state == CONN_HANDLE &&
	    conn->exchange->answer != ANSWER_NONE)
		deadline_renew_own(conn);
}

void
deadline_renew_own(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (exchange->own_ms > 0)
		exchange->own_due_ns = begin_ns(conn) +
		    (uint64_t)exchange->own_ms * NS_PER_MS;
}

void
deadline_arm_request(struct conn *conn)
{
	int64_t ms;

	end_wait(conn);
	ms = conn->exchange->own_ms > 0 ? left_ms(conn,
	    conn->exchange->own_due_ns) : conn->exchange->own_ms;
	deadline_arm(conn, DEADLINE_REQUEST, ms);
	if (conn->exchange->own_ms == 0 && !conn->dead)
		waiting_end(&conn->http->waiting, conn);
}

/* Whichever comes first, of the two ends of a request whose body is read. */
static void
arm_first_of_body(struct conn *conn, int64_t ms)
{
	const struct exchange *exchange = conn->exchange;

	if (exchange->own_ms > 0 && exchange->own_due_ns < exchange->body_due_ns)
		deadline_arm(conn, DEADLINE_REQUEST, left_ms(conn,
		    exchange->own_due_ns));
	else
		deadline_arm(conn, DEADLINE_BODY, ms);
}

void
deadline_arm_body(struct conn *conn)
{
	int64_t usual_ms = conn->http->times_ms[DEADLINE_BODY];

	end_wait(conn);
	conn->exchange->body_due_ns = usual_ms < 0 ? UINT64_MAX :
	    begin_ns(conn) + (uint64_t)usual_ms * NS_PER_MS;
	arm_first_of_body(conn, HTTP_OFF);
}

void
deadline_set_own(struct conn *conn, int64_t ms)
{
	struct exchange *exchange = conn->exchange;

	exchange->own_ms = ms;
	exchange->own_due_ns = clock_now_ns() + (uint64_t)ms * NS_PER_MS;
	if (conn->deadline != DEADLINE_REQUEST &&
	    conn->deadline != DEADLINE_BODY)
		return;			/* it counts when one of these is due */
	/* the client's time for the body goes on */
	if (body_is_read(exchange))
		arm_first_of_body(conn, exchange->body_due_ns == UINT64_MAX ?
		    HTTP_OFF : left_ms(conn, exchange->body_due_ns));
	else if (conn->deadline == DEADLINE_REQUEST)
		deadline_arm_request(conn);
}

void
deadline_go_on(struct conn *conn)
{
	end_wait(conn);
	conn->deadline = DEADLINE_NONE;
	waiting_for_pass(&conn->http->waiting, conn);
}

/* What came of it is read once more: HEAD has an answer without a body. */
static bool
take_up_head(struct conn *conn)
{
	const struct buf *in;

	if (!receiving_unshelve(conn))
		return false;
	in = &conn->exchange->in;
	(void)head_parse(&conn->exchange->head, buf_at(in), buf_len(in));
	return true;
}

bool
deadline_expire(struct conn *conn)
{
	struct http *http = conn->http;
	enum deadline deadline = (enum deadline)conn->deadline;
	uint64_t request;

	conn->deadline = DEADLINE_NONE;
	switch (deadline) {
	case DEADLINE_HEADER:
		board_add(http->board, METRIC_HEADER_TIMEOUTS, 1);
		if (conn->state == CONN_HEAD && !conn->wants_proxy &&
		    take_up_head(conn))
			conn_refuse(conn, 408);
		else
			conn->dead = true;
		break;
	case DEADLINE_BODY:
		board_add(http->board, METRIC_BODY_TIMEOUTS, 1);
		if (conn->state == CONN_BODY)
			conn_refuse(conn, 408);
		else if (conn->state == CONN_HANDLE)
			delivery_fail(conn, -ETIMEDOUT, 408);
		break;
	case DEADLINE_REQUEST:
		request = conn->request;
		if (delivery_cut(conn, -ECANCELED))
			break;
		http->ops->on_stale(conn, false, http->ctx);
		if (conn->request != request || conn->exchange->ending)
			break;			/* and so it was answered */
		board_add(http->board, METRIC_REQUESTS_ABANDONED, 1);
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
