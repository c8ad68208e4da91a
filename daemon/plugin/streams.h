/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* streams.h: connections that a plugin serves itself: whom the callbacks are for.
 * The loop's thread. */
#ifndef DAEMON_PLUGIN_STREAMS_H
#define DAEMON_PLUGIN_STREAMS_H

#include <clusterd/plugin.h>

#include "daemon/stream/tcp.h"

struct host;

struct stream_user {
	struct cluster_stream_ops ops;	/* all NULL: none yet */
	void *arg;
};

struct streams {
	struct tcp tcp;			/* table NULL: not of this protocol */
	struct stream_user *users;	/* by row of the flow */
	unsigned plugin;		/* who gets them all */
	const void *note;		/* of the one that is opened, or NULL */
	size_t note_len;
};

/* The connections of a pool of protocol tcp are plugin's.  0 or ERR_MEMORY. */
int streams_init(struct host *host, unsigned plugin,
    const struct tcp_config *config);

/* One that was to be given away is ours. */
void streams_keep(struct host *host, struct flow *flow, int error);

/* As cluster_stream_on(). */
int streams_set_ops(struct host *host, struct flow *flow,
    const struct cluster_stream_ops *ops, void *arg);

#endif
