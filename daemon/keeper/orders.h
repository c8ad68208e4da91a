/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * orders.h: signals to the keeper become orders to the master.  An order that
 * is not taken within 5 s is given up, or, where it was to stop, carried out
 * by the keeper.
 */
#ifndef CLUSTERD_KEEPER_ORDERS_H
#define CLUSTERD_KEEPER_ORDERS_H

#include "daemon/keeper/state.h"

/* Read all pending signals.  True if a child has to be looked for. */
int orders_read_signals(struct keeper *k);

/* The master carries it out.  0 or -ENOENT: there is none of that number. */
int orders_taken(struct keeper *k, uint32_t number);

/* The next master hears of what this one did not finish. */
void orders_on_master_lost(struct keeper *k);

/* Act on what has expired; when to look again (0: never). */
uint64_t orders_tick(struct keeper *k, uint64_t now_ns);

#endif
