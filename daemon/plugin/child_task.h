/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * child_task.h: tasks, functions of a plugin that run in processes of their own.
 * The process is another clusterd-worker; the first message on its channel says
 * what it is, and carries the snapshot of the configuration.
 */
#ifndef DAEMON_PLUGIN_CHILD_TASK_H
#define DAEMON_PLUGIN_CHILD_TASK_H

#include <clusterd/process.h>

#define TASK_OPTION "--task"		/* of clusterd-worker, then argv */
#define TASK_PARENT "parent"		/* target of cluster_send() */

struct host;

/* What the task is told, as text: "INSTANCE TASK WORKER ID". */
enum { TASK_TEXT_MAX = 512 };

/* As cluster_fork_task(). */
int host_fork_task(struct host *host, const char *name,
    const struct cluster_spawn *how, struct cluster_child **out);

#endif
