/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * child.h: the way of a child from clone to exec.
 *
 * The plan is complete before the clone; between clone and exec only
 * async-signal-safe calls are made.  Each step is fatal unless its comment says
 * otherwise, and a step that fails is reported through a close-on-exec pipe.
 */
#ifndef CLUSTERD_KEEPER_CHILD_H
#define CLUSTERD_KEEPER_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "daemon/keeper/images.h"
#include "daemon/proto/checker.h"
#include "daemon/proto/keeper.h"

enum { CHILD_FDS_MAX = WORKER_FD_LISTENERS + KEEPER_SPAWN_LISTENERS };

enum child_step { STEP_NONE, STEP_CLONE, STEP_SESSION, STEP_FDS, STEP_SIGNALS,
	STEP_BOUNDING, STEP_GROUPS, STEP_GID, STEP_UID, STEP_DROPPED,
	STEP_CAPABILITIES, STEP_CHDIR, STEP_NO_NEW_PRIVS, STEP_EXEC };
enum { STEP__COUNT = STEP_EXEC + 1 };

/* What the kernel may refuse without harm: UINT64_MAX and 0 leave a thing. */
struct child_tuning {
	int64_t nice;
	int oom_score_adj;
	uint64_t rlimit_nofile, rlimit_core, rlimit_as;
	const uint64_t *affinity;	/* 16 words, or NULL */
};

struct child_plan {
	const struct image *image;
	const char *const *argv, *const *envp;
	int fds[CHILD_FDS_MAX];		/* placed as 0, 1, 2 … */
	unsigned fd_count;
	const struct checker_account *account;	/* NULL: stays ours */
	const struct child_tuning *tuning;	/* NULL: none */
	int ahead;		/* for the CPU, as we are; priority.h */
	const char *name;		/* for failpoints */
};

struct child {
	pid_t pid;
	int pidfd;
	int proc;	/* /proc/PID as a directory, or -1 */
	int failure;	/* pipe: EOF after exec, or a struct child_failure */
};

struct child_failure {
	uint32_t step, error;
};

/* Start it.  0 or -errno of clone; never waits for the exec. */
int child_start(const struct child_plan *plan, struct child *child);

/* To signal a child that is not reaped yet: a pidfd, or what the kernel takes for
 * one; -1 and errno. */
int child_pidfd(pid_t pid);

const char *child_step_name(unsigned step);

#endif
