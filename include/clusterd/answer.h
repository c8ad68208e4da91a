/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * answer.h: answers that are large, or take long: memory that is not copied,
 * several pieces, files, who reads slowly or has gone, server-sent events.
 *
 * What is given is the host's until it calls release, which it does once, also
 * where the function refuses.  Only -EAGAIN takes nothing: what was to be given is
 * yours still, and is given again in on_room().  release and the other callbacks of
 * this header run on the loop, never from within a function of the SDK but the
 * one that refuses or has made a copy, and may call what they like.
 * Since 1.3.
 */
#ifndef CLUSTERD_ANSWER_H
#define CLUSTERD_ANSWER_H

#include <unistd.h>

#include <clusterd/api.h>

enum {
	CLUSTER_PIECES_MAX = 32,	/* of one call */
	CLUSTER_PARTS_MAX = 48,		/* not copied, that wait for one client */
	CLUSTER_DRAINED_MAX = 16,	/* cluster_on_drained() of one client */
};

/* ---- pieces ----------------------------------------------------------------- */

/* What is small is copied whatever take says, and then released at once.  Never
 * changes its size within a major. */
struct cluster_piece {
	const void *data;
	size_t len;
	uint32_t take;			/* enum cluster_take */
	uint32_t reserved;
	cluster_release_fn *release;	/* GIVE: release(data, arg) */
	void *arg;
};

/*
 * Answer with a whole body that lies in several pieces, up to CLUSTER_PIECES_MAX.
 * As cluster_reply_copy(); -EINVAL: too many, a take that is none, no data where
 * len is not 0, GIVE without release.
 */
static inline int
cluster_reply_pieces(struct cluster_request *req, int status, const char *type,
    const struct cluster_piece *pieces, unsigned count)
{
	if (cluster_has(reply_pieces))
		return cluster_host->reply_pieces(req, status, type, pieces,
		    count);
	for (unsigned i = 0; i < count; i++)
		if (pieces[i].take == CLUSTER_GIVE && pieces[i].release != NULL)
			pieces[i].release((void *)(uintptr_t)pieces[i].data,
			    pieces[i].arg);
	return -ENOSYS;
}

/* The same in a stream, as cluster_stream_write().  -EAGAIN: 1 MiB of memory, or
 * CLUSTER_PARTS_MAX parts, wait for the client.  Static memory does not count. */
static inline int
cluster_stream_write_pieces(struct cluster_request *req,
    const struct cluster_piece *pieces, unsigned count)
{
	if (cluster_has(stream_write_pieces))
		return cluster_host->stream_write_pieces(req, pieces, count);
	for (unsigned i = 0; i < count; i++)
		if (pieces[i].take == CLUSTER_GIVE && pieces[i].release != NULL)
			pieces[i].release((void *)(uintptr_t)pieces[i].data,
			    pieces[i].arg);
	return -ENOSYS;
}

static inline int
cluster_stream_write_give(struct cluster_request *req, void *data, size_t len,
    cluster_release_fn *release, void *arg)
{
	const struct cluster_piece piece = { .data = data, .len = len,
	    .take = CLUSTER_GIVE, .release = release, .arg = arg };

	return cluster_stream_write_pieces(req, &piece, 1);
}

static inline int
cluster_stream_write_static(struct cluster_request *req, const void *data,
    size_t len)
{
	const struct cluster_piece piece = { .data = data, .len = len,
	    .take = CLUSTER_STATIC };

	return cluster_stream_write_pieces(req, &piece, 1);
}

/* ---- files ------------------------------------------------------------------ */

#define CLUSTER_TO_END UINT64_MAX	/* as length: what follows offset */

/* A range of a regular file.  Without release the host closes fd; with it fd
 * stays open, and release(fd, arg) says that it is not needed any more. */
struct cluster_file {
	size_t size;			/* of this struct */
	uint64_t offset, length;
	int fd;
	uint32_t reserved;
	void (*release)(int fd, void *arg);
	void *arg;
};

/*
 * Answer with a range of a file, without copying it.  -EBADF, -EINVAL: fd is no
 * open regular file, or is to be closed and one of the host's own; -ERANGE: the file
 * is shorter.  One that becomes shorter while it is sent breaks the connection off:
 * no client takes a part for the whole.  The file should be in memory or on a fast
 * disk: the worker reads it in its loop.
 */
static inline int
cluster_reply_file_with(struct cluster_request *req, int status,
    const char *type, const struct cluster_file *file)
{
	if (cluster_has(reply_file))
		return cluster_host->reply_file(req, status, type, file);
	if (file != NULL && file->release != NULL)
		file->release(file->fd, file->arg);
	else if (file != NULL)
		close(file->fd);
	return -ENOSYS;
}

/* The same; fd is the host's from here on, and closed once, also on failure. */
static inline int
cluster_reply_file(struct cluster_request *req, int status, const char *type,
    int fd, uint64_t offset, uint64_t length)
{
	const struct cluster_file file = { .size = sizeof(file), .fd = fd,
	    .offset = offset, .length = length };

	return cluster_reply_file_with(req, status, type, &file);
}

/* The same in a stream.  -EAGAIN: CLUSTER_PARTS_MAX parts wait. */
static inline int
cluster_stream_write_file_with(struct cluster_request *req,
    const struct cluster_file *file)
{
	if (cluster_has(stream_write_file))
		return cluster_host->stream_write_file(req, file);
	if (file != NULL && file->release != NULL)
		file->release(file->fd, file->arg);
	else if (file != NULL)
		close(file->fd);
	return -ENOSYS;
}

static inline int
cluster_stream_write_file(struct cluster_request *req, int fd, uint64_t offset,
    uint64_t length)
{
	const struct cluster_file file = { .size = sizeof(file), .fd = fd,
	    .offset = offset, .length = length };

	return cluster_stream_write_file_with(req, &file);
}

/* ---- the client ------------------------------------------------------------- */

/*
 * Call drained(0, arg) once when all that was written to this request so far has
 * left the worker, or drained(-EPIPE, arg) if it never will.  Also after the end of
 * the answer, and of the request.  -EAGAIN: there are CLUSTER_DRAINED_MAX of them.
 */
static inline int
cluster_on_drained(struct cluster_request *req,
    void (*drained)(int error, void *arg), void *arg)
{
	return cluster_has(on_drained) ?
	    cluster_host->on_drained(req, drained, arg) : -ENOSYS;
}

/* Why an open request will not have its answer. */
enum cluster_gone {
	/* The client has shut its side.  It may read on, and the request is as
	 * open as before; most clients have left. */
	CLUSTER_GONE_LEFT = 1,
	CLUSTER_GONE_LOST,		/* the connection has ended */
	CLUSTER_GONE_TIMEOUT,		/* request_timeout, or cluster_deadline() */
};

/*
 * Call gone(req, why, arg) once if the request ends without its whole answer, just
 * before req is stale: free what belongs to it.  In it req can still be asked; to
 * answer is -EPIPE after LOST, and well after the others.  Instead of the one that
 * was there; NULL: none.  To hear of the end after LEFT it is set again in gone().
 * 1: it is set, and the client has left already.  -EALREADY: answered.
 */
static inline int
cluster_on_gone(struct cluster_request *req,
    void (*gone)(struct cluster_request *req, int why, void *arg), void *arg)
{
	return cluster_has(on_gone) ?
	    cluster_host->on_gone(req, gone, arg) : -ENOSYS;
}

/* ---- server-sent events ----------------------------------------------------- */

/* An event; members that are NULL or 0 are not sent. */
struct cluster_sse {
	size_t size;			/* of this struct */
	const char *comment;		/* is told to nobody: keeps it alive */
	const char *event, *id;		/* one line each */
	const char *data;		/* of any number of lines */
	size_t data_len;		/* 0: up to its NUL */
	uint32_t retry_ms;		/* when to come back after an end */
	uint32_t reserved;
};

/* Begin a stream of events: text/event-stream that nobody keeps or holds back.
 * The header Last-Event-ID of the request says where the client had been. */
static inline int
cluster_sse_begin(struct cluster_request *req)
{
	int rc = cluster_set_header(req, "Cache-Control", "no-store");

	if (rc == 0)
		rc = cluster_set_header(req, "X-Accel-Buffering", "no");
	return rc != 0 ? rc :
	    cluster_stream_begin(req, 200, "text/event-stream", -1);
}

/* As cluster_stream_write().  -EINVAL: a line end in event or id, no data where
 * data_len is not 0; -EMSGSIZE: over 1 MiB. */
static inline int
cluster_sse_send(struct cluster_request *req, const struct cluster_sse *event)
{
	return cluster_has(sse_send) ?
	    cluster_host->sse_send(req, event) : -ENOSYS;
}

/* A line that browsers pass over: a sign of life each 15 s or so. */
static inline int
cluster_sse_comment(struct cluster_request *req, const char *comment)
{
	const struct cluster_sse event = { .size = sizeof(event),
	    .comment = comment };

	return cluster_sse_send(req, &event);
}

#endif
