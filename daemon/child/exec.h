/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * exec.h: the way of a child of a plugin from clone to exec.
 *
 * The plan is complete before the clone.  The child shares the memory of the
 * worker until it has become another program: so its start costs the same
 * whatever the worker's size, and a step that fails leaves its error there.
 * Between clone and exec only async-signal-safe calls are made.
 */
#ifndef DAEMON_CHILD_EXEC_H
#define DAEMON_CHILD_EXEC_H

#include <clusterd/process.h>

enum { EXEC_FDS = CLUSTER_STDIO_COUNT + 1 };	/* one for a channel */

struct exec_plan {
	const char *file;
	const char *path;		/* to look file up in; NULL: as it is */
	const char *const *argv, *const *envp;
	const char *cwd;		/* NULL: stays */
	int fds[EXEC_FDS];		/* placed as 0, 1, 2 ...; -1: closed */
	unsigned fd_count;
	const struct cluster_rlimit *rlimits;	/* NULL: none */
	int nice;			/* added to ours */
	bool detached;
};

/* Start it.  0: it is another program now; *pid is to be reaped, *pidfd is the
 * caller's.  Else -errno and the stage that failed: nothing is left of it. */
int exec_start(const struct exec_plan *plan, pid_t *pid, int *pidfd,
    enum cluster_stage *stage);

/* As waitid() for that child alone: 0; -EAGAIN it runs (wait: it is waited
 * for); -ECHILD somebody else has reaped it. */
int exec_reap(int pidfd, bool wait, siginfo_t *info, struct rusage *usage);

#endif
