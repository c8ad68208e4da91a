/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* listeners.c: who listens; see chat.h. */
#include "chat.h"

#include <stdlib.h>

int
listeners_init(struct chat_listeners *listeners, unsigned size)
{
	listeners->streams = calloc(size, sizeof(*listeners->streams));
	listeners->size = size;
	return listeners->streams == NULL ? -ENOMEM : 0;
}

void
listeners_done(struct chat_listeners *listeners)
{
	free(listeners->streams);
}

int
listeners_add(struct chat_listeners *listeners, struct cluster_request *req)
{
	if (listeners->count == listeners->size)
		return -ENOSPC;
	listeners->streams[listeners->count++] = req;
	return 0;
}

/* A megabyte waits for who has no room: it had its chance, and will come back
 * for the rest.  Who has left is told by a stale handle. */
void
listeners_tell(struct chat_listeners *listeners, const void *event, size_t len)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < listeners->count; i++) {
		struct cluster_request *req = listeners->streams[i];
		int rc = cluster_stream_write(req, event, len);

		if (rc == 0)
			listeners->streams[kept++] = req;
		else if (rc != -ESTALE)
			cluster_stream_end(req);
	}
	listeners->count = kept;
}

void
listeners_end(struct chat_listeners *listeners)
{
	for (unsigned i = 0; i < listeners->count; i++)
		cluster_stream_end(listeners->streams[i]);
	listeners->count = 0;
}
