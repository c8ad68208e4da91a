/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * roster.h: what all workers may read of workers and pools (proto/roster.h),
 * written on each tick, so that plugins ask nobody for it.
 */
#ifndef CLUSTERD_MASTER_ROSTER_H
#define CLUSTERD_MASTER_ROSTER_H

struct master;

void roster_publish(struct master *m);
/* After a turn: if the last one is a while ago.  A worker that is started now
 * finds itself in it. */
void roster_follow(struct master *m);

#endif
