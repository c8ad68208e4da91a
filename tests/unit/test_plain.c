/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_plain.c: spellings of one path are one path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/check.h"
#include "daemon/plugin/plain.h"

static const struct {
	const char *path, *expect;
} cases[] = {
	{ "/",			"/" },
	{ "/a",			"/a" },
	{ "/a/",		"/a/" },
	{ "/a/b.c",		"/a/b.c" },
	{ "*",			"*" },
	{ "//",			"/" },
	{ "//a",		"/a" },
	{ "/a//b",		"/a/b" },
	{ "/a//",		"/a/" },
	{ "/./a",		"/a" },
	{ "/a/.",		"/a/" },
	{ "/a/..",		"/" },
	{ "/a/../b",		"/b" },
	{ "/..",		"/" },
	{ "/../../a",		"/a" },
	{ "/a/b/../../c/",	"/c/" },
	{ "/a/...",		"/a/..." },
	{ "/.a/..b",		"/.a/..b" },
	{ "/%61",		"/a" },
	{ "/%2Fa",		"/a" },
	{ "/%2e%2e/a",		"/a" },
	{ "/x/%2E./a",		"/a" },
	{ "/x%2f..%2fa/",	"/a/" },
	{ "/%",			"/%" },
	{ "/%4",		"/%4" },
	{ "/%zz%61",		"/%zza" },
	{ "/%2561",		"/%61" },	/* once */
};

static void
spellings_become_one(void **state)
{
	char path[64];

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t len = strlen(cases[i].path);

		memcpy(path, cases[i].path, len);
		len = plain_make(path, len);
		if (len != strlen(cases[i].expect) ||
		    memcmp(path, cases[i].expect, len) != 0)
			fail_msg("%s: %.*s", cases[i].path, (int)len, path);
		if (plain_is(cases[i].path, strlen(cases[i].path)) &&
		    strcmp(cases[i].path, cases[i].expect) != 0)
			fail_msg("%s is none", cases[i].path);
	}
}

/* Every path of six of these bytes: no longer than before, plain where it has no
 * escape left, and the bytes behind it untouched. */
static void
all_short_paths(void **state)
{
	static const char bytes[] = "/.a%2f";
	enum { LEN = 7 };
	char path[LEN + 1];
	unsigned total = 1;

	(void)state;
	for (unsigned i = 1; i < LEN; i++)
		total *= sizeof(bytes) - 1;
	for (unsigned n = 0; n < total; n++) {
		unsigned rest = n;
		size_t len;

		path[0] = '/';
		for (unsigned i = 1; i < LEN; i++) {
			path[i] = bytes[rest % (sizeof(bytes) - 1)];
			rest /= sizeof(bytes) - 1;
		}
		path[LEN] = 'X';
		len = plain_make(path, LEN);
		assert_true(len >= 1 && len <= LEN && path[0] == '/');
		assert_int_equal(path[LEN], 'X');
		assert_null(memmem(path, len, "//", 2));
		assert_null(memmem(path, len, "/../", 4));
		assert_null(memmem(path, len, "/./", 3));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spellings_become_one),
		cmocka_unit_test(all_short_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
