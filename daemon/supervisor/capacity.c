/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* capacity.c: what so many workers need; see capacity.h. */
#include "daemon/supervisor/capacity.h"

#include "daemon/proto/keeper.h"

enum {
	WORKER_FDS = 8,		/* held of each, by master and keeper alike */
	OWN_FDS = 128,		/* clients, files, those in hand */
	OWN_SOCKETS = 1,	/* of clusterctl */
	OWN_PROCESSES = 2,	/* the master, and a checker */
};

int
capacity_check(const struct capacity *c, struct errmsg *err)
{
	uint64_t processes = c->workers + c->successors + c->others;
	uint64_t fds = processes * WORKER_FDS + c->sockets + OWN_FDS;

	if (c->shared_sockets > KEEPER_SPAWN_LISTENERS ||
	    c->sockets + OWN_SOCKETS > KEEPER_LISTENERS_MAX)
		return errmsg_set(err, ERR_FAILED, "with a socket for each slot "
		    "and address (reuseport) it has %llu, of %llu in all; there "
		    "may be %d and %d", (unsigned long long)c->shared_sockets,
		    (unsigned long long)c->sockets + OWN_SOCKETS,
		    KEEPER_SPAWN_LISTENERS, KEEPER_LISTENERS_MAX);
	if (processes + OWN_PROCESSES > KEEPER_PROCESSES_MAX)
		return errmsg_set(err, ERR_FAILED, "%llu workers, %llu "
		    "successors and %llu others are more processes than the "
		    "%d there may be", (unsigned long long)c->workers,
		    (unsigned long long)c->successors,
		    (unsigned long long)c->others + OWN_PROCESSES,
		    KEEPER_PROCESSES_MAX);
	if (fds > c->nofile)
		return errmsg_set(err, ERR_FAILED, "%llu workers need %llu "
		    "descriptors in master and keeper, and RLIMIT_NOFILE is "
		    "%llu", (unsigned long long)c->workers,
		    (unsigned long long)fds, (unsigned long long)c->nofile);
	/* The kernel counts those per account, against the same limit. */
	if (c->in_flight > c->nofile / 2)
		return errmsg_set(err, ERR_FAILED, "%llu connections may wait "
		    "in the windows of %llu workers (dispatch_window), more "
		    "than half of RLIMIT_NOFILE = %llu",
		    (unsigned long long)c->in_flight,
		    (unsigned long long)c->workers,
		    (unsigned long long)c->nofile);
	return 0;
}
