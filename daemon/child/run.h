/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* run.h: one child that is waited for, where no loop runs yet. */
#ifndef DAEMON_CHILD_RUN_H
#define DAEMON_CHILD_RUN_H

#include "daemon/child/children.h"

struct run {
	unsigned plugin;
	/* A line of its output for the log (children.h). */
	void (*line)(struct child *child, int fd, const char *text, void *ctx);
	void *ctx;
};

/* Start it by an order of order_take() and wait for its end.  0: *out is the
 * caller's, until run_free_result(); or as child_start(), or -ENOMEM. */
int run_child(const struct run *run, const struct cluster_spawn *order,
    struct cluster_result *out);
void run_free_result(struct cluster_result *result);

/* A result as it is shown to done(): texts are the child's. */
void run_show_result(struct child *child, struct cluster_result *result);

#endif
