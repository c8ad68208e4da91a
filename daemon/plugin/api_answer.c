/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * api_answer.c: answers in pieces and from files, and what becomes of them; see
 * answer.h.  What is given is taken or released here, whatever the answer is.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/http/response.h"
#include "daemon/http/sse.h"
#include "daemon/plugin/api_parts.h"
#include "daemon/proto/keeper.h"

enum { SSE_KEPT = 65536 };	/* a larger buffer is not kept */

/* ---- pieces ------------------------------------------------------------------- */

/* Those that no queue has taken are over: the answer is rc. */
static int
end_pieces(int rc, const struct piece *pieces, unsigned count)
{
	for (unsigned i = 0; i < count && rc != -EAGAIN; i++) {
		if (pieces[i].taken)
			continue;
		if (pieces[i].close && pieces[i].fd >= 0)
			close(pieces[i].fd);
		due_call(&pieces[i].due);
	}
	return api_answered(rc);
}

static int
set_piece(struct piece *to, const struct cluster_piece *from)
{
	to->data = from->data;
	to->len = from->len;
	to->fd = -1;
	switch (from->take) {
	case CLUSTER_COPY:
		to->kind = PIECE_COPY;
		break;
	case CLUSTER_STATIC:
		to->kind = PIECE_STATIC;
		break;
	case CLUSTER_GIVE:
		to->kind = PIECE_GIVE;
		if (from->release == NULL)
			return -EINVAL;
		to->due = (struct due){ .kind = DUE_MEMORY,
		    .owner = (uint16_t)api_here()->current,
		    .call.memory = from->release,
		    .data = (void *)(uintptr_t)from->data, .arg = from->arg };
		break;
	default:
		return -EINVAL;
	}
	return from->data == NULL && from->len > 0 ? -EINVAL : 0;
}

/* All of them, whatever is wrong with one: they are released. */
static int
set_pieces(struct piece *to, const struct cluster_piece *from, unsigned count)
{
	uint64_t len = 0;
	int rc = 0;

	memset(to, 0, count * sizeof(to[0]));
	for (unsigned i = 0; i < count; i++) {
		if (set_piece(&to[i], &from[i]) != 0 ||
		    __builtin_add_overflow(len, from[i].len, &len) ||
		    len > INT64_MAX)
			rc = -EINVAL;
	}
	return rc;
}

/* None is looked at but to release it.  What had been a number below zero is no
 * number of pieces. */
static void
release_pieces(const struct cluster_piece *pieces, unsigned count)
{
	if (count > INT_MAX)
		count = 0;
	for (unsigned i = 0; pieces != NULL && i < count; i++)
		if (pieces[i].take == CLUSTER_GIVE && pieces[i].release != NULL)
			pieces[i].release((void *)(uintptr_t)pieces[i].data,
			    pieces[i].arg);
}

/* In another thread, or more than there may be: 0, or why not. */
static int
refuse_pieces(const char *name, const struct cluster_piece *pieces,
    unsigned count)
{
	int rc = 0;

	if (api_is_elsewhere(name))
		rc = -EPERM;
	else if (count > CLUSTER_PIECES_MAX || (pieces == NULL && count > 0))
		rc = api_answered(-EINVAL);
	if (rc != 0)
		release_pieces(pieces, count);
	return rc;
}

int
api_reply_pieces(struct cluster_request *req, int status, const char *type,
    const struct cluster_piece *pieces, unsigned count)
{
	struct piece own[CLUSTER_PIECES_MAX];
	struct conn *conn;
	int rc = refuse_pieces("reply_pieces", pieces, count);

	if (rc != 0)
		return rc;
	conn = api_find(req);
	rc = set_pieces(own, pieces, count);
	if (rc == 0)
		rc = conn == NULL ? -ESTALE :
		    response_reply_pieces(conn, status, type, own, count);
	return end_pieces(rc, own, count);
}

int
api_stream_write_pieces(struct cluster_request *req,
    const struct cluster_piece *pieces, unsigned count)
{
	struct piece own[CLUSTER_PIECES_MAX];
	struct conn *conn;
	int rc = refuse_pieces("stream_write_pieces", pieces, count);

	if (rc != 0)
		return rc;
	conn = api_find(req);
	rc = set_pieces(own, pieces, count);
	if (rc == 0)
		rc = conn == NULL ? -ESTALE :
		    response_write_pieces(conn, own, count);
	return end_pieces(rc, own, count);
}

/* ---- files ---------------------------------------------------------------------- */

static int
check_file(struct piece *piece, uint64_t length)
{
	struct stat st;
	uint64_t size;

	/* one of the host's, or 0 as nothing was set: never closed for a plugin */
	if (piece->close && piece->fd < WORKER_FD_LISTENERS) {
		piece->close = false;
		return -EBADF;
	}
	if (fstat(piece->fd, &st) != 0) {
		piece->close = false;
		return -errno;
	}
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	size = (uint64_t)st.st_size;
	if (piece->offset > size)
		return -ERANGE;
	if (length == CLUSTER_TO_END)
		length = size - piece->offset;
	if (length > size - piece->offset)
		return -ERANGE;
	piece->len = length;
	return 0;
}

static int
set_file(struct piece *piece, const struct cluster_file *file)
{
	*piece = (struct piece){ .kind = PIECE_FILE, .fd = file->fd,
	    .offset = file->offset, .close = file->release == NULL };
	if (file->release != NULL)
		piece->due = (struct due){ .kind = DUE_FILE,
		    .owner = (uint16_t)api_here()->current,
		    .number = file->fd, .call.number = file->release,
		    .arg = file->arg };
	return check_file(piece, file->length);
}

/* Not looked at but to release it, or to close what may be closed. */
static void
release_file(const struct cluster_file *file)
{
	if (file->release != NULL)
		file->release(file->fd, file->arg);
	else if (file->fd >= WORKER_FD_LISTENERS)
		close(file->fd);
}

/* It has what this host needs to know: what was there in 1.3. */
static bool
is_file(const struct cluster_file *file)
{
	return file != NULL && file->size >= sizeof(*file);
}

/* In another thread, or no file at all: 0, or why not. */
static int
refuse_file(const char *name, const struct cluster_file *file)
{
	if (api_is_elsewhere(name)) {
		if (is_file(file))
			release_file(file);
		return -EPERM;
	}
	return is_file(file) ? 0 : api_answered(-EINVAL);
}

int
api_reply_file(struct cluster_request *req, int status, const char *type,
    const struct cluster_file *file)
{
	struct piece piece;
	struct conn *conn;
	int rc = refuse_file("reply_file", file);

	if (rc != 0)
		return rc;
	conn = api_find(req);
	rc = set_file(&piece, file);
	if (rc == 0)
		rc = conn == NULL ? -ESTALE :
		    response_reply_pieces(conn, status, type, &piece, 1);
	return end_pieces(rc, &piece, 1);
}

int
api_stream_write_file(struct cluster_request *req,
    const struct cluster_file *file)
{
	struct piece piece;
	struct conn *conn;
	int rc = refuse_file("stream_write_file", file);

	if (rc != 0)
		return rc;
	conn = api_find(req);
	rc = set_file(&piece, file);
	if (rc == 0)
		rc = conn == NULL ? -ESTALE :
		    response_write_pieces(conn, &piece, 1);
	return end_pieces(rc, &piece, 1);
}

/* ---- the client ------------------------------------------------------------------ */

int
api_on_drained(struct cluster_request *req,
    void (*drained)(int error, void *arg), void *arg)
{
	struct conn *conn = api_find(req);

	if (drained == NULL)
		return api_answered(-EINVAL);
	return api_answered(conn == NULL ? -ESTALE : response_mark(conn,
	    &(struct due){ .kind = DUE_WORD, .call.number = drained,
	    .owner = (uint16_t)api_here()->current, .arg = arg }));
}

int
api_on_gone(struct cluster_request *req,
    void (*gone)(struct cluster_request *req, int why, void *arg), void *arg)
{
	struct conn *conn = api_find(req);

	if (conn == NULL)
		return api_answered(-ESTALE);
	if (conn->exchange->answer == ANSWER_COMPLETE)
		return api_answered(-EALREADY);
	if (conn->exchange->answer == ANSWER_NEVER)
		return api_answered(-EPIPE);
	conn->exchange->gone = (struct gone){ .call = gone, .arg = arg,
	    .owner = (uint16_t)api_here()->current };
	return conn->left;
}

/* ---- server-sent events ---------------------------------------------------------- */

int
api_sse_send(struct cluster_request *req, const struct cluster_sse *event)
{
	struct conn *conn = api_find(req);
	struct buf *text = &api_here()->sse;
	int rc;

	if (event == NULL || event->size < sizeof(*event) ||
	    (event->data == NULL && event->data_len > 0))
		return api_answered(-EINVAL);
	if (event->data_len > EXCHANGE_OUT_MAX)
		return api_answered(-EMSGSIZE);
	buf_clear(text);
	rc = sse_compose(text, &(struct sse_event){
	    .comment = event->comment, .event = event->event, .id = event->id,
	    .data = event->data, .retry_ms = event->retry_ms,
	    .data_len = event->data == NULL || event->data_len > 0 ?
	    event->data_len : strlen(event->data) });
	if (rc == 0)
		rc = conn == NULL ? -ESTALE :
		    response_write(conn, buf_at(text), buf_len(text));
	if (text->size > SSE_KEPT)
		buf_done(text);
	return api_answered(rc);
}
