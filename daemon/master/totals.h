/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * totals.h: what workers counted on their pages, summed by pool: those that live
 * from their pages, those that ended from the memo, so that no total goes back
 * when a worker or the master ends.  Shown in the Prometheus text format.
 */
#ifndef CLUSTERD_MASTER_TOTALS_H
#define CLUSTERD_MASTER_TOTALS_H

#include <stdint.h>

#include "common/base/buf.h"

struct master;
struct memo_pool;
struct page_report;

/* A worker has ended with this page: in the flip of its end, once. */
void totals_fold(struct memo_pool *pool, const struct page_report *report);

/* Of one pool, with the slots and workers that are gone. */
struct totals_pool {
	uint64_t restarts, replacements;
	uint64_t requests, connections;
	uint32_t open, children;	/* connections, child processes, now */
};

void totals_sum_pool(struct master *m, uint16_t pool,
    struct totals_pool *sum);

/* Append all; the pages have been read. */
void totals_add_text(struct master *m, struct buf *out);

#endif
