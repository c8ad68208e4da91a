/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* datagrams.h: what comes to a pool of protocol udp, for its plugin.  The loop's
 * thread. */
#ifndef DAEMON_PLUGIN_DATAGRAMS_H
#define DAEMON_PLUGIN_DATAGRAMS_H

#include <clusterd/plugin.h>

#include "daemon/stream/udp.h"

struct host;

struct datagrams {
	struct udp udp;			/* batch NULL: not of this protocol */
	unsigned plugin;		/* who gets them all */
	struct cluster_datagram *current;	/* in whose callback we are */
};

/* 0 or ERR_MEMORY. */
int datagrams_init(struct host *host, unsigned plugin);

#endif
