/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* datagrams.c: see datagrams.h. */
#include "daemon/plugin/datagrams.h"

#include <string.h>

#include "daemon/plugin/host.h"

static void
on_datagram(const struct udp_datagram *came, void *ctx)
{
	struct host *host = ctx;
	unsigned index = host->datagrams.plugin;
	struct plugin *plugin = &host->plugins[index];
	struct cluster_datagram datagram = { .size = sizeof(datagram),
	    .data = came->data, .len = came->len, .peer = came->peer,
	    .local = came->local };
	struct host_frame frame;

	_Static_assert(sizeof(datagram.from) == sizeof(came->path), "a peer");
	memcpy(&datagram.from, &came->path, sizeof(datagram.from));
	frame = host_enter_for(host, DOING_DATAGRAM, index, came->peer);
	host->datagrams.current = &datagram;
	plugin->desc.on_datagram(&datagram, plugin->self);
	host->datagrams.current = NULL;
	host_leave(host, frame);
}

int
datagrams_init(struct host *host, unsigned plugin)
{
	host->datagrams.plugin = plugin;
	return udp_init(&host->datagrams.udp, host->board, on_datagram, host);
}
