/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * routes.c: what finding the route of a request costs, for callgrind: a table of
 * ROUTES routes, of which the last is "/" and a tenth end in a suffix, or are on
 * a host, each; COUNT requests, of which each third goes to an exact route, to
 * what is below one, and to none but "/".
 *
 *	routes ROUTES COUNT
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/plugin/routes.h"

enum { ROUTES_MAX = 1024 };

static char exact[ROUTES_MAX][64], below[ROUTES_MAX][80];
static size_t exact_len[ROUTES_MAX], below_len[ROUTES_MAX];

static void
add(struct routes *routes, const char *pattern)
{
	struct errmsg err;

	if (routes_add(routes, pattern, 0, &err) != 0)
		abort();
}

/* Names of some lengths, as people give them. */
static void
fill(struct routes *routes, unsigned count)
{
	static const char *const words[] = { "user", "order", "article", "img",
	    "session", "customer-address", "v1", "report" };
	char pattern[128];

	for (unsigned i = 0; i + 1 < count; i++) {
		const char *word = words[i % 8], *other = words[i / 8 % 8];

		snprintf(exact[i], sizeof(exact[i]), "/%s/%s%u", word, other,
		    i);
		snprintf(below[i], sizeof(below[i]), "/%s/%s%u/page", word,
		    other, i);
		if (i % 10 == 8)
			snprintf(pattern, sizeof(pattern), "*.%s%u", word, i);
		else
			snprintf(pattern, sizeof(pattern), "%s%s%s",
			    i % 10 == 9 ? "www.example.org" : "", exact[i],
			    i % 2 == 0 ? "/" : "");
		add(routes, pattern);
	}
	add(routes, "/");
	for (unsigned i = 0; i < ROUTES_MAX; i++) {
		if (exact[i][0] == '\0')
			memcpy(exact[i], "/index", 7);
		exact_len[i] = strlen(exact[i]);
		below_len[i] = strlen(below[i]);
	}
}

int
main(int argc, char **argv)
{
	static const char host[] = "www.example.com:8080", none[] =
	    "/nothing/of/this/is/here.html";
	unsigned count, looks;
	struct routes routes;
	long found = 0;

	if (argc != 3)
		return fprintf(stderr, "usage: routes ROUTES COUNT\n"), 2;
	count = (unsigned)strtoul(argv[1], NULL, 10);
	looks = (unsigned)strtoul(argv[2], NULL, 10);
	if (count < 1 || count > ROUTES_MAX)
		return 2;
	routes_init(&routes);
	fill(&routes, count);
	routes_sort(&routes);
	for (unsigned i = 0; i < looks; i++) {
		unsigned at = i * 7 % count;

		if (i % 3 == 0 || below_len[at] == 0)
			found += routes_next(&routes, 0, host, sizeof(host) - 1,
			    exact[at], exact_len[at]);
		else if (i % 3 == 1)
			found += routes_next(&routes, 0, host, sizeof(host) - 1,
			    below[at], below_len[at]);
		else
			found += routes_next(&routes, 0, host, sizeof(host) - 1,
			    none, sizeof(none) - 1);
	}
	printf("%u routes: row %.1f in the mean\n", count,
	    looks > 0 ? (double)found / looks : 0.0);
	routes_done(&routes);
	return 0;
}
