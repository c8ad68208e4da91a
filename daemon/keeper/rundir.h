/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rundir.h: the directories, and the two locks that decide whether another
 * instance is alive.  Never a pid, never a stale socket.
 */
#ifndef CLUSTERD_KEEPER_RUNDIR_H
#define CLUSTERD_KEEPER_RUNDIR_H

#include "daemon/keeper/state.h"

/*
 * Make run_dir and state_dir where they are missing, take run_dir/lock, wait
 * for workers of an earlier instance to leave run_dir/workers.lock, write the
 * pid file.  0 or an exit status with words (EXIT_RUNNING names the pid).
 */
int rundir_prepare(struct keeper *k, struct errmsg *err);

/* Remove the pid file. */
void rundir_leave(struct keeper *k);

#endif
