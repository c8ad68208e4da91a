/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* proc.h: what /proc says of processes. */
#ifndef DAEMON_CHILD_PROC_H
#define DAEMON_CHILD_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROC_MOST = 32768 };

struct proc {
	pid_t pid, parent, group, session;
	unsigned long long start;	/* ticks after boot */
	bool ended;			/* not reaped yet */
	bool marked;			/* the caller's */
};

/* False: there is no such process. */
bool proc_read(pid_t pid, struct proc *proc);

/* All there are (at most PROC_MOST), by rising pid; to be freed.  NULL: no
 * memory, or no /proc. */
struct proc *proc_read_all(size_t *count);
/* Among these, or NULL. */
struct proc *proc_find(struct proc *all, size_t count, pid_t pid);

#endif
