/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * recycle.h: replacing a worker that is over a limit of its own, new before
 * old, one at a time in a pool.
 */
#ifndef CLUSTERD_MASTER_RECYCLE_H
#define CLUSTERD_MASTER_RECYCLE_H

#include <stdint.h>

struct master;

/* This READY worker should be replaced; done now or when it can be. */
void recycle_ask(struct master *m, uint16_t row, const char *why);
/* Each tick: who is over max_requests, max_age, max_rss or max_fds. */
void recycle_look(struct master *m);
/* Each turn: successors that are READY take over. */
void recycle_follow(struct master *m);

#endif
