/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* filtering.c: see filtering.h. */
#include "daemon/http/filtering.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "daemon/http/response.h"
#include "daemon/http/response_head.h"
#include "daemon/http/sending.h"

enum {
	BLOCK = 16384,			/* of a file, at once */
	PUMP_MOST = 262144,		/* of what waits, in one turn */
};

/* ---- head -------------------------------------------------------------------- */

int
filtering_look(struct conn *conn, struct answer_head *head)
{
	struct http *http = conn->http;
	int rc = response_check_head(head->status, head->type);

	if (rc != 0)
		return rc;
	conn->exchange->draft = head;
	http->ops->on_head(conn, head, http->ctx);
	conn->exchange->draft = NULL;
	if (conn->dead)
		return -EIO;
	if (conn->exchange->stages != NULL)
		head->length = -1;
	return 0;
}

/* The line of that name at or after `at`, or NULL; *end is behind it. */
static char *
find_line(const struct buf *lines, char *at, const char *name, char **end)
{
	size_t len = strlen(name);
	char *last = lines->data + lines->end;

	for (; at != NULL && at < last; at = *end) {
		*end = (char *)memchr(at, '\n', (size_t)(last - at)) + 1;
		if ((size_t)(*end - at) > len && at[len] == ':' &&
		    strncasecmp(at, name, len) == 0)
			return at;
	}
	return NULL;
}

static bool
is_type(const char *name)
{
	return strcasecmp(name, "Content-Type") == 0;
}

const char *
filtering_header(struct conn *conn, const char *name)
{
	struct exchange *exchange = conn->exchange;
	char *end, *line, *copy;
	size_t len;

	if (exchange->draft == NULL)
		return NULL;
	if (is_type(name) && exchange->draft->type != NULL)
		return exchange->draft->type;
	line = find_line(&exchange->headers, buf_at(&exchange->headers), name,
	    &end);
	if (line == NULL)
		return NULL;
	line += strlen(name) + 2;
	len = (size_t)(end - line) - 2;
	copy = exchange_alloc(exchange, len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, line, len);
	copy[len] = '\0';
	return copy;
}

static int
remove_lines(struct conn *conn, const char *name)
{
	struct buf *lines = &conn->exchange->headers;
	char *at = buf_at(lines), *end;
	int rc = -ENOENT;

	while ((at = find_line(lines, at, name, &end)) != NULL) {
		memmove(at, end, (size_t)(lines->data + lines->end - end));
		lines->end -= (size_t)(end - at);
		rc = 0;
	}
	return rc;
}

int
filtering_set_header(struct conn *conn, const char *name, const char *value)
{
	struct exchange *exchange = conn->exchange;
	size_t size = strlen(value) + 1;
	char *copy;
	int rc;

	if (exchange->draft == NULL)
		return -EINVAL;
	rc = response_check_field(name, value);
	if (rc != 0)
		return rc;
	remove_lines(conn, name);
	if (!is_type(name))
		return response_set_header(conn, name, value);
	copy = exchange_alloc(exchange, size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, value, size);
	exchange->draft->type = copy;
	return 0;
}

int
filtering_remove_header(struct conn *conn, const char *name)
{
	struct exchange *exchange = conn->exchange;
	int rc;

	if (exchange->draft == NULL)
		return -EINVAL;
	rc = response_check_field(name, "");
	if (rc != 0)
		return rc;
	rc = remove_lines(conn, name);
	if (is_type(name) && exchange->draft->type != NULL) {
		exchange->draft->type = NULL;
		rc = 0;
	}
	return rc;
}

/* ---- body -------------------------------------------------------------------- */

void
filtering_add_stage(struct conn *conn, struct stage *stage)
{
	struct stage **last = &conn->exchange->stages;

	while (*last != NULL)
		last = &(*last)->next;
	stage->next = NULL;
	stage->flushed = true;
	*last = stage;
}

static int
call(struct conn *conn, struct stage *stage, enum stage_call what,
    const void *data, size_t len)
{
	struct http *http = conn->http;
	struct stage *above = conn->exchange->stage;
	int rc;

	conn->exchange->stage = stage;
	rc = http->ops->on_stage(conn, stage, what, data, len, http->ctx);
	conn->exchange->stage = above;
	return rc != 0 || conn->dead ? -EIO : 0;
}

static int
piece(struct conn *conn, struct stage *stage, const void *data, size_t len)
{
	if (stage == NULL)
		return response_add(conn, data, len);
	stage->flushed = false;
	return call(conn, stage, STAGE_PIECE, data, len);
}

static int
abort_at(struct conn *conn, int rc)
{
	if (rc == 0)
		return 0;
	conn_abort(conn, true);
	return -EIO;
}

/* Of what waits as much as is one's share, while the client takes it. */
int
filtering_pump(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct outq *waiting = &exchange->unfiltered;
	size_t left = PUMP_MOST;
	char block[BLOCK];
	int rc = 0;

	while (rc == 0 && left > 0 && outq_left(waiting) > 0 &&
	    !sending_is_much(conn)) {
		const char *at;
		ssize_t len = outq_peek(waiting, block, sizeof(block), &at);

		if (len <= 0) {
			board_add(conn->http->board, METRIC_FILES_BROKEN, 1);
			return abort_at(conn, -EIO);
		}
		rc = piece(conn, exchange->stages, at, (size_t)len);
		outq_take(waiting, &exchange->out, &conn->http->dues,
		    (size_t)len);
		left -= (size_t)len < left ? (size_t)len : left;
	}
	return abort_at(conn, rc);
}

int
filtering_pieces(struct conn *conn, struct piece *pieces, unsigned count)
{
	struct outq *waiting = &conn->exchange->unfiltered;
	int rc = 0;

	for (unsigned i = 0; i < count; i++) {
		if (piece_is_lent(&pieces[i]))
			outq_lend(waiting, &pieces[i]);
		else if (rc == 0 && pieces[i].len > 0)
			rc = outq_left(waiting) > 0 ?
			    buf_add(&waiting->bytes, pieces[i].data,
			    pieces[i].len) : piece(conn,
			    conn->exchange->stages, pieces[i].data,
			    pieces[i].len);
	}
	return rc != 0 ? abort_at(conn, rc) : filtering_pump(conn);
}

/* What one writes at its flush is for the next to flush, too. */
int
filtering_flush(struct conn *conn)
{
	struct stage *stage = conn->exchange->stages;
	int rc = 0;

	for (; rc == 0 && stage != NULL; stage = stage->next) {
		if (stage->flushed)
			continue;
		stage->flushed = true;
		rc = call(conn, stage, STAGE_FLUSH, NULL, 0);
	}
	return abort_at(conn, rc);
}

int
filtering_end(struct conn *conn)
{
	struct stage *stage = conn->exchange->stages;
	int rc = 0;

	for (; rc == 0 && stage != NULL; stage = stage->next) {
		rc = call(conn, stage, STAGE_END, NULL, 0);
		stage->flushed = true;
	}
	return abort_at(conn, rc);
}

int
filtering_write(struct conn *conn, const void *data, size_t len)
{
	struct stage *stage = conn->exchange->stage;

	if (stage == NULL)
		return -EINVAL;
	return len == 0 ? 0 : piece(conn, stage->next, data, len);
}

void
filtering_done(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct stage *stage;

	while ((stage = exchange->stages) != NULL) {
		exchange->stages = stage->next;
		conn->http->ops->on_stage(conn, stage, STAGE_FREE, NULL, 0,
		    conn->http->ctx);
	}
}
