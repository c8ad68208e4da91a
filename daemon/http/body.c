/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* body.c: the bytes of a body; see body.h. */
#include "daemon/http/body.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/fd.h"
#include "common/base/spill.h"
#include "daemon/http/conn.h"

static bool
is_chunked(const struct exchange *exchange)
{
	return exchange->head.content_length == HEAD_CHUNKED;
}

void
body_begin(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	const struct http_config *config = &conn->http->config;
	const struct head *head = &exchange->head;

	exchange->body = (struct body){
		.kind = BODY_MEMORY, .fd = -1, .missing = true,
		.since_ns = http_present_ns(conn->http, conn->http->now_ns),
		.limit = config->max_body < 0 ? UINT64_MAX :
		    (uint64_t)config->max_body,
		/* who has sent some of it did not wait, be it a mere size */
		.expects = (head->flags & HEAD_EXPECT_CONTINUE) != 0 &&
		    buf_len(&exchange->in) == head->offset,
	};
	if (is_chunked(exchange)) {
		chunk_init(&exchange->chunk, exchange->body.limit);
		return;
	}
	exchange->body.left = head->content_length;
	if (head->content_length > (uint64_t)config->body_buffer)
		exchange->body.kind = BODY_FILE;
}

void
body_done(struct body *body)
{
	if (body->map != NULL)
		munmap(body->map, (size_t)body->gone);
	if (body->kind != BODY_NONE)
		fd_close(&body->fd);
	*body = (struct body){ .kind = BODY_NONE };
}

/* ---- out of the framing ---------------------------------------------------------- */

static enum body_result
end(struct exchange *exchange)
{
	exchange->body.missing = false;
	return BODY_WHOLE;
}

static enum body_result
refuse(struct exchange *exchange, uint16_t status)
{
	exchange->body.status = status;
	return BODY_REFUSED;
}

static enum body_result
decode_length(struct exchange *exchange)
{
	struct body *body = &exchange->body;
	size_t take = buf_len(&exchange->in) - exchange->raw_at;

	if (take > body->left)
		take = (size_t)body->left;
	exchange->body_len += take;
	exchange->raw_at += take;
	body->left -= take;
	return body->left == 0 ? end(exchange) : BODY_MORE;
}

/* What framing took is free again, else a body costs what a client says around
 * it. */
static void
close_gap(struct exchange *exchange)
{
	size_t to = exchange->body_at + exchange->body_len;
	size_t len = buf_len(&exchange->in) - exchange->raw_at;
	char *first = buf_at(&exchange->in);

	if (to == exchange->raw_at)
		return;
	if (len > 0)
		memmove(first + to, first + exchange->raw_at, len);
	exchange->raw_at = to;
	buf_cut(&exchange->in, to + len);
}

/* Trailers are read by a head of their own and thrown away. */
static enum body_result
decode_trailers(struct exchange *exchange)
{
	struct head_field fields[16];
	struct head_limits limits = exchange->head.limits;
	struct head trailers;

	if (limits.fields > 16)
		limits.fields = 16;
	if (limits.head_size > BODY_TRAILERS_MAX)
		limits.head_size = BODY_TRAILERS_MAX;
	head_init(&trailers, &limits, fields);
	switch (head_parse_trailers(&trailers,
	    buf_at(&exchange->in) + exchange->raw_at,
	    buf_len(&exchange->in) - exchange->raw_at)) {
	case HEAD_MORE:
		close_gap(exchange);
		return BODY_MORE;
	case HEAD_REFUSED:
		return refuse(exchange, trailers.status);
	case HEAD_DONE:
		break;
	}
	exchange->raw_at += trailers.offset;
	return end(exchange);
}

/* In place: the pieces move together behind the head. */
static enum body_result
decode_chunks(struct exchange *exchange)
{
	char *first = buf_at(&exchange->in);

	for (;;) {
		struct slice data;
		size_t used = 0;
		const char *raw = first + exchange->raw_at;
		size_t len = buf_len(&exchange->in) - exchange->raw_at;

		switch (chunk_parse(&exchange->chunk, raw, len, &used, &data)) {
		case CHUNK_MORE:
			exchange->raw_at += used;
			close_gap(exchange);
			return BODY_MORE;
		case CHUNK_DATA:
			memmove(first + exchange->body_at + exchange->body_len,
			    raw + data.at, data.len);
			exchange->body_len += data.len;
			exchange->raw_at += used;
			break;
		case CHUNK_LAST:
			exchange->raw_at += used;
			return decode_trailers(exchange);
		case CHUNK_REFUSED:
			return refuse(exchange, exchange->chunk.status);
		}
	}
}

enum body_result
body_decode(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (!exchange->body.missing)
		return BODY_WHOLE;
	return is_chunked(exchange) ? decode_chunks(exchange) :
	    decode_length(exchange);
}

/* ---- where it is kept --------------------------------------------------------------- */

/* What follows the decoded part moves to its place. */
void
body_drop(struct exchange *exchange)
{
	exchange->body.gone += exchange->body_len;
	exchange->body_len = 0;
	if (exchange->body.missing)
		close_gap(exchange);
}

static int
write_at(int fd, const char *data, size_t len, uint64_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		data += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

static int
store(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct body *body = &exchange->body;
	int rc;

	if (body->fd < 0) {
		if ((rc = spill_open()) < 0)
			return rc;
		body->fd = rc;
		board_add(conn->http->board, METRIC_BODIES_SPILLED, 1);
	}
	rc = write_at(body->fd, buf_at(&exchange->in) + exchange->body_at,
	    exchange->body_len, body->gone);
	if (rc == 0)
		body_drop(exchange);
	return rc;
}

int
body_keep(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct body *body = &exchange->body;
	struct http *http = conn->http;
	int rc;

	if (body->kind == BODY_MEMORY &&
	    exchange->body_len > (uint64_t)http->config.body_buffer)
		body->kind = BODY_FILE;
	if (body->kind != BODY_FILE || exchange->body_len == 0)
		return 0;
	if ((rc = store(conn)) == 0)
		return 0;
	board_add(http->board, METRIC_BODIES_LOST, 1);
	http->ops->on_body_lost(conn, rc, http->ctx);
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG ? 507 : 503;
}

/* ---- room ----------------------------------------------------------------------------- */

/* Of what is missing, the part that will stay in the buffer. */
static size_t
room_to_keep(const struct conn *conn)
{
	const struct exchange *exchange = conn->exchange;
	size_t most = (size_t)conn->http->config.body_buffer;

	if (exchange->body.kind != BODY_MEMORY)
		return 0;
	if (!is_chunked(exchange))
		return (size_t)exchange->body.left;
	return exchange->body_len < most ? most - exchange->body_len : 0;
}

int
body_make_room(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	size_t room = room_to_keep(conn);

	if (room == 0 || is_chunked(exchange))
		room += BODY_WINDOW;
	return buf_reserve(&exchange->in, room) == NULL ? -ENOMEM : 0;
}

size_t
body_read_room(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct buf *in = &exchange->in;
	uint64_t left = exchange->body.left;
	size_t room = BODY_WINDOW;

	if (exchange->body.kind == BODY_MEMORY && !is_chunked(exchange))
		room = left < EXCHANGE_READ ? EXCHANGE_READ :
		    left < BODY_READ_MAX ? (size_t)left : BODY_READ_MAX;
	/* an open request has its room: its texts must stay where they are */
	if (conn->state == CONN_BODY && buf_reserve(in, room) == NULL)
		return 0;
	room = in->size - in->end;
	return room < BODY_READ_MAX ? room : BODY_READ_MAX;
}

uint64_t
body_received(const struct exchange *exchange)
{
	return exchange->body.gone + buf_len(&exchange->in) - exchange->body_at;
}

bool
body_is_read(const struct exchange *exchange)
{
	const struct body *body = &exchange->body;

	return body->owed && body->missing && !body->paused;
}

bool
body_is_due(const struct exchange *exchange)
{
	return exchange->body.owed && !exchange->body.paused;
}

/* ---- for the handler ------------------------------------------------------------------- */

const void *
body_show(struct exchange *exchange, size_t *len)
{
	struct body *body = &exchange->body;
	void *map;

	*len = 0;
	if (body->missing || body->offered || body->kind == BODY_STREAM)
		return NULL;
	if (body->kind != BODY_FILE) {
		*len = exchange->body_len;
		return buf_at(&exchange->in) + exchange->body_at;
	}
	if (body->map == NULL) {
		map = mmap(NULL, (size_t)body->gone, PROT_READ, MAP_SHARED,
		    body->fd, 0);
		if (map == MAP_FAILED)
			return NULL;
		body->map = map;
	}
	*len = (size_t)body->gone;
	return body->map;
}

int
body_show_fd(const struct exchange *exchange)
{
	const struct body *body = &exchange->body;

	return body->kind == BODY_FILE && !body->missing && !body->offered ?
	    body->fd : -ENOENT;
}
