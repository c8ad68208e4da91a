/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* tick.h: what is looked at every 500 ms, and our own beat. */
#ifndef CLUSTERD_MASTER_TICK_H
#define CLUSTERD_MASTER_TICK_H

struct master;

/* The beat goes on from the first moment; the tick from tick_start(). */
void tick_init(struct master *m);
void tick_start(struct master *m);
void tick_beat(struct master *m);

#endif
