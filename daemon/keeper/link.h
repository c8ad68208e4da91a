/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * link.h: the socket to the master, outwards.  Nothing here waits: what the
 * socket does not take stays flagged in the tables and is sent later.
 */
#ifndef CLUSTERD_KEEPER_LINK_H
#define CLUSTERD_KEEPER_LINK_H

#include "daemon/keeper/state.h"

/* No master: forget what the last one was owed. */
void link_reset(struct keeper *k);

/*
 * Answer a request: header.ref of packet is the request's.  The descriptors
 * stay the tables'.  At most one answer can be waiting; requests are not read
 * while one is (link_may_read).
 */
void link_answer(struct keeper *k, struct keeper_packet *packet,
    uint32_t code, const int *fds, size_t count);
int link_may_read(const struct keeper *k);

/* After WELCOME: everything the keeper holds, then HAVE_END. */
void link_start_inventory(struct keeper *k);

/* Send what is due, as far as it goes.  0, or -errno: the socket is broken. */
int link_flush(struct keeper *k);

#endif
