/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_store_threads.c: both threads of the store at work for a while, with a
 * file that is locked, deleted and overwritten under them.  It is worth most
 * in a build with --enable-tsan.
 */
#include "tests/unit/store_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"

enum { ROUNDS = 3000 };

struct counts {
	unsigned open, done;
};

static void
on_done(void *arg, const struct store_answer *answer)
{
	struct counts *counts = arg;

	for (size_t i = 0; i < answer->count; i++)
		assert_true(answer->rows[i].len > 0);
	counts->done++;
}

static void
ask(struct fixture *fixture, struct counts *counts, unsigned round)
{
	struct store_query query = { .table = round % 4, .limit = 50,
		.last = round & 1 };
	char copy[128];
	int job;

	if (round % 7 == 0) {
		counts->open += store_sync(fixture->store, 100, on_done,
		    counts) > 0;
	} else if (round % 31 == 0) {
		snprintf(copy, sizeof(copy), "%s/copy-%u", fixture->dir, round);
		counts->open += store_backup(fixture->store, copy, on_done,
		    counts) > 0;
	} else {
		job = store_query(fixture->store, &query, on_done, counts);
		if (job > 0 && round % 5 == 0)
			store_cancel(fixture->store, job);
		else
			counts->open += job > 0;
	}
}

static void
harm(struct fixture *fixture, unsigned round)
{
	int fd;

	if (round % 100 == 50)
		(void)unlink(fixture->file);
	if (round % 100 != 99)
		return;
	fd = open(fixture->file, O_WRONLY | O_TRUNC);
	if (fd >= 0) {
		assert_int_equal(write(fd, "garbage", 7), 7);
		close(fd);
	}
}

static void
turn(struct fixture *fixture, struct counts *counts, unsigned round)
{
	struct store_status status;

	for (uint64_t i = 0; i < 20; i++)
		fixture_put_event(fixture, round * 20 + i + 1);
	fixture_put_slot(fixture, round % 50, round);
	fixture_put_death(fixture, round + 1);
	store_put_marks(fixture->store, round * 100 + 1, round + 1);
	ask(fixture, counts, round);
	harm(fixture, round);
	if (round % 40 == 0)
		(void)store_flush(fixture->store, 20);
	store_status(fixture->store, &status);
	store_poll(fixture->store);
}

static void
test_both_threads(void **state)
{
	struct fixture *fixture = *state;
	struct counts counts = { 0 };
	int all;
	pid_t pid;

	fixture_start(fixture);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pid = round % 75 == 74 ? fixture_try_lock(fixture) : 0;
		turn(fixture, &counts, round);
		if (pid > 0)
			fixture_unlock(pid);
	}
	do {
		store_poll(fixture->store);
		all = counts.done >= counts.open;
	} while (!all);
	fixture_put_slot(fixture, 0, ROUNDS);
	fixture_await_number(fixture,
	    "SELECT max(restarts) FROM workers", ROUNDS);
	fixture_await_state(fixture, STORE_OK);
	assert_int_equal(fixture_number(fixture,
	    "SELECT count(*) FROM workers"), 50);
	fixture_restart(fixture);
	assert_int_equal(store_load(fixture->store)->slot_count, 50);
}

/* Stop with work in all the queues. */
static void
test_stops_at_any_time(void **state)
{
	struct fixture *fixture = *state;
	struct counts counts = { 0 };

	for (unsigned round = 0; round < 30; round++) {
		fixture_start(fixture);
		for (unsigned i = 0; i < round; i++) {
			fixture_put_event(fixture, round * 100 + i + 1);
			ask(fixture, &counts, i + 1);
		}
		fixture_put_slot(fixture, 0, round);
		fixture_stop(fixture);
		assert_int_equal(fixture_number(fixture,
		    "SELECT restarts FROM workers"), round);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_threads,
		    fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_stops_at_any_time,
		    fixture_setup, fixture_teardown),
	};

	fixture_main(argc, argv);
	setenv("CLUSTERD_TEST_SCALE", "20", 0);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
