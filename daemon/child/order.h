/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* order.h: what a plugin asks for, checked before anything is done.  Pure. */
#ifndef DAEMON_CHILD_ORDER_H
#define DAEMON_CHILD_ORDER_H

#include <clusterd/process.h>

enum {
	ORDER_DATA_MAX = 1 << 30,	/* bytes of a CLUSTER_STDIO_DATA */
	ORDER_OUTPUT = 1 << 20,		/* captured, if nothing is said */
	ORDER_OUTPUT_MAX = 1 << 30,	/* in memory, of each stream */
	ORDER_KILL_AFTER_MS = 2000, ORDER_LINGER_MS = 5000,
};

/* One that may be of another version of the SDK.  0 or -EINVAL. */
int order_copy(const struct cluster_spawn *given, struct cluster_spawn *order);

/*
 * Copy the order with all defaults filled in; texts stay borrowed.  captures:
 * there will be a result.  0, -EINVAL, -E2BIG (too many texts or limits).
 */
int order_take(const struct cluster_spawn *given, bool captures,
    struct cluster_spawn *order);

/* A list of texts that may be NULL: 0 or -E2BIG. */
int order_check_texts(const char *const *list);

#endif
