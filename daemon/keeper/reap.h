/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * reap.h: every child that has ended, ours or inherited.
 *
 * Our own are looked at first and reaped last: while a dead leader is not
 * reaped, its number names its process group and nobody else's, so the group
 * can be killed without a doubt.
 */
#ifndef CLUSTERD_KEEPER_REAP_H
#define CLUSTERD_KEEPER_REAP_H

#include "daemon/keeper/state.h"

void reap_all(struct keeper *k);

/* The pipe of a starting child has something to say, or has ended. */
void reap_started(struct keeper *k, struct process *process);

#endif
