/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * observe.h: events that plugins of this worker watch.  Each event is told once,
 * in order of seq, also over the loss of a master: the next one is asked for
 * what follows the last.  One a process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_OBSERVE_H
#define DAEMON_PLUGIN_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

#include <clusterd/worker.h>

#include "daemon/proto/messages.h"

struct host;

struct observed {
	uint64_t ref;			/* 0: free */
	unsigned plugin;
	cluster_event_fn *event;	/* NULL: its plugin has let it go … */
	void *arg;
	char pattern[FOLLOW_PATTERN];
	bool placed;			/* all up to `last' were told, … */
	uint64_t last;
	int64_t since_ms;		/* … or are wanted from then on; 0: now */
	bool unsent;			/* … and to be said at the next beat */
};

struct observing {
	struct observed rows[OBSERVERS_AT_ONCE];
	uint64_t number;		/* of the last ref */
	uint32_t master;		/* that was asked to tell */
};

void observe_init(struct host *host, uint32_t master);

/* As cluster_observe() and cluster_observer_free(), for the plugin whose callback
 * runs. */
int observe_begin(struct host *host, const char *pattern,
    cluster_event_fn *event, void *arg, struct cluster_observer **out);
int observe_end(struct host *host, const struct cluster_observer *observer);

/* EVENT. */
void observe_take(struct host *host, struct channel_packet *packet,
    const int *fds, size_t count);
/* Each beat; master: the number of the one that is there. */
void observe_tick(struct host *host, uint32_t master);

#endif
