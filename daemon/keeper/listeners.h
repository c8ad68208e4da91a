/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * listeners.h: the listening sockets.  Made once, kept until the address
 * leaves the configuration; taken from a service manager where it has one.
 */
#ifndef CLUSTERD_KEEPER_LISTENERS_H
#define CLUSTERD_KEEPER_LISTENERS_H

#include "daemon/keeper/state.h"

void listener_init(struct keeper *k);
struct listener *listener_find(struct keeper *k, uint32_t id);

/* Make, bind and listen.  A known id is answered with what it has.  0, or
 * -errno with words that name the address and, where it can be seen, who has
 * it. */
int listener_bind(struct keeper *k, const struct keeper_msg_bind *request,
    struct listener **listener, struct errmsg *err);
/* The same address with a new socket. */
int listener_remake(struct keeper *k, struct listener *listener,
    struct errmsg *err);
/* Close it; the path of a Unix socket that is still ours is removed. */
void listener_close(struct listener *listener);

/* Port in host order, 0 for a Unix socket. */
uint32_t listener_port(const struct listener *listener);

#endif
