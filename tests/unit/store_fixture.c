/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* store_fixture.c: see store_fixture.h. */
#include "tests/unit/store_fixture.h"

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { AWAIT_MS = 20000 };

static void
on_change(void *arg, const struct store_status *status)
{
	struct fixture *fixture = arg;

	(void)status;
	fixture->changes++;
}

int
fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	unsetenv("CLUSTERD_FP");
	unsetenv("CLUSTERD_TEST_PRAGMA");
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/store-XXXXXX");
	assert_non_null(mkdtemp(fixture->dir));
	snprintf(fixture->file, sizeof(fixture->file), "%s/state.db",
	    fixture->dir);
	fixture->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(fixture->wake >= 0);
	*state = fixture;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int
fixture_teardown(void **state)
{
	struct fixture *fixture = *state;

	store_stop(fixture->store, 2000);
	nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	close(fixture->wake);
	free(fixture);
	return 0;
}

void
fixture_start(struct fixture *fixture)
{
	struct errmsg err = { 0 };

	if (store_start(fixture->dir, &fixture->options, fixture->wake,
	    &fixture->store, &err) != 0)
		fail_msg("store_start: %s", err.text);
	store_observe(fixture->store, on_change, fixture);
}

void
fixture_stop(struct fixture *fixture)
{
	store_stop(fixture->store, 5000);
	fixture->store = NULL;
}

void
fixture_restart(struct fixture *fixture)
{
	fixture_stop(fixture);
	fixture_start(fixture);
}

/* ---- waiting --------------------------------------------------------------------- */

static void
wait_a_bit(struct fixture *fixture)
{
	struct pollfd fd = { fixture->wake, POLLIN, 0 };

	poll(&fd, 1, 20);
	store_poll(fixture->store);
}

void
fixture_await_state(struct fixture *fixture, enum store_state state)
{
	fixture_await_reason(fixture, state, "");
}

void
fixture_await_reason(struct fixture *fixture, enum store_state state,
    const char *words)
{
	uint64_t end = clock_now_ms() + AWAIT_MS;
	struct store_status status;

	for (;;) {
		wait_a_bit(fixture);
		store_status(fixture->store, &status);
		if (status.state == state &&
		    strstr(status.reason, words) != NULL)
			return;
		if (clock_now_ms() > end)
			fail_msg("state is %s (%s), not %s (%s)",
			    store_state_name(status.state), status.reason,
			    store_state_name(state), words);
	}
}

void
fixture_await_flag(struct fixture *fixture, const int *flag)
{
	uint64_t end = clock_now_ms() + AWAIT_MS;

	while (!*flag) {
		wait_a_bit(fixture);
		assert_true(clock_now_ms() < end);
	}
}

int64_t
fixture_number(const struct fixture *fixture, const char *sql)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int64_t number = -1;

	if (sqlite3_open_v2(fixture->file, &db, SQLITE_OPEN_READONLY, NULL) ==
	    SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) ==
	    SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
		number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return number;
}

void
fixture_await_number(struct fixture *fixture, const char *sql, int64_t number)
{
	uint64_t end = clock_now_ms() + AWAIT_MS;
	struct store_status status;
	int64_t found;

	while ((found = fixture_number(fixture, sql)) != number) {
		wait_a_bit(fixture);
		if (clock_now_ms() <= end)
			continue;
		store_status(fixture->store, &status);
		fail_msg("%s: %lld, not %lld; the store is %s, %s, %s", sql,
		    (long long)found, (long long)number,
		    store_state_name(status.state), status.reason, status.note);
	}
}

void
fixture_exec(const char *file, const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

/* ---- the process that locks -------------------------------------------------------- */

void
fixture_main(int argc, char **argv)
{
	sqlite3 *db;

	if (argc != 3 || strcmp(argv[1], "lock") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sqlite3_open(argv[2], &db) != SQLITE_OK)
		_exit(1);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		_exit(1);
	if (write(1, "L", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

pid_t
fixture_try_lock(const struct fixture *fixture)
{
	int out[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execl("/proc/self/exe", "lock", "lock", fixture->file, NULL);
		_exit(1);
	}
	close(out[1]);
	if (read(out[0], &byte, 1) != 1) {
		waitpid(pid, NULL, 0);
		pid = 0;
	}
	close(out[0]);
	return pid;
}

pid_t
fixture_lock(const struct fixture *fixture)
{
	pid_t pid = fixture_try_lock(fixture);

	assert_true(pid > 0);
	return pid;
}

void
fixture_unlock(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- rows ---------------------------------------------------------------------------- */

void
fixture_put_event(struct fixture *fixture, uint64_t seq)
{
	char json[128];
	struct store_event event = {
		.seq = seq, .time = (int64_t)(1000000 + seq),
		.event = "worker.ready", .worker = "web/0", .pid = 7,
		.json = json,
	};

	snprintf(json, sizeof(json),
	    "{\"seq\":%llu,\"event\":\"worker.ready\"}",
	    (unsigned long long)seq);
	store_put_event(fixture->store, &event);
}

void
fixture_put_slot(struct fixture *fixture, unsigned slot, uint64_t restarts)
{
	const struct store_slot row = {
		.pool = "web", .slot = slot, .id = 100 + slot, .pid = 4711,
		.generation = 1, .state = "ready", .wanted = 1,
		.started = 5, .ready = 6, .restarts = restarts, .n = 2,
	};

	store_put_slot(fixture->store, &row);
}

void
fixture_put_death(struct fixture *fixture, uint64_t worker_id)
{
	struct store_death death = {
		.time = 1234, .mono_ms = 99, .pool = "web", .slot = 0,
		.worker_id = worker_id, .pid = 4711, .generation = 1,
		.state = "ready", .uptime_ms = 10, .cause = "signal",
		.asked = 1, .reason = "scale",
		.code = -1, .signal = 11, .plugin = "hello",
		.request_ms = -1, .beat_age_ms = 3, .n = 1, .next_ms = -1,
		.connections_lost = 1, .rss_kb = -1,
		.text = "killed by SIGSEGV in \"hello\"",
	};

	store_put_death(fixture->store, &death);
}
