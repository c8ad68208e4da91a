/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stopping.c: the end of a child: a signal, SIGKILL if that does not help, and
 * what its descendants hold open.  What has begun goes on after the child itself
 * has ended, until all of its scope are gone.
 */
#include "common/base/clock.h"
#include "daemon/child/children.h"
#include "daemon/child/stream.h"

enum {
	TICK_MS = 20,
	UNKILLABLE_MS = 1000,		/* after SIGKILL: no more is done */
	REST_MAX = 1 << 20,		/* read at the end of the linger time */
	REST_MESSAGES = 1024,
};

void
child_arm(struct event *event, unsigned ms)
{
	struct timeval time = { ms / 1000, ms % 1000 * 1000 };

	event_add(event, &time);
}

void
child_stop(struct child *child, enum cluster_cause cause)
{
	/* the last callback may end the request that the child is bound to */
	if (child->stopping || child->closing)
		return;
	child->stopping = true;
	/* what it wrote may be read after its end */
	if (child->running || cause == CLUSTER_CAUSE_OVERFLOW)
		child->ended.cause = cause;
	child->signal_sent = child->order.kill_signal;
	(void)scope_signal(&child->scope, child->order.kill_signal);
	patience_begin(&child->patience, child->order.kill_after_ms);
}

/* It has ended in time, and nobody had looked. */
static bool
had_ended(struct child *child)
{
	bool stopping = child->stopping;	/* who hears of it may do so */

	if (!child->running)
		return false;
	child_reap(child);
	return !child->running && !stopping;
}

void
child_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;

	(void)fd;
	(void)what;
	if (patience_is_early(&child->patience))
		return;
	if (had_ended(child) || patience_excuse(&child->patience)) {
		child_settle(child);
		return;
	}
	if (!child->stopping) {
		child_stop(child, CLUSTER_CAUSE_TIMEOUT);
	} else if (!child->killed) {
		child->killed = true;
		child->signal_sent = SIGKILL;
		(void)scope_signal(&child->scope, SIGKILL);
		patience_begin(&child->patience, UNKILLABLE_MS);
	} else {
		child->given_up = true;
	}
	child_settle(child);
}

/* ---- after its own end ---------------------------------------------------------------- */

static bool
is_stream_paused(const struct stream *stream)
{
	return stream->reads && stream->paused;
}

static bool
is_paused(const struct child *child)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (is_stream_paused(&child->streams[fd]))
			return true;
	return false;
}

static void
close_paused(struct child *child)
{
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (is_stream_paused(&child->streams[fd]))
			stream_close(&child->streams[fd]);
}

void
child_begin_linger(struct child *child)
{
	child->linger_until_ns = clock_now_ns() +
	    child->order.linger_ms * NS_PER_MS;
	child_arm(&child->tick_event, TICK_MS);
}

/* Somebody else holds its pipes. */
static void
end_linger(struct child *child)
{
	if (!child->detached)
		(void)scope_signal_as(&child->scope, CLUSTER_KILL_GROUP,
		    SIGKILL);
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++) {
		stream_read_rest(&child->streams[fd], REST_MAX);
		stream_close(&child->streams[fd]);
	}
	peer_receive_rest(child->peer, REST_MESSAGES);
	peer_close(child->peer);
}

/* Who holds its pipes may have waited for us to read them. */
static bool
excuse_linger(struct child *child, uint64_t now_ns)
{
	if (child->running || child->linger_excused ||
	    now_ns - child->linger_until_ns <
	    clock_scaled_ms(CLOCK_AWAY_MS) * NS_PER_MS)
		return false;
	child->linger_excused = true;
	child->linger_until_ns = now_ns +
	    clock_scaled_ms(CLOCK_EXCUSE_MS) * NS_PER_MS;
	return true;
}

void
child_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	uint64_t now_ns = clock_now_ns();
	bool gone;

	(void)fd;
	(void)what;
	if (child->running)
		child_reap(child);
	/* asked each time, so that its number is not another's in between */
	gone = scope_is_gone(&child->scope);
	/* A plugin that has paused it makes it last; but nobody waits for the
	 * output of one that was stopped. */
	if (is_paused(child) && child->stopping && gone)
		close_paused(child);
	else if (is_paused(child) && !child->stopping)
		child->linger_until_ns = now_ns +
		    child->order.linger_ms * NS_PER_MS;
	if (now_ns >= child->linger_until_ns && !excuse_linger(child, now_ns))
		end_linger(child);
	child_arm(&child->tick_event, TICK_MS);
	child_settle(child);
}
