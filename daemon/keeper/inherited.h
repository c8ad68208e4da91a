/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* inherited.h: the descriptors that we are started with. */
#ifndef CLUSTERD_KEEPER_INHERITED_H
#define CLUSTERD_KEEPER_INHERITED_H

#include "daemon/keeper/state.h"

/*
 * First of all: fds 0-2 exist, sockets of a service manager (LISTEN_FDS, if
 * LISTEN_PID is ours) are noted, every other descriptor is closed.
 */
void inherited_init(struct keeper *k);

/* The one for this listener, by name or by address, or -1. */
int inherited_take(struct keeper *k, struct listener *listener);
/* Those at its address that nobody has taken. */
uint32_t inherited_count(const struct keeper *k,
    const struct listener *listener);

/* All is bound: what a keeper before us had stored and no address has wanted is
 * closed, for nobody would ever accept from it. */
void inherited_drop_stored(struct keeper *k);

#endif
