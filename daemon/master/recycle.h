/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * recycle.h: replacing a worker that is over a limit of its own, new before
 * old, one at a time in a pool.
 */
#ifndef CLUSTERD_MASTER_RECYCLE_H
#define CLUSTERD_MASTER_RECYCLE_H

#include <stddef.h>
#include <stdint.h>

struct master;
struct process;

/* Replace this READY worker, if that can be done now. */
void recycle_ask(struct master *m, uint16_t row, const char *why);
/* Its plugin asks for that, in these words: now, or when it can be done. */
void recycle_hear(struct process *process, const char *reason, size_t len);
/* Each tick, in each pool: whoever is most over max_requests, max_age, max_rss or
 * max_fds; before these who takes nothing, is of a generation that was taken
 * back, or asks for it. */
void recycle_look(struct master *m);

#endif
