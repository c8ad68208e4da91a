/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_stream.c: answers in pieces. */
#include "evil.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct stream {
	struct cluster_request *req;
	unsigned left;
};

int told_to_go;

static void
on_piece(void *arg)
{
	struct stream *stream = arg;

	if (told_to_go) {
		cluster_stream_write(stream->req, "bye\n", 4);
		stream->left = 0;
	}
	if (stream->left == 0) {
		cluster_stream_end(stream->req);
		free(stream);
		return;
	}
	if (cluster_stream_write(stream->req, "piece\n", 6) < 0) {
		free(stream);
		return;
	}
	stream->left--;
	cluster_timer(5, on_piece, stream);
}

/* So many pieces, one each 5 ms. */
enum cluster_verdict
do_stream(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL)
		return CLUSTER_FAIL;
	stream->req = req;
	stream->left = (unsigned)strtoul(arg, NULL, 10);
	sign(req);
	if (cluster_stream_begin(req, 200, "text/plain", -1) != 0)
		return CLUSTER_FAIL;
	cluster_timer(1, on_piece, stream);
	return CLUSTER_LATER;
}

/* Pieces of unknown length, all within the one call. */
enum cluster_verdict
do_pieces(struct cluster_request *req, struct evil *evil, const char *arg)
{
	if (cluster_stream_begin(req, 200, "text/plain", -1) != 0)
		return CLUSTER_FAIL;
	cluster_stream_write(req, "one\n", 4);
	cluster_stream_write(req, "two\n", 4);
	cluster_stream_end(req);
	return CLUSTER_DONE;
}

/* As many MB as the client takes: held back by -EAGAIN, on by on_room. */
static uint64_t flood_left;

static void
flood(struct cluster_request *req)
{
	static char block[65536];

	while (flood_left > 0) {
		int rc = cluster_stream_write(req, block, sizeof(block));

		if (rc == -EAGAIN)
			return;
		if (rc < 0)
			break;
		flood_left--;
	}
	cluster_stream_end(req);
}

void
evil_on_room(struct cluster_request *req, void *self)
{
	flood(req);
}

enum cluster_verdict
do_flood(struct cluster_request *req, struct evil *evil, const char *arg)
{
	flood_left = strtoul(arg, NULL, 10) * 16;
	if (cluster_stream_begin(req, 200, "text/plain",
	    (int64_t)flood_left * 65536) != 0)
		return CLUSTER_FAIL;
	flood(req);
	return CLUSTER_LATER;
}
