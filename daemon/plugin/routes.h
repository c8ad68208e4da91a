/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * routes.h: which plugin answers which path.  Patterns: "/api/" everything
 * below, "/exact" that path alone, "*.suffix" its end, and each of them with a
 * host before it: "example.org/api/".  The longest pattern that matches comes
 * first, one with a host before those without.  Pure but for the heap.
 */
#ifndef DAEMON_PLUGIN_ROUTES_H
#define DAEMON_PLUGIN_ROUTES_H

#include <stddef.h>

#include "common/base/errmsg.h"

enum route_kind { ROUTE_EXACT, ROUTE_PREFIX, ROUTE_SUFFIX };

struct route {
	char *pattern;			/* as written; ours */
	const char *path;		/* part of pattern that is compared */
	size_t host_len, path_len;	/* host: the start of pattern */
	unsigned plugin;		/* index, the caller's */
	unsigned order;			/* of the file */
	enum route_kind kind;
};

struct routes {
	struct route *rows;
	size_t count;
};

void routes_init(struct routes *routes);
void routes_done(struct routes *routes);

/* Is this a pattern?  0 or ERR_BAD_ARGUMENT with words. */
int routes_check_pattern(const char *pattern, struct errmsg *err);

/* 0, ERR_BAD_ARGUMENT or ERR_MEMORY. */
int routes_add(struct routes *routes, const char *pattern, unsigned plugin,
    struct errmsg *err);

/* After the last routes_add(). */
void routes_sort(struct routes *routes);

/*
 * Index of the first route at or after `from` that matches, or -1.  host may
 * carry a port, which is not looked at; len 0: none.
 */
int routes_next(const struct routes *routes, size_t from, const char *host,
    size_t host_len, const char *path, size_t path_len);

#endif
