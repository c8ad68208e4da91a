/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * timer.h: timers, and descriptors of the plugin's own on the worker's loop.
 *
 * Handles, not pointers: one that has ended is nobody's and does no harm.  All
 * functions run in the loop's thread and do not block, where nothing else is
 * said; callbacks run on the loop and must not block.  Since 1.2.
 */
#ifndef CLUSTERD_TIMER_H
#define CLUSTERD_TIMER_H

#include <clusterd/api.h>

enum {
	CLUSTER_TIMERS_MAX = 4096,	/* a plugin */
	CLUSTER_WATCHES_MAX = 4096,
};

enum cluster_timer_flag {
	/* Fires in the leader of the pool alone (worker.h).  Make it in each
	 * worker: a periodic one goes on in whoever leads.  A single one that
	 * is due elsewhere waits, and fires if that worker becomes the leader. */
	CLUSTER_TIMER_LEADER = 1,
	/* A drain awaits it, until drain_timeout: a single one until it has
	 * fired, a periodic one until it is freed.  Not with LEADER: a worker
	 * that drains leads nobody. */
	CLUSTER_TIMER_HOLD = 2,
};

enum cluster_watch_flag {
	CLUSTER_WATCH_READ = 1,
	CLUSTER_WATCH_WRITE = 2,
	CLUSTER_WATCH_CLOSED = 4,	/* told, never asked for: see below */
};

/*
 * Call fire(arg) once, ms from now, never earlier.  out may be NULL; else the
 * timer is yours until it fires.  -ENOSPC: the plugin has CLUSTER_TIMERS_MAX;
 * -EINVAL: no function, unknown flags, LEADER with HOLD; -EPERM: in a task;
 * -ENOMEM.
 */
static inline int
cluster_timer_after(unsigned ms, cluster_timer_fn *fire, void *arg,
    unsigned flags, struct cluster_timer **out)
{
	return cluster_has(timer_after) ?
	    cluster_host->timer_after(ms, fire, arg, flags, out) : -ENOSYS;
}

/* Call fire(arg) each ms, at least 1.  One that comes late fires once, not once
 * for each time that was missed. */
static inline int
cluster_timer_every(unsigned ms, cluster_timer_fn *fire, void *arg,
    unsigned flags, struct cluster_timer **out)
{
	return cluster_has(timer_every) ?
	    cluster_host->timer_every(ms, fire, arg, flags, out) : -ENOSYS;
}

/* It does not fire any more; also from its own fire().  NULL, and one that has
 * ended, are nothing. */
static inline void
cluster_timer_free(struct cluster_timer *timer)
{
	if (cluster_has(timer_free))
		cluster_host->timer_free(timer);
}

/*
 * Call ready(fd, flags, arg) whenever fd can be read or written, as asked with
 * flags.  The descriptor stays yours and should be non-blocking.  End the watch
 * before you close it; if you forget, ready(fd, CLUSTER_WATCH_CLOSED, arg) is
 * called once, within a second, and the watch has ended.  out may be NULL.
 * -EBADF: not an open descriptor; -EPERM: one that is always ready, as a file, or
 * in a task; -EINVAL: no function, no or unknown flags; -ENOSPC: the plugin has
 * CLUSTER_WATCHES_MAX; -EMFILE: the host takes a descriptor for each; -ENOMEM.
 */
static inline int
cluster_watch(int fd, unsigned flags, void (*ready)(int fd, unsigned flags,
    void *arg), void *arg, struct cluster_watch **out)
{
	return cluster_has(watch) ?
	    cluster_host->watch(fd, flags, ready, arg, out) : -ENOSYS;
}

/* Also from its own ready().  As cluster_timer_free(). */
static inline void
cluster_watch_free(struct cluster_watch *watch)
{
	if (cluster_has(watch_free))
		cluster_host->watch_free(watch);
}

/* Milliseconds of the monotonic clock.  From any thread. */
static inline uint64_t
cluster_now_ms(void)
{
	return cluster_has(now_ms) ? cluster_host->now_ms() :
	    cluster_now_ns() / 1000000;
}

#endif
