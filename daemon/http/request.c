/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* request.c: reading a request, and the questions about it; see request.h. */
#include "daemon/http/request.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "daemon/http/deadline.h"
#include "daemon/http/response.h"

enum { ROW_BITS = 21 };

uint64_t
request_handle(const struct conn *conn)
{
	return conn->request << ROW_BITS | conn->row;
}

struct conn *
request_by_handle(const struct http *http, uint64_t handle)
{
	uint32_t row = (uint32_t)(handle & ((1u << ROW_BITS) - 1));
	struct conn *conn;

	if (row >= http->table_size || (handle >> ROW_BITS) == 0)
		return NULL;
	conn = http->table[row];
	if (conn == NULL || conn->request != handle >> ROW_BITS || conn->dead)
		return NULL;
	return conn;
}

/* ---- questions ------------------------------------------------------------- */

static char *
first_byte(struct conn *conn)
{
	return buf_at(&conn->exchange->in);
}

/* The byte behind a slice is a separator of the head and ours to overwrite. */
static const char *
terminated(struct conn *conn, struct slice slice)
{
	char *at = first_byte(conn) + slice.at;

	at[slice.len] = '\0';
	return at;
}

const char *
request_raw_path(struct conn *conn, size_t *len)
{
	struct slice target = head_path(&conn->exchange->head);
	const char *at = first_byte(conn) + target.at;
	const char *query;

	if (conn->exchange->path != NULL) {
		*len = strlen(conn->exchange->path);
		return conn->exchange->path;
	}
	query = memchr(at, '?', target.len);
	*len = query == NULL ? target.len : (size_t)(query - at);
	if (*len > 0)
		return at;
	*len = 1;
	return "/";
}

const char *
request_raw_host(struct conn *conn, size_t *len)
{
	*len = conn->exchange->head.host.len;
	return first_byte(conn) + conn->exchange->head.host.at;
}

static void
split_target(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct slice target = head_path(&exchange->head);
	char *at = first_byte(conn) + target.at;
	char *query;

	at[target.len] = '\0';
	query = memchr(at, '?', target.len);
	if (query != NULL)
		*query++ = '\0';
	exchange->query = query == NULL ? "" : query;
	exchange->path = at[0] == '\0' ? "/" : at;
}

const char *
request_method(struct conn *conn)
{
	return method_name(conn->exchange->head.method_id);
}

const char *
request_path(struct conn *conn)
{
	if (conn->exchange->path == NULL)
		split_target(conn);
	return conn->exchange->path;
}

const char *
request_query(struct conn *conn)
{
	if (conn->exchange->path == NULL)
		split_target(conn);
	return conn->exchange->query;
}

const char *
request_header(struct conn *conn, const char *name)
{
	const struct head_field *field;

	field = head_find(&conn->exchange->head, first_byte(conn), name);
	return field == NULL ? NULL : terminated(conn, field->value);
}

int
request_header_at(struct conn *conn, unsigned index, const char **name,
    const char **value)
{
	const struct head *head = &conn->exchange->head;

	if (index >= head->field_count)
		return -ENOENT;
	*name = terminated(conn, head->fields[index].name);
	*value = terminated(conn, head->fields[index].value);
	return 0;
}

const char *
request_body(struct conn *conn, size_t *len)
{
	*len = conn->exchange->body_len;
	return first_byte(conn) + conn->exchange->body_at;
}

/* ---- reading ---------------------------------------------------------------- */

static uint64_t
max_body(const struct http *http)
{
	/* kept in memory, so that `off' has an end too */
	enum { BODY_MAX = 1 << 30 };

	return http->config.max_body < 0 || http->config.max_body > BODY_MAX ?
	    BODY_MAX : (uint64_t)http->config.max_body;
}

static enum step
refuse(struct conn *conn, int status)
{
	conn_refuse(conn, status);
	return STEP_NEXT;
}

/* All of it is there: hand it up. */
static enum step
hand_over(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;

	conn->state = CONN_HANDLE;
	conn->request = ++http->requests;
	conn->since_ns = clock_now_ns();
	http->open++;
	exchange->head_only = exchange->head.method_id == METHOD_HEAD;
	if ((exchange->head.flags & HEAD_KEEP_ALIVE) == 0 ||
	    http->draining || http->config.idle_ms == 0)
		conn->close_after = true;
	conn->in_handler = true;
	http->ops->on_request(conn, http->ctx);
	conn->in_handler = false;
	if (exchange->answer == ANSWER_COMPLETE)
		conn_finish_request(conn);
	return conn->state == CONN_HANDLE ? STEP_OPEN : STEP_NEXT;
}

static enum step
begin_body(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	const struct head *head = &exchange->head;

	exchange->body_at = exchange->raw_at = head->offset;
	exchange->body_since_ns = conn->http->now_ns;
	conn->state = CONN_BODY;
	deadline_arm(conn, DEADLINE_BODY, HTTP_OFF);
	if (head->content_length == HEAD_CHUNKED)
		chunk_init(&exchange->chunk, max_body(conn->http));
	else
		exchange->body_left = head->content_length;
	if ((head->flags & HEAD_EXPECT_CONTINUE) != 0 &&
	    buf_len(&exchange->in) == head->offset)
		response_continue(conn);
	return STEP_NEXT;
}

static enum step
step_head(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct head *head = &exchange->head;

	switch (head_parse(head, first_byte(conn), buf_len(&exchange->in))) {
	case HEAD_MORE:
		return STEP_MORE;
	case HEAD_REFUSED:
		return refuse(conn, head->status);
	case HEAD_DONE:
		break;
	}
	if (conn->scarce)
		return refuse(conn, 503);
	if (head_limit_body(head, max_body(conn->http)) == HEAD_REFUSED)
		return refuse(conn, head->status);
	exchange->body_at = exchange->raw_at = head->offset;
	if (head->content_length == HEAD_NO_BODY || head->content_length == 0)
		return hand_over(conn);
	return begin_body(conn);
}

static enum step
step_length(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	uint64_t whole = exchange->head.content_length;

	if (buf_len(&exchange->in) - exchange->body_at < whole)
		return STEP_MORE;
	exchange->body_len = (size_t)whole;
	exchange->raw_at = exchange->body_at + (size_t)whole;
	return hand_over(conn);
}

/* Trailers are read by a head of their own and thrown away. */
static enum step
step_trailers(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct head_field fields[16];
	struct head_limits limits = exchange->head.limits;
	struct head trailers;

	if (limits.fields > 16)
		limits.fields = 16;
	head_init(&trailers, &limits, fields);
	switch (head_parse_trailers(&trailers,
	    first_byte(conn) + exchange->raw_at,
	    buf_len(&exchange->in) - exchange->raw_at)) {
	case HEAD_MORE:
		return STEP_MORE;
	case HEAD_REFUSED:
		return refuse(conn, trailers.status);
	case HEAD_DONE:
		break;
	}
	exchange->raw_at += trailers.offset;
	return hand_over(conn);
}

/* Decoded in place: the pieces move together behind the head. */
static enum step
step_chunks(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	char *first = first_byte(conn);

	for (;;) {
		struct slice data;
		size_t used = 0;
		const char *raw = first + exchange->raw_at;
		size_t len = buf_len(&exchange->in) - exchange->raw_at;

		switch (chunk_parse(&exchange->chunk, raw, len, &used, &data)) {
		case CHUNK_MORE:
			/* All of it was read: what framing took is free again,
			 * else a body costs what a client says around it. */
			exchange->raw_at = exchange->body_at +
			    exchange->body_len;
			buf_cut(&exchange->in, exchange->raw_at);
			return STEP_MORE;
		case CHUNK_DATA:
			memmove(first + exchange->body_at + exchange->body_len,
			    raw + data.at, data.len);
			exchange->body_len += data.len;
			exchange->raw_at += used;
			break;
		case CHUNK_LAST:
			exchange->raw_at += used;
			return step_trailers(conn);
		case CHUNK_REFUSED:
			return refuse(conn, exchange->chunk.status);
		}
	}
}

enum step
request_step(struct conn *conn)
{
	switch ((enum conn_state)conn->state) {
	case CONN_IDLE:
	case CONN_HEAD:
		return step_head(conn);
	case CONN_BODY:
		return conn->exchange->head.content_length == HEAD_CHUNKED ?
		    step_chunks(conn) : step_length(conn);
	case CONN_HANDLE:
		return STEP_OPEN;
	case CONN_LINGER:
		break;
	}
	return STEP_MORE;
}
