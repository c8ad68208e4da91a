/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * leader.h: one worker of each pool leads it.  Who does is a word of the roster
 * that every worker reads when it matters; it is there before and after a master.
 * Never two at a time: doc/architecture.md has the reasons.
 */
#ifndef CLUSTERD_MASTER_LEADER_H
#define CLUSTERD_MASTER_LEADER_H

struct master;

/* After each turn and tick: take the word back from who should not have it, and
 * name another when that one can not act by it any more. */
void leader_follow(struct master *m);

#endif
