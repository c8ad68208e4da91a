/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * master.h: the life of the master as the keeper sees it: started, lost when
 * it ends, is silent for 10 s or breaks the protocol, and started again.
 */
#ifndef CLUSTERD_KEEPER_MASTER_H
#define CLUSTERD_KEEPER_MASTER_H

#include "daemon/keeper/state.h"

/* Make memo and page and map the page; once.  0 or -errno. */
int master_init(struct keeper *k);
/* Start one.  A failure is retried with back-off. */
void master_start(struct keeper *k);
/* It broke the protocol or its socket: workers are told, it is ended. */
void master_lost(struct keeper *k, const char *why);
/* It has ended and its status is known; called by reap. */
void master_on_exit(struct keeper *k, int status);
/* SIGKILL, and no other is started while the end is under way. */
void master_kill(struct keeper *k);

/* late: this turn came more than a second after it was due, so silence may
 * have been ours.  When to look again (0: never). */
uint64_t master_tick(struct keeper *k, uint64_t now_ns, int late);

#endif
