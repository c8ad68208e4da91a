/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sockets.h: how a listening socket is made: options, bind, listen; a Unix socket
 * under a name that nobody knows, then moved to its path.
 */
#ifndef CLUSTERD_KEEPER_SOCKETS_H
#define CLUSTERD_KEEPER_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "daemon/keeper/state.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	uint8_t bytes[128];
};

union address socket_address(const struct listener *listener);

/* 0, or -errno.  Those of an address that has several may be with k already. */
int socket_make(const struct keeper *k, struct listener *listener, int *made);

/* What every connection inherits from its listener: small pieces go at once,
 * and a peer that is gone without a word is noticed, whether it owes us an
 * acknowledgement (30 s) or nothing (60 s, then three probes, 10 s apart). */
int socket_tune(int fd);
/* Others of our uid may listen at its address as well. */
int socket_share(int fd);

/* The name that a Unix socket is bound to before it is moved to its path; the
 * kernel calls it by that for ever. */
int socket_hide(const struct listener *listener, const struct sockaddr_un *un,
    struct sockaddr_un *hidden);

#endif
