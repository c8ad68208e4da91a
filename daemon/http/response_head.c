/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* response_head.c: the head of an answer; see response_head.h, response.h. */
#include "daemon/http/response_head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"
#include "common/base/digits.h"
#include "daemon/http/response.h"
#include "daemon/http/scan.h"

enum { HEAD_ROOM = 512 };	/* of all lines but the handler's */

const char *
response_reason(int status)
{
	switch (status) {
#define STATUS(number, text) case number: return text;
#include "daemon/http/status.def"
	}
	return "Unknown";
}

/* ---- header lines ----------------------------------------------------------- */

static bool
is_token(const char *text)
{
	const char *end = text + strlen(text);

	return end > text && scan_skip_bytes(text, end, SCAN_TOKEN) == end;
}

static bool
is_value(const char *text)
{
	const char *end = text + strlen(text);

	return scan_skip(text, end, SCAN_VALUE) == end;
}

/* Most names are none of them, by their first letter. */
static bool
is_ours(const char *name)
{
	static const char *const names[] = {
		"Content-Length", "Transfer-Encoding", "Connection", "Date",
		"Trailer", "Upgrade", "Keep-Alive",
	};

	for (size_t i = 0; i < COUNT(names); i++)
		if (scan_lower(names[i][0]) == scan_lower(name[0]) &&
		    strcasecmp(names[i], name) == 0)
			return true;
	return false;
}

int
response_check_field(const char *name, const char *value)
{
	return is_token(name) && is_value(value) && !is_ours(name) ? 0 :
	    -EINVAL;
}

int
response_check_head(int status, const char *type)
{
	return status >= 200 && status <= 599 &&
	    (type == NULL || is_value(type)) ? 0 : -EINVAL;
}

int
response_set_header(struct conn *conn, const char *name, const char *value)
{
	struct buf *lines = &conn->exchange->headers;
	size_t name_len, value_len;
	char *at;

	if (conn->exchange->answer != ANSWER_NONE)
		return -EALREADY;
	if (response_check_field(name, value) != 0)
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
	reason = response_reason(status);
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
	} else if (length >= 0 && !response_has_no_body(status)) {
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

int
response_put_head(struct conn *conn, int status, const char *type,
    int64_t length, size_t room)
{
	struct exchange *exchange = conn->exchange;
	size_t type_len = type == NULL ? 0 : strlen(type), lines_len, date_len;
	const char *date;
	char *start, *at;

	if (response_check_head(status, type) != 0)
		return -EINVAL;
	if (conn->http->draining || exchange->body.missing)
		conn->close_after = true;
	lines_len = buf_len(&exchange->headers);
	start = buf_reserve(&exchange->out.bytes,
	    HEAD_ROOM + type_len + lines_len + room);
	if (start == NULL) {
		exchange->out.bytes.failed = 0;
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
	buf_extend(&exchange->out.bytes, (size_t)(at - start));
	exchange->status = (uint16_t)status;
	return 0;
}
