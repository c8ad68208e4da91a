/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * control.h: commands that plugins of this worker give the daemon.  Each ends
 * once: by its answer, or when no master can be asked for it any more.  One a
 * process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_CONTROL_H
#define DAEMON_PLUGIN_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include <clusterd/worker.h>

#include "daemon/proto/messages.h"

struct command;
struct host;

/* One that runs. */
struct asked {
	uint64_t ref;			/* of the answer awaited; 0: free */
	uint64_t first_ref;		/* its id is made of this one */
	const struct command *command;
	char *args;			/* to ask again; "" for none */
	unsigned plugin;
	cluster_row_fn *row;		/* or NULL */
	cluster_done_fn *done;
	void *arg;
	bool told;			/* row() was called */
	bool in_doubt;			/* by a master that is lost, or by the next */
	bool asks_verdict;		/* it is the verdict that is awaited */
	bool unsent;			/* at the next beat */
	uint64_t deadline_ns;		/* a master must have it by then; 0: has */
};

struct asking {
	struct asked rows[COMMANDS_AT_ONCE];
	uint64_t number;		/* of the last ref */
	uint32_t master;		/* that they were asked of */
	bool shut;
	/* messages that may leave now, counted at tokens_ns */
	uint32_t tokens;
	uint64_t tokens_ns;
};

void control_init(struct host *host, uint32_t master);

/* As cluster_command(), for the plugin whose callback runs. */
int control_command(struct host *host, const char *command, const char *args,
    cluster_row_fn *row, cluster_done_fn *done, void *arg);
int control_scale(struct host *host, const char *pool, const char *workers,
    cluster_done_fn *done, void *arg);

/* RESULT. */
void control_take(struct host *host, struct channel_packet *packet,
    const int *fds, size_t count);
/* The keeper says so, of that number: the next one has so much time to take up
 * what runs. */
void control_master_lost(struct host *host, uint32_t master);
/* Each beat; master: the number of the one that is there. */
void control_tick(struct host *host, uint32_t master);
/* The worker stops: every end that is awaited is -ESHUTDOWN. */
void control_stop(struct host *host);

/* For commands and observers: to the master, at their common rate.  0, -EAGAIN or
 * -ESHUTDOWN. */
int control_post(struct host *host, struct channel_packet *packet, size_t tail);

#endif
