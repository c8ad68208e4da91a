/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* routes.c: table of routes, longest pattern first; see routes.h. */
#include "daemon/plugin/routes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void
routes_init(struct routes *routes)
{
	routes->rows = NULL;
	routes->count = 0;
}

void
routes_done(struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		free(routes->rows[i].pattern);
	free(routes->rows);
	routes_init(routes);
}

/* Where the path part begins: after the host, at the first '/' or '*'. */
static size_t
host_length(const char *pattern)
{
	return strcspn(pattern, "/*");
}

int
routes_check_pattern(const char *pattern, struct errmsg *err)
{
	const char *path = pattern + host_length(pattern);

	if (pattern[0] == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT, "is empty");
	if (path[0] == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%s\" has no path; \"%s/\" is everything on that host",
		    pattern, pattern);
	for (const char *at = pattern; *at != '\0'; at++)
		if ((unsigned char)*at <= ' ' || (unsigned char)*at == 0x7f ||
		    *at == '?' || *at == '#')
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "\"%s\" has a byte that no path has", pattern);
	if (path[0] == '*' && path[1] == '\0')
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"*\" needs a suffix; \"/\" is everything");
	if (strchr(path + 1, '*') != NULL)
		return errmsg_set(err, ERR_BAD_ARGUMENT,
		    "\"%s\": '*' is only known at the start", pattern);
	return 0;
}

int
routes_add(struct routes *routes, const char *pattern, unsigned plugin,
    struct errmsg *err)
{
	struct route *rows, *row;
	int rc;

	if ((rc = routes_check_pattern(pattern, err)) != 0)
		return rc;
	rows = realloc(routes->rows, (routes->count + 1) * sizeof(*rows));
	if (rows == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	routes->rows = rows;
	row = &rows[routes->count];
	if ((row->pattern = strdup(pattern)) == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	row->host_len = host_length(pattern);
	row->path = row->pattern + row->host_len;
	row->path_len = strlen(row->path);
	row->plugin = plugin;
	row->order = (unsigned)routes->count;
	if (row->path[0] == '*') {
		row->kind = ROUTE_SUFFIX;
		row->path++;
		row->path_len--;
	} else if (row->path[row->path_len - 1] == '/') {
		row->kind = ROUTE_PREFIX;
	} else {
		row->kind = ROUTE_EXACT;
	}
	routes->count++;
	return 0;
}

static int
compare_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;

	if ((x->host_len > 0) != (y->host_len > 0))
		return x->host_len > 0 ? -1 : 1;
	if (x->path_len != y->path_len)
		return x->path_len > y->path_len ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void
routes_sort(struct routes *routes)
{
	if (routes->count > 0)
		qsort(routes->rows, routes->count, sizeof(*routes->rows),
		    compare_routes);
}

/* Length of the host without its port; "[::1]:80" keeps its brackets. */
static size_t
without_port(const char *host, size_t len)
{
	size_t at = len;

	while (at > 0 && host[at - 1] >= '0' && host[at - 1] <= '9')
		at--;
	return at > 0 && host[at - 1] == ':' ? at - 1 : len;
}

static int
matches(const struct route *route, const char *host, size_t host_len,
    const char *path, size_t path_len)
{
	if (route->host_len > 0 && (route->host_len != host_len ||
	    strncasecmp(route->pattern, host, host_len) != 0))
		return 0;
	if (path_len < route->path_len)
		return 0;
	switch (route->kind) {
	case ROUTE_EXACT:
		return path_len == route->path_len &&
		    memcmp(path, route->path, path_len) == 0;
	case ROUTE_PREFIX:
		return memcmp(path, route->path, route->path_len) == 0;
	case ROUTE_SUFFIX:
		return memcmp(path + path_len - route->path_len, route->path,
		    route->path_len) == 0;
	}
	return 0;
}

int
routes_next(const struct routes *routes, size_t from, const char *host,
    size_t host_len, const char *path, size_t path_len)
{
	host_len = without_port(host, host_len);
	for (size_t i = from; i < routes->count; i++)
		if (matches(&routes->rows[i], host, host_len, path, path_len))
			return (int)i;
	return -1;
}
