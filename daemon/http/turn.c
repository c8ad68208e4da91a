/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * turn.c: turns of a connection; see turn.h.  Read once, take the requests that
 * are complete, write once, then settle.
 */
#include "daemon/http/turn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "daemon/http/client.h"
#include "daemon/http/deadline.h"
#include "daemon/http/delivery.h"
#include "daemon/http/proxy.h"
#include "daemon/http/receiving.h"
#include "daemon/http/request.h"
#include "daemon/http/sending.h"

/* What a proxy says in front of all requests.  False: not all of it is there,
 * or it is none. */
static bool
take_proxy(struct conn *conn)
{
	struct buf *in = &conn->exchange->in;
	struct proxy proxy;

	switch (proxy_parse(buf_at(in), buf_len(in), &proxy)) {
	case PROXY_MORE:
		return false;
	case PROXY_REFUSED:
		board_add(conn->http->board, METRIC_PROXY_REFUSED, 1);
		conn->dead = true;
		return false;
	case PROXY_DONE:
		break;
	}
	buf_consume(in, proxy.len);
	conn->wants_proxy = false;
	conn->state = CONN_IDLE;
	if (!proxy.local) {		/* also whom it does not know */
		conn->family = proxy.family;
		conn->port = proxy.port;
		memcpy(conn->address, proxy.address, sizeof(conn->address));
	}
	return true;
}

/* Take the requests that are complete. */
static void
process(struct conn *conn)
{
	struct http *http = conn->http;
	int64_t served = 0;

	while (!conn->dead && conn->exchange != NULL &&
	    conn->state != CONN_LINGER) {
		bool waiting = buf_len(&conn->exchange->in) > 0;

		if (conn->state == CONN_IDLE) {
			if (!waiting || conn->close_after)
				return;
			if (served > 0)
				board_add(http->board, METRIC_PIPELINED, 1);
			conn->state = CONN_HEAD;
		}
		if (conn->wants_proxy) {
			if (!take_proxy(conn))
				return;
			continue;
		}
		if (request_step(conn) != STEP_NEXT)
			return;
		if (conn->state != CONN_IDLE)
			continue;
		if (++served >= http->config.max_pipeline) {
			conn->again = buf_len(&conn->exchange->in) > 0;
			return;
		}
		if (sending_is_much(conn)) {
			sending_write(conn);
			conn->again = sending_left(conn) > 0;
			if (conn->again)
				return;
		}
	}
}

static void
note_time(struct http *http)
{
	http->now_ns = clock_now_ns();
	board_wake(http->board, http->now_ns);
}

static void
turn(struct conn *conn, bool may_read)
{
	conn->in_turn = true;
	conn->again = false;
	note_time(conn->http);
	sending_begin_turn(conn);
	if (conn->state == CONN_LINGER) {
		if (may_read)
			receiving_discard(conn);
	} else {
		if (may_read && !conn->dead)
			receiving_read(conn);
		process(conn);
		/* not before: the last of it may have come */
		if (may_read && !conn->dead && receiving_is_in_body(conn))
			receiving_check_pace(conn);
	}
	/* conn_settle() closes only in a turn, and then conn is gone */
	conn_settle(conn);
}

/* conn_settle() may have closed it: the row tells. */
static void
run_turn(struct conn *conn, bool may_read)
{
	struct http *http = conn->http;
	uint32_t row = conn->row;

	turn(conn, may_read);
	if (http->table[row] == conn)
		conn->in_turn = false;
}

/* Readable while a request is open: bytes wait, an error ends it.  One who has
 * only said its last may still want the answer. */
static void
peek(struct conn *conn)
{
	char byte;
	ssize_t got = recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	conn_watch_read(conn, false);
	conn->peeked = conn->state == CONN_HANDLE;
	if (got < 0) {
		board_add(conn->http->board, METRIC_CLIENTS_GONE, 1);
		conn->dead = true;
		run_turn(conn, false);
	} else if (got == 0) {
		conn->left = true;
		if (conn->state == CONN_HANDLE &&
		    (conn->bound || conn->exchange->gone.call != NULL))
			conn->http->ops->on_left(conn, conn->http->ctx);
	}
}

void
turn_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == CONN_HANDLE && body_is_due(conn->exchange))
		run_turn(conn, conn->exchange->body.missing);
	else if (conn->state == CONN_HANDLE || sending_left(conn) > 0)
		peek(conn);
	else if (!conn->again)			/* else it has its turn still */
		run_turn(conn, true);
}

void
turn_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct http *http = conn->http;
	uint32_t row = conn->row;

	(void)fd;
	(void)what;
	conn->in_turn = true;
	note_time(http);
	sending_begin_turn(conn);
	sending_write(conn);
	/* memory comes back before more is asked for */
	if (conn->state == CONN_HANDLE && conn->exchange->was_full)
		dues_run(&http->dues);
	if (!conn->dead && conn->state == CONN_HANDLE &&
	    conn->exchange->was_full &&
	    outq_has_room(&conn->exchange->out, &http->dues,
	    EXCHANGE_OUT_MAX / 2) &&
	    outq_has_room(&conn->exchange->unfiltered, &http->dues,
	    EXCHANGE_OUT_MAX / 2)) {
		conn->exchange->was_full = false;
		http->ops->on_room(conn, http->ctx);
	}
	if (sending_left(conn) > 0 || conn->dead || conn->state == CONN_HANDLE)
		conn_settle(conn);
	else
		turn(conn, false);
	if (http->table[row] == conn)
		conn->in_turn = false;
}

/* What is due is more of a request. */
static bool
awaits_bytes(const struct conn *conn)
{
	switch ((enum deadline)conn->deadline) {
	case DEADLINE_HEADER:
	case DEADLINE_IDLE:
	case DEADLINE_GOODBYE:
		return conn->state == CONN_IDLE || conn->state == CONN_HEAD;
	case DEADLINE_BODY:
		return conn->state == CONN_BODY ||
		    (conn->state == CONN_HANDLE && body_is_read(conn->exchange));
	default:
		return false;
	}
}

/* What came in time and has waited for us is read before its sender is judged:
 * all of a head, and some of a body.  True: so there is nothing to judge. */
static bool
catch_up(struct conn *conn)
{
	struct http *http = conn->http;
	uint32_t row = conn->row;
	uint8_t deadline = conn->deadline;

	while (!conn->dead && awaits_bytes(conn) && receiving_waits(conn)) {
		run_turn(conn, true);
		if (http->table[row] != conn || conn->deadline != deadline ||
		    conn->place != WAITING_NOWHERE)
			return true;
	}
	return false;
}

void
turn_on_time(struct conn *conn)
{
	if (catch_up(conn))
		return;
	conn->in_turn = true;
	note_time(conn->http);
	if (conn->dead || conn->deadline == DEADLINE_NONE ||
	    deadline_expire(conn))
		run_turn(conn, false);
	else
		conn->in_turn = false;
}

void
turn_first(struct conn *conn, int64_t header_ms)
{
	deadline_arm(conn, DEADLINE_HEADER, header_ms);
	conn->since_ns = clock_now_ns();
	conn->wants_proxy = conn->http->config.proxy_protocol;
	if (conn->wants_proxy && conn->http->config.trusted.count > 0 &&
	    !client_has_proxy(conn)) {
		board_add(conn->http->board, METRIC_PROXY_REFUSED, 1);
		conn->dead = true;
	}
	run_turn(conn, true);
}
