/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* receiving.c: see receiving.h. */
#include "daemon/http/receiving.h"

#include <errno.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "daemon/http/deadline.h"
#include "daemon/http/sending.h"

enum {
	READ_MAX = 262144,		/* one read of a body */
	RATE_GRACE_MS = 10000,
	LINGER_ALL_MS = 30000, LINGER_BYTES = 1 << 20,
};

static size_t
wanted(const struct conn *conn)
{
	const struct exchange *exchange = conn->exchange;
	uint64_t missing;

	if (conn->state != CONN_BODY ||
	    exchange->head.content_length == HEAD_CHUNKED)
		return EXCHANGE_READ;
	missing = exchange->body_at + exchange->head.content_length -
	    buf_len(&exchange->in);
	if (missing < EXCHANGE_READ)
		return EXCHANGE_READ;
	return missing < READ_MAX ? (size_t)missing : READ_MAX;
}

/* A prepared answer, as nothing can be built; or the end, where others are not
 * sent yet. */
static void
refuse_for_memory(struct conn *conn)
{
	if (sending_left(conn) == 0)
		http_refuse_for_memory(conn->http, conn->fd);
	conn->dead = true;
}

/* A body that trickles: after 10 s its mean counts. */
static bool
is_too_slow(const struct conn *conn)
{
	const struct http_config *config = &conn->http->config;
	const struct exchange *exchange = conn->exchange;
	uint64_t ms = (conn->http->now_ns - exchange->body_since_ns) /
	    NS_PER_MS;

	if (config->min_rate <= 0 || ms < clock_scaled_ms(RATE_GRACE_MS))
		return false;
	return (buf_len(&exchange->in) - exchange->body_at) * 1000 / ms <
	    (uint64_t)config->min_rate;
}

void
receiving_read(struct conn *conn)
{
	struct http *http = conn->http;
	struct buf *in;
	ssize_t got;

	if (conn->exchange == NULL &&
	    (conn->exchange = exchange_get(http)) == NULL) {
		refuse_for_memory(conn);
		return;
	}
	in = &conn->exchange->in;
	if (buf_reserve(in, wanted(conn)) == NULL) {
		refuse_for_memory(conn);
		return;
	}
	do {
		got = recv(conn->fd, in->data + in->end, in->size - in->end,
		    MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (got <= 0) {
		if (conn->state == CONN_HEAD || conn->state == CONN_BODY)
			board_add(http->board, METRIC_CLIENTS_GONE, 1);
		conn->dead = true;
		return;
	}
	buf_extend(in, (size_t)got);
	board_add(http->board, METRIC_BYTES_IN, (uint64_t)got);
	if (conn->state == CONN_BODY) {
		if (is_too_slow(conn)) {
			board_add(http->board, METRIC_BODY_TIMEOUTS, 1);
			conn_refuse(conn, 408);
		} else {
			deadline_arm(conn, DEADLINE_BODY, HTTP_OFF);
		}
	}
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
