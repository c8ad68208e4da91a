/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * start.h: from ATTACH to a running service: a first start (the checker's
 * verdict, plugin store, listeners, store, pools), or the work of another
 * master continued (memo, inventory).
 */
#ifndef CLUSTERD_MASTER_START_H
#define CLUSTERD_MASTER_START_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/errmsg.h"

struct master;

enum { EXIT_BIND = 4 };

/* Say ATTACH; all else follows from what the keeper answers. */
void start_attach(struct master *m);
/* Open the store of that directory.  0 or an ERR_ code. */
int start_open_store(struct master *m, const char *state_dir,
    struct errmsg *err);

/*
 * The next of numbers that never repeat (seq, id) without a memo to say it:
 * what the store knows may be older than what was used while it was locked.
 * Numbers begin at Unix microseconds and are used up more slowly than these.
 */
uint64_t start_unused(uint64_t stored, uint64_t salvaged);

/* What [daemon] says, after a commit: log, access, the keeper's backstop. */
void start_apply_conf(struct master *m);
/* All addresses are bound: the pools of a first start begin. */
void start_service(struct master *m);

/* -- control_socket.c -- */
/* Every 5 s: does somebody listen to the control socket, and is its path still ours? */
void start_look_at_control(struct master *m);
/* Make the control socket (again) and serve it. */
void start_bind_control(struct master *m);
/* The one that is there gets the rights that [daemon] says now. */
void start_change_control(struct master *m);

#endif
