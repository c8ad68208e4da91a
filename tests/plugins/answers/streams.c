/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* streams.c: answers in pieces, as fast as their client takes them. */
#include "answers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum kind { COPY, STATIC, GIVE, MAPPED, MIXED };

struct stream {
	struct stream *next;
	struct cluster_request *req;
	uint64_t at, total;
	size_t step;
	enum kind kind;
	struct file *file;		/* MAPPED: a file of the pattern */
};

/* Open while a stream or a queue has a use for it. */
struct file {
	int fd;
	unsigned uses;
};

static struct stream *streams;

static void
leave(struct file *file)
{
	if (--file->uses > 0)
		return;
	if (file->fd >= 0)
		close(file->fd);
	free(file);
}

static void
release_file(int fd, void *arg)
{
	if (((struct file *)arg)->fd != fd)
		abort();
	counts.released++;
	leave(arg);
}

static int
write_one(struct stream *stream, size_t len)
{
	const char *data = pattern + stream->at % PERIOD;
	enum kind kind = stream->kind != MIXED ? stream->kind :
	    (enum kind)(stream->at / stream->step % 4);
	struct cluster_file file = { .size = sizeof(file), .fd = stream->file->fd,
	    .offset = stream->at % PERIOD, .length = len,
	    .release = release_file, .arg = stream->file };
	void *given;
	int rc;

	switch (kind) {
	case STATIC:
		return cluster_stream_write_static(stream->req, data, len);
	case GIVE:
		given = give(stream->at, len);
		rc = cluster_stream_write_give(stream->req, given, len, release,
		    NULL);
		if (rc == -EAGAIN) {		/* it is ours still */
			free(given);
			counts.given--;
		}
		return rc;
	case MAPPED:
		stream->file->uses++;
		counts.given++;
		rc = cluster_stream_write_file_with(stream->req, &file);
		if (rc == -EAGAIN) {
			stream->file->uses--;
			counts.given--;
		}
		return rc;
	case COPY:
	case MIXED:
		break;
	}
	return cluster_stream_write(stream->req, data, len);
}

static void
end(struct stream **at)
{
	struct stream *stream = *at;

	*at = stream->next;
	leave(stream->file);
	free(stream);
}

static void
run(struct stream **at)
{
	struct stream *stream = *at;
	int rc = 0;

	while (stream->at < stream->total && rc == 0) {
		uint64_t rest = stream->total - stream->at;
		size_t len = rest < stream->step ? rest : stream->step;

		rc = write_one(stream, len);
		stream->at += rc == 0 ? len : 0;
	}
	if (rc == -EAGAIN)
		return;
	note(rc);
	note(cluster_stream_end(stream->req));
	end(at);
}

void
on_room(struct cluster_request *req, void *self)
{
	(void)self;
	for (struct stream **at = &streams; *at != NULL; at = &(*at)->next)
		if ((*at)->req == req) {
			run(at);
			return;
		}
}

static void
on_gone(struct cluster_request *req, int why, void *arg)
{
	(void)arg;
	counts.gone[why]++;
	for (struct stream **at = &streams; *at != NULL; at = &(*at)->next)
		if ((*at)->req == req) {
			end(at);
			return;
		}
}

static void
on_begin(void *arg)
{
	on_room(arg, NULL);
}

static enum kind
kind_of(struct cluster_request *req)
{
	return is(req, "kind=static") ? STATIC : is(req, "kind=give") ? GIVE :
	    is(req, "kind=file") ? MAPPED : is(req, "kind=mixed") ? MIXED : COPY;
}

/* total= bytes by step=, of kind= copy, static, give, file, mixed; known=1: the
 * length is announced; later=1: begun by a timer; path= of a file of the pattern, the last. */
enum cluster_verdict
do_stream(struct cluster_request *req)
{
	struct stream *stream = calloc(1, sizeof(*stream));
	const char *path = strstr(cluster_query(req), "path=");

	if (stream == NULL)
		abort();
	stream->req = req;
	stream->total = number(req, "total");
	stream->step = number(req, "step");
	stream->kind = kind_of(req);
	stream->file = malloc(sizeof(*stream->file));
	if (stream->file == NULL)
		abort();
	stream->file->uses = 1;
	stream->file->fd = path == NULL ? -1 :
	    open(path + 5, O_RDONLY | O_CLOEXEC);
	stream->next = streams;
	streams = stream;
	cluster_on_gone(req, on_gone, NULL);
	if (cluster_stream_begin(req, 200, "application/octet-stream",
	    is(req, "known=1") ? (int64_t)stream->total : -1) != 0)
		abort();
	if (is(req, "later=1"))
		cluster_timer(1, on_begin, req);
	else
		run(&streams);
	return CLUSTER_LATER;
}

/* ---- drained --------------------------------------------------------------------------- */

struct steps {
	struct cluster_request *req;
	size_t len;
	unsigned left;
};

/* The next one when the last has left; so many times. */
static void
on_drained(int error, void *arg)
{
	struct steps *steps = arg;

	if (error != 0)
		counts.undrained++;
	else
		counts.drained++;
	if (error != 0 || steps->left == 0) {
		if (error == 0)
			note(cluster_stream_end(steps->req));
		free(steps);
		return;
	}
	steps->left--;
	(void)cluster_stream_write(steps->req, pattern, steps->len);
	error = cluster_on_drained(steps->req, on_drained, steps);
	note(error);
	if (error != 0) {		/* it was lost just now */
		counts.undrained++;
		free(steps);
	}
}

static void
count_drained(int error, void *arg)
{
	(void)arg;
	if (error != 0)
		counts.undrained++;
	else
		counts.drained++;
}

/* n= pieces of len=, each when the one before has left; many=1: nothing but a lot
 * of notices. */
enum cluster_verdict
do_drained(struct cluster_request *req)
{
	struct steps *steps;

	if (is(req, "many=1")) {
		if (cluster_stream_begin(req, 200, "a/b", -1) != 0)
			abort();
		for (int i = 0; i <= CLUSTER_DRAINED_MAX; i++)
			note(cluster_on_drained(req, count_drained, NULL));
		cluster_stream_end(req);
		return CLUSTER_DONE;
	}
	steps = malloc(sizeof(*steps));
	if (steps == NULL)
		abort();
	*steps = (struct steps){ req, number(req, "len"),
	    (unsigned)number(req, "n") };
	if (cluster_stream_begin(req, 200, "a/b", -1) != 0)
		abort();
	note(cluster_on_drained(req, on_drained, steps));
	return CLUSTER_LATER;
}
