/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * stop.h: the end.  Normally the master has stopped everything and says EXIT;
 * if it cannot, the keeper ends the workers itself.
 */
#ifndef CLUSTERD_KEEPER_STOP_H
#define CLUSTERD_KEEPER_STOP_H

#include "daemon/keeper/state.h"

/* EXIT came: end what is left, wait for the master to leave, exit(status). */
void stop_after_master(struct keeper *k, int status);
/* The master does not do it: it is killed, workers get SIGTERM, and SIGKILL
 * after the backstop. */
void stop_without_master(struct keeper *k);
/* The same in a hurry: SIGKILL in a second. */
void stop_hurry(struct keeper *k);
/* Give a master that took the order at most so long. */
void stop_arm_backstop(struct keeper *k, uint64_t ms);
/* A start that failed for good: all is ended, exit(status). */
void stop_failed(struct keeper *k, int status);

/* Act on what has expired; when to look again (0: never). */
uint64_t stop_tick(struct keeper *k, uint64_t now_ns);
/* Nothing is left to wait for: leave with k->stop.status. */
int stop_is_complete(const struct keeper *k);

/* The caller of `clusterd -d` waits for this byte. */
void stop_tell_starter(struct keeper *k, int status);

#endif
