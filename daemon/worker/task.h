/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * task.h: a task: a function of a plugin in a process of its own, which a worker
 * has started.  It has neither listeners nor a loop, and blocks as it likes.
 * Called by the worker's main().
 */
#ifndef DAEMON_WORKER_TASK_H
#define DAEMON_WORKER_TASK_H

/* argv: what the task gets. */
_Noreturn void task_main(int argc, char **argv);

#endif
