/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* receiving.c: see receiving.h. */
#include "daemon/http/receiving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "daemon/http/deadline.h"
#include "daemon/http/delivery.h"
#include "daemon/http/sending.h"

enum {
	RATE_GRACE_MS = 10000,
	LINGER_ALL_MS = 30000, LINGER_BYTES = 1 << 20,
	SHELF_MAX = 4096,
};

/* The begin of a head, no longer than it is. */
struct shelf {
	size_t len;
	char bytes[];
};

/* Room for the next read, in bytes; 0: no memory. */
static size_t
make_room(struct conn *conn)
{
	struct buf *in = &conn->exchange->in;

	if (receiving_is_in_body(conn))
		return body_read_room(conn);
	return buf_reserve(in, EXCHANGE_READ) == NULL ? 0 :
	    in->size - in->end;
}

/* A body that trickles: after 10 s its mean counts. */
static bool
is_too_slow(const struct conn *conn)
{
	const struct http_config *config = &conn->http->config;
	const struct exchange *exchange = conn->exchange;
	uint64_t ms;

	if (config->min_rate <= 0)
		return false;
	/* a pause of this turn counts, so it is not the turn's time */
	ms = (http_present_ns(conn->http, clock_now_ns()) -
	    exchange->body.since_ns) / NS_PER_MS;
	if (ms < clock_scaled_ms(RATE_GRACE_MS))
		return false;
	return body_received(exchange) * 1000 / ms < (uint64_t)config->min_rate;
}

void
receiving_check_pace(struct conn *conn)
{
	if (conn->state == CONN_HANDLE && !body_is_read(conn->exchange))
		return;			/* whole, or nobody's */
	if (!is_too_slow(conn))
		return;
	board_add(conn->http->board, METRIC_BODY_TIMEOUTS, 1);
	if (conn->state == CONN_BODY)
		conn_refuse(conn, 408);
	else
		delivery_fail(conn, -ETIMEDOUT, 408);
}

void
receiving_shelve(struct conn *conn)
{
	const struct buf *in;
	struct shelf *shelf;
	size_t len;

	if (conn->exchange == NULL)
		return;
	in = &conn->exchange->in;
	len = buf_len(in);
	/* what is read again from its first byte is short */
	if (len > SHELF_MAX || (shelf = malloc(sizeof(*shelf) + len)) == NULL)
		return;
	shelf->len = len;
	memcpy(shelf->bytes, buf_at(in), len);
	conn->shelf = shelf;
	exchange_put(conn->http, conn->exchange);
	conn->exchange = NULL;
}

bool
receiving_unshelve(struct conn *conn)
{
	struct shelf *shelf = conn->shelf;

	if (conn->exchange == NULL &&
	    (conn->exchange = exchange_get(conn->http)) == NULL)
		return false;
	if (shelf == NULL)
		return true;
	if (buf_add(&conn->exchange->in, shelf->bytes, shelf->len) != 0)
		return false;
	conn->shelf = NULL;
	free(shelf);
	return true;
}

void
receiving_read(struct conn *conn)
{
	struct http *http = conn->http;
	struct buf *in;
	size_t room;
	ssize_t got;

	if (!receiving_unshelve(conn)) {
		conn_refuse_for_memory(conn);
		return;
	}
	in = &conn->exchange->in;
	if ((room = make_room(conn)) == 0) {
		conn_refuse_for_memory(conn);
		return;
	}
	do {
		got = recv(conn->fd, in->data + in->end, room, MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0) {
		if (conn->state == CONN_HEAD || receiving_is_in_body(conn))
			board_add(http->board, METRIC_CLIENTS_GONE, 1);
		conn->dead = true;
		return;
	}
	buf_extend(in, (size_t)got);
	board_add(http->board, METRIC_BYTES_IN, (uint64_t)got);
	if (receiving_is_in_body(conn) && sending_left(conn) == 0)
		deadline_arm_body(conn);
}

bool
receiving_waits(const struct conn *conn)
{
	char byte;

	return recv(conn->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Throw away what comes, within bounds. */
void
receiving_discard(struct conn *conn)
{
	struct http *http = conn->http;
	char bytes[16384];
	ssize_t got = recv(conn->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		conn->dead = true;
		return;
	}
	if (conn->goodbye && conn->discarded == 0)
		board_add(http->board, METRIC_DRAIN_RACE_LOST, 1);
	conn->discarded += (uint32_t)got;
	if (conn->discarded > LINGER_BYTES || http->now_ns - conn->since_ns >
	    clock_scaled_ms(LINGER_ALL_MS) * NS_PER_MS)
		conn->dead = true;
	else if (!conn->goodbye)
		deadline_arm(conn, DEADLINE_LINGER, HTTP_OFF);
}
