/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_static_path.c: which names paths stand for, and which types names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "plugins/static/path.h"
#include "plugins/static/types.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *path;
	int hidden, rc;
	const char *name;
} paths[] = {
	{ "/", 0, 0, "" },
	{ "/a", 0, 0, "a" },
	{ "/a/", 0, 0, "a/" },
	{ "/a/b.txt", 0, 0, "a/b.txt" },
	{ "/a%20b", 0, 0, "a b" },
	{ "/%61%62", 0, 0, "ab" },
	{ "/%c3%A4", 0, 0, "\xc3\xa4" },
	{ "/%2561", 0, 0, "%61" },		/* once */
	{ "/a+b", 0, 0, "a+b" },
	{ "/a:b@c!$&'()*,;=~", 0, 0, "a:b@c!$&'()*,;=~" },
	{ "/a\\b", 0, 0, "a\\b" },
	{ "/%0a", 0, 0, "\n" },
	{ "/a.", 0, 0, "a." },
	{ "/a..", 0, 0, "a.." },
	{ "/a..b/c", 0, 0, "a..b/c" },
	{ "/a.../b", 0, 0, "a.../b" },
	{ "/.", 0, -ENOENT, NULL },
	{ "/..", 0, -ENOENT, NULL },
	{ "/./a", 0, -ENOENT, NULL },
	{ "/../a", 0, -ENOENT, NULL },
	{ "/a/.", 0, -ENOENT, NULL },
	{ "/a/..", 0, -ENOENT, NULL },
	{ "/a/./b", 0, -ENOENT, NULL },
	{ "/a/../b", 0, -ENOENT, NULL },
	{ "/..", 1, -ENOENT, NULL },
	{ "/../a", 1, -ENOENT, NULL },
	{ "/a/../b", 1, -ENOENT, NULL },
	{ "/.", 1, -ENOENT, NULL },
	{ "/a/./b", 1, -ENOENT, NULL },
	{ "/%2e%2e/a", 1, -ENOENT, NULL },
	{ "/.%2E/a", 1, -ENOENT, NULL },
	{ "/%2e", 1, -ENOENT, NULL },
	{ "/a/%2e%2e", 1, -ENOENT, NULL },
	{ "/%252e%252e/a", 0, 0, "%2e%2e/a" },
	{ "/..%2fa", 1, -ENOENT, NULL },
	{ "/a%2Fb", 0, -ENOENT, NULL },
	{ "/%2f", 0, -ENOENT, NULL },
	{ "//", 0, -ENOENT, NULL },
	{ "//a", 0, -ENOENT, NULL },
	{ "/a//b", 0, -ENOENT, NULL },
	{ "/a//", 0, -ENOENT, NULL },
	{ "/.git", 0, -ENOENT, NULL },
	{ "/.git/config", 0, -ENOENT, NULL },
	{ "/%2egit/config", 0, -ENOENT, NULL },
	{ "/a/.b", 0, -ENOENT, NULL },
	{ "/...", 0, -ENOENT, NULL },
	{ "/...", 1, 0, "..." },
	{ "/.git/config", 1, 0, ".git/config" },
	{ "/.well-known/acme", 0, 0, ".well-known/acme" },
	{ "/.well-known", 0, 0, ".well-known" },
	{ "/.well-known/.a", 0, -ENOENT, NULL },
	{ "/a/.well-known/b", 0, -ENOENT, NULL },
	{ "/.well-knownx", 0, -ENOENT, NULL },
	{ "/.well-know", 0, -ENOENT, NULL },
	{ "", 0, -EINVAL, NULL },
	{ "a", 0, -EINVAL, NULL },
	{ "*", 0, -EINVAL, NULL },
	{ "/%00", 0, -EINVAL, NULL },
	{ "/a%00.txt", 0, -EINVAL, NULL },
	{ "/%", 0, -EINVAL, NULL },
	{ "/%1", 0, -EINVAL, NULL },
	{ "/%g0", 0, -EINVAL, NULL },
	{ "/%0g", 0, -EINVAL, NULL },
	{ "/a%2", 0, -EINVAL, NULL },
};

static void
a_path_stands_for_one_name_or_none(void **state)
{
	char name[STATIC_NAME_MAX];
	size_t len;

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		int rc = path_decode(paths[i].path, paths[i].hidden, name, &len);

		if (rc != paths[i].rc)
			fail_msg("%s: %d", paths[i].path, rc);
		if (rc == 0 && (strcmp(name, paths[i].name) != 0 ||
		    len != strlen(name)))
			fail_msg("%s: %s", paths[i].path, name);
	}
}

static void
a_long_path_is_cut_nowhere(void **state)
{
	char path[2 * STATIC_NAME_MAX], name[STATIC_NAME_MAX];
	size_t len;

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[STATIC_NAME_MAX] = '\0';
	assert_int_equal(path_decode(path, 0, name, &len), 0);
	assert_int_equal(len, STATIC_NAME_MAX - 1);
	path[STATIC_NAME_MAX] = 'a';
	path[STATIC_NAME_MAX + 1] = '\0';
	assert_int_equal(path_decode(path, 0, name, &len), -ENAMETOOLONG);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(path_decode(path, 0, name, &len), -ENAMETOOLONG);
}

static void
a_prefix_ends_with_a_segment(void **state)
{
	static const struct {
		const char *path, *prefix, *rest;
	} rows[] = {
		{ "/a", "", "/a" },
		{ "/files", "/files", "" },
		{ "/files/", "/files", "/" },
		{ "/files/a", "/files", "/a" },
		{ "/filesa", "/files", NULL },
		{ "/file", "/files", NULL },
		{ "/other", "/files", NULL },
		{ "/%66iles/a", "/files", NULL },
		{ "/FILES/a", "/files", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const char *rest = path_strip(rows[i].path, rows[i].prefix);

		if ((rest == NULL) != (rows[i].rest == NULL) ||
		    (rest != NULL && strcmp(rest, rows[i].rest) != 0))
			fail_msg("%s behind %s: %s", rows[i].path,
			    rows[i].prefix, rest == NULL ? "none" : rest);
	}
}

/* ---- types ---------------------------------------------------------------------- */

static void
the_ending_tells_the_type(void **state)
{
	static const struct {
		const char *name, *type;
	} rows[] = {
		{ "a.html", "text/html; charset=utf-8" },
		{ "a.HTML", "text/html; charset=utf-8" },
		{ "a.b.css", "text/css; charset=utf-8" },
		{ "dir.css/a", "x/y" },
		{ "a", "x/y" },
		{ "", "x/y" },
		{ "a.", "x/y" },
		{ "a.nothing", "x/y" },
		{ "a.7z", "application/x-7z-compressed" },
		{ "a.zst", "application/zstd" },
		{ "a.png", "image/png" },
		{ "a.foo", "text/foo; charset=utf-8" },
		{ "a.FOO", "text/foo; charset=utf-8" },
		{ "a.bar", "text/bar; charset=latin1" },
		{ "a.json", "application/other" },
	};
	struct types types;

	(void)state;
	assert_int_equal(types_init(&types, " foo text/foo, bar  "
	    "text/bar; charset=latin1,json application/other,", "utf-8",
	    "x/y"), 0);
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_string_equal(types_find(&types, rows[i].name),
		    rows[i].type);
	types_done(&types);
	assert_int_equal(types_init(&types, "", "", "text/plain"), 0);
	assert_string_equal(types_find(&types, "a.html"), "text/html");
	assert_string_equal(types_find(&types, "a"), "text/plain");
	types_done(&types);
}

static void
a_list_of_types_that_is_none(void **state)
{
	static const char *const lists[] = { "foo", "foo bar", " foo ", "/ x" };

	(void)state;
	for (size_t i = 0; i < COUNT(lists); i++) {
		struct types types;

		if (types_init(&types, lists[i], "", "x/y") != -EINVAL)
			fail_msg("taken: %s", lists[i]);
		types_done(&types);
	}
}

static void
the_table_of_types_is_sorted(void **state)
{
	static const char *const endings[] = {
#define TYPE(ending, type) ending,
#include "plugins/static/types.def"
	};

	(void)state;
	for (size_t i = 1; i < COUNT(endings); i++)
		if (strcasecmp(endings[i - 1], endings[i]) >= 0)
			fail_msg("%s before %s", endings[i - 1], endings[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_stands_for_one_name_or_none),
		cmocka_unit_test(a_long_path_is_cut_nowhere),
		cmocka_unit_test(a_prefix_ends_with_a_segment),
		cmocka_unit_test(the_ending_tells_the_type),
		cmocka_unit_test(a_list_of_types_that_is_none),
		cmocka_unit_test(the_table_of_types_is_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
