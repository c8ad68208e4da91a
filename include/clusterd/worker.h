/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker.h: what a plugin may know of workers, its own first.
 *
 * Functions run in the loop's thread and do not block, where nothing else is
 * said.  Since 1.2.
 */
#ifndef CLUSTERD_WORKER_H
#define CLUSTERD_WORKER_H

#include <stdbool.h>
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
	bool leader;			/* the one of its pool */
};

/* The worker that asks.  The struct is the host's and lives as long as the
 * process; each call brings it up to date.  From any thread.  Never fails; NULL
 * from a host older than 1.2 alone. */
static inline const struct cluster_worker_info *
cluster_self(void)
{
	return cluster_has(self) ? cluster_host->self() : NULL;
}

#endif
