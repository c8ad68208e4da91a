/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* response.c: making an answer; see response.h. */
#include "daemon/http/response.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/base/digits.h"
#include "common/base/errmsg.h"
#include "daemon/http/deadline.h"

enum { HEAD_ROOM = 512 };	/* of all lines but the handler's */

static const char *
status_reason(int status)
{
	switch (status) {
#define STATUS(number, text) case number: return text;
#include "daemon/http/status.def"
	}
	return "Unknown";
}

static int
has_no_body(int status)
{
	return status < 200 || status == 204 || status == 304;
}

/* ---- header lines ----------------------------------------------------------- */

static int
is_token(const char *text)
{
	size_t len = strspn(text, "!#$%&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return len > 0 && text[len] == '\0';
}

static int
is_value(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return 0;
	}
	return 1;
}

static int
is_ours(const char *name)
{
	static const char *const names[] = {
		"Content-Length", "Transfer-Encoding", "Connection", "Date",
		"Trailer", "Upgrade", "Keep-Alive",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (strcasecmp(names[i], name) == 0)
			return 1;
	return 0;
}

int
response_set_header(struct conn *conn, const char *name, const char *value)
{
	struct buf *lines = &conn->exchange->headers;
	size_t name_len, value_len;
	char *at;

	if (conn->exchange->answer != ANSWER_NONE)
		return -EALREADY;
	if (!is_token(name) || !is_value(value) || is_ours(name))
		return -EINVAL;
	name_len = strlen(name);
	value_len = strlen(value);
	at = buf_reserve(lines, name_len + value_len + 4);
	if (at == NULL) {
		lines->failed = 0;
		return -ENOSPC;
	}
	memcpy(at, name, name_len);
	memcpy(at + name_len, ": ", 2);
	memcpy(at + name_len + 2, value, value_len);
	memcpy(at + name_len + 2 + value_len, "\r\n", 2);
	buf_extend(lines, name_len + value_len + 4);
	return 0;
}

/* ---- head --------------------------------------------------------------------- */

static char *
put(char *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	return at + len;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *
put_number(char *at, uint64_t number)
{
	struct digits digits;
	size_t from = digits_put(&digits, number);

	return put(at, digits.text + from, DIGITS_MAX - from);
}

static char *
put_status(char *at, int status)
{
	const char *reason;

	if (status == 200)
		return PUT(at, "HTTP/1.1 200 OK\r\n");
	reason = status_reason(status);
	at = PUT(at, "HTTP/1.1 ");
	at = put_number(at, (uint64_t)status);
	*at++ = ' ';
	at = put(at, reason, strlen(reason));
	return PUT(at, "\r\n");
}

/* Lines that say how the body ends and whether the connection goes on. */
static char *
put_framing(const struct conn *conn, char *at, int status, int64_t length)
{
	const struct exchange *exchange = conn->exchange;

	if (exchange->chunked) {
		at = PUT(at, "Transfer-Encoding: chunked\r\n");
	} else if (length >= 0 && !has_no_body(status)) {
		at = PUT(at, "Content-Length: ");
		at = put_number(at, (uint64_t)length);
		at = PUT(at, "\r\n");
	}
	if (conn->close_after)
		at = PUT(at, "Connection: close\r\n");
	else if (exchange->head.minor == 0)
		at = PUT(at, "Connection: keep-alive\r\n");
	return at;
}

/* Append the head of the answer, with room for body_len bytes after it. */
static int
put_head(struct conn *conn, int status, const char *type, int64_t length,
    size_t body_len)
{
	struct exchange *exchange = conn->exchange;
	size_t type_len = type == NULL ? 0 : strlen(type), lines_len, date_len;
	const char *date;
	char *start, *at;

	if (status < 200 || status > 599 ||
	    (type != NULL && !is_value(type)))
		return -EINVAL;
	if (conn->http->draining)
		conn->close_after = true;
	lines_len = buf_len(&exchange->headers);
	start = buf_reserve(&exchange->out,
	    HEAD_ROOM + type_len + lines_len + body_len);
	if (start == NULL) {
		exchange->out.failed = 0;
		return -ENOMEM;
	}
	at = put_status(start, status);
	date = date_lines(&conn->http->date, &date_len);
	at = put(at, date, date_len);
	if (type != NULL) {
		at = PUT(at, "Content-Type: ");
		at = put(at, type, type_len);
		at = PUT(at, "\r\n");
	}
	at = put_framing(conn, at, status, length);
	if (lines_len > 0)
		at = put(at, buf_at(&exchange->headers), lines_len);
	at = PUT(at, "\r\n");
	buf_extend(&exchange->out, (size_t)(at - start));
	exchange->status = (uint16_t)status;
	return 0;
}

/* ---- whole ---------------------------------------------------------------------- */

int
response_reply(struct conn *conn, int status, const char *type,
    const void *data, size_t len)
{
	struct exchange *exchange = conn->exchange;
	bool no_body = exchange->head_only || has_no_body(status);
	int rc;

	if (exchange->answer != ANSWER_NONE)
		return -EALREADY;
	rc = put_head(conn, status, type, (int64_t)len, no_body ? 0 : len);
	if (rc != 0)
		return rc;
	if (!no_body && len > 0) {
		memcpy(exchange->out.data + exchange->out.end, data, len);
		buf_extend(&exchange->out, len);
		exchange->body_bytes = len;
	}
	exchange->answer = ANSWER_COMPLETE;
	conn_finish_request(conn);
	return 0;
}

void
response_error(struct conn *conn, int status, bool close)
{
	char text[80];
	int len;

	if (close)
		conn->close_after = true;
	buf_clear(&conn->exchange->headers);
	if (status >= 500)
		board_add(conn->http->board, METRIC_HOST_5XX, 1);
	len = snprintf(text, sizeof(text), "%d %s\n", status,
	    status_reason(status));
	if (response_reply(conn, status, "text/plain; charset=utf-8", text,
	    (size_t)len) != 0)
		conn_abort(conn, true);
}

void
response_continue(struct conn *conn)
{
	board_add(conn->http->board, METRIC_ANSWERS_1XX, 1);
	buf_add_text(&conn->exchange->out, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* ---- in pieces ------------------------------------------------------------------ */

int
response_begin(struct conn *conn, int status, const char *type, int64_t length)
{
	struct exchange *exchange = conn->exchange;
	bool no_body = has_no_body(status);
	int rc;

	if (exchange->answer != ANSWER_NONE)
		return -EALREADY;
	if (length < 0 && !no_body) {
		if (exchange->head.minor == 0) {
			exchange->until_close = true;
			conn->close_after = true;
		} else {
			exchange->chunked = true;
		}
	}
	rc = put_head(conn, status, type, length, 0);
	if (rc != 0) {
		exchange->chunked = exchange->until_close = false;
		return rc;
	}
	if (exchange->until_close)
		conn_set_reset(conn, true);
	if (no_body)
		exchange->head_only = true;
	exchange->left = length < 0 ? UINT64_MAX : (uint64_t)length;
	exchange->answer = ANSWER_STREAM;
	conn_flush(conn);
	return 0;
}

/* 0, or why this is no moment for a piece: the end was said already (a handler
 * is still in it), or no answer was begun. */
static int
check_stream(const struct exchange *exchange)
{
	switch (exchange->answer) {
	case ANSWER_STREAM:
		return 0;
	case ANSWER_COMPLETE:
		return -EALREADY;
	}
	return -EINVAL;
}

static int
add_piece(struct conn *conn, const void *data, size_t len)
{
	struct exchange *exchange = conn->exchange;
	char size[20];
	int digits;

	if (!exchange->chunked)
		return buf_add(&exchange->out, data, len);
	digits = snprintf(size, sizeof(size), "%zx\r\n", len);
	if (buf_reserve(&exchange->out, len + (size_t)digits + 2) == NULL)
		return ERR_MEMORY;
	buf_add(&exchange->out, size, (size_t)digits);
	buf_add(&exchange->out, data, len);
	return buf_add(&exchange->out, "\r\n", 2);
}

int
response_write(struct conn *conn, const void *data, size_t len)
{
	struct exchange *exchange = conn->exchange;
	int rc = check_stream(exchange);

	if (rc != 0)
		return rc;
	if (len > exchange->left)
		return -ERANGE;
	if (buf_len(&exchange->out) > 0 &&
	    buf_len(&exchange->out) + len > EXCHANGE_OUT_MAX) {
		exchange->was_full = true;
		return -EAGAIN;
	}
	if (len > 0 && !exchange->head_only) {
		if (add_piece(conn, data, len) != 0) {
			exchange->out.failed = 0;
			return -ENOMEM;
		}
		exchange->body_bytes += len;
	}
	if (exchange->left != UINT64_MAX)
		exchange->left -= len;
	if (!conn->in_turn && conn->deadline == DEADLINE_REQUEST)
		deadline_arm_request(conn);		/* from piece to piece */
	conn_flush(conn);
	return 0;
}

int
response_end(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	int rc = check_stream(exchange);

	if (rc != 0)
		return rc;
	if (exchange->left != UINT64_MAX && exchange->left > 0 &&
	    !exchange->head_only) {
		conn_abort(conn, true);
		return -ERANGE;
	}
	if (exchange->chunked && !exchange->head_only)
		buf_add_text(&exchange->out, "0\r\n\r\n");
	exchange->answer = ANSWER_COMPLETE;
	conn_finish_request(conn);
	return 0;
}
