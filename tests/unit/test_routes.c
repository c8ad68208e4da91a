/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_routes.c: which pattern answers, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
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
	routes_sort(routes);
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
		"/\x01",
	};
	struct errmsg err;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		if (routes_check_pattern(bad[i], &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_pattern_answers),
		cmocka_unit_test(pass_goes_on_to_the_next_that_matches),
		cmocka_unit_test(patterns_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
