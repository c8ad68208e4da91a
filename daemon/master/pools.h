/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * pools.h: a pool of the configuration gets its rows in the memo.  What holds
 * for longer than this master (size, counts, what was drained) comes from the
 * store, and where an earlier memo can still be read, from that.
 */
#ifndef CLUSTERD_MASTER_POOLS_H
#define CLUSTERD_MASTER_POOLS_H

#include <stdint.h>

struct conf_pool;
struct master;

/* The store is loaded.  0 or ERR_FULL: no room for so many workers. */
int pools_add(struct master *m, const struct conf_pool *conf,
    uint64_t generation);

#endif
