/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * rebuild.h: a new memo, where the old one is poisoned, of another version or
 * not to be trusted: made of what the keeper holds and the store remembers.
 * No worker that serves is harmed by it, and no death is forgotten.
 */
#ifndef CLUSTERD_MASTER_REBUILD_H
#define CLUSTERD_MASTER_REBUILD_H

#include <stdint.h>

struct master;
struct memo_copy;
struct process;

/* The generation in force, as far as can be told. */
uint64_t rebuild_generation(struct master *m);

/* Pools, slots and rows for the processes of the inventory, a list; returned
 * is the same list in another order.  The store is open. */
struct process *rebuild_memo(struct master *m, struct process *found);

/* Go on with a stop that was under way, if this memo was made anew. */
void rebuild_stop(struct master *m);

/* A process that lives is its row's now: find out what it is at.  The older of
 * two of one slot, and one whose slot is not wanted, has to go, in its own time. */
void rebuild_settle(struct master *m, uint16_t row);

/* "web/0": row of the pool and number of the slot; MEMO_NONE: no such pool. */
uint16_t rebuild_pool_of(const struct memo_copy *copy, const char *name,
    unsigned *number);

#endif
