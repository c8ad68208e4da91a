/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* request.c: reading a request, and the questions about it; see request.h. */
#include "daemon/http/request.h"

#include <errno.h>
#include <string.h>

#include "daemon/http/client.h"
#include "daemon/http/deadline.h"
#include "daemon/http/delivery.h"
#include "daemon/http/response.h"
#include "daemon/http/scan.h"

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

/* What an absolute target names counts, and no Host (RFC 9112 3.2.2): nobody
 * shall route by the one and answer by the other.  A copy: the byte behind it
 * may be that of the path.  NULL: no memory. */
static const char *
authority(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct slice host = exchange->head.host;
	char *copy;

	if (exchange->authority != NULL)
		return exchange->authority;
	copy = exchange_alloc(exchange, host.len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, first_byte(conn) + host.at, host.len);
	copy[host.len] = '\0';
	exchange->authority = copy;
	return copy;
}

static bool
is_host(const char *name, size_t len)
{
	return len == 4 && scan_equal(name, "host", 4);
}

const char *
request_header(struct conn *conn, const char *name)
{
	const struct head_field *field;

	if (conn->exchange->head.form == HEAD_ABSOLUTE &&
	    is_host(name, strlen(name)))
		return authority(conn);
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
	if (head->form == HEAD_ABSOLUTE &&
	    is_host(*name, head->fields[index].name.len))
		*value = authority(conn);
	else
		*value = terminated(conn, head->fields[index].value);
	return *value == NULL ? -ENOMEM : 0;
}

const char *
request_body(struct conn *conn, size_t *len)
{
	return body_show(conn->exchange, len);
}

/* ---- reading ---------------------------------------------------------------- */

static enum step
refuse(struct conn *conn, int status)
{
	conn_refuse(conn, status);
	return STEP_NEXT;
}

void
request_open(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;

	conn->state = CONN_HANDLE;
	conn->request = ++http->requests;
	conn->since_ns = http->now_ns;
	http->open++;
	exchange->head_only = exchange->head.method_id == METHOD_HEAD;
	if ((exchange->head.flags & HEAD_KEEP_ALIVE) == 0) {
		conn->close_after = true;
		/* behind a body some send an empty line */
		conn->last = exchange->body.kind == BODY_NONE;
	} else if (http->draining || http->config.idle_ms == 0) {
		conn->close_after = true;
	}
}

enum step
request_call(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;

	conn->in_handler = true;
	if (exchange->head.form == HEAD_ASTERISK)
		response_options(conn);		/* of the server, not of a route */
	else
		http->ops->on_request(conn, http->ctx);
	conn->in_handler = false;
	if (exchange->answer == ANSWER_COMPLETE)
		conn_finish_request(conn);
	return conn->state == CONN_HANDLE ? STEP_OPEN : STEP_NEXT;
}

/* All of it is there: hand it up. */
enum step
request_hand_over(struct conn *conn)
{
	request_open(conn);
	return request_call(conn);
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
	/* No certificate says that we are who is meant (RFC 9110 7.4), but that of
	 * a proxy that we trust. */
	if ((head->flags & HEAD_HTTPS) != 0 && !client_has_proxy(conn))
		return refuse(conn, 421);
	if (conn->http->config.max_body >= 0 && head_limit_body(head,
	    (uint64_t)conn->http->config.max_body) == HEAD_REFUSED)
		return refuse(conn, head->status);
	exchange->body_at = exchange->raw_at = head->offset;
	if (head->content_length == HEAD_NO_BODY || head->content_length == 0)
		return request_hand_over(conn);
	return delivery_begin(conn);
}

enum step
request_step(struct conn *conn)
{
	switch ((enum conn_state)conn->state) {
	case CONN_IDLE:
	case CONN_HEAD:
		return step_head(conn);
	case CONN_BODY:
	case CONN_HANDLE:
		return delivery_step(conn);
	case CONN_LINGER:
		break;
	}
	return STEP_MORE;
}
