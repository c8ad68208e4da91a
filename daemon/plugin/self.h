/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * self.h: what cluster_self() shows of this worker.  One a process.  The worker
 * says in which state it is; the rest is read when somebody asks, which any
 * thread of a plugin may do: each word is written as a whole.
 */
#ifndef DAEMON_PLUGIN_SELF_H
#define DAEMON_PLUGIN_SELF_H

#include <clusterd/worker.h>

struct host;

struct self {
	struct cluster_worker_info info;
	uint64_t began_ns;
	char pool[64];
	uint64_t roster;		/* number of that last looked at */
	bool orphaned;			/* the keeper is gone: nobody leads */
};

/* name: "web/0", as on the page, borrowed for ever. */
void self_init(struct host *host, const char *name);
void self_set_state(struct host *host, enum cluster_state state);
const struct cluster_worker_info *self_look(struct host *host);
/* Is this worker the leader of its pool?  What a callback was told holds until it
 * returns: no other one is named before. */
bool self_leads(const struct host *host);
/* The keeper is gone, and with it who names leaders.  Async-signal-safe. */
void self_lose_lead(struct host *host);

#endif
