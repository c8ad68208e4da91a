/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * conn.c: one HTTP connection; see conn.h.  Work is done in turns: read once,
 * take the requests that are complete, write once, then settle: which events
 * and which deadline are due.  A connection is closed only when it settles, so
 * nobody further up the stack holds one that is gone.
 */
#include "daemon/http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/http/deadline.h"
#include "daemon/http/receiving.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/http/sending.h"

enum {
	FLUSH_EARLY = 65536,		/* bytes of answers of one turn */
	GOODBYE_MS = 1000,
};

static void settle(struct conn *conn);
static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* ---- events ------------------------------------------------------------------- */

/* Go on from the loop, to close. */
static void
close_soon(struct conn *conn)
{
	event_active(&conn->timer, EV_TIMEOUT, 0);
}

/* What cannot be watched, for want of memory, would stay for ever. */
static void
watch(struct conn *conn, struct event *event)
{
	if (event_add(event, NULL) == 0)
		return;
	conn->dead = true;
	close_soon(conn);
}

static void
watch_read(struct conn *conn, bool on)
{
	if (on == conn->reading)
		return;
	conn->reading = on;
	if (on)
		watch(conn, &conn->read_event);
	else
		event_del(&conn->read_event);
}

static void
watch_write(struct conn *conn, bool on)
{
	if (on == conn->writing)
		return;
	if (conn->write_event == NULL) {
		conn->write_event = event_new(conn->http->base, conn->fd,
		    EV_WRITE | EV_PERSIST, on_writable, conn);
		if (conn->write_event == NULL) {
			conn->dead = true;
			close_soon(conn);
			return;
		}
	}
	conn->writing = on;
	if (on)
		watch(conn, conn->write_event);
	else
		event_del(conn->write_event);
}

static void
list_idle(struct conn *conn, bool on)
{
	if (conn->listed)
		TAILQ_REMOVE(&conn->http->idle, conn, idle_link);
	if (on)
		TAILQ_INSERT_TAIL(&conn->http->idle, conn, idle_link);
	conn->listed = on;
}

/* ---- life ---------------------------------------------------------------------- */

struct conn *
conn_new(struct http *http, int fd, const struct connection_passed *passed)
{
	struct conn *conn;

	if (http->free_count == 0)
		return NULL;
	conn = calloc(1, sizeof(*conn));
	if (conn == NULL)
		return NULL;
	conn->http = http;
	conn->fd = fd;
	conn->own_ms = HTTP_OFF;
	conn->family = passed->family;
	conn->port = passed->port;
	conn->listener = passed->listener;
	memcpy(conn->address, passed->address, sizeof(conn->address));
	conn->row = http->free_rows[--http->free_count];
	http->table[conn->row] = conn;
	event_assign(&conn->read_event, http->base, fd, EV_READ | EV_PERSIST,
	    on_readable, conn);
	event_assign(&conn->timer, http->base, -1, 0, on_timer, conn);
	TAILQ_INSERT_TAIL(&http->all, conn, all_link);
	http->connections++;
	WORD_SET(http->board->page->gauges.connections, http->connections);
	return conn;
}

/* The open request ends without its answer. */
static void
drop_request(struct conn *conn, const char *why)
{
	struct http *http = conn->http;

	if (conn->state != CONN_HANDLE)
		return;
	http->ops->on_stale(conn, why, http->ctx);
	board_add(http->board, METRIC_REQUESTS_ABORTED, 1);
	if (http->tells_ends)
		http->ops->on_ended(conn, clock_now_ns(), true, http->ctx);
	http_end_doing(conn);
	http->open--;
	conn->request = 0;
	conn->state = CONN_IDLE;
}

void
conn_set_reset(struct conn *conn, bool on)
{
	struct linger linger = { .l_onoff = on, .l_linger = 0 };

	setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

void
conn_close(struct conn *conn)
{
	struct http *http = conn->http;

	drop_request(conn, "its connection ended");
	/* events first: the descriptor may be open elsewhere, so that closing
	 * it takes nothing out of the poll set */
	event_del(&conn->read_event);
	event_del(&conn->timer);
	if (conn->write_event != NULL)
		event_free(conn->write_event);
	if (conn->reset)
		conn_set_reset(conn, true);
	list_idle(conn, false);
	TAILQ_REMOVE(&http->all, conn, all_link);
	http->table[conn->row] = NULL;
	http->free_rows[http->free_count++] = conn->row;
	http->connections--;
	WORD_SET(http->board->page->gauges.connections, http->connections);
	if (conn->exchange != NULL)
		exchange_put(http, conn->exchange);
	close(conn->fd);
	free(conn);
	board_add(http->board, METRIC_FINISHED, 1);
	http->ops->on_closed(http->ctx);
}

void
conn_abort(struct conn *conn, bool reset)
{
	conn->dead = true;
	if (reset)
		conn->reset = true;
	if (!conn->in_turn)
		close_soon(conn);
}

/* ---- bytes ---------------------------------------------------------------------- */

void
conn_flush(struct conn *conn)
{
	if (conn->in_turn && sending_left(conn) < FLUSH_EARLY)
		return;
	sending_write(conn);
	if (!conn->in_turn)
		settle(conn);
}

/* ---- requests -------------------------------------------------------------------- */

void
conn_finish_request(struct conn *conn)
{
	static const uint8_t metric[] = {
		METRIC_ANSWERS_1XX, METRIC_ANSWERS_2XX, METRIC_ANSWERS_3XX,
		METRIC_ANSWERS_4XX, METRIC_ANSWERS_5XX,
	};
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;
	uint64_t now_ns;

	if (conn->in_handler)
		return;				/* when it has returned */
	if (conn->watched || conn->bound)
		http->ops->on_answered(conn, http->ctx);
	now_ns = clock_now_ns();
	board_add(http->board, METRIC_REQUESTS, 1);
	board_add(http->board, metric[exchange->status / 100 - 1], 1);
	board_add_latency(http->board, now_ns - conn->since_ns);
	if (http->tells_ends)
		http->ops->on_ended(conn, now_ns, false, http->ctx);
	http_end_doing(conn);
	http->open--;
	conn->until_close = exchange->until_close;
	buf_consume(&exchange->in, exchange->raw_at);
	if (buf_len(&exchange->in) > 0 && conn->close_after)
		conn->linger = true;
	exchange_reset(exchange, http);
	conn->state = CONN_IDLE;
	conn->request = 0;
	conn->peeked = false;
	conn->own_ms = HTTP_OFF;
	conn->deadline = DEADLINE_NONE;		/* what comes next arms its own */
	conn->since_ns = now_ns;
	conn->served = true;
	if (!conn->in_turn) {
		conn->again = buf_len(&exchange->in) > 0;
		sending_write(conn);
		settle(conn);
	}
}

void
conn_refuse(struct conn *conn, int status)
{
	struct http *http = conn->http;

	board_add(http->board, METRIC_REFUSED, 1);
	conn->state = CONN_HANDLE;
	conn->request = ++http->requests;
	conn->since_ns = http->now_ns;
	conn->route = 0;
	http->open++;
	conn->linger = true;
	conn->exchange->raw_at = buf_len(&conn->exchange->in);
	if (conn->exchange->head.minor > 1)
		conn->exchange->head.minor = 1;
	response_error(conn, status, true);
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
		if (request_step(conn) != STEP_NEXT)
			return;
		if (conn->state != CONN_IDLE)
			continue;
		if (++served >= http->config.max_pipeline) {
			conn->again = buf_len(&conn->exchange->in) > 0;
			return;
		}
		if (sending_left(conn) > FLUSH_EARLY) {
			sending_write(conn);
			conn->again = sending_left(conn) > 0;
			if (conn->again)
				return;
		}
	}
}

/* ---- end -------------------------------------------------------------------------- */

void
conn_linger(struct conn *conn, bool goodbye)
{
	if (shutdown(conn->fd, SHUT_WR) != 0) {
		conn->dead = true;
		return;
	}
	conn->state = CONN_LINGER;
	conn->goodbye = goodbye;
	conn->since_ns = clock_now_ns();
	list_idle(conn, false);
	deadline_arm(conn, DEADLINE_LINGER, goodbye ?
	    (int64_t)clock_scaled_ms(GOODBYE_MS) : HTTP_OFF);
}

/* After a turn: what next?  Closes the connection if it is at its end. */
static void
settle(struct conn *conn)
{
	struct http *http = conn->http;

	if (!conn->dead && sending_left(conn) > 0)
		sending_write(conn);
	if (!conn->dead && conn->close_after && conn->state == CONN_IDLE &&
	    sending_left(conn) == 0) {
		if (conn->until_close)
			conn_set_reset(conn, false);
		if (conn->linger || http->draining)
			conn_linger(conn, false);
		else
			conn->dead = true;
	}
	if (!conn->dead && sending_left(conn) > 0) {
		watch_write(conn, true);
		watch_read(conn, false);
		if (conn->deadline != DEADLINE_SEND)
			sending_wait(conn);
	}
	if (conn->dead) {
		if (conn->in_turn)
			conn_close(conn);
		else
			close_soon(conn);
		return;
	}
	if (sending_left(conn) > 0)
		return;
	watch_write(conn, false);
	if (conn->again) {
		deadline_go_on(conn);
		return;
	}
	switch ((enum conn_state)conn->state) {
	case CONN_IDLE:
		if (conn->exchange != NULL) {
			exchange_put(http, conn->exchange);
			conn->exchange = NULL;
		}
		list_idle(conn, true);
		if (conn->served)
			deadline_arm(conn, DEADLINE_IDLE, HTTP_OFF);
		break;
	case CONN_HEAD:
		list_idle(conn, false);
		if (conn->deadline != DEADLINE_HEADER)
			deadline_arm(conn, DEADLINE_HEADER, HTTP_OFF);
		break;
	case CONN_BODY:
		list_idle(conn, false);
		if (conn->deadline != DEADLINE_BODY)
			deadline_arm(conn, DEADLINE_BODY, HTTP_OFF);
		break;
	case CONN_HANDLE:
		list_idle(conn, false);
		if (conn->deadline != DEADLINE_REQUEST)
			deadline_arm_request(conn);
		if (conn->exchange->was_full)
			watch_write(conn, true);	/* it is told there */
		if (!conn->peeked)
			watch_read(conn, true);	/* a client that goes is news */
		return;				/* reading may wait */
	case CONN_LINGER:
		break;
	}
	watch_read(conn, true);
}

/* ---- turns ------------------------------------------------------------------------ */

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
	if (conn->state == CONN_LINGER) {
		if (may_read)
			receiving_discard(conn);
	} else {
		if (may_read && !conn->dead)
			receiving_read(conn);
		process(conn);
	}
	/* settle() closes only in a turn, and then conn is gone */
	settle(conn);
}

/* settle() may have closed it: the row tells. */
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
	watch_read(conn, false);
	conn->peeked = conn->state == CONN_HANDLE;
	if (got < 0) {
		board_add(conn->http->board, METRIC_CLIENTS_GONE, 1);
		conn->dead = true;
		run_turn(conn, false);
	} else if (got == 0) {
		conn->left = true;
		if (conn->bound)
			conn->http->ops->on_left(conn, conn->http->ctx);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	if (conn->state == CONN_HANDLE || sending_left(conn) > 0)
		peek(conn);
	else if (!conn->again)			/* else it has its turn still */
		run_turn(conn, true);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct http *http = conn->http;
	uint32_t row = conn->row;

	(void)fd;
	(void)what;
	conn->in_turn = true;
	note_time(http);
	sending_write(conn);
	if (!conn->dead && conn->state == CONN_HANDLE &&
	    conn->exchange->was_full &&
	    sending_left(conn) < EXCHANGE_OUT_MAX / 2) {
		conn->exchange->was_full = false;
		http->ops->on_room(conn, http->ctx);
	}
	if (sending_left(conn) > 0 || conn->dead || conn->state == CONN_HANDLE)
		settle(conn);
	else
		turn(conn, false);
	if (http->table[row] == conn)
		conn->in_turn = false;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;

	(void)fd;
	(void)what;
	conn->in_turn = true;
	note_time(conn->http);
	if (conn->dead || conn->deadline == DEADLINE_NONE ||
	    deadline_expire(conn))
		run_turn(conn, false);
	else
		conn->in_turn = false;
}

void
conn_start(struct conn *conn, int64_t header_ms)
{
	deadline_arm(conn, DEADLINE_HEADER, header_ms);
	conn->since_ns = clock_now_ns();
	run_turn(conn, true);
}

void
conn_say_goodbye(struct conn *conn, int64_t ms)
{
	deadline_arm(conn, DEADLINE_GOODBYE, ms);
}
