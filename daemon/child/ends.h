/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* ends.h: the descriptors of a child before it starts, and our ends of them. */
#ifndef DAEMON_CHILD_ENDS_H
#define DAEMON_CHILD_ENDS_H

#include <clusterd/process.h>

struct ends {
	int theirs[CLUSTER_STDIO_COUNT];	/* -1: not open in the child */
	int ours[CLUSTER_STDIO_COUNT];	/* non-blocking; -1: none */
	bool borrowed[CLUSTER_STDIO_COUNT];	/* theirs: not to be closed */
};

/* Make them for an order of order_take().  0 or -errno: then none is open. */
int ends_open(struct ends *ends, const struct cluster_spawn *order);

/* The child has its copies. */
void ends_close_theirs(struct ends *ends);
/* It could not be started. */
void ends_close(struct ends *ends);

/* Which of ours are written, which are read? */
static inline bool
ends_is_written(const struct cluster_spawn *order, int fd)
{
	enum cluster_stdio_kind kind = order->stdio[fd].kind;

	return kind == CLUSTER_STDIO_SOCKET ||
	    (kind == CLUSTER_STDIO_PIPE && fd == 0);
}

static inline bool
ends_is_read(const struct cluster_spawn *order, int fd)
{
	enum cluster_stdio_kind kind = order->stdio[fd].kind;

	return kind == CLUSTER_STDIO_SOCKET || kind == CLUSTER_STDIO_LOG ||
	    kind == CLUSTER_STDIO_CAPTURE ||
	    (kind == CLUSTER_STDIO_PIPE && fd != 0);
}

#endif
