/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* delivery.c: bodies on their way to who answers; see delivery.h. */
#include "daemon/http/delivery.h"

#include <errno.h>

#include "common/base/clock.h"
#include "daemon/http/response.h"

static enum step
next(const struct conn *conn)
{
	return conn->state == CONN_HANDLE ? STEP_OPEN : STEP_NEXT;
}

/* After a callback: it may have answered.  True: the request is over. */
static bool
is_over(struct conn *conn)
{
	if (!conn->dead && conn->exchange->answer == ANSWER_COMPLETE)
		conn_finish_request(conn);
	return conn->dead || conn->state != CONN_HANDLE;
}

/* The same, or filters have the rest of it still: its handler hears no more. */
static bool
is_answered(struct conn *conn)
{
	return is_over(conn) || conn->exchange->ending;
}

static void
tell_end(struct conn *conn, int error)
{
	struct http *http = conn->http;

	conn->exchange->body.owed = false;
	if (conn->exchange->body.kind != BODY_STREAM)
		return;
	conn->in_handler = true;
	http->ops->on_body_end(conn, error, http->ctx);
	conn->in_handler = false;
}

/* A client that waits to be asked is asked once the body is wanted. */
static void
ask_for_body(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct body *body = &exchange->body;

	if (!body->expects)
		return;
	body->expects = false;
	if (body->missing && body_received(exchange) == 0 &&
	    exchange->answer == ANSWER_NONE)
		response_continue(conn);
}

/* ---- the end that is none ---------------------------------------------------------- */

bool
delivery_cut(struct conn *conn, int error)
{
	if (!conn->exchange->body.owed)
		return false;
	tell_end(conn, error);
	return is_answered(conn);
}

void
delivery_fail(struct conn *conn, int error, int status)
{
	struct exchange *exchange = conn->exchange;

	board_add(conn->http->board, METRIC_REFUSED, 1);
	exchange->raw_at = buf_len(&exchange->in);
	exchange->body.missing = true;		/* what comes is thrown away */
	tell_end(conn, error);
	if (is_answered(conn))
		return;
	if (exchange->answer != ANSWER_NONE) {
		conn_abort(conn, true);
		return;
	}
	if (conn->watched)
		conn->http->ops->on_unserved(conn, conn->http->ctx);
	response_error(conn, status, true);
}

/* ---- the handler's part --------------------------------------------------------------- */

int
delivery_stream(struct conn *conn, const struct cluster_body_sink *sink,
    void *arg)
{
	struct body *body = &conn->exchange->body;

	if (sink == NULL || sink->size < sizeof(*sink) ||
	    sink->data == NULL || sink->end == NULL || !body->asks)
		return -EINVAL;
	if (body->kind == BODY_STREAM ||
	    conn->exchange->answer >= ANSWER_COMPLETE)
		return -EALREADY;
	body->kind = BODY_STREAM;
	body->sink = sink;
	body->sink_arg = arg;
	return 0;
}

static int
check_stream(const struct body *body)
{
	if (body->kind != BODY_STREAM)
		return -EINVAL;
	return body->owed || body->asks ? 0 : -EALREADY;
}

int
delivery_pause(struct conn *conn)
{
	struct body *body = &conn->exchange->body;
	int rc = check_stream(body);

	if (rc != 0 || body->paused)
		return rc;
	body->paused = true;
	body->paused_ns = http_present_ns(conn->http, clock_now_ns());
	if (!conn->in_turn)
		conn_flush(conn);		/* it has another deadline now */
	return 0;
}

int
delivery_resume(struct conn *conn)
{
	struct body *body = &conn->exchange->body;
	int rc = check_stream(body);

	if (rc != 0 || !body->paused)
		return rc;
	body->paused = false;
	body->since_ns += http_present_ns(conn->http, clock_now_ns()) -
	    body->paused_ns;
	conn->peeked = false;
	if (!conn->in_handler)
		conn_wake(conn);
	return 0;
}

int
delivery_limit(struct conn *conn, uint64_t bytes)
{
	struct body *body = &conn->exchange->body;

	if (!body->asks)
		return -EINVAL;
	if (bytes > body->limit)
		return -ERANGE;
	body->limit = bytes;
	conn->exchange->chunk.max_body = bytes;
	return 0;
}

/* ---- the turns of a body --------------------------------------------------------------- */

/* Nobody was asked yet. */
static enum step
step_before(struct conn *conn)
{
	struct body *body = &conn->exchange->body;
	enum body_result result = body_decode(conn);
	int status = result == BODY_REFUSED ? body->status : body_keep(conn);

	if (status != 0) {
		conn_refuse(conn, status);
		return STEP_NEXT;
	}
	if (result == BODY_WHOLE)
		return request_hand_over(conn);
	ask_for_body(conn);
	return STEP_MORE;
}

/* It was passed on at its head. */
static enum step
step_whole(struct conn *conn)
{
	struct body *body = &conn->exchange->body;
	int status = body_keep(conn);

	if (status != 0) {
		delivery_fail(conn, -EIO, status);
		return next(conn);
	}
	if (body->missing) {
		ask_for_body(conn);
		return STEP_OPEN;
	}
	body->owed = false;
	conn->since_ns = clock_now_ns();
	return request_call(conn);
}

static enum step
step_stream(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;

	if (exchange->body_len > 0) {
		conn->in_handler = true;
		http->ops->on_body(conn, buf_at(&exchange->in) +
		    exchange->body_at, exchange->body_len, http->ctx);
		conn->in_handler = false;
		if (is_answered(conn))
			return next(conn);
		body_drop(exchange);
	}
	if (exchange->body.paused)
		return STEP_OPEN;
	if (exchange->body.missing) {
		ask_for_body(conn);
		return STEP_OPEN;
	}
	tell_end(conn, 0);
	(void)is_over(conn);
	return next(conn);
}

static enum step
step_open(struct conn *conn)
{
	struct body *body = &conn->exchange->body;

	if (!body->owed || body->paused)
		return STEP_OPEN;
	if (body_decode(conn) == BODY_REFUSED) {
		delivery_fail(conn, body->status == 413 ? -EMSGSIZE : -EPROTO,
		    body->status);
		return next(conn);
	}
	return body->kind == BODY_STREAM ? step_stream(conn) :
	    step_whole(conn);
}

static bool
is_over_limit(const struct exchange *exchange)
{
	const struct head *head = &exchange->head;

	return (head->content_length == HEAD_CHUNKED ? exchange->chunk.body :
	    head->content_length) > exchange->body.limit;
}

/* What is there is decoded first: a small body is whole then, and its connection
 * goes on whatever the answer. */
static enum step
offer(struct conn *conn)
{
	struct http *http = conn->http;
	struct body *body = &conn->exchange->body;
	bool taken;

	if (body_decode(conn) == BODY_REFUSED) {
		conn_refuse(conn, body->status);
		return STEP_NEXT;
	}
	if (body->missing && body_make_room(conn) != 0) {
		conn_refuse(conn, 503);
		return STEP_NEXT;
	}
	request_open(conn);
	body->offered = true;
	conn->in_handler = true;
	taken = http->ops->on_offer(conn, http->ctx);
	conn->in_handler = false;
	body->offered = false;
	if (is_answered(conn))
		return next(conn);
	if (taken && body->kind != BODY_STREAM)
		return STEP_OPEN;
	body->owed = true;
	if (is_over_limit(conn->exchange)) {
		delivery_fail(conn, -EMSGSIZE, 413);
		return next(conn);
	}
	return step_open(conn);
}

enum step
delivery_begin(struct conn *conn)
{
	body_begin(conn);
	conn->state = CONN_BODY;
	return conn->http->wants_heads &&
	    conn->exchange->head.form != HEAD_ASTERISK ? offer(conn) :
	    step_before(conn);
}

enum step
delivery_step(struct conn *conn)
{
	return conn->state == CONN_BODY ? step_before(conn) : step_open(conn);
}
