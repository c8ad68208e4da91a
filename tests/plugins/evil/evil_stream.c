/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* evil_stream.c: answers in pieces. */
#include "evil.h"

#include <errno.h>
#include <stdlib.h>

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

/* As many MB as the client takes: held back by -EAGAIN, on by on_room.  What is
 * left is remembered by request, as many may be under way. */
struct flood {
	struct flood *next;
	struct cluster_request *req;
	uint64_t left;			/* blocks */
};

static struct flood *floods;

static void
flood(struct flood **at)
{
	static char block[65536];
	struct flood *one = *at;
	int rc = 0;

	while (one->left > 0 && rc == 0) {
		rc = cluster_stream_write(one->req, block, sizeof(block));
		one->left -= rc == 0;
	}
	if (rc == -EAGAIN)
		return;
	*at = one->next;
	cluster_stream_end(one->req);
	free(one);
}

void
evil_on_room(struct cluster_request *req, void *self)
{
	for (struct flood **at = &floods; *at != NULL; at = &(*at)->next)
		if ((*at)->req == req) {
			flood(at);
			return;
		}
}

enum cluster_verdict
do_flood(struct cluster_request *req, struct evil *evil, const char *arg)
{
	struct flood *one = calloc(1, sizeof(*one));

	if (one == NULL)
		return CLUSTER_FAIL;
	one->req = req;
	one->left = strtoul(arg, NULL, 10) * 16;
	one->next = floods;
	floods = one;
	sign(req);
	if (cluster_stream_begin(req, 200, "text/plain",
	    (int64_t)one->left * 65536) != 0)
		return CLUSTER_FAIL;
	flood(&floods);
	return CLUSTER_LATER;
}
