/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * routes.c: table of routes, longest pattern first; see routes.h.
 *
 * Rows of one kind and length, with a host or without, are a group, sorted by what
 * is compared.  Of a path each group looks at one piece, so a look is a binary
 * search in those few groups that the path can be in.
 */
#include "daemon/plugin/routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/check.h"

enum { FEW = 16 };			/* looked at row by row */

void
routes_init(struct routes *routes)
{
	memset(routes, 0, sizeof(*routes));
}

void
routes_done(struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++)
		free(routes->rows[i].pattern);
	free(routes->rows);
	free(routes->groups);
	routes_init(routes);
}

/* ---- patterns ------------------------------------------------------------------ */

/* Where the path part begins: after the host, at the first '/' or '*'. */
static size_t
host_length(const char *pattern)
{
	return strcspn(pattern, "/*");
}

static int
check_path(const char *pattern, struct errmsg *err)
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

/* Length of the methods and the blank behind them; 0: there are none. */
static size_t
methods_length(const char *text)
{
	size_t len = strcspn(text, " /*");

	return text[len] == ' ' ? len + 1 : 0;
}

static int
refuse_method(const char *word, size_t len, struct errmsg *err)
{
	char known[96];

	for (unsigned id = 1; id < METHOD__COUNT; id++)
		if (strlen(method_name(id)) == len &&
		    strncasecmp(method_name(id), word, len) == 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.*s\" is "
			    "no method; did you mean \"%s\"?", (int)len, word,
			    method_name(id));
	routes_write_methods(ROUTE_METHODS, ", ", known, sizeof(known));
	return errmsg_set(err, ERR_BAD_ARGUMENT, "\"%.*s\" is not one of %s",
	    (int)(len < 32 ? len : 32), word, known);
}

int
routes_parse_methods(const char *text, size_t len, unsigned *out,
    struct errmsg *err)
{
	const char *end = text + len;
	unsigned methods = 0;

	for (;;) {
		const char *comma = memchr(text, ',', (size_t)(end - text));
		size_t word = (size_t)((comma != NULL ? comma : end) - text);
		enum method_id id = method_find(text, word);

		if (id == METHOD_NONE)
			return refuse_method(text, word, err);
		if ((methods & 1u << id) != 0)
			return errmsg_set(err, ERR_BAD_ARGUMENT,
			    "\"%s\" is there twice", method_name(id));
		methods |= 1u << id;
		if (comma == NULL)
			break;
		text = comma + 1;
	}
	*out = methods;
	return 0;
}

void
routes_write_methods(unsigned methods, const char *between, char *out,
    size_t size)
{
	size_t at = 0;

	CHECK(size > 0);
	out[0] = '\0';
	for (unsigned id = 1; id < METHOD__COUNT && at < size; id++)
		if ((methods & 1u << id) != 0)
			at += (size_t)snprintf(out + at, size - at, "%s%s",
			    at > 0 ? between : "", method_name(id));
}

int
routes_check_pattern(const char *pattern, struct errmsg *err)
{
	size_t methods = methods_length(pattern);
	unsigned mask;
	int rc = 0;

	if (methods > 0)
		rc = routes_parse_methods(pattern, methods - 1, &mask, err);
	return rc != 0 ? rc : check_path(pattern + methods, err);
}

/* ---- making -------------------------------------------------------------------- */

static void
fill_row(struct route *row)
{
	size_t methods = methods_length(row->pattern);

	row->methods = ROUTE_METHODS;
	if (methods > 0)
		(void)routes_parse_methods(row->pattern, methods - 1,
		    &row->methods, NULL);
	if ((row->methods & 1u << METHOD_GET) != 0)
		row->methods |= 1u << METHOD_HEAD;
	row->host = row->pattern + methods;
	row->host_len = host_length(row->host);
	row->path = row->host + row->host_len;
	row->path_len = strlen(row->path);
	if (row->path[0] == '*') {
		row->kind = ROUTE_SUFFIX;
		row->path++;
		row->path_len--;
	} else if (row->path[row->path_len - 1] == '/') {
		row->kind = ROUTE_PREFIX;
	} else {
		row->kind = ROUTE_EXACT;
	}
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
	memset(row, 0, sizeof(*row));
	if ((row->pattern = strdup(pattern)) == NULL)
		return errmsg_set(err, ERR_MEMORY, "out of memory");
	row->plugin = plugin;
	row->order = (unsigned)routes->count;
	fill_row(row);
	routes->hosted |= row->host_len > 0;
	routes->count++;
	return 0;
}

/* ---- order --------------------------------------------------------------------- */

static int
compare_hosts(const struct route *row, const char *host, size_t len)
{
	if (row->host_len != len)
		return row->host_len < len ? -1 : 1;
	return strncasecmp(row->host, host, len);
}

/* Of two rows in one group, or a row and what is looked for there. */
static inline int
compare_keys(const struct route *row, const char *host, size_t host_len,
    const char *key)
{
	int rc = row->host_len == 0 ? 0 : compare_hosts(row, host, host_len);

	return rc != 0 ? rc : memcmp(row->path, key, row->path_len);
}

static bool
is_one_group(const struct route *x, const struct route *y)
{
	return (x->host_len > 0) == (y->host_len > 0) &&
	    x->path_len == y->path_len && x->kind == y->kind;
}

static int
compare_routes(const void *a, const void *b)
{
	const struct route *x = a, *y = b;
	int rc;

	if ((x->host_len > 0) != (y->host_len > 0))
		return x->host_len > 0 ? -1 : 1;
	if (x->path_len != y->path_len)
		return x->path_len > y->path_len ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if ((rc = compare_keys(x, y->host, y->host_len, y->path)) != 0)
		return rc;
	if ((x->methods == ROUTE_METHODS) != (y->methods == ROUTE_METHODS))
		return x->methods == ROUTE_METHODS ? 1 : -1;
	return x->order < y->order ? -1 : 1;
}

int
routes_sort(struct routes *routes)
{
	struct route_group *group = NULL;

	if (routes->count == 0)
		return 0;
	routes->groups = calloc(routes->count, sizeof(*routes->groups));
	if (routes->groups == NULL)
		return ERR_MEMORY;
	qsort(routes->rows, routes->count, sizeof(*routes->rows),
	    compare_routes);
	for (size_t i = 0; i < routes->count; i++) {
		struct route *row = &routes->rows[i];

		if (group == NULL ||
		    !is_one_group(row, &routes->rows[group->first])) {
			group = &routes->groups[routes->group_count++];
			group->first = (unsigned)i;
			group->len = row->path_len;
			group->kind = row->kind;
		}
		group->count++;
		row->group = (unsigned)(group - routes->groups);
	}
	return 0;
}

/* ---- looking ------------------------------------------------------------------- */

/* Length of the host without its port; "[::1]:80" keeps its brackets. */
static size_t
without_port(const char *host, size_t len)
{
	size_t at = len;

	while (at > 0 && host[at - 1] >= '0' && host[at - 1] <= '9')
		at--;
	return at > 0 && host[at - 1] == ':' ? at - 1 : len;
}

/* What rows of a kind and a length are compared with; NULL: none matches. */
static inline const char *
key_in(enum route_kind kind, size_t len, const char *path, size_t path_len)
{
	if (path_len < len)
		return NULL;
	switch (kind) {
	case ROUTE_EXACT:
		return path_len == len ? path : NULL;
	case ROUTE_PREFIX:
		return path[len - 1] == '/' ? path : NULL;
	case ROUTE_SUFFIX:
		return path + path_len - len;
	}
	return NULL;
}

static inline int
matches(const struct route *row, const char *host, size_t host_len,
    const char *path, size_t path_len)
{
	const char *key = key_in(row->kind, row->path_len, path, path_len);

	return key != NULL && compare_keys(row, host, host_len, key) == 0;
}

/* The first row of the group that is not before what is looked for. */
static size_t
find_in(const struct routes *routes, const struct route_group *group,
    const char *host, size_t host_len, const char *key)
{
	size_t low = group->first, count = group->count;

	while (count > 1) {
		size_t half = count / 2;

		if (compare_keys(&routes->rows[low + half - 1], host, host_len,
		    key) < 0)
			low += half;
		count -= half;
	}
	return low;
}

/* Row by row, as far as they are. */
static int
next_of_few(const struct routes *routes, size_t from, const char *host,
    size_t host_len, const char *path, size_t path_len)
{
	for (size_t i = from; i < routes->count; i++)
		if (matches(&routes->rows[i], host, host_len, path, path_len))
			return (int)i;
	return -1;
}

int
routes_next(const struct routes *routes, size_t from, const char *host,
    size_t host_len, const char *path, size_t path_len)
{
	const struct route_group *group, *end;

	if (routes->hosted)
		host_len = without_port(host, host_len);
	if (routes->count <= FEW || from >= routes->count)
		return next_of_few(routes, from, host, host_len, path,
		    path_len);
	group = &routes->groups[routes->rows[from].group];
	end = &routes->groups[routes->group_count];
	for (; group < end; group++) {
		const char *key = key_in(group->kind, group->len, path,
		    path_len);
		size_t at;

		if (key == NULL)
			continue;
		at = find_in(routes, group, host, host_len, key);
		if (at < from)
			at = from;
		if (at < group->first + group->count &&
		    compare_keys(&routes->rows[at], host, host_len, key) == 0)
			return (int)at;
	}
	return -1;
}

bool
routes_know_host(const struct routes *routes, const char *host, size_t host_len)
{
	host_len = without_port(host, host_len);
	for (size_t i = 0; i < routes->count; i++) {
		const struct route *row = &routes->rows[i];

		if (row->host_len == 0 ||
		    compare_hosts(row, host, host_len) == 0)
			return true;
	}
	return routes->count == 0;
}

bool
route_matches(const struct route *route, const char *host, size_t host_len,
    const char *path, size_t path_len)
{
	if (route->host_len > 0)
		host_len = without_port(host, host_len);
	return matches(route, host, host_len, path, path_len);
}
