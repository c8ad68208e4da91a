/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * flow.c: one connection; see flow.h.  Work is done in turns: read once and hand
 * it up, write once, then settle: which events and which deadline are due.  A
 * call from outside of its turn only notes what is wanted and asks for one, so
 * that no callback comes from within a call, and who is further up the stack
 * holds none that is gone.
 */
#include "daemon/stream/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/stream/origin.h"

enum { LINGER_BYTES = 1 << 20, LINGER_MS = 5000, LINGER_ALL_MS = 30000 };

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

/* ---- events ------------------------------------------------------------------- */

void
flow_soon(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;

	if (flow->in_turn || flow->due)
		return;
	flow->due = true;
	TAILQ_INSERT_TAIL(&tcp->due, flow, due_link);
	event_active(&tcp->due_event, EV_TIMEOUT, 0);
}

void
flow_fail(struct flow *flow, int error, bool reset)
{
	if (flow->error == 0)
		flow->error = error;
	flow->dead = true;
	flow->reset |= reset;
	flow_soon(flow);
}

static void
forget_due(struct flow *flow)
{
	if (flow->due)
		TAILQ_REMOVE(&flow->tcp->due, flow, due_link);
	flow->due = false;
}

static void
watch_read(struct flow *flow, bool on)
{
	if (on == flow->reading)
		return;
	flow->reading = on;
	if (!on)
		event_del(&flow->read_event);
	else if (event_add(&flow->read_event, NULL) != 0)
		flow_fail(flow, -ENOMEM, true);
}

static void
watch_write(struct flow *flow, bool on)
{
	if (on == flow->writing)
		return;
	if (flow->write_event == NULL)
		flow->write_event = event_new(flow->tcp->base, flow->fd,
		    EV_WRITE | EV_PERSIST, on_writable, flow);
	if (flow->write_event == NULL) {
		flow_fail(flow, -ENOMEM, true);
		return;
	}
	flow->writing = on;
	if (!on)
		event_del(flow->write_event);
	else if (event_add(flow->write_event, NULL) != 0)
		flow_fail(flow, -ENOMEM, true);
}

/* ---- life ---------------------------------------------------------------------- */

/* Whether the end of the process, or of the flow, is a reset: until our side has
 * ended in good order nobody shall take what he has for the whole. */
static void
set_reset(const struct flow *flow, bool on)
{
	struct linger linger = { .l_onoff = on };

	setsockopt(flow->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void
count(struct tcp *tcp, int change)
{
	tcp->connections += (uint32_t)change;
	WORD_SET(tcp->board->page->gauges.connections, tcp->connections);
}

struct flow *
flow_new(struct tcp *tcp, int fd, const struct connection_passed *passed)
{
	struct flow *flow;

	if (tcp->free_count == 0 || (flow = calloc(1, sizeof(*flow))) == NULL)
		return NULL;
	flow->tcp = tcp;
	flow->fd = fd;
	flow->number = ++tcp->opened;
	flow->idle_ms = FLOW_IDLE_USUAL;
	flow->family = passed->family;
	flow->port = passed->port;
	flow->listener = passed->listener;
	memcpy(flow->address, passed->address, sizeof(flow->address));
	origin_put_text(flow->peer, flow->family, flow->address, flow->port);
	buf_init(&flow->out, TCP_OUT_MAX);
	flow->row = tcp->free_rows[--tcp->free_count];
	tcp->table[flow->row] = flow;
	event_assign(&flow->read_event, tcp->base, fd, EV_READ | EV_PERSIST,
	    on_readable, flow);
	event_assign(&flow->timer, tcp->base, -1, 0, on_timer, flow);
	TAILQ_INSERT_TAIL(&tcp->all, flow, all_link);
	count(tcp, 1);
	set_reset(flow, true);
	return flow;
}

void
flow_tell(struct flow *flow)
{
	if (flow->told)
		return;
	flow->told = true;
	flow->tcp->ops->on_closed(flow, flow->error, flow->tcp->ctx);
}

void
flow_free(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;
	bool is_guest = flow->guest;
	int fd = flow->fd;

	flow->in_turn = true;		/* it asks for no more turns */
	flow_tell(flow);
	/* events first: the descriptor may be open elsewhere, so that closing
	 * it takes nothing out of the poll set */
	event_del(&flow->read_event);
	event_del(&flow->timer);
	if (flow->write_event != NULL)
		event_free(flow->write_event);
	forget_due(flow);
	if (!flow->away && flow->reset == flow->shut)
		set_reset(flow, flow->reset);
	flow_drop_out(flow);
	TAILQ_REMOVE(&tcp->all, flow, all_link);
	tcp->table[flow->row] = NULL;
	tcp->free_rows[tcp->free_count++] = flow->row;
	free(flow);
	count(tcp, -1);
	if (!is_guest)
		board_add(tcp->board, METRIC_FINISHED, 1);
	tcp->ops->on_gone(fd, tcp->ctx);
}

/* ---- reading ----------------------------------------------------------------------- */

/* Bytes that came; 0: none now, or the flow is at its end. */
static size_t
receive(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;
	ssize_t got = recv(flow->fd, tcp->bytes, TCP_READ, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got < 0) {
		board_add(tcp->board, METRIC_CLIENTS_GONE, 1);
		flow_fail(flow, -errno, false);
		return 0;
	}
	if (got == 0) {
		flow->eof = true;
		return 0;
	}
	flow->moved_ns = tcp->now_ns;
	board_add(tcp->board, METRIC_BYTES_IN, (uint64_t)got);
	return (size_t)got;
}

static void
read_once(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;
	size_t len = receive(flow);

	if (len > 0)
		tcp->ops->on_data(flow, tcp->bytes, len, tcp->ctx);
	else if (flow->eof)
		tcp->ops->on_eof(flow, tcp->ctx);
}

/* It was told; what comes is thrown away, within bounds. */
static void
discard(struct flow *flow)
{
	size_t len = receive(flow);

	flow->discarded += (uint32_t)len;
	if (flow->eof || flow->discarded > LINGER_BYTES ||
	    flow->tcp->now_ns - flow->linger_ns >
	    clock_scaled_ms(LINGER_ALL_MS) * NS_PER_MS)
		flow->dead = true;
	else if (len > 0)
		flow_await(flow, FLOW_LINGER, clock_scaled_ms(LINGER_MS));
}

/* ---- the end of a turn ------------------------------------------------------------------ */

static void
write_out(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;

	flow_write(flow);
	if (flow->dead || flow->close || flow->away || !flow->full ||
	    flow_left(flow) > TCP_OUT_LOW)
		return;
	flow->full = false;
	tcp->ops->on_drained(flow, tcp->ctx);
	if (!flow->dead)
		flow_write(flow);
}

/* Ours ends when all is written; both have ended: so has the connection.  One
 * that we want no more of is read until its client closes, lest what it still
 * sends resets what it was sent. */
static void
end_sides(struct flow *flow)
{
	if (flow->finish && !flow->shut && flow_left(flow) == 0) {
		flow->shut = true;
		set_reset(flow, false);
		if (shutdown(flow->fd, SHUT_WR) != 0)
			flow_fail(flow, -ECONNRESET, false);
	}
	if (flow->dead || flow->told || !flow->shut ||
	    !(flow->eof || flow->close))
		return;
	flow_tell(flow);
	flow->dead = flow->eof;
	flow->linger_ns = flow->tcp->now_ns;
	if (!flow->dead)
		flow_await(flow, FLOW_LINGER, clock_scaled_ms(LINGER_MS));
}

static bool
may_read(const struct flow *flow)
{
	if (flow->eof || flow->dead || flow->away)
		return false;
	return flow->told || (flow->wanted && !flow->paused && !flow->close);
}

static void
settle(struct flow *flow)
{
	if (!flow->dead && !flow->told)
		write_out(flow);
	if (!flow->dead)
		end_sides(flow);
	if (!flow->dead) {
		watch_write(flow, flow_left(flow) > 0 ||
		    (flow->full && !flow->told && !flow->close &&
		    !flow->away));
		watch_read(flow, may_read(flow));
		flow_arm(flow);
	}
	if (flow->dead)
		flow_free(flow);
	else
		flow->in_turn = false;
}

/* ---- turns --------------------------------------------------------------------------------- */

static void
begin_turn(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;

	flow->in_turn = true;
	forget_due(flow);
	tcp->now_ns = clock_now_ns();
	board_wake(tcp->board, tcp->now_ns);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	begin_turn(flow);
	if (flow->told)
		discard(flow);
	else if (may_read(flow))
		read_once(flow);
	settle(flow);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	begin_turn(arg);
	settle(arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct flow *flow = arg;

	(void)fd;
	(void)what;
	begin_turn(flow);
	flow_expire(flow);
	settle(flow);
}

/* Those that are here now; who comes meanwhile has his turn after others had. */
void
flow_on_due(evutil_socket_t fd, short what, void *arg)
{
	struct tcp *tcp = arg;
	struct flow *last = TAILQ_LAST(&tcp->due, flow_list), *flow;
	uint64_t end = last != NULL ? last->number : 0;

	(void)fd;
	(void)what;
	while ((flow = TAILQ_FIRST(&tcp->due)) != NULL) {
		bool is_last = flow->number == end;

		begin_turn(flow);
		settle(flow);
		if (is_last)
			break;
	}
	if (!TAILQ_EMPTY(&tcp->due))
		event_add(&tcp->due_event, &(struct timeval){ 0, 0 });
}

void
flow_start(struct flow *flow)
{
	struct tcp *tcp = flow->tcp;

	begin_turn(flow);
	flow->moved_ns = tcp->now_ns;
	tcp->ops->on_open(flow, tcp->ctx);
	if (may_read(flow))
		read_once(flow);
	settle(flow);
}

/* ---- what the upper layer wants --------------------------------------------------------------- */

void
flow_want(struct flow *flow)
{
	flow->wanted = true;
	flow_soon(flow);
}

void
flow_pause(struct flow *flow, bool paused)
{
	if (flow->paused == paused)
		return;
	flow->paused = paused;
	flow_soon(flow);
}

int
flow_finish(struct flow *flow)
{
	if (flow->finish)
		return -EALREADY;
	flow->finish = true;
	flow_soon(flow);
	return 0;
}

int
flow_close(struct flow *flow)
{
	if (flow->close)
		return -EALREADY;
	flow->finish = flow->close = true;
	flow_soon(flow);
	return 0;
}

void
flow_set_away(struct flow *flow, bool away)
{
	flow->away = away;
	flow_soon(flow);
}

void
flow_leave(struct flow *flow, int error)
{
	flow_fail(flow, error, false);
}
