/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sending.c: see sending.h. */
#include "daemon/http/sending.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "common/base/clock.h"
#include "common/base/fd.h"
#include "daemon/http/deadline.h"

enum {
	LOOK_MS = 1000,			/* how often one that waits is looked at */
	RATE_GRACE_MS = 10000,
};

void
sending_write(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	struct http *http = conn->http;
	enum outq_state state;
	size_t sent;

	if (sending_left(conn) == 0 || exchange->spent >= EXCHANGE_TURN_MAX)
		return;
	state = outq_send(&exchange->out, &http->dues, conn->fd,
	    EXCHANGE_TURN_MAX - exchange->spent, &sent);
	exchange->spent += sent;
	exchange->given += (int64_t)sent;
	board_add(http->board, METRIC_BYTES_OUT, (uint64_t)sent);
	switch (state) {
	case OUTQ_EMPTY:
	case OUTQ_FULL:
	case OUTQ_ENOUGH:
		break;
	case OUTQ_GONE:
		board_add(http->board, METRIC_CLIENTS_GONE, 1);
		conn->dead = true;
		break;
	case OUTQ_BROKEN:
		board_add(http->board, METRIC_FILES_BROKEN, 1);
		conn->dead = conn->reset = true;
		break;
	}
}

/* Bytes that our kernel has and the client's has not. */
static int
under_way(const struct conn *conn)
{
	int bytes = 0;

	return ioctl(conn->fd, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

/* Look again in a while, or when the time of one that takes nothing is over. */
static void
arm(struct conn *conn, int64_t idle_ms)
{
	int64_t left_ms = conn->http->config.send_ms - idle_ms;
	int64_t look_ms = clock_scaled_ms(LOOK_MS);

	deadline_arm(conn, DEADLINE_SEND, left_ms < look_ms ? left_ms : look_ms);
}

void
sending_wait(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;

	if (!conn->waited)
		(void)fd_set_untaken(conn->fd, conn->http->config.send_ms);
	conn->waited = true;
	exchange->given = under_way(conn);
	exchange->taken = 0;
	exchange->waits_since_ns = exchange->took_ns =
	    http_present_ns(conn->http, clock_now_ns());
	arm(conn, 0);
}

/* One that trickles: after 10 s the mean counts.  Asked when the client has taken
 * some: a full buffer at its end opens in steps, and between two of them a mean
 * says nothing (RFC 9293, 3.8.6.2.2). */
static bool
is_too_slow(const struct conn *conn, uint64_t now_ns)
{
	const struct exchange *exchange = conn->exchange;
	int64_t ms = (int64_t)((now_ns - exchange->waits_since_ns) / NS_PER_MS);

	return ms >= (int64_t)clock_scaled_ms(RATE_GRACE_MS) &&
	    exchange->taken * 1000 / ms < conn->http->config.min_rate;
}

bool
sending_look(struct conn *conn)
{
	struct exchange *exchange = conn->exchange;
	uint64_t now_ns = http_present_ns(conn->http, clock_now_ns());
	int64_t taken = exchange->given - under_way(conn), idle_ms;

	if (taken > exchange->taken) {
		exchange->taken = taken;
		exchange->took_ns = now_ns;
		if (is_too_slow(conn, now_ns))
			return false;
	}
	idle_ms = (int64_t)((now_ns - exchange->took_ns) / NS_PER_MS);
	if (idle_ms >= conn->http->config.send_ms)
		return false;
	arm(conn, idle_ms);
	return true;
}
