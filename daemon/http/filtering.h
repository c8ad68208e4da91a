/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * filtering.h: an answer on its way through filters: they look at its head
 * before it is made, and each may be a stage of its body.  Who they are and how
 * they are called is the upper layer's (http_ops).  Where exchange->filters is
 * 0 and exchange->stages NULL nothing here runs.
 */
#ifndef DAEMON_HTTP_FILTERING_H
#define DAEMON_HTTP_FILTERING_H

#include "daemon/http/conn.h"

/* The head of an answer that is about to be made. */
struct answer_head {
	int status;
	const char *type;		/* NULL: none */
	int64_t length;			/* -1: not known */
	int filter;			/* the upper layer's: who looks at it */
};

/* One transform of a body, in memory of the exchange. */
struct stage {
	struct stage *next;		/* towards the connection */
	int filter;			/* the upper layer's */
	bool flushed;			/* nothing since its last flush */
};

/* Have the filters look at it; its length is -1 where one of them is a stage.  0,
 * -EINVAL: it is none; -EIO: the connection has ended. */
int filtering_look(struct conn *conn, struct answer_head *head);

/* Behind those that there are; of exchange_alloc(). */
void filtering_add_stage(struct conn *conn, struct stage *stage);

/*
 * Pieces of the body, for the first stage; of those that are lent there is room in
 * exchange->unfiltered, where they wait while the client has enough to read.  All
 * are taken.  0, or -EIO: the connection is aborted.
 */
int filtering_pieces(struct conn *conn, struct piece *pieces, unsigned count);

/* Some of what waits: is there any; go on.  0 or -EIO. */
static inline bool
filtering_waits(const struct exchange *exchange)
{
	return outq_left(&exchange->unfiltered) > 0;
}
int filtering_pump(struct conn *conn);

/* Nothing waits: a pause; the end.  0 or -EIO. */
int filtering_flush(struct conn *conn);
int filtering_end(struct conn *conn);

/* What the stage that runs writes, to the next or into the answer.  -EINVAL:
 * none runs; -ENOMEM, -EIO. */
int filtering_write(struct conn *conn, const void *data, size_t len);

/* The request ends: stages are freed. */
void filtering_done(struct conn *conn);

/* ---- the head that is looked at: 0, -EINVAL (none is, or no such thing), ... ---- */

/* A copy of the value, NULL: none. */
const char *filtering_header(struct conn *conn, const char *name);
int filtering_set_header(struct conn *conn, const char *name,
    const char *value);			/* -ENOSPC, -ENOMEM */
int filtering_remove_header(struct conn *conn, const char *name); /* -ENOENT */

#endif
