/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * spawn.h: what each role gets at its start: arguments, environment and its
 * list of descriptors (proto/keeper.h).
 */
#ifndef CLUSTERD_KEEPER_SPAWN_H
#define CLUSTERD_KEEPER_SPAWN_H

#include "daemon/keeper/child.h"
#include "daemon/keeper/state.h"

/* Pick from environ what roles may see; called once, before the heap is left. */
void spawn_init_environment(struct keeper *k);

/*
 * Start the worker or the checker that a SPAWN asks for, in a new row of the
 * table.  0, or -errno: nothing was started.  Listeners are those of SPAWN_FDS
 * for this id, or none (NULL).
 */
int spawn_worker(struct keeper *k, const struct keeper_msg_spawn *request,
    const struct spawn_fds *listeners, struct process **process);
int spawn_checker(struct keeper *k, const struct keeper_msg_spawn *request,
    struct process **process);

/* The checker of the first start, under that account (NULL: ours), with the
 * keeper's socket in k->first.keeper_fd.  0 or -errno. */
int spawn_first_checker(struct keeper *k,
    const struct checker_account *account, struct process **process);

/* A program with our own fds 0-2 and nothing else: `-t`, `-T`, `-V`.  argv[0]
 * is given too.  0 or -errno. */
int spawn_visible(struct keeper *k, const struct image *image,
    const struct checker_account *account, const char *const argv[],
    struct child *child);

/* The master, with its end of the socket (closed here).  0 or -errno. */
int spawn_master(struct keeper *k, int socket, struct child *child);

#endif
