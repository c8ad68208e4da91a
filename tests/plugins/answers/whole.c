/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* whole.c: answers that are there as a whole. */
#include "answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const char type[] = "application/octet-stream";

static enum cluster_verdict
done(int rc)
{
	note(rc);
	return rc == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

/* len= bytes, up to PATTERN, take= copy, static, give; status= */
enum cluster_verdict
do_whole(struct cluster_request *req)
{
	int status = is(req, "status=") ? (int)number(req, "status") : 200;
	size_t len = number(req, "len");

	if (is(req, "take=static"))
		return done(cluster_reply_static(req, status, type, pattern,
		    len));
	if (is(req, "take=give"))
		return done(cluster_reply_give(req, status, type, give(0, len),
		    len, release, NULL));
	return done(cluster_reply_copy(req, status, type, pattern, len));
}

/* n= pieces of len= bytes and a few more each, the takes in turn. */
enum cluster_verdict
do_pieces(struct cluster_request *req)
{
	struct cluster_piece pieces[CLUSTER_PIECES_MAX] = { 0 };
	unsigned count = (unsigned)number(req, "n");
	uint64_t from = 0;

	for (unsigned i = 0; i < count; i++) {
		struct cluster_piece *piece = &pieces[i];

		piece->len = number(req, "len") + i;
		piece->take = i % 3;
		piece->data = pattern + from % PERIOD;
		if (piece->take == CLUSTER_GIVE) {
			piece->data = give(from, piece->len);
			piece->release = release;
		}
		from += piece->len;
	}
	return done(cluster_reply_pieces(req, 200, type, pieces, count));
}

/* ---- files ------------------------------------------------------------------------ */

static void
release_file(int fd, void *arg)
{
	(void)arg;
	close(fd);
	counts.released++;
}

/* As a stream of its own; what it becomes is told by release alone. */
static int
stream_file(struct cluster_request *req, const struct cluster_file *file)
{
	int rc = cluster_stream_begin(req, 200, type, -1);

	if (rc == 0)
		rc = cluster_stream_write_file_with(req, file);
	return rc == 0 ? cluster_stream_end(req) : rc;
}

/* path=, the last; from=, len= (none: to the end); with=release; status=, or as=stream */
enum cluster_verdict
do_file(struct cluster_request *req)
{
	const char *path = strstr(cluster_query(req), "path=");
	struct cluster_file file = { .size = sizeof(file),
	    .offset = number(req, "from"), .length = is(req, "len=") ?
	    number(req, "len") : CLUSTER_TO_END };
	int status = is(req, "status=") ? (int)number(req, "status") : 200;
	int rc;

	file.fd = path == NULL ? -1 : open(path + 5, O_RDONLY | O_CLOEXEC);
	if (is(req, "with=release")) {
		file.release = release_file;
		counts.given++;
		rc = is(req, "as=stream") ? stream_file(req, &file) :
		    cluster_reply_file_with(req, status, type, &file);
	} else {
		rc = cluster_reply_file(req, 200, type, file.fd, file.offset,
		    file.length);
	}
	return rc == 0 ? CLUSTER_DONE : say(req, rc);
}

/* ---- a release that calls back ------------------------------------------------------- */

/* What it calls is refused: the request is over. */
static void
release_and_call(void *data, void *arg)
{
	struct cluster_request *req = arg;

	release(data, NULL);
	note(cluster_reply_text(req, 200, "again") == CLUSTER_FAIL);
	note(cluster_stream_write(req, "x", 1));
	note(cluster_stream_write_give(req, give(0, 5), 5, release, NULL));
	note(cluster_on_drained(req, NULL, NULL));
}

enum cluster_verdict
do_again(struct cluster_request *req)
{
	size_t len = number(req, "len");

	return cluster_reply_give(req, 200, type, give(0, len), len,
	    release_and_call, req) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

/* ---- misuse --------------------------------------------------------------------------- */

static void
misuse_pieces(struct cluster_request *req)
{
	struct cluster_piece pieces[CLUSTER_PIECES_MAX + 1] = { 0 };
	struct cluster_piece none = { .len = 1 };
	struct cluster_piece other = { .data = "x", .len = 1, .take = 7 };
	struct cluster_piece half[2] = {
		{ .data = "x", .len = SIZE_MAX, .take = CLUSTER_STATIC },
		{ .data = "x", .len = SIZE_MAX, .take = CLUSTER_STATIC },
	};
	struct cluster_piece ungiven = { .data = "x", .len = 1,
	    .take = CLUSTER_GIVE };

	for (unsigned i = 0; i <= CLUSTER_PIECES_MAX; i++)
		pieces[i] = (struct cluster_piece){ .data = give(0, 1),
		    .len = 1, .take = CLUSTER_GIVE, .release = release };
	note(cluster_reply_pieces(req, 200, type, pieces,
	    CLUSTER_PIECES_MAX + 1));
	note(cluster_reply_pieces(req, 200, type, &none, 1));
	note(cluster_reply_pieces(req, 200, type, &other, 1));
	note(cluster_reply_pieces(req, 200, type, half, 2));
	note(cluster_reply_pieces(req, 200, type, &ungiven, 1));
	note(cluster_reply_pieces(req, 200, type, NULL, 1));
	note(cluster_stream_write_pieces(req, &other, 1));
	note(cluster_reply_copy(req, 200, type, NULL, 1));
}

static void
misuse_files(struct cluster_request *req)
{
	struct cluster_file small = { .size = 8, .fd = -1 };
	int pipes[2], fd;

	note(cluster_reply_file(req, 200, type, -1, 0, 1));
	note(cluster_reply_file(req, 200, type,
	    open("/", O_RDONLY | O_CLOEXEC), 0, CLUSTER_TO_END));
	if (pipe(pipes) != 0)
		abort();
	note(cluster_reply_file(req, 200, type, pipes[0], 0, 1));
	close(pipes[1]);
	fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	note(cluster_reply_file(req, 200, type, fd, UINT64_MAX / 2, 1));
	note(fcntl(fd, F_GETFD));		/* it was closed all the same */
	note(cluster_reply_file_with(req, 200, type, &small));
	note(cluster_reply_file_with(req, 200, type, NULL));
}

/* What each of these calls returns is told by /said. */
enum cluster_verdict
do_misuse(struct cluster_request *req)
{
	struct cluster_sse event = { .size = sizeof(event), .event = "a\nb" };

	if (is(req, "what=pieces"))
		misuse_pieces(req);
	if (is(req, "what=files"))
		misuse_files(req);
	if (is(req, "what=client")) {
		note(cluster_on_drained(req, NULL, NULL));
		note(cluster_sse_send(req, NULL));
		note(cluster_sse_send(req, &event));
		event.event = NULL;
		event.id = "a\rb";
		note(cluster_sse_send(req, &event));
		event.id = "a";
		note(cluster_sse_send(req, &event));	/* none was begun */
		event.size = 8;
		note(cluster_sse_send(req, &event));
	}
	return cluster_reply_text(req, 200, "well");
}
