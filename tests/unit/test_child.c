/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* test_child.c: what a child process is told and what is kept of it: orders,
 * environments, captured output, tokens, times, and who stems from whom. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "daemon/child/cancel.h"
#include "daemon/child/capture.h"
#include "daemon/child/ends.h"
#include "daemon/child/environment.h"
#include "daemon/child/exec.h"
#include "daemon/child/order.h"
#include "daemon/child/patience.h"
#include "daemon/child/proc.h"
#include "daemon/child/scope.h"

/* ---- orders ------------------------------------------------------------------------ */

static void
an_order_has_its_defaults(void **state)
{
	struct cluster_spawn given = { .size = sizeof(given), .file = "a" };
	struct cluster_spawn order;

	(void)state;
	assert_int_equal(order_take(&given, false, &order), 0);
	assert_int_equal(order.kill_signal, SIGTERM);
	assert_int_equal(order.kill_after_ms, 2000);
	assert_int_equal(order.linger_ms, 5000);
	assert_int_equal(order.max_output, 0);
	assert_int_equal(order.stdio[0].kind, CLUSTER_STDIO_NULL);
	assert_int_equal(order.stdio[1].kind, CLUSTER_STDIO_LOG);
	assert_int_equal(order.stdio[3].kind, CLUSTER_STDIO_NULL);
	assert_int_equal(order_take(&given, true, &order), 0);
	assert_int_equal(order.max_output, 1 << 20);
	assert_int_equal(order.stdio[2].kind, CLUSTER_STDIO_CAPTURE);
}

/* A plugin of a younger SDK: what it has more is 0, or it wants what there is
 * not. */
static void
an_order_may_be_longer(void **state)
{
	struct {
		struct cluster_spawn spawn;
		uint64_t more[4];
	} given = { .spawn = { .size = sizeof(given), .file = "a" } };
	struct cluster_spawn order;

	(void)state;
	assert_int_equal(order_take(&given.spawn, false, &order), 0);
	assert_int_equal(order.size, sizeof(order));
	given.more[3] = 1;
	assert_int_equal(order_take(&given.spawn, false, &order), -EINVAL);
	given.spawn.size = SIZE_MAX;
	assert_int_equal(order_take(&given.spawn, false, &order), -EINVAL);
	given.spawn.size = sizeof(order) - 1;
	assert_int_equal(order_take(&given.spawn, false, &order), -EINVAL);
	assert_int_equal(order_take(NULL, false, &order), -EINVAL);
}

static void
a_descriptor_moves_to_one_place(void **state)
{
	struct cluster_spawn given = { .size = sizeof(given), .file = "a" };
	struct cluster_spawn order;

	(void)state;
	for (int i = 3; i < 5; i++)
		given.stdio[i] = (struct cluster_stdio){ .fd = 9,
		    .kind = CLUSTER_STDIO_FD, .mode = CLUSTER_FD_DUP };
	assert_int_equal(order_take(&given, false, &order), 0);
	given.stdio[4].mode = CLUSTER_FD_MOVE;
	assert_int_equal(order_take(&given, false, &order), -EINVAL);
}

static void
no_end_is_left_open(void **state)
{
	struct cluster_spawn given = { .size = sizeof(given), .file = "a" };
	struct cluster_spawn order;
	int first = dup(0), next;
	struct ends ends;

	(void)state;
	close(first);
	given.stdio[0].kind = CLUSTER_STDIO_SOCKET;
	given.stdio[1].kind = CLUSTER_STDIO_PIPE;
	given.stdio[2] = (struct cluster_stdio){ .kind = CLUSTER_STDIO_DATA,
	    .data = "abc", .len = 3 };
	given.stdio[3] = (struct cluster_stdio){ .kind = CLUSTER_STDIO_FD,
	    .fd = 1 };
	given.stdio[4] = (struct cluster_stdio){ .kind = CLUSTER_STDIO_FILE,
	    .path = "/no/such/file" };
	assert_int_equal(order_take(&given, false, &order), 0);
	assert_int_equal(ends_open(&ends, &order), -ENOENT);
	next = dup(0);
	assert_int_equal(next, first);
	close(next);
	order.stdio[4].path = "/dev/null";
	assert_int_equal(ends_open(&ends, &order), 0);
	ends_close(&ends);
	next = dup(1);			/* what was lent is still there */
	assert_int_equal(next, first);
	close(next);
}

/* ---- environments ------------------------------------------------------------------ */

static const char *const own[] = { "A=1", "B=2", "CLUSTERD_CHANNEL_FD=3",
	"NODE_CHANNEL_FD=3", "BB=4", NULL };

static void
expect_list(const char *const *given, bool add, const char *const *expect)
{
	const char **list = environment_make(own, given, add, NULL);
	size_t i = 0;

	assert_non_null(list);
	for (; expect[i] != NULL && list[i] != NULL; i++)
		assert_string_equal(list[i], expect[i]);
	assert_null(list[i]);
	assert_null(expect[i]);
	free(list);
}

static void
an_environment_is_inherited_replaced_or_added_to(void **state)
{
	static const char *const none[] = { NULL };
	static const char *const some[] = { "B=9", "A", "C=", NULL };
	static const char *const plain[] = { "A=1", "B=2", "BB=4", NULL };
	static const char *const added[] = { "BB=4", "B=9", "C=", NULL };
	static const char *const alone[] = { "B=9", "C=", NULL };

	(void)state;
	expect_list(NULL, true, plain);
	expect_list(none, false, none);
	expect_list(some, true, added);
	expect_list(some, false, alone);
	assert_string_equal(environment_get(own, "B"), "2");
	assert_null(environment_get(own, "C"));
}

/* ---- captured output ----------------------------------------------------------------- */

static void
expect_kept(enum cluster_overflow overflow, size_t piece, bool fits,
    const char *expect, size_t lost)
{
	static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	struct capture capture;
	const void *data;
	size_t len, missing;
	bool good = true;
	int fd;

	capture_init(&capture, 10, overflow);
	for (size_t at = 0; at < 36; at += piece)
		good &= capture_add(&capture, text + at,
		    36 - at < piece ? 36 - at : piece);
	capture_show(&capture, &data, &len, &missing, &fd);
	assert_int_equal(good, fits);
	assert_int_equal(missing, lost);
	if (overflow == CLUSTER_OVERFLOW_SPILL) {
		char back[64];

		assert_int_equal(len, 0);
		assert_int_equal(read(fd, back, sizeof(back)), 36);
		assert_memory_equal(back, expect, 36);
		close(fd);
	} else {
		assert_int_equal(fd, -1);
		assert_int_equal(len, strlen(expect));
		assert_memory_equal(data, expect, len);
	}
	capture_done(&capture);
}

static void
output_is_kept_within_its_limit(void **state)
{
	(void)state;
	for (size_t piece = 1; piece <= 36; piece++) {
		expect_kept(CLUSTER_OVERFLOW_KILL, piece, false,
		    "0123456789", 26);
		expect_kept(CLUSTER_OVERFLOW_TRUNCATE, piece, true,
		    "0123456789", 26);
		expect_kept(CLUSTER_OVERFLOW_TAIL, piece, true,
		    "qrstuvwxyz", 26);
		expect_kept(CLUSTER_OVERFLOW_SPILL, piece, true,
		    "0123456789abcdefghijklmnopqrstuvwxyz", 0);
	}
}

/* ---- tokens ---------------------------------------------------------------------------- */

static void
a_token_is_used_once(void **state)
{
	struct cancels cancels = { 0 };
	uint64_t first, second;

	(void)state;
	assert_null(cancels_find(&cancels, 0));
	first = cancels_new(&cancels);
	second = cancels_new(&cancels);
	assert_non_null(cancels_find(&cancels, first));
	cancels_free(&cancels, cancels_find(&cancels, first));
	assert_null(cancels_find(&cancels, first));
	assert_int_not_equal(cancels_new(&cancels), first);
	assert_null(cancels_find(&cancels, first));
	assert_non_null(cancels_find(&cancels, second));
	free(cancels.rows);
}

/* ---- times -------------------------------------------------------------- */

struct waiter {
	struct event_base *base;
	struct patience patience;
	unsigned early, excused;
	uint64_t over_ns;
};

static void
on_over(evutil_socket_t fd, short what, void *arg)
{
	struct waiter *waiter = arg;

	(void)fd;
	(void)what;
	if (patience_is_early(&waiter->patience))
		waiter->early++;
	else if (patience_excuse(&waiter->patience))
		waiter->excused++;
	else
		waiter->over_ns = clock_now_ns();
}

static void
begin_waiting(struct waiter *waiter)
{
	*waiter = (struct waiter){ .base = event_base_new() };
	assert_non_null(waiter->base);
	patience_init(&waiter->patience, waiter->base, on_over, waiter);
}

static void
no_time_is_over_early(void **state)
{
	struct waiter waiter;

	(void)state;
	begin_waiting(&waiter);
	patience_begin(&waiter.patience, 50);
	event_active(&waiter.patience.event, EV_TIMEOUT, 0);
	event_base_dispatch(waiter.base);
	assert_true(waiter.early > 0);
	assert_true(waiter.over_ns >= waiter.patience.at_ns);
	event_base_free(waiter.base);
}

static void
who_is_late_excuses_once(void **state)
{
	int away_ms = (int)clock_scaled_ms(CLOCK_AWAY_MS);
	int excuse_ms = (int)clock_scaled_ms(CLOCK_EXCUSE_MS);
	struct waiter waiter;

	(void)state;
	begin_waiting(&waiter);
	for (unsigned round = 0; round < 2; round++) {
		waiter.excused = 0;
		waiter.over_ns = 0;
		patience_begin(&waiter.patience, 10);
		poll(NULL, 0, 10 + away_ms + 1);
		event_base_loop(waiter.base, EVLOOP_ONCE);
		assert_int_equal(waiter.excused, 1);
		poll(NULL, 0, excuse_ms + away_ms + 1);
		event_base_dispatch(waiter.base);
		assert_int_equal(waiter.excused, 1);
		assert_true(waiter.over_ns > 0);
	}
	event_base_free(waiter.base);
}

/* ---- who stems from whom ------------------------------------------------------------------ */

/* leader 100: 101 in its group; 102 has left it, with 103 below; 104 is somebody
 * else's, and so is 99. */
static void
all_below_are_found(void **state)
{
	struct proc all[] = {
		{ .pid = 99, .parent = 1, .group = 99, .session = 99 },
		{ .pid = 100, .parent = 99, .group = 100, .session = 99 },
		{ .pid = 101, .parent = 100, .group = 100, .session = 99 },
		{ .pid = 102, .parent = 101, .group = 102, .session = 102 },
		{ .pid = 103, .parent = 1, .group = 102, .session = 102 },
		{ .pid = 104, .parent = 99, .group = 104, .session = 99 },
		{ .pid = 105, .parent = 103, .group = 105, .session = 102,
		    .ended = true },
	};
	struct scope scope;

	(void)state;
	scope_init(&scope, CLUSTER_KILL_GROUP, 100, 0);
	scope_widen(&scope, all, 7);
	assert_int_equal(scope.count, 3);
	assert_int_equal(scope.members[0].pid, 101);
	assert_int_equal(scope.members[1].pid, 102);
	assert_int_equal(scope.members[2].pid, 103);
	scope_done(&scope);
}

static void
our_own_process_is_found(void **state)
{
	struct proc proc, *all, *same;
	size_t count;

	(void)state;
	assert_true(proc_read(getpid(), &proc));
	assert_int_equal(proc.parent, getppid());
	assert_int_equal(proc.group, getpgrp());
	assert_false(proc.ended);
	all = proc_read_all(&count);
	assert_non_null(all);
	same = proc_find(all, count, getpid());
	assert_non_null(same);
	assert_int_equal(same->start, proc.start);
	free(all);
}

/* ---- from clone to exec --------------------------------------------------------------------- */

static void
a_program_is_reaped_by_its_pidfd(void **state)
{
	static const char *const argv[] = { "sh", "-c", "exit 7", NULL };
	static const char *const envp[] = { NULL };
	struct exec_plan plan = { .file = "sh", .path = "/no/such::/bin",
	    .argv = argv, .envp = envp };
	enum cluster_stage stage;
	struct rusage usage;
	siginfo_t info;
	int pidfd;
	pid_t pid;

	(void)state;
	assert_int_equal(exec_start(&plan, &pid, &pidfd, &stage), 0);
	assert_int_equal(exec_reap(pidfd, true, &info, &usage), 0);
	assert_int_equal(info.si_pid, pid);
	assert_int_equal(info.si_status, 7);
	assert_int_equal(exec_reap(pidfd, false, &info, &usage), -ECHILD);
	close(pidfd);
	plan.path = "/no/such";
	assert_int_equal(exec_start(&plan, &pid, &pidfd, &stage), -ENOENT);
	assert_int_equal(stage, CLUSTER_STAGE_EXEC);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_has_its_defaults),
		cmocka_unit_test(an_order_may_be_longer),
		cmocka_unit_test(a_descriptor_moves_to_one_place),
		cmocka_unit_test(no_end_is_left_open),
		cmocka_unit_test(an_environment_is_inherited_replaced_or_added_to),
		cmocka_unit_test(output_is_kept_within_its_limit),
		cmocka_unit_test(a_token_is_used_once),
		cmocka_unit_test(no_time_is_over_early),
		cmocka_unit_test(who_is_late_excuses_once),
		cmocka_unit_test(all_below_are_found),
		cmocka_unit_test(our_own_process_is_found),
		cmocka_unit_test(a_program_is_reaped_by_its_pidfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
