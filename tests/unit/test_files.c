/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_files.c: the cache of files, on a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/static/beneath.h"
#include "plugins/static/files.h"

enum { TTL = 1000, LARGE = FILES_SMALL + 1 };

struct fixture {
	char dir[32];
	struct types types;
	struct files files;
};

/* ---- the tree ---------------------------------------------------------------- */

static void
path_of(const struct fixture *fixture, const char *name, char out[64])
{
	snprintf(out, 64, "%s/%s", fixture->dir, name);
}

/* A file of size bytes, all the same. */
static void
put(const struct fixture *fixture, const char *name, char byte, size_t size)
{
	char path[64], data[LARGE];
	FILE *file;

	memset(data, byte, size);
	path_of(fixture, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static void
take_away(const struct fixture *fixture, const char *name)
{
	char path[64];

	path_of(fixture, name, path);
	unlink(path);
}

/* The first byte, '-' if there is no file, and who holds it afterwards. */
static char
first_byte(struct fixture *fixture, const char *name, uint64_t now_ms)
{
	struct file *file;
	char byte = '-';
	int rc = files_get(&fixture->files, name, strlen(name), now_ms, &file);

	if (rc != 0)
		return byte;
	if (file->data != NULL)
		byte = file->data[0];
	else
		assert_int_equal(pread(file->fd, &byte, 1, 0), 1);
	files_put(file);
	return byte;
}

/* Names in the cache, the newest first. */
static const char *
cached(const struct fixture *fixture, char out[64])
{
	size_t at = 0;

	out[0] = '\0';
	for (const struct file *file = fixture->files.newest; file != NULL;
	    file = file->older)
		at += (size_t)snprintf(out + at, 64 - at, "%s ", file->name);
	return out;
}

static int
open_now(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->dir, "/tmp/filesXXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	assert_int_equal(types_init(&fixture->types, "", "", "x/y"), 0);
	fixture->files = (struct files){ .links = true, .ttl_ms = TTL,
	    .types = &fixture->types, .max_count = 3,
	    .max_bytes = FILES_SMALL + 100 };
	fixture->files.root = beneath_open_root(fixture->dir);
	assert_true(fixture->files.root >= 0);
	assert_int_equal(files_init(&fixture->files), 0);
	*state = fixture;
	return 0;
}

static int
close_now(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "new" };
	struct fixture *fixture = *state;

	files_done(&fixture->files);
	assert_int_equal(fixture->files.count, 0);
	assert_true(fixture->files.bytes == 0);
	types_done(&fixture->types);
	close(fixture->files.root);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		take_away(fixture, names[i]);
	assert_int_equal(rmdir(fixture->dir), 0);
	free(fixture);
	return 0;
}

/* ---- tests ------------------------------------------------------------------- */

static void
it_is_looked_at_when_its_time_is_over(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, "a", '1', 10);
	assert_int_equal(first_byte(fixture, "a", 5000), '1');
	put(fixture, "a", '2', 10);
	assert_int_equal(first_byte(fixture, "a", 5000 + TTL - 1), '1');
	/* written within a moment, by times that may be coarse, size the same */
	assert_int_equal(first_byte(fixture, "a", 5000 + TTL), '2');
	take_away(fixture, "a");
	assert_int_equal(first_byte(fixture, "a", 5000 + 2 * TTL - 1), '2');
	assert_int_equal(first_byte(fixture, "a", 5000 + 2 * TTL), '-');
	assert_int_equal(fixture->files.count, 0);
}

static void
the_one_not_used_longest_makes_way(void **state)
{
	struct fixture *fixture = *state;
	char names[64];

	for (const char *name = "a\0b\0c\0d\0"; *name != '\0'; name += 2)
		put(fixture, name, *name, 10);
	first_byte(fixture, "a", 1);
	first_byte(fixture, "b", 2);
	first_byte(fixture, "c", 3);
	first_byte(fixture, "a", 4);
	assert_string_equal(cached(fixture, names), "a c b ");
	first_byte(fixture, "d", 5);
	assert_string_equal(cached(fixture, names), "d a c ");
	assert_true(fixture->files.bytes == 30);
	files_forget_idle(&fixture->files, 1003, 1000);
	assert_string_equal(cached(fixture, names), "d a ");
	files_forget_idle(&fixture->files, 2000, 1000);
	assert_string_equal(cached(fixture, names), "");
}

static void
memory_is_bounded(void **state)
{
	struct fixture *fixture = *state;
	char names[64];

	put(fixture, "a", 'a', FILES_SMALL);
	put(fixture, "b", 'b', 100);
	put(fixture, "c", 'c', 1);
	put(fixture, "d", 'd', LARGE);
	first_byte(fixture, "a", 1);
	first_byte(fixture, "b", 2);
	assert_string_equal(cached(fixture, names), "b a ");
	first_byte(fixture, "c", 3);
	assert_string_equal(cached(fixture, names), "c b ");
	assert_int_equal(first_byte(fixture, "d", 4), 'd');
	assert_true(fixture->files.bytes == 101);	/* d is a descriptor */
	fixture->files.max_bytes = 50;
	assert_int_equal(first_byte(fixture, "a", 5), 'a');
	assert_string_equal(cached(fixture, names), "d c b ");
}

static void
who_holds_a_file_keeps_it(void **state)
{
	struct fixture *fixture = *state;
	struct file *file;

	put(fixture, "a", '1', LARGE);
	assert_int_equal(files_get(&fixture->files, "a", 1, 1, &file), 0);
	put(fixture, "new", '2', LARGE);
	assert_int_equal(renameat(fixture->files.root, "new",
	    fixture->files.root, "a"), 0);
	assert_int_equal(first_byte(fixture, "a", 1 + TTL), '2');
	assert_false(file->cached);
	assert_true(fcntl(file->fd, F_GETFD) >= 0);
	files_put(file);
}

static void
nothing_is_kept_without_a_cache(void **state)
{
	struct fixture *fixture = *state;

	fixture->files.max_count = 0;
	put(fixture, "a", '1', 10);
	assert_int_equal(first_byte(fixture, "a", 1), '1');
	put(fixture, "a", '2', 10);
	assert_int_equal(first_byte(fixture, "a", 1), '2');
	assert_int_equal(fixture->files.count, 0);
}

/* Descriptors are short: those of the cache are given back first. */
static void
the_cache_makes_way_for_a_file(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit before, none;
	char names[64];
	int next;

	for (const char *name = "a\0b\0"; *name != '\0'; name += 2)
		put(fixture, name, *name, LARGE);
	assert_int_equal(first_byte(fixture, "a", 1), 'a');
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	next = dup(0);
	assert_true(next >= 0);
	close(next);
	none = before;
	none.rlim_cur = (rlim_t)next;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(first_byte(fixture, "b", 2), 'b');
	assert_string_equal(cached(fixture, names), "b ");
	assert_int_equal(first_byte(fixture, "b", 2 + TTL), 'b');
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

static void
errors_are_told(void **state)
{
	struct fixture *fixture = *state;
	struct file *file = NULL;

	assert_int_equal(files_get(&fixture->files, "x", 1, 1, &file), -ENOENT);
	assert_int_equal(files_get(&fixture->files, "", 0, 1, &file), -EISDIR);
	assert_int_equal(files_get(&fixture->files, "..", 2, 1, &file), -EXDEV);
	assert_int_equal(files_get(&fixture->files, "/etc/passwd", 11, 1,
	    &file), -EXDEV);
	assert_int_equal(mkfifoat(fixture->files.root, "a", 0600), 0);
	assert_int_equal(files_get(&fixture->files, "a", 1, 1, &file), -ENOENT);
	assert_null(file);
	assert_int_equal(files_find_directory(&fixture->files, ""), 0);
	assert_int_equal(files_find_directory(&fixture->files, "a"), -ENOTDIR);
	assert_int_equal(files_find_directory(&fixture->files, "x"), -ENOENT);
	assert_int_equal(fixture->files.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_now, close_now)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_looked_at_when_its_time_is_over),
		TEST(the_one_not_used_longest_makes_way),
		TEST(memory_is_bounded),
		TEST(who_holds_a_file_keeps_it),
		TEST(nothing_is_kept_without_a_cache),
		TEST(the_cache_makes_way_for_a_file),
		TEST(errors_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
