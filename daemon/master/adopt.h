/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * adopt.h: continuing the work of another master: memo and inventory are
 * brought together, actions repeated.  Nothing is sent to a healthy worker.
 */
#ifndef CLUSTERD_MASTER_ADOPT_H
#define CLUSTERD_MASTER_ADOPT_H

#include <stdint.h>

struct link_packet;
struct master;

/* One of the inventory. */
void adopt_have_worker(struct master *m, const struct link_packet *packet);
/* The inventory is complete. */
void adopt_begin(struct master *m);
/* Kill a process of ours that nobody wants. */
void adopt_end_process(struct master *m, uint64_t id);

#endif
