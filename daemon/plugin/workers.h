/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * workers.h: workers and pools as the master shows them in its roster, for
 * plugins.  The loop's thread only.
 */
#ifndef DAEMON_PLUGIN_WORKERS_H
#define DAEMON_PLUGIN_WORKERS_H

#include <stdbool.h>

#include <clusterd/worker.h>

#include "daemon/proto/roster.h"

struct host;

/* The texts of the pool that was asked for last. */
struct workers {
	char pool[MEMO_NAME];
	char address[ROSTER_LISTENS][ROSTER_ADDRESS];
	const char *listen[ROSTER_LISTENS];
};

/* NULL, or a word that may be given to workers_each(). */
bool workers_is_word(const char *which);
/* As cluster_workers_each() and cluster_pool_info(). */
int workers_each(struct host *host, const char *which, cluster_each_fn *each,
    void *arg);
int workers_pool(struct host *host, const char *pool,
    struct cluster_pool_info *out);

#endif
