/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * main.c: the program clusterd-worker, started by the keeper: a worker, or with
 * --check the checker; or, started by a worker, a task.  The one file that knows
 * them all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/stamp.h"
#include "daemon/checker/checker.h"
#include "daemon/plugin/child_task.h"
#include "daemon/worker/task.h"
#include "daemon/worker/worker.h"

struct worker the_worker;

/* From here on it waits. */
static void
rest(struct worker *worker)
{
	if (worker->board.awake_ns != 0)
		board_rest(&worker->board, clock_now_ns());
}

static _Noreturn void
run_worker(void)
{
	struct worker *worker = &the_worker;

	start_worker(worker);
	rest(worker);
	for (;;) {
		if (event_base_loop(worker->base, EVLOOP_ONCE) < 0) {
			/* the poll set is gone: a plugin closed it */
			lines_say(LL_ERROR, "the event loop has failed");
			abort();
		}
		worker->loops++;
		rest(worker);
	}
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		run_worker();
	if (strcmp(argv[1], TASK_OPTION) == 0)
		task_main(argc - 2, argv + 2);
	if (strcmp(argv[1], "--check") == 0)
		return checker_main(argc, argv);
	if (strcmp(argv[1], "--version") == 0) {
		printf("clusterd-worker %s\n", build_stamp);
		return 0;
	}
	if (strcmp(argv[1], "--list-failpoints") == 0) {
		failpoint_list();
		return 0;
	}
	fprintf(stderr, "clusterd-worker is started by clusterd; "
	    "--version, --list-failpoints\n");
	return 2;
}
