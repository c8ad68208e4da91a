/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * response.c: making an answer; see response.h.
 *
 * Every answer, whole, in pieces or the host's own, is begun by begin(), which
 * makes its head, gets all bytes of its body by add_body(), of whatever kind they
 * are, and is over with end_body().  No byte of a body enters the queue of the
 * connection elsewhere: what changes heads and bodies has its place in these three.
 */
#include "daemon/http/response.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/errmsg.h"
#include "daemon/http/deadline.h"
#include "daemon/http/filtering.h"
#include "daemon/http/pages.h"
#include "daemon/http/response_head.h"

enum { FRAME_ROOM = 24 };	/* around a chunk: its size in hex, two CR LF */

/* 0, or why no answer can be begun. */
static int
check_none(const struct exchange *exchange)
{
	if (exchange->draft != NULL)
		return -EALREADY;	/* filters look at the head */
	if (exchange->answer == ANSWER_NONE)
		return 0;
	return exchange->answer == ANSWER_NEVER ? -EPIPE : -EALREADY;
}

/* ---- the one way of heads and bodies ---------------------------------------------- */

/* Bytes of them that are copied. */
static inline size_t
copied_of(const struct piece *pieces, unsigned count)
{
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		if (!piece_is_lent(&pieces[i]))
			len += pieces[i].len;
	return len;
}

/* The head, and room for so many bytes of body behind it.  length: of the body,
 * -1: not known. */
static int
begin(struct conn *conn, int status, const char *type, int64_t length,
    size_t room)
{
	struct exchange *exchange = conn->exchange;
	struct answer_head head = { .status = status, .type = type,
	    .length = length };
	bool close_after = conn->close_after, no_body;
	int rc;

	if (exchange->filters != 0 &&
	    (rc = filtering_look(conn, &head)) != 0)
		return rc;
	no_body = response_has_no_body(head.status);
	if (head.length < 0 && !no_body) {
		if (exchange->head.minor == 0) {
			exchange->until_close = true;
			conn->close_after = true;
		} else {
			exchange->chunked = true;
		}
	}
	rc = response_put_head(conn, head.status, head.type, head.length,
	    room);
	if (rc != 0) {
		filtering_done(conn);	/* they look at the next one */
		exchange->chunked = exchange->until_close = false;
		conn->close_after = close_after;
		return rc;
	}
	if (exchange->until_close)
		conn_set_reset(conn, true);
	if (no_body)
		exchange->head_only = true;
	return 0;
}

/* What the client gets of it, in the framing of the answer.  0 or -ENOMEM. */
static int
queue_body(struct conn *conn, struct piece *pieces, unsigned count,
    uint64_t len)
{
	struct exchange *exchange = conn->exchange;
	struct buf *bytes = &exchange->out.bytes;

	/* both together are less than the whole of it: see api_is_data() */
	if (buf_reserve(bytes, copied_of(pieces, count) +
	    (exchange->chunked ? FRAME_ROOM : 0)) == NULL) {
		bytes->failed = 0;
		return -ENOMEM;
	}
	if (exchange->chunked)
		buf_printf(bytes, "%llx\r\n", (unsigned long long)len);
	for (unsigned i = 0; i < count; i++) {
		if (piece_is_lent(&pieces[i]))
			outq_lend(&exchange->out, &pieces[i]);
		else
			buf_add(bytes, pieces[i].data, pieces[i].len);
	}
	if (exchange->chunked)
		buf_add(bytes, "\r\n", 2);
	exchange->body_bytes += len;
	return 0;
}

int
response_add(struct conn *conn, const void *data, size_t len)
{
	struct piece piece = { .kind = PIECE_COPY, .data = data, .len = len };

	return queue_body(conn, &piece, 1, len);
}

/*
 * These pieces, len bytes in all, are what follows of the body.  There is room for
 * the parts among them that are lent (outq_reserve()).  0; -ENOMEM: none was taken;
 * -EIO: a filter failed, the connection is aborted.
 */
static int
add_body(struct conn *conn, struct piece *pieces, unsigned count, uint64_t len)
{
	struct exchange *exchange = conn->exchange;
	struct buf *bytes = &exchange->out.bytes;

	if (len == 0 || exchange->head_only)
		return 0;
	if (exchange->stages != NULL)
		return filtering_pieces(conn, pieces, count);
	/* the usual answer: behind its head, which has left room for it */
	if (count == 1 && !piece_is_lent(pieces) && !exchange->chunked &&
	    bytes->size - bytes->end >= len) {
		memcpy(bytes->data + bytes->end, pieces->data, len);
		bytes->end += len;
		exchange->body_bytes += len;
		return 0;
	}
	return queue_body(conn, pieces, count, len);
}

/* All of the body was there. */
static int
end_body(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	int rc;

	if (exchange->stages != NULL && !exchange->head_only &&
	    (rc = filtering_end(conn)) != 0)
		return rc;
	if (exchange->chunked && !exchange->head_only)
		return buf_add_text(&exchange->out.bytes, "0\r\n\r\n");
	return 0;
}

/* ---- whole ---------------------------------------------------------------------- */

static inline uint64_t
length_of(const struct piece *pieces, unsigned count)
{
	uint64_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += pieces[i].len;
	return len;
}

/* Without its body, or through the filters: from here on it is answered. */
static int
reply_otherwise(struct conn *conn, struct piece *pieces, unsigned count,
    uint64_t len)
{
	struct exchange *exchange = conn->exchange;
	int rc = 0;

	if (!exchange->head_only)
		rc = outq_reserve(&exchange->unfiltered, &conn->http->dues,
		    pieces, count);
	outq_forgo(&conn->http->dues, pieces, count);	/* of the other queue */
	exchange->left = UINT64_MAX;
	exchange->answer = ANSWER_STREAM;
	if (rc == 0)
		rc = add_body(conn, pieces, count, len);
	if (rc != 0)
		conn_abort(conn, true);
	return conn->dead ? -EIO : response_end(conn);
}

/* Inline, so that nothing is counted where there is one that is copied. */
static inline __attribute__((always_inline)) int
reply(struct conn *conn, int status, const char *type, struct piece *pieces,
    unsigned count)
{
	struct exchange *exchange = conn->exchange;
	uint64_t len = length_of(pieces, count);
	int rc = check_none(exchange);

	if (rc != 0)
		return rc;
	if (exchange->head_only)	/* a status without one: see begin() */
		count = 0;
	rc = outq_reserve(&exchange->out, &conn->http->dues, pieces, count);
	if (rc != 0)
		return rc;
	rc = begin(conn, status, type, (int64_t)len, copied_of(pieces, count));
	if (rc != 0) {
		outq_forgo(&conn->http->dues, pieces, count);
		return rc;
	}
	if (exchange->head_only || exchange->stages != NULL)
		return reply_otherwise(conn, pieces, count, len);
	if (count > 0)
		add_body(conn, pieces, count, len);	/* there is room */
	exchange->answer = ANSWER_COMPLETE;
	conn_finish_request(conn);
	return 0;
}

/* Whoever called may be in no place to answer otherwise, or never look: the client
 * does not wait for that. */
static int
or_refused(struct conn *conn, int rc)
{
	if (__builtin_expect(rc == -ENOMEM, 0))
		conn_refuse_for_memory(conn);
	return rc;
}

int
response_reply_pieces(struct conn *conn, int status, const char *type,
    struct piece *pieces, unsigned count)
{
	return or_refused(conn, reply(conn, status, type, pieces, count));
}

int
response_reply(struct conn *conn, int status, const char *type,
    const void *data, size_t len)
{
	struct piece piece = { .kind = PIECE_COPY, .data = data, .len = len };

	return or_refused(conn, reply(conn, status, type, &piece, 1));
}

/* Not there is better than no answer: what fails is answered with a line. */
static int
reply_page(struct conn *conn, int status, const struct page_file *page)
{
	struct piece piece = { .kind = PIECE_STATIC, .data = page->data,
	    .len = page->len };

	return reply(conn, status, page->type, &piece, 1);
}

void
response_error(struct conn *conn, int status, bool close)
{
	if (close)
		conn->close_after = true;
	if (status >= 500)
		board_add(conn->http->board, METRIC_HOST_5XX, 1);
	/* what is short now may be there soon */
	response_error_with(conn, status, status == 503 ? "Retry-After" : NULL,
	    "5");
}

void
response_error_with(struct conn *conn, int status, const char *name,
    const char *value)
{
	const struct pages *pages = conn->http->config.pages;
	const struct page_file *page = pages == NULL ? NULL :
	    pages_find(pages, status);
	char text[80];
	int len;

	buf_clear(&conn->exchange->headers);
	if (name != NULL)	/* without it where there is no memory */
		(void)response_set_header(conn, name, value);
	if (page != NULL && reply_page(conn, status, page) == 0)
		return;
	len = snprintf(text, sizeof(text), "%d %s\n", status,
	    response_reason(status));
	if (response_reply(conn, status, "text/plain; charset=utf-8", text,
	    (size_t)len) != 0 && !conn->dead)
		conn_abort(conn, true);
}

void
response_allow(struct conn *conn, const char *methods)
{
	conn->route = 0;
	if (response_set_header(conn, "Allow", methods) != 0)
		conn_refuse_for_memory(conn);
	else if (response_reply(conn, 204, NULL, NULL, 0) != 0 && !conn->dead)
		conn_abort(conn, true);
}

void
response_options(struct conn *conn)
{
	static const char methods[] = ""
#define METHOD(name) ", " #name
#include "common/table/methods.def"
	    ;

	response_allow(conn, methods + 2);
}

void
response_continue(struct conn *conn)
{
	board_add(conn->http->board, METRIC_ANSWERS_1XX, 1);
	buf_add_text(&conn->exchange->out.bytes, "HTTP/1.1 100 Continue\r\n\r\n");
}

/* ---- in pieces ------------------------------------------------------------------ */

int
response_begin(struct conn *conn, int status, const char *type, int64_t length)
{
	struct exchange *exchange = conn->exchange;
	int rc = check_none(exchange);

	if (rc != 0)
		return rc;
	rc = begin(conn, status, type, length, 0);
	if (rc != 0)
		return or_refused(conn, rc);
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
	if (exchange->stage != NULL)
		return -EINVAL;		/* a filter of it runs */
	switch ((enum answer_state)exchange->answer) {
	case ANSWER_STREAM:
		return 0;
	case ANSWER_COMPLETE:
		return -EALREADY;
	case ANSWER_NEVER:
		return -EPIPE;
	case ANSWER_NONE:
		break;
	}
	return -EINVAL;
}

/* Whether the queue takes them: of memory of the worker's so much may wait for
 * the client, of what is sent from elsewhere so many parts. */
static int
check_room(struct conn *conn, const struct piece *pieces, unsigned count)
{
	struct exchange *exchange = conn->exchange;
	struct dues *dues = &conn->http->dues;
	size_t held = outq_held(&exchange->out, dues) +
	    outq_held(&exchange->unfiltered, dues);
	uint64_t more = 0;

	for (unsigned i = 0; i < count; i++)
		if (!piece_is_lent(&pieces[i]) || pieces[i].kind == PIECE_GIVE)
			more += pieces[i].len;
	if (held > 0 && more > 0 &&
	    held + more + FRAME_ROOM > EXCHANGE_OUT_MAX)
		return -EAGAIN;
	return outq_reserve(exchange->stages != NULL ? &exchange->unfiltered :
	    &exchange->out, &conn->http->dues, pieces, count);
}

static int
take_pieces(struct conn *conn, struct piece *pieces, unsigned count,
    uint64_t len)
{
	int rc = check_room(conn, pieces, count);

	if (rc == -EAGAIN) {
		conn->exchange->was_full = true;
		if (!conn->in_turn)
			conn_flush(conn);	/* what it waits for may be
						 * no more than its dues */
	}
	if (rc != 0)
		return rc;
	rc = add_body(conn, pieces, count, len);
	if (rc == -ENOMEM)
		outq_forgo(&conn->http->dues, pieces, count);
	return rc;
}

int
response_write_pieces(struct conn *conn, struct piece *pieces, unsigned count)
{
	struct exchange *exchange = conn->exchange;
	uint64_t len = length_of(pieces, count);
	int rc = check_stream(exchange);

	if (rc != 0)
		return rc;
	if (len > exchange->left)
		return -ERANGE;
	if (len > 0 && !exchange->head_only) {
		rc = take_pieces(conn, pieces, count, len);
		if (rc != 0)
			return rc;
	}
	if (exchange->left != UINT64_MAX)
		exchange->left -= len;
	if (!conn->in_turn && conn->deadline == DEADLINE_REQUEST) {
		deadline_renew_own(conn);		/* from piece to piece */
		deadline_arm_request(conn);
	}
	conn_flush(conn);
	return 0;
}

int
response_write(struct conn *conn, const void *data, size_t len)
{
	struct piece piece = { .kind = PIECE_COPY, .data = data, .len = len };

	return response_write_pieces(conn, &piece, 1);
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
	if (!filtering_waits(exchange))
		return response_finish(conn);
	exchange->answer = ANSWER_COMPLETE;
	exchange->ending = true;		/* conn.c goes on with it */
	/* for its handler it is over */
	exchange->body.owed = exchange->was_full = false;
	exchange->gone.call = NULL;
	conn_flush(conn);
	return 0;
}

int
response_finish(struct conn *conn)
{
	int rc = end_body(conn);

	if (rc != 0) {
		conn_abort(conn, true);
		return rc == -EIO ? rc : -ENOMEM;
	}
	conn->exchange->ending = false;
	conn->exchange->answer = ANSWER_COMPLETE;
	conn_finish_request(conn);
	return 0;
}

int
response_mark(struct conn *conn, const struct due *due)
{
	struct exchange *exchange = conn->exchange;

	/* what filters hold back was written, too */
	if (exchange->answer == ANSWER_STREAM && exchange->stages != NULL &&
	    exchange->stage == NULL && !exchange->head_only &&
	    !filtering_waits(exchange) && filtering_flush(conn) != 0)
		return -EPIPE;
	return outq_mark(filtering_waits(exchange) ? &exchange->unfiltered :
	    &exchange->out, &conn->http->dues, due);
}
