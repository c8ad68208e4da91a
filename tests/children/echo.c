/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * echo.c: a program with a channel, by libclusterd-peer: sends back what it gets,
 * descriptors too, until the other side closes.  For tests only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <clusterd/peer.h>

static int
send_back(struct cluster_peer *peer, const struct cluster_message *m)
{
	int taken[CLUSTER_MESSAGE_FDS];
	struct cluster_fds fds = { taken, m->fd_count, CLUSTER_FD_MOVE };

	for (unsigned i = 0; i < m->fd_count; i++)
		taken[i] = cluster_peer_take_fd(peer, i);
	return cluster_peer_send(peer, m->topic, m->data, m->len, &fds);
}

int
main(void)
{
	struct cluster_peer *peer = cluster_peer_open();
	struct cluster_message m;

	if (peer == NULL || getenv("CLUSTERD_CHANNEL_FD") != NULL)
		return 2;
	while (cluster_peer_receive(peer, &m) >= 0)
		if (send_back(peer, &m) != 0)
			return 3;
	/* nobody hears it any more */
	(void)cluster_peer_send(peer, NULL, "\"end\"", 5, NULL);
	return cluster_peer_close(peer) == 0 ? 0 : 4;
}
