/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker.h: what a plugin may know of workers, its own first; events; and commands
 * to the daemon.
 *
 * Functions run in the loop's thread and do not block, where nothing else is
 * said.  Since 1.2.
 */
#ifndef CLUSTERD_WORKER_H
#define CLUSTERD_WORKER_H

#include <stdbool.h>
#include <stdlib.h>
#include <sys/types.h>

#include <clusterd/api.h>

/* What the process is that a plugin finds itself in. */
enum cluster_role {
	CLUSTER_ROLE_CHECKER,		/* it is looked at, and not started */
	CLUSTER_ROLE_WORKER,
	CLUSTER_ROLE_TASK,
};

/* As `clusterctl workers' names them. */
enum cluster_state {
	CLUSTER_STATE_DOWN,		/* a slot without a process */
	CLUSTER_STATE_STARTING,
	CLUSTER_STATE_READY,
	CLUSTER_STATE_DRAINING,
	CLUSTER_STATE_STOPPING,
	CLUSTER_STATE_KILLING,
	CLUSTER_STATE_WAITING,		/* for its next start, after deaths */
	CLUSTER_STATE_FAILED,		/* held until an operator acts */
};

/* A worker, or a slot without one: then id and pid are 0. */
struct cluster_worker_info {
	size_t size;
	uint64_t id;			/* of the process; never used twice */
	uint64_t generation;		/* of its configuration */
	uint64_t uptime_ms;		/* of the process */
	uint64_t restarts;		/* of the slot: ends nobody asked for */
	uint64_t requests;		/* that the process began to read */
	const char *name, *pool;	/* "web/0", "web" */
	unsigned slot;
	unsigned connections;		/* of clients, open now */
	unsigned age_ms;		/* of all this; 0: as it is now */
	pid_t pid;
	enum cluster_role role;
	enum cluster_state state;
	bool connected;			/* its control channel is open */
	bool leader;			/* the one of its pool: see below */
};

/*
 * The leader: the master names one READY worker of each pool, for what is to be
 * done once.  Never two at a time: when a callback has found cluster_self()->leader
 * true, no other worker is named before it has returned, or before this process is
 * dead.  So ask in each callback, and ask again after a wait for anything; what
 * a thread or a child process of the plugin does is not known to anybody.  A leader
 * stays one while there is no master.  CLUSTER_TIMER_LEADER (timer.h) asks by itself.
 */

/* A pool; begin with .size = sizeof(struct cluster_pool_info).  Its texts hold
 * until the next call, or until the callback returns. */
struct cluster_pool_info {
	size_t size;
	const char *name, *protocol, *schedule;	/* "web", "http", "shared" */
	const char *const *listen;	/* as bound: "127.0.0.1:8080" */
	unsigned listen_count;
	unsigned desired, ready;	/* slots that are wanted; workers READY */
	unsigned age_ms;		/* of all this */
	uint64_t generation;
	uint64_t restarts, requests;	/* totals; they never go back */
	uint64_t connections;		/* of clients, open now */
};

typedef int cluster_each_fn(const struct cluster_worker_info *info, void *arg);

/* The worker that asks.  The struct is the host's and lives as long as the
 * process; each call brings it up to date.  From any thread.  Never fails; NULL
 * from a host older than 1.2 alone. */
static inline const struct cluster_worker_info *
cluster_self(void)
{
	return cluster_has(self) ? cluster_host->self() : NULL;
}

/*
 * Workers, as the master showed them last: each half second, and it may be away
 * (age_ms).  Nobody is asked.  which: "web/0", "web", "id:4711", "all" or NULL.
 * By pool and slot, with the slots that are down, waiting or failed; one that is
 * being replaced has two.  The info holds during each(); a result of each() that
 * is not 0 ends it and is returned.  -ESRCH: there is nobody of that name;
 * -EINVAL: not such a word; -ENOMEM.
 */
static inline int
cluster_workers_each(const char *which, cluster_each_fn *each, void *arg)
{
	return cluster_has(workers_each) ?
	    cluster_host->workers_each(which, each, arg) : -ENOSYS;
}

/* A pool, as old as that.  NULL: the one of this worker.  -ESRCH: there is none
 * of that name; -EINVAL: out->size is too small; -ENOMEM. */
static inline int
cluster_pool_info(const char *pool, struct cluster_pool_info *out)
{
	return cluster_has(pool_info) ?
	    cluster_host->pool_info(pool, out) : -ENOSYS;
}

/* After start() answered CLUSTER_LATER: this plugin is ready.  The worker is when
 * all are; until then it has no clients. */
static inline void
cluster_ready(void)
{
	if (cluster_has(ready))
		cluster_host->ready();
}

/* Work outside of requests has begun (1) or ended (-1), or several: a drain awaits
 * its end, until drain_timeout.  From any thread.  -ERANGE: more have ended than
 * were begun; -EPERM: in a task, which is awaited as a child is. */
static inline int
cluster_hold(int delta)
{
	return cluster_has(hold) ? cluster_host->hold(delta) : -ENOSYS;
}

/*
 * The end of this worker, now: a death like any other, with the reason in events
 * and `why', and a restart that is delayed if it happens again and again.  What
 * was sent to other workers leaves before, for at most 1 s; requests are cut.
 * To be replaced in peace: cluster_disconnect().  In another thread, which cannot
 * be refused it, it is abort().
 */
static inline _Noreturn void
cluster_exit(const char *reason)
{
	if (cluster_has(exit))
		cluster_host->exit(reason);
	abort();
}

/* ---- events ------------------------------------------------------------------ */

/* One of what `clusterctl events' shows; valid during the call. */
struct cluster_event {
	size_t size;
	uint64_t seq;			/* rises from event to event */
	int64_t time_ms;		/* since 1970 */
	const char *event;		/* "worker.ready" */
	const char *worker;		/* "web/0"; "": it is not of a worker */
	const char *json;		/* the whole, as `events --json' has it */
	uint64_t worker_id;		/* 0: none */
};

typedef void cluster_event_fn(const struct cluster_event *event, void *arg);

/*
 * Call event(e, arg) for all that the pattern means, from now on: names with
 * commas between, "worker.exited,config.applied", or how names begin, "worker.*",
 * "*".  " since 4711" behind that: those from this sequence number on, however
 * long ago; " since 10m": those of the last ten minutes.  Each is told once and in
 * order, whatever becomes of the master.  In between may stand a "lost", without a
 * worker: this worker has read too slowly, and "count" in its JSON says how many it
 * has missed up to this seq; null: the database could not be read.
 * -EINVAL: no such pattern; -ENOSPC: 16 in this worker already; -EAGAIN: over 100
 * calls of this header a second, or no room in the channel.
 */
static inline int
cluster_observe(const char *pattern, cluster_event_fn *event, void *arg,
    struct cluster_observer **out)
{
	return cluster_has(observe) ?
	    cluster_host->observe(pattern, event, arg, out) : -ENOSYS;
}

/* No further call; also from within event().  -ESTALE: it is not there. */
static inline int
cluster_observer_free(struct cluster_observer *observer)
{
	return cluster_has(observer_free) ?
	    cluster_host->observer_free(observer) : -ENOSYS;
}

/* ---- control ------------------------------------------------------------------ */

typedef void cluster_row_fn(const char *json, void *arg);
typedef void cluster_done_fn(int error, const char *json, void *arg);

/*
 * Give the daemon a command of clusterd-control(7): "workers", "restart"; its
 * arguments as a JSON object, {"worker":"web/0"}, or NULL.  One that only reads
 * needs no grant; another must stand in `may' of the plugin's section.
 * row(json, arg), which may be NULL, for each row; done(error, json, arg) once,
 * when it has ended, with the whole answer but for its "id":
 *   {"ok":true,"result":...} or {"ok":false,"error":{"code":...,"text":...}}
 * error 0: it is done; -EINVAL: its arguments; -ENOENT: what they name is not
 * there; -EAGAIN: busy, not begun; -EEXIST: it contradicts what runs;
 * -ECANCELED: it failed, and the answer says what was done all the same;
 * -EOVERFLOW: `events' was read too slowly; -EIO: the daemon has no memory;
 * -ESHUTDOWN, json NULL: this worker stops; -EPIPE, json NULL: what became of it
 * is not known, as the master was lost and none has taken it up in 5 s, or rows of
 * it were told already.  Otherwise the loss of a master is no error: the next one
 * is asked, and a change runs once.
 * Refused here: -EACCES: no grant; -EAGAIN: 8 of this worker run, over 100 calls
 * a second, or no room; -ENOENT: no such command; -EMSGSIZE: over 15 KiB of
 * arguments; -EINVAL: no done; -ESHUTDOWN: in stop(); -ENOMEM.
 */
static inline int
cluster_command(const char *command, const char *args_json,
    cluster_row_fn *row, cluster_done_fn *done, void *arg)
{
	return cluster_has(command) ? cluster_host->command(command, args_json,
	    row, done, arg) : -ENOSYS;
}

/* The command `scale': workers is "4", "+1", "-1" or "auto". */
static inline int
cluster_scale(const char *pool, const char *workers, cluster_done_fn *done,
    void *arg)
{
	return cluster_has(scale) ?
	    cluster_host->scale(pool, workers, done, arg) : -ENOSYS;
}

#endif
