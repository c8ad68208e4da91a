/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * test_store_crash.c: a process that stores is killed, before a commit, after
 * one, anywhere.  What it was told is stored is there, and the file is whole.
 */
#include "tests/unit/store_fixture.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The process: stores events for ever and says of each when it is stored. */
static void
writer_main(int argc, char **argv)
{
	struct fixture fixture = { .store = NULL };
	struct errmsg err;
	uint64_t seq;

	if (argc != 3 || strcmp(argv[1], "write") != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fixture.wake = eventfd(0, EFD_NONBLOCK);
	if (store_start(argv[2], &fixture.options, fixture.wake, &fixture.store,
	    &err) != 0)
		_exit(1);
	seq = store_load(fixture.store)->seq_mark + 1;
	for (;; seq++) {
		fixture_put_event(&fixture, seq);
		fixture_put_slot(&fixture, 0, seq);
		if (!store_flush(fixture.store, 5000) ||
		    write(1, &seq, sizeof(seq)) != sizeof(seq))
			_exit(1);
	}
}

static pid_t
start_writer(const struct fixture *fixture, const char *failpoint, int *from)
{
	int out[2];
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (failpoint != NULL)
			setenv("CLUSTERD_FP", failpoint, 1);
		dup2(out[1], 1);
		close(out[0]);
		close(out[1]);
		execl("/proc/self/exe", "write", "write", fixture->dir, NULL);
		_exit(1);
	}
	close(out[1]);
	*from = out[0];
	return pid;
}

/* Read what it acknowledges until it is dead; kill it after `kill_after'. */
static uint64_t
last_acknowledged(pid_t pid, int from, uint64_t kill_after, int *status)
{
	uint64_t seq, last = 0, count = 0;

	while (read(from, &seq, sizeof(seq)) == sizeof(seq)) {
		last = seq;
		if (++count == kill_after)
			kill(pid, SIGKILL);
	}
	close(from);
	assert_int_equal(waitpid(pid, status, 0), pid);
	return last;
}

static void
expect_whole(const struct fixture *fixture, uint64_t acknowledged)
{
	assert_int_equal(fixture_number(fixture, "SELECT integrity_check = 'ok' "
	    "FROM pragma_integrity_check"), 1);
	if (acknowledged == 0)
		return;
	assert_true(fixture_number(fixture, "SELECT max(seq) FROM events") >=
	    (int64_t)acknowledged);
	assert_true(fixture_number(fixture, "SELECT restarts FROM workers") >=
	    (int64_t)acknowledged);
}

#ifdef CLUSTERD_FAILPOINTS
static void
test_killed_in_commit(void **state)
{
	struct fixture *fixture = *state;
	static const char *const failpoints[] = {
		"store.before_commit:kill@1", "store.before_commit:kill@3",
		"store.after_commit:kill@1", "store.after_commit:kill@2",
		"store.open:kill@1",
	};

	for (size_t i = 0; i < sizeof(failpoints) / sizeof(failpoints[0]);
	    i++) {
		int from, status;
		pid_t pid = start_writer(fixture, failpoints[i], &from);
		uint64_t last = last_acknowledged(pid, from, 0, &status);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGKILL);
		expect_whole(fixture, last);
	}
}
#endif

static void
test_killed_anywhere(void **state)
{
	struct fixture *fixture = *state;

	for (uint64_t round = 1; round <= 25; round++) {
		int from, status;
		pid_t pid = start_writer(fixture, NULL, &from);
		uint64_t last = last_acknowledged(pid, from, round % 7 + 1,
		    &status);

		assert_true(last > 0);
		expect_whole(fixture, last);
	}
	fixture_start(fixture);
	assert_true(store_load(fixture->store)->seq_mark > 0);
}

int
main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, \
	fixture_teardown)
	const struct CMUnitTest tests[] = {
#ifdef CLUSTERD_FAILPOINTS
		TEST(test_killed_in_commit),
#endif
		TEST(test_killed_anywhere),
	};

	fixture_main(argc, argv);
	writer_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL) ? 1 : 0;
}
