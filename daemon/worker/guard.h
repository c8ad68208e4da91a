/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * guard.h: the guard filter, a seat belt for plugins: system calls by which a
 * worker would reach the keeper or the master, or look into other processes,
 * answer EPERM.  The master is the one that was there at its start: where it has
 * an account of its own, the kernel protects each of them.
 */
#ifndef DAEMON_WORKER_GUARD_H
#define DAEMON_WORKER_GUARD_H

#include <sys/types.h>

/* Install it for this process and its children; needs no_new_privs.
 * 0, or -errno where the kernel does not allow it (serve on without). */
int guard_install(pid_t keeper, pid_t master);

#endif
