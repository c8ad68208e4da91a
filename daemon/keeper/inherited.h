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


/* All is bound: what a keeper before us had stored and no address has wanted is
 * closed, for nobody would ever accept from it. */
void inherited_drop_stored(struct keeper *k);

#endif
