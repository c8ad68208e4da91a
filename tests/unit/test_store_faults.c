/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_store_faults.c: the file is locked, gone, garbage, full or unwritable.
 * Nobody waits, nothing that fits the queue is lost, the present state is in
 * the file as soon as there is one.
 */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <glob.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/store/schema.h"

static void
write_file(const char *path, int flags, const char *byte, size_t count)
{
	int fd = open(path, O_WRONLY | O_CREAT | flags, 0640);

	assert_true(fd >= 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(write(fd, byte, 1), 1);
	close(fd);
}

/* Number of files whose name matches. */
static size_t
matching(const struct fixture *fixture, const char *pattern)
{
	char path[160];
	glob_t found;
	size_t count;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, pattern);
	count = glob(path, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	globfree(&found);
	return count;
}

static struct store_status
status_of(struct fixture *fixture)
{
	struct store_status status;

	store_status(fixture->store, &status);
	return status;
}

static void
on_done(void *arg, const struct store_answer *answer)
{
	int *rc = arg;

	*rc = answer->rc != 0 ? answer->rc : 1;
}

/* ---- locked ----------------------------------------------------------------------- */

static void
test_locked(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before;
	int synced = 0;
	pid_t pid;

	fixture_start(fixture);
	pid = fixture_lock(fixture);
	before = clock_now_ms();
	for (uint64_t i = 1; i <= 500; i++)
		fixture_put_event(fixture, i);
	for (uint64_t i = 1; i <= 5; i++)
		fixture_put_death(fixture, i);
	fixture_put_slot(fixture, 0, 5);
	assert_true(clock_now_ms() - before < 3000);
	assert_true(store_sync(fixture->store, 100, on_done, &synced) > 0);
	fixture_await_flag(fixture, &synced);
	assert_int_equal(synced, ERR_TIMEOUT);
	fixture_await_reason(fixture, STORE_BEHIND, "locked");
	assert_true(fixture->changes > 0);

	fixture_unlock(pid);
	fixture_await_state(fixture, STORE_OK);
	fixture_await_number(fixture, "SELECT count(*) FROM events", 500);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM deaths"), 5);
	assert_int_equal(status_of(fixture).lost, 0);
}

static void
test_locked_at_start(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before;
	pid_t pid;

	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 5);
	fixture_stop(fixture);
	pid = fixture_lock(fixture);
	before = clock_now_ms();
	fixture_start(fixture);
	assert_true(clock_now_ms() - before < 8000);
	fixture_put_slot(fixture, 0, 1);	/* it did not know better */
	fixture_put_slot(fixture, 1, 2);
	fixture_await_state(fixture, STORE_BEHIND);
	fixture_unlock(pid);
	fixture_await_state(fixture, STORE_OK);
	fixture_await_number(fixture,
	    "SELECT sum(restarts) FROM workers", 5 + 2);
}

/* An adopted memo is not kept waiting, and its state wins. */
static void
test_does_not_wait(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before;
	pid_t pid;

	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 5);
	fixture_stop(fixture);
	pid = fixture_lock(fixture);
	fixture->options.adopted = 1;
	before = clock_now_ms();
	fixture_start(fixture);
	assert_true(clock_now_ms() - before < 3000);
	fixture_put_slot(fixture, 0, 6);
	fixture_await_state(fixture, STORE_BEHIND);
	fixture_unlock(pid);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 6);
}

/* Twice the queue: as much again may be on its way when it fills up. */
static void
test_full_queue(void **state)
{
	enum { EVENTS = 2 * STORE_QUEUE_MAX + 2000 };
	struct fixture *fixture = *state;
	struct store_status status;
	pid_t pid;

	fixture_start(fixture);
	pid = fixture_lock(fixture);
	fixture_put_death(fixture, 1);
	for (uint64_t i = 1; i <= EVENTS; i++)
		fixture_put_event(fixture, i);
	fixture_await_state(fixture, STORE_BEHIND);
	fixture_put_event(fixture, EVENTS + 1);
	fixture_unlock(pid);
	fixture_await_number(fixture, "SELECT max(seq) FROM events",
	    EVENTS + 1);
	status = status_of(fixture);
	assert_true(status.lost >= 1);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM events") + (int64_t)status.lost,
	    EVENTS + 1);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM deaths"), 1);
}

/* ---- gone or replaced while running -------------------------------------------------- */

static void
begin(struct fixture *fixture)
{
	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 3);
	fixture_put_slot(fixture, 1, 4);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 7);
}

/* The present state and what comes now is in the file that is there now. */
static void
expect_present(struct fixture *fixture)
{
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 7);
	fixture_put_event(fixture, 99);
	fixture_await_number(fixture, "SELECT max(seq) FROM events", 99);
	fixture_await_state(fixture, STORE_OK);
	assert_true(status_of(fixture).note[0] != '\0');
}

static void
test_deleted(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	assert_int_equal(unlink(fixture->file), 0);
	expect_present(fixture);
	assert_int_equal(status_of(fixture).moved_aside, 0);
}

static void
test_all_deleted(void **state)
{
	struct fixture *fixture = *state;
	char side[128];

	begin(fixture);
	assert_int_equal(unlink(fixture->file), 0);
	snprintf(side, sizeof(side), "%s-wal", fixture->file);
	assert_int_equal(unlink(side), 0);
	snprintf(side, sizeof(side), "%s-shm", fixture->file);
	assert_int_equal(unlink(side), 0);
	expect_present(fixture);
}

/* A reader may see the old rows for a moment: they are all in the log. */
static void
await_aside(struct fixture *fixture, unsigned count)
{
	uint64_t end = clock_now_ms() + 10000;

	while (status_of(fixture).moved_aside < count && clock_now_ms() < end)
		store_poll(fixture->store);
	assert_true(status_of(fixture).moved_aside >= count);
}

static void
test_replaced_by_garbage(void **state)
{
	struct fixture *fixture = *state;
	char other[128];

	begin(fixture);
	snprintf(other, sizeof(other), "%s/other", fixture->dir);
	write_file(other, O_TRUNC, "x", 10000);
	assert_int_equal(rename(other, fixture->file), 0);
	await_aside(fixture, 1);
	expect_present(fixture);
	assert_int_equal(matching(fixture, "state.db.corrupt-*"), 1);
}

static void
test_overwritten(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	write_file(fixture->file, O_TRUNC, "x", 10000);
	await_aside(fixture, 1);
	expect_present(fixture);
	assert_true(matching(fixture, "state.db.corrupt-*") >= 1);
}

/* Cut when all of it was in the file and nothing in the log. */
static void
test_cut(void **state)
{
	struct fixture *fixture = *state;

	begin(fixture);
	assert_true(store_flush(fixture->store, 5000));
	write_file(fixture->file, O_TRUNC, "x", 7);
	await_aside(fixture, 1);
	expect_present(fixture);
	write_file(fixture->file, O_TRUNC, "", 0);
	await_aside(fixture, 2);
	expect_present(fixture);
}

static void
test_replaced_by_older(void **state)
{
	struct fixture *fixture = *state;
	char other[128], sql[160];

	begin(fixture);
	snprintf(other, sizeof(other), "%s/other", fixture->dir);
	snprintf(sql, sizeof(sql), "VACUUM INTO '%s'", other);
	fixture_exec(fixture->file, sql);
	fixture_put_slot(fixture, 1, 40);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 43);
	assert_int_equal(rename(other, fixture->file), 0);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 43);
	fixture_await_state(fixture, STORE_OK);
	assert_int_equal(fixture_number(fixture,
	    "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
}

/* ---- unusable at the start ------------------------------------------------------------- */

static void
test_garbage_at_start(void **state)
{
	struct fixture *fixture = *state;
	char wal[128];

	write_file(fixture->file, O_TRUNC, "x", 10000);
	snprintf(wal, sizeof(wal), "%s-wal", fixture->file);
	write_file(wal, O_TRUNC, "y", 100);
	fixture_start(fixture);
	assert_false(store_load(fixture->store)->present);
	assert_int_equal(status_of(fixture).moved_aside, 1);
	assert_non_null(strstr(status_of(fixture).note, ".corrupt-"));
	assert_int_equal(matching(fixture, "state.db.corrupt-?????????????"),
	    1);
	assert_int_equal(matching(fixture, "state.db.corrupt-*-wal"), 1);
	fixture_put_slot(fixture, 0, 1);
	assert_true(store_flush(fixture->store, 5000));
}

static void
test_empty_at_start(void **state)
{
	struct fixture *fixture = *state;

	write_file(fixture->file, O_TRUNC, "", 0);
	fixture_start(fixture);
	assert_int_equal(status_of(fixture).state, STORE_OK);
	assert_int_equal(matching(fixture, "state.db.corrupt-*"), 1);
}

static void
test_foreign_at_start(void **state)
{
	struct fixture *fixture = *state;

	fixture_exec(fixture->file, "CREATE TABLE t (a); "
	    "INSERT INTO t VALUES (1)");
	fixture_start(fixture);
	assert_int_equal(matching(fixture, "state.db.corrupt-*"), 1);
	fixture_put_slot(fixture, 0, 1);
	assert_true(store_flush(fixture->store, 5000));
}

static void
test_damaged_at_start(void **state)
{
	struct fixture *fixture = *state;
	int fd;

	begin(fixture);
	for (uint64_t i = 1; i <= 3000; i++)
		fixture_put_event(fixture, i);
	fixture_stop(fixture);
	fd = open(fixture->file, O_WRONLY);
	for (off_t at = 4096; at < 100000; at += 64)
		assert_int_equal(pwrite(fd, "garbage", 7, at), 7);
	close(fd);
	fixture_start(fixture);
	assert_false(store_load(fixture->store)->present);
	assert_true(matching(fixture, "state.db.corrupt-*") >= 1);
	assert_int_equal(status_of(fixture).state, STORE_OK);
}

static void
test_corrupt_copies_are_limited(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 8; i++) {
		write_file(fixture->file, O_TRUNC, "x", 1000);
		fixture_start(fixture);
		fixture_stop(fixture);
	}
	assert_int_equal(matching(fixture, "state.db.corrupt-?????????????"),
	    5);
}

static void
test_newer_schema(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = NULL;
	struct errmsg err = { 0 };
	char before[4096], after[4096];
	int fd;

	fixture_start(fixture);
	fixture_stop(fixture);
	fixture_exec(fixture->file, "PRAGMA user_version = 99; "
	    "PRAGMA wal_checkpoint(TRUNCATE)");
	fd = open(fixture->file, O_RDONLY);
	assert_int_equal(read(fd, before, sizeof(before)), sizeof(before));
	assert_int_equal(store_start(fixture->dir, &fixture->options,
	    fixture->wake, &store, &err), ERR_VERSION);
	assert_null(store);
	assert_non_null(strstr(err.text, "99"));
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(before, after, sizeof(after));
	close(fd);
}

#ifdef CLUSTERD_FAILPOINTS
static void
test_found_newer_later(void **state)
{
	struct fixture *fixture = *state;
	pid_t pid;

	fixture_start(fixture);
	fixture_stop(fixture);
	fixture_exec(fixture->file, "PRAGMA user_version = 99");
	setenv("CLUSTERD_FP", "store.open:err=EACCES", 1);
	fixture_start(fixture);
	fixture_await_state(fixture, STORE_BEHIND);
	unsetenv("CLUSTERD_FP");
	fixture_await_state(fixture, STORE_NEWER);
	fixture_put_event(fixture, 1);
	pid = fixture_lock(fixture);		/* nobody is in the way */
	fixture_unlock(pid);
}
#endif

/* ---- unwritable ------------------------------------------------------------------------- */

#ifdef CLUSTERD_FAILPOINTS
static void
test_full(void **state)
{
	struct fixture *fixture = *state;

	setenv("CLUSTERD_TEST_PRAGMA", "max_page_count=40", 1);
	fixture_start(fixture);
	for (uint64_t i = 1; i <= 9000; i++)
		fixture_put_event(fixture, i);
	fixture_put_slot(fixture, 0, 1);
	fixture_await_reason(fixture, STORE_BEHIND, "full");
	unsetenv("CLUSTERD_TEST_PRAGMA");
	fixture_await_state(fixture, STORE_OK);
	fixture_await_number(fixture, "SELECT count(*) FROM events", 9000);
	assert_int_equal(status_of(fixture).lost, 0);
}

static void
test_commit_fails(void **state)
{
	struct fixture *fixture = *state;

	fixture_start(fixture);
	setenv("CLUSTERD_FP", "store.before_commit:err=EIO", 1);
	fixture_put_slot(fixture, 0, 1);
	fixture_put_event(fixture, 1);
	assert_false(store_flush(fixture->store, 100));
	fixture_await_state(fixture, STORE_BEHIND);
	unsetenv("CLUSTERD_FP");
	fixture_await_number(fixture, "SELECT count(*) FROM events", 1);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 1);
	fixture_await_state(fixture, STORE_OK);
}
#endif

/* A link could lead anywhere; a directory is no file. */
static void
test_not_a_file(void **state)
{
	struct fixture *fixture = *state;
	char target[128];

	snprintf(target, sizeof(target), "%s/target", fixture->dir);
	write_file(target, O_TRUNC, "precious", 1);
	assert_int_equal(symlink(target, fixture->file), 0);
	fixture_start(fixture);
	fixture_put_slot(fixture, 0, 1);
	fixture_await_reason(fixture, STORE_BEHIND, "regular file");
	assert_int_equal(unlink(fixture->file), 0);
	assert_int_equal(mkdir(fixture->file, 0700), 0);
	assert_false(store_flush(fixture->store, 300));
	assert_int_equal(rmdir(fixture->file), 0);
	fixture_await_number(fixture, "SELECT restarts FROM workers", 1);
	fixture_await_state(fixture, STORE_OK);
}

static void
test_directory_gone(void **state)
{
	struct fixture *fixture = *state;
	char away[128];

	begin(fixture);
	snprintf(away, sizeof(away), "%s.away", fixture->dir);
	assert_int_equal(rename(fixture->dir, away), 0);
	fixture_put_slot(fixture, 1, 4);
	fixture_await_state(fixture, STORE_BEHIND);
	assert_int_equal(rename(away, fixture->dir), 0);
	fixture_await_state(fixture, STORE_OK);
	fixture_await_number(fixture, "SELECT sum(restarts) FROM workers", 7);
}

/* As another user, since root may write everywhere. */
static void
test_read_only(void **state)
{
	struct fixture *fixture = *state;
	int root = geteuid() == 0;

	if (root) {
		assert_int_equal(chown(fixture->dir, 65534, 65534), 0);
		assert_int_equal(setegid(65534) | seteuid(65534), 0);
	}
	begin(fixture);
	fixture_stop(fixture);
	assert_int_equal(chmod(fixture->file, 0440), 0);
	assert_int_equal(chmod(fixture->dir, 0500), 0);
	fixture_start(fixture);
	fixture_put_event(fixture, 1);
	fixture_await_state(fixture, STORE_BEHIND);
	assert_int_equal(chmod(fixture->dir, 0700), 0);
	assert_int_equal(chmod(fixture->file, 0640), 0);
	fixture_await_state(fixture, STORE_OK);
	fixture_await_number(fixture, "SELECT count(*) FROM events", 1);
	fixture_stop(fixture);
	if (root)
		assert_int_equal(seteuid(0) | setegid(0), 0);
}

/* A reader that stays keeps the log from being folded back, nothing else. */
static void
test_long_reader(void **state)
{
	struct fixture *fixture = *state;
	sqlite3 *reader;

	begin(fixture);
	assert_int_equal(sqlite3_open(fixture->file, &reader), SQLITE_OK);
	assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM workers",
	    NULL, NULL, NULL), SQLITE_OK);
	for (uint64_t i = 1; i <= 2000; i++)
		fixture_put_event(fixture, i);
	assert_true(store_flush(fixture->store, 5000));
	fixture_stop(fixture);
	sqlite3_close(reader);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM events"), 2000);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, \
	fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_locked),
		TEST(test_locked_at_start),
		TEST(test_does_not_wait),
		TEST(test_full_queue),
		TEST(test_deleted),
		TEST(test_all_deleted),
		TEST(test_replaced_by_garbage),
		TEST(test_overwritten),
		TEST(test_cut),
		TEST(test_replaced_by_older),
		TEST(test_garbage_at_start),
		TEST(test_empty_at_start),
		TEST(test_foreign_at_start),
		TEST(test_damaged_at_start),
		TEST(test_corrupt_copies_are_limited),
		TEST(test_newer_schema),
#ifdef CLUSTERD_FAILPOINTS
		TEST(test_found_newer_later),
#endif
#ifdef CLUSTERD_FAILPOINTS
		TEST(test_full),
		TEST(test_commit_fails),
#endif
		TEST(test_not_a_file),
		TEST(test_directory_gone),
		TEST(test_read_only),
		TEST(test_long_reader),
	};

	fixture_main(argc, argv);
	/* Fixed times are shorter in a test build. */
	setenv("CLUSTERD_TEST_SCALE", "5", 0);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
