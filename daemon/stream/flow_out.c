/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* flow_out.c: what a flow writes; see flow.h.  A buffer is there only while
 * something waits, and the usual ones are kept for others. */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "daemon/stream/flow.h"

enum { AT_ONCE = 16384 };	/* so many bytes are worth a call of their own */

/* ---- buffers ---------------------------------------------------------------------- */

void
flow_drop_out(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;

	if (flow->out.data == NULL)
		return;
	if (flow->out.size > TCP_SPARE_SIZE || tcp->spare_count == TCP_SPARES) {
		buf_done(&flow->out);
		return;
	}
	buf_clear(&flow->out);
	tcp->spare[tcp->spare_count++] = flow->out;
	buf_init(&flow->out, TCP_OUT_MAX);
}

static int
put(struct flow *flow, const void *data, size_t len)
{
	struct tcp *tcp = flow->tcp;

	if (flow->out.data == NULL && tcp->spare_count > 0)
		flow->out = tcp->spare[--tcp->spare_count];
	if (buf_add(&flow->out, data, len) == 0)
		return 0;
	flow->out.failed = 0;
	return -ENOMEM;
}

/* ---- writing ------------------------------------------------------------------------ */

/* Bytes that went; 0: none now, or the flow is at its end. */
static size_t
write_some(struct flow *flow, const void *data, size_t len)
{
	ssize_t sent;

	do
		sent = send(flow->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && errno == EAGAIN)
		return 0;
	if (sent < 0) {
		board_add(flow->tcp->board, METRIC_CLIENTS_GONE, 1);
		flow_fail(flow, -errno, false);
		return 0;
	}
	flow->given += (uint64_t)sent;
	flow->moved_ns = flow->in_turn ? flow->tcp->now_ns : clock_now_ns();
	board_add(flow->tcp->board, METRIC_BYTES_OUT, (uint64_t)sent);
	return (size_t)sent;
}

void
flow_write(struct flow *flow)
{
	size_t sent;

	while (flow_left(flow) > 0) {
		sent = write_some(flow, buf_at(&flow->out), flow_left(flow));
		if (sent == 0)
			return;
		buf_consume(&flow->out, sent);
	}
	flow_drop_out(flow);
}

int
flow_send(struct flow *flow, const void *data, size_t len)
{
	size_t sent = 0;
	int rc;

	if (flow->finish)
		return -EPIPE;
	if (len > TCP_OUT_MAX)
		return -EMSGSIZE;
	if (flow_left(flow) + len > TCP_OUT_MAX) {
		flow->full = true;
		return -EAGAIN;
	}
	if (len >= AT_ONCE && flow_left(flow) == 0)
		sent = write_some(flow, data, len);
	if (sent == len || flow->dead)
		return 0;
	rc = put(flow, (const char *)data + sent, len - sent);
	if (rc != 0) {
		/* a part of it is out: who gets no more must not take it for
		 * the whole */
		if (sent > 0)
			flow_fail(flow, rc, true);
		return rc;
	}
	flow_soon(flow);
	if (flow_left(flow) <= TCP_OUT_HIGH)
		return 0;
	flow->full = true;
	return 1;
}

/* ---- what of it was taken --------------------------------------------------------------- */

void
flow_look(struct flow *flow)
{
	int under_way = 0;
	uint64_t taken;

	if (ioctl(flow->fd, SIOCOUTQ, &under_way) != 0 || under_way < 0)
		under_way = 0;
	taken = flow->given - (uint64_t)under_way;
	if (taken == flow->taken)
		return;
	flow->taken = taken;
	flow->took_ns = flow->tcp->now_ns;
}
