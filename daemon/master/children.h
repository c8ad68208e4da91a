/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * children.h: the child processes of a worker.  Who they are the kernel says;
 * what they are for, the worker's page, which may say anything.  Never blocks.
 */
#ifndef CLUSTERD_MASTER_CHILDREN_H
#define CLUSTERD_MASTER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process;

enum { CHILDREN_MAX = 4096, CHILDREN_COMMAND = 256 };

struct children_row {
	uint64_t age_ms, cpu_ms, rss_kb;
	bool detached;		/* of another session than its worker */
	bool holds;		/* a drain waits for its end */
	uint64_t request;	/* as in the page's entry; 0: none known */
	char command[CHILDREN_COMMAND];	/* its arguments, the first of them */
};

/* Numbers of processes that are likely to be its children, the oldest first;
 * returns how many. */
size_t children_list(const struct process *process, int pids[CHILDREN_MAX]);
/* False: that one has ended, is nobody whom we may see, or not its child. */
bool children_look(const struct process *process, int pid,
    struct children_row *child);

#endif
