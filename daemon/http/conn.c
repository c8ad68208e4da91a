/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * conn.c: one HTTP connection; see conn.h.  Work is done in turns (turn.c), at
 * whose end it settles: which events and which deadline are due.  A connection
 * is closed only when it settles, so nobody further up the stack holds one that
 * is gone.
 */
#include "daemon/http/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/http/deadline.h"
#include "daemon/http/delivery.h"
#include "daemon/http/filtering.h"
#include "daemon/http/receiving.h"
#include "daemon/http/response.h"
#include "daemon/http/sending.h"
#include "daemon/http/turn.h"

enum {
	GOODBYE_MIN_MS = 2500, GOODBYE_MAX_MS = 5000,	/* till it is said */
	GOODBYE_MS = 1000,		/* what still comes is thrown away */
};

/* ---- events ------------------------------------------------------------------- */

/* Go on from the loop, to close. */
static void
close_soon(struct conn *conn)
{
	waiting_for_pass(&conn->http->waiting, conn);
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

void
conn_watch_read(struct conn *conn, bool on)
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
		    EV_WRITE | EV_PERSIST, turn_writable, conn);
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
	conn->family = passed->family;
	conn->port = passed->port;
	conn->listener = passed->listener;
	memcpy(conn->address, passed->address, sizeof(conn->address));
	conn->row = http->free_rows[--http->free_count];
	http->table[conn->row] = conn;
	event_assign(&conn->read_event, http->base, fd, EV_READ | EV_PERSIST,
	    turn_readable, conn);
	http->connections++;
	WORD_SET(http->board->page->gauges.connections, http->connections);
	return conn;
}

/* The open request ends without its answer. */
static void
drop_request(struct conn *conn)
{
	struct http *http = conn->http;

	if (conn->state != CONN_HANDLE)
		return;
	/* its handle is good in there, and no answer is taken */
	conn->exchange->answer = ANSWER_NEVER;
	conn->dead = false;
	(void)delivery_cut(conn, -EPIPE);
	http->ops->on_stale(conn, true, http->ctx);
	conn->dead = true;
	board_add(http->board, METRIC_REQUESTS_ABORTED, 1);
	if (http->tells_ends)
		http->ops->on_ended(conn, clock_now_ns(), true, http->ctx);
	if (conn->exchange->stages != NULL)
		filtering_done(conn);
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
	int fd = conn->fd;

	drop_request(conn);
	/* events first: the descriptor may be open elsewhere, so that closing
	 * it takes nothing out of the poll set */
	event_del(&conn->read_event);
	waiting_end(&http->waiting, conn);
	if (conn->write_event != NULL)
		event_free(conn->write_event);
	if (conn->reset)
		conn_set_reset(conn, true);
	list_idle(conn, false);
	http->table[conn->row] = NULL;
	http->free_rows[http->free_count++] = conn->row;
	http->connections--;
	WORD_SET(http->board->page->gauges.connections, http->connections);
	if (conn->exchange != NULL) {
		outq_drop(&conn->exchange->out, &http->dues);
		outq_drop(&conn->exchange->unfiltered, &http->dues);
		exchange_put(http, conn->exchange);
	}
	free(conn->shelf);
	free(conn);
	board_add(http->board, METRIC_FINISHED, 1);
	http->ops->on_closed(fd, http->ctx);
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

void
conn_refuse_for_memory(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (exchange == NULL || (sending_left(conn) == 0 &&
	    exchange->answer == ANSWER_NONE)) {
		http_refuse_for_memory(conn->http, conn->fd);
		if (exchange != NULL)
			exchange->status = 503;
	}
	conn_abort(conn, false);
}

/* ---- bytes ---------------------------------------------------------------------- */

/* An answer that goes through filters goes on: what waits for them, its end, or
 * that its handler pauses and little else is on its way to the client. */
static void
feed_filters(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (conn->state != CONN_HANDLE || exchange->stages == NULL ||
	    exchange->head_only || exchange->stage != NULL || conn->dead)
		return;
	if (filtering_waits(exchange) && (filtering_pump(conn) != 0 ||
	    filtering_waits(exchange)))
		return;
	if (exchange->ending) {
		if (response_finish(conn) == 0 && conn->exchange != NULL)
			conn->again |= buf_len(&conn->exchange->in) > 0;
	} else if (exchange->answer == ANSWER_STREAM &&
	    !sending_is_much(conn)) {
		(void)filtering_flush(conn);
	}
}

/* It waits for nothing but its turn. */
static bool
is_fed(const struct conn *conn)
{
	return conn->state == CONN_HANDLE &&
	    (conn->exchange->ending || filtering_waits(conn->exchange));
}

void
conn_flush(struct conn *conn)
{
	if (conn->in_turn && !sending_is_much(conn))
		return;
	if (!conn->in_turn) {
		feed_filters(conn);
		if (conn->state != CONN_HANDLE)
			return;		/* it is over, and settled */
	}
	sending_write(conn);
	if (!conn->in_turn)
		conn_settle(conn);
}

void
conn_wake(struct conn *conn)
{
	/* first: what is active already is not added to the poll set */
	conn_watch_read(conn, true);
	event_active(&conn->read_event, EV_READ, 0);
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

	if (conn->in_handler || exchange->ending)
		return;		/* when it has returned, or all is filtered */
	if (conn->watched || conn->bound)
		http->ops->on_answered(conn, http->ctx);
	now_ns = http->now_ns = clock_now_ns();
	board_add(http->board, METRIC_REQUESTS, 1);
	board_add(http->board, metric[exchange->status / 100 - 1], 1);
	board_add_latency(http->board, now_ns - conn->since_ns);
	if (http->tells_ends)
		http->ops->on_ended(conn, now_ns, false, http->ctx);
	if (exchange->stages != NULL)
		filtering_done(conn);
	http_end_doing(conn);
	http->open--;
	conn->until_close = exchange->until_close;
	buf_consume(&exchange->in, exchange->raw_at);
	if (exchange->body.missing)
		conn->close_after = conn->linger = true;
	if (buf_len(&exchange->in) > 0 && conn->close_after)
		conn->linger = true;
	exchange_reset(exchange, http);
	conn->state = CONN_IDLE;
	conn->request = 0;
	conn->peeked = false;
	conn->deadline = DEADLINE_NONE;		/* what comes next arms its own */
	conn->since_ns = now_ns;
	conn->served = true;
	if (!conn->in_turn) {
		conn->again = buf_len(&exchange->in) > 0;
		sending_write(conn);
		conn_settle(conn);
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
	conn->exchange->head_only = conn->exchange->head.method_id ==
	    METHOD_HEAD;
	conn->exchange->raw_at = buf_len(&conn->exchange->in);
	if (conn->exchange->head.minor > 1)
		conn->exchange->head.minor = 1;
	response_error(conn, status, true);
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
	conn->again = false;		/* what it has sent is not served */
	conn->goodbye = goodbye;
	conn->since_ns = clock_now_ns();
	list_idle(conn, false);
	deadline_arm(conn, DEADLINE_LINGER, goodbye ?
	    (int64_t)clock_scaled_ms(GOODBYE_MS) : HTTP_OFF);
}

/* At a random time, so that the clients of a worker that goes do not all come to
 * the next one at once. */
void
conn_say_goodbye(struct conn *conn)
{
	unsigned min_ms = clock_scaled_ms(GOODBYE_MIN_MS);
	unsigned max_ms = clock_scaled_ms(GOODBYE_MAX_MS);

	if (conn->deadline != DEADLINE_GOODBYE)
		deadline_arm(conn, DEADLINE_GOODBYE, (int64_t)(min_ms +
		    (unsigned)random() % (max_ms - min_ms + 1)));
}

/* It is to take what waits. */
static void
await_client(struct conn *conn)
{
	list_idle(conn, false);
	watch_write(conn, true);
	conn_watch_read(conn, body_is_due(conn->exchange));
	if (conn->deadline != DEADLINE_SEND)
		sending_wait(conn);
}

/* All that was answered has gone out: what is due now, by the state. */
static void
await_next(struct conn *conn)
{
	struct http *http = conn->http;

	switch ((enum conn_state)conn->state) {
	case CONN_IDLE:
		if (conn->exchange != NULL) {
			exchange_put_unused(http, conn->exchange);
			conn->exchange = NULL;
		}
		conn->linger = false;
		list_idle(conn, true);
		if (conn->served && http->draining)
			conn_say_goodbye(conn);
		else if (conn->served)
			deadline_arm(conn, DEADLINE_IDLE, HTTP_OFF);
		break;
	case CONN_HEAD:
		list_idle(conn, false);
		if (conn->deadline != DEADLINE_HEADER)
			deadline_arm(conn, DEADLINE_HEADER, HTTP_OFF);
		conn->linger = true;	/* who sends pieces may not be done */
		receiving_shelve(conn);
		break;
	case CONN_BODY:
		list_idle(conn, false);
		if (conn->deadline != DEADLINE_BODY)
			deadline_arm(conn, DEADLINE_BODY, HTTP_OFF);
		break;
	case CONN_HANDLE:
		list_idle(conn, false);
		if (conn->exchange->was_full)
			watch_write(conn, true);	/* it is told there */
		if (body_is_read(conn->exchange)) {
			if (conn->deadline != DEADLINE_BODY)
				deadline_arm_body(conn);
			break;
		}
		if (conn->deadline != DEADLINE_REQUEST)
			deadline_arm_request(conn);
		if (!conn->peeked)
			conn_watch_read(conn, true);	/* a client that goes is news */
		return;				/* reading may wait */
	case CONN_LINGER:
		break;
	}
	conn_watch_read(conn, true);
}

/* The last answer has gone out. */
static void
end_in_order(struct conn *conn)
{
	if (conn->until_close)
		conn_set_reset(conn, false);
	/* RFC 9112, 9.6: who has said `close' sends no more; some do, and would
	 * lose the answer */
	if (conn->linger || conn->http->draining ||
	    (!conn->last && receiving_waits(conn)))
		conn_linger(conn, false);
	else
		conn->dead = true;
}

/* After a turn: what next?  Closes the connection if it is at its end. */
void
conn_settle(struct conn *conn)
{
	feed_filters(conn);
	if (!conn->dead && sending_left(conn) > 0)
		sending_write(conn);
	if (!conn->dead && conn->close_after && conn->state == CONN_IDLE &&
	    sending_left(conn) == 0)
		end_in_order(conn);
	conn->last = false;
	if (!conn->dead && sending_left(conn) > 0)
		await_client(conn);
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
	if (conn->again || is_fed(conn)) {
		list_idle(conn, false);
		deadline_go_on(conn);
		return;
	}
	await_next(conn);
}
