/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * routes.h: which plugin answers which path.  Patterns: "/api/" everything
 * below, "/exact" that path alone, "*.suffix" its end, and each of them with a
 * host before it: "example.org/api/"; and before all, with a blank, the methods
 * it is for: "GET,POST /api/".  The longest pattern that matches comes first, one
 * with a host before those without, one with methods before one for all.  Pure but
 * for the heap.
 */
#ifndef DAEMON_PLUGIN_ROUTES_H
#define DAEMON_PLUGIN_ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/errmsg.h"
#include "common/table/method.h"

enum route_kind { ROUTE_EXACT, ROUTE_PREFIX, ROUTE_SUFFIX };

enum { ROUTE_METHODS = (1 << METHOD__COUNT) - 2 };	/* all */

struct route {
	char *pattern;			/* as written; ours */
	const char *host, *path;	/* parts of pattern that are compared */
	size_t host_len, path_len;
	unsigned methods;		/* 1 << enum method_id; GET takes HEAD */
	unsigned plugin;		/* index, the caller's */
	unsigned order;			/* of the file */
	unsigned group;			/* private, as what follows */
	enum route_kind kind;
};

/* Rows that are compared with the same piece of a path. */
struct route_group {
	unsigned first, count;
	size_t len;
	enum route_kind kind;
};

struct routes {
	struct route *rows;
	size_t count;
	struct route_group *groups;
	size_t group_count;
	bool hosted;			/* one has a host */
};

void routes_init(struct routes *routes);
void routes_done(struct routes *routes);

/* Is this a pattern, with or without methods?  0 or ERR_BAD_ARGUMENT with words. */
int routes_check_pattern(const char *pattern, struct errmsg *err);

/* "GET,HEAD" of len bytes: 0 or ERR_BAD_ARGUMENT; and back, in the order of the
 * table. */
int routes_parse_methods(const char *text, size_t len, unsigned *methods,
    struct errmsg *err);
void routes_write_methods(unsigned methods, const char *between, char *out,
    size_t size);

/* 0, ERR_BAD_ARGUMENT or ERR_MEMORY. */
int routes_add(struct routes *routes, const char *pattern, unsigned plugin,
    struct errmsg *err);

/* After the last routes_add(), once, before routes_next().  0 or ERR_MEMORY. */
int routes_sort(struct routes *routes);

/*
 * Index of the first route at or after `from` that matches, whatever its methods,
 * or -1.  host may carry a port, which is not looked at; len 0: none.
 */
int routes_next(const struct routes *routes, size_t from, const char *host,
    size_t host_len, const char *path, size_t path_len);

/* False if all routes name hosts, and this is none of them; host as above. */
bool routes_know_host(const struct routes *routes, const char *host,
    size_t host_len);

/* Does this one match?  It needs no sorting. */
bool route_matches(const struct route *route, const char *host,
    size_t host_len, const char *path, size_t path_len);

#endif
