/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_routes.c: which pattern answers, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/plugin/routes.h"

static const char *const patterns[] = {
	"/", "/api/", "/api/v1", "/api/v1/", "*.png", "/img/", "/about",
	"example.org/", "example.org/api/", "[::1]/six",
};

static const struct {
	const char *host, *path, *expect;
} cases[] = {
	{ "a", "/",			"/" },
	{ "a", "/other",		"/" },
	{ "a", "/about",		"/about" },
	{ "a", "/about/",		"/" },
	{ "a", "/aboutx",		"/" },
	{ "a", "/api",			"/" },
	{ "a", "/api/",			"/api/" },
	{ "a", "/api/v1",		"/api/v1" },
	{ "a", "/api/v1/x",		"/api/v1/" },
	{ "a", "/logo.png",		"*.png" },
	{ "a", "/img/logo.png",		"/img/" },
	{ "a", "/.png",			"*.png" },
	{ "example.org", "/about",	"example.org/" },
	{ "EXAMPLE.org:8080", "/api/x",	"example.org/api/" },
	{ "example.org.evil", "/api/x",	"/api/" },
	{ "[::1]:80", "/six",		"[::1]/six" },
	{ "", "/api/x",			"/api/" },
	{ "a", "*",			NULL },
};

static void
fill(struct routes *routes)
{
	struct errmsg err;

	routes_init(routes);
	for (unsigned i = 0; i < COUNT(patterns); i++)
		assert_int_equal(routes_add(routes, patterns[i], i, &err), 0);
	assert_int_equal(routes_sort(routes), 0);
}

static void
longest_pattern_answers(void **state)
{
	struct routes routes;

	(void)state;
	fill(&routes);
	for (size_t i = 0; i < COUNT(cases); i++) {
		int at = routes_next(&routes, 0, cases[i].host,
		    strlen(cases[i].host), cases[i].path,
		    strlen(cases[i].path));
		const char *got = at < 0 ? NULL : routes.rows[at].pattern;

		if ((got == NULL) != (cases[i].expect == NULL) ||
		    (got != NULL && strcmp(got, cases[i].expect) != 0))
			fail_msg("%s%s: got %s", cases[i].host, cases[i].path,
			    got == NULL ? "none" : got);
	}
	routes_done(&routes);
}

static void
pass_goes_on_to_the_next_that_matches(void **state)
{
	static const char *const expect[] = { "/api/v1/", "/api/", "*.png", "/" };
	struct routes routes;
	int at = -1;

	(void)state;
	fill(&routes);
	for (size_t i = 0; i < COUNT(expect); i++) {
		at = routes_next(&routes, (size_t)(at + 1), "a", 1,
		    "/api/v1/a.png", 13);
		assert_true(at >= 0);
		assert_string_equal(routes.rows[at].pattern, expect[i]);
	}
	assert_int_equal(routes_next(&routes, (size_t)(at + 1), "a", 1,
	    "/api/v1/a.png", 13), -1);
	routes_done(&routes);
}

static void
patterns_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {
		"", "example.org", "*", "/a b", "/a?b", "/a#b", "/a*", "*a*",
		"/\x01", "FOO /", "get /", "GET,GET /", "GET, /", ",GET /", "GET",
		"GET  /", "GET /a b", " /",
	};
	struct errmsg err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (routes_check_pattern(bad[i], &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
}

/* ---- methods --------------------------------------------------------------------- */

static void
methods_are_read_and_written(void **state)
{
	struct routes routes;
	struct errmsg err;
	unsigned methods;
	char text[96];

	(void)state;
	assert_int_equal(routes_parse_methods("POST,GET", 8, &methods, &err), 0);
	routes_write_methods(methods, ",", text, sizeof(text));
	assert_string_equal(text, "GET,POST");
	routes_write_methods(ROUTE_METHODS, ", ", text, sizeof(text));
	assert_string_equal(text,
	    "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
	routes_init(&routes);
	assert_int_equal(routes_add(&routes, "GET,PUT a.b/x/", 0, &err), 0);
	assert_int_equal(routes.rows[0].methods, 1u << METHOD_GET |
	    1u << METHOD_HEAD | 1u << METHOD_PUT);
	assert_int_equal(routes.rows[0].host_len, 3);
	assert_string_equal(routes.rows[0].path, "/x/");
	routes_done(&routes);
}

static void
a_host_is_known_where_a_route_names_it_or_none(void **state)
{
	struct routes routes;
	struct errmsg err;

	(void)state;
	routes_init(&routes);
	assert_true(routes_know_host(&routes, "a.b", 3));
	assert_int_equal(routes_add(&routes, "a.b/x/", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "[::1]/", 0, &err), 0);
	assert_int_equal(routes_sort(&routes), 0);
	assert_true(routes_know_host(&routes, "A.b:80", 6));
	assert_true(routes_know_host(&routes, "[::1]", 5));
	assert_false(routes_know_host(&routes, "a.bc", 4));
	assert_false(routes_know_host(&routes, "", 0));
	routes_done(&routes);

	routes_init(&routes);
	assert_int_equal(routes_add(&routes, "a.b/x/", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "/y", 0, &err), 0);
	assert_int_equal(routes_sort(&routes), 0);
	assert_true(routes_know_host(&routes, "c", 1));
	routes_done(&routes);
}

/* Of those that are equal otherwise, the ones with methods come first. */
static void
a_route_for_a_method_comes_before_one_for_all(void **state)
{
	static const char *const expect[] = { "GET /a", "POST /a", "/a", "GET /",
	    "/" };
	struct routes routes;
	struct errmsg err;
	int at = -1;

	(void)state;
	routes_init(&routes);
	assert_int_equal(routes_add(&routes, "/a", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "/", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "GET /a", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "GET /", 0, &err), 0);
	assert_int_equal(routes_add(&routes, "POST /a", 0, &err), 0);
	assert_int_equal(routes_sort(&routes), 0);
	for (size_t i = 0; i < COUNT(expect); i++) {
		at = routes_next(&routes, (size_t)(at + 1), "", 0, "/a", 2);
		assert_true(at >= 0);
		assert_string_equal(routes.rows[at].pattern, expect[i]);
	}
	routes_done(&routes);
}

/* ---- against one that looks at every row --------------------------------------------- */

static size_t
plain_length(const char *host)
{
	const char *colon = strrchr(host, ':');

	return colon != NULL && strspn(colon + 1, "0123456789") ==
	    strlen(colon + 1) ? (size_t)(colon - host) : strlen(host);
}

static bool
naive_matches(const char *pattern, const char *host, const char *path)
{
	const char *want = strrchr(pattern, ' ') != NULL ?
	    strrchr(pattern, ' ') + 1 : pattern;
	size_t host_len = strcspn(want, "/*"), len, path_len = strlen(path);

	if (host_len > 0 && (host_len != plain_length(host) ||
	    strncasecmp(want, host, host_len) != 0))
		return false;
	want += host_len;
	len = strlen(want);
	if (want[0] == '*')
		return path_len >= len - 1 &&
		    strcmp(path + path_len - (len - 1), want + 1) == 0;
	if (want[len - 1] == '/')
		return strncmp(path, want, len) == 0;
	return strcmp(path, want) == 0;
}

static unsigned seed = 1;

static unsigned
random_below(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void
random_path(char *out, size_t size, bool may_end_so)
{
	unsigned parts = 1 + random_below(4);
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < parts && at + 8 < size; i++)
		at += (size_t)snprintf(out + at, size - at, "/%c%c",
		    (char)('a' + random_below(3)), (char)('a' + random_below(3)));
	if (may_end_so && random_below(2) == 0)
		snprintf(out + at, size - at, "/");
}

static void
random_pattern(char *out, size_t size)
{
	static const char *const methods[] = { "", "", "GET ", "POST,PUT " };
	static const char *const hosts[] = { "", "", "", "a.org", "B.org",
	    "longer.example" };
	char path[64];

	random_path(path, sizeof(path), true);
	if (random_below(20) == 0)
		snprintf(path, sizeof(path), "/");
	else if (random_below(5) == 0)
		snprintf(path, sizeof(path), "*%c%c",
		    (char)('a' + random_below(3)), (char)('a' + random_below(3)));
	snprintf(out, size, "%s%s%s", methods[random_below(4)],
	    hosts[random_below(6)], path);
}

/* Every row that the naive one takes, no other, in the order of the rows; and that
 * order is one of lengths. */
static void
compare_with_naive(const struct routes *routes, const char *host,
    const char *path)
{
	int at = -1;

	for (size_t i = 0; i < routes->count; i++) {
		const struct route *row = &routes->rows[i];
		bool expect = naive_matches(row->pattern, host, path);

		if (route_matches(row, host, strlen(host), path,
		    strlen(path)) != expect)
			fail_msg("%s for %s%s", row->pattern, host, path);
		if (!expect)
			continue;
		at = routes_next(routes, (size_t)(at + 1), host, strlen(host),
		    path, strlen(path));
		if (at != (int)i)
			fail_msg("%s%s: row %d, not %zu", host, path, at, i);
	}
	assert_int_equal(routes_next(routes, (size_t)(at + 1), host,
	    strlen(host), path, strlen(path)), -1);
}

static void
random_tables_agree_with_a_naive_one(void **state)
{
	static const char *const hosts[] = { "", "A.ORG", "b.org:80", "c.org",
	    "longer.example", "a.org:x" };
	struct routes routes;
	struct errmsg err;
	char text[128];

	(void)state;
	for (unsigned table = 0; table < 300; table++) {
		unsigned count = random_below(table % 10 == 0 ? 300 : 20);

		routes_init(&routes);
		for (unsigned i = 0; i < count; i++) {
			random_pattern(text, sizeof(text));
			assert_int_equal(routes_add(&routes, text, i, &err), 0);
		}
		assert_int_equal(routes_sort(&routes), 0);
		for (unsigned i = 0; i < 100; i++) {
			random_path(text, sizeof(text), true);
			compare_with_naive(&routes, hosts[random_below(6)],
			    text);
		}
		routes_done(&routes);
	}
}

static void
rows_are_in_order(void **state)
{
	struct routes routes;
	struct errmsg err;
	char text[128];

	(void)state;
	routes_init(&routes);
	for (unsigned i = 0; i < 500; i++) {
		random_pattern(text, sizeof(text));
		assert_int_equal(routes_add(&routes, text, i, &err), 0);
	}
	assert_int_equal(routes_sort(&routes), 0);
	for (size_t i = 1; i < routes.count; i++) {
		const struct route *x = &routes.rows[i - 1], *y = x + 1;

		assert_true((x->host_len > 0) >= (y->host_len > 0));
		if ((x->host_len > 0) == (y->host_len > 0))
			assert_true(x->path_len >= y->path_len);
		if (strcmp(x->pattern, y->pattern) == 0)
			assert_true(x->order < y->order);
	}
	routes_done(&routes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_pattern_answers),
		cmocka_unit_test(pass_goes_on_to_the_next_that_matches),
		cmocka_unit_test(patterns_that_are_none_are_refused),
		cmocka_unit_test(methods_are_read_and_written),
		cmocka_unit_test(a_host_is_known_where_a_route_names_it_or_none),
		cmocka_unit_test(a_route_for_a_method_comes_before_one_for_all),
		cmocka_unit_test(random_tables_agree_with_a_naive_one),
		cmocka_unit_test(rows_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
