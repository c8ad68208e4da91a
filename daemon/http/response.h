/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * response.h: the answer to a connection's open request.  Functions return 0
 * or -errno; what is refused changes nothing, and pieces that were not taken
 * (outq.h) stay whose they were.  -ENOMEM for a whole answer or the begin of one:
 * the client was refused, conn_refuse_for_memory().
 */
#ifndef DAEMON_HTTP_RESPONSE_H
#define DAEMON_HTTP_RESPONSE_H

#include "daemon/http/conn.h"

/* Add a header line; -EINVAL, -EALREADY, -ENOSPC. */
int response_set_header(struct conn *conn, const char *name, const char *value);

/* The whole answer; data is copied.  -EALREADY, -EINVAL, -ENOMEM. */
int response_reply(struct conn *conn, int status, const char *type,
    const void *data, size_t len);

/* The whole answer of up to OUTQ_PARTS pieces, of any kind; -EPIPE: the client is
 * gone, and there will be no answer. */
int response_reply_pieces(struct conn *conn, int status, const char *type,
    struct piece *pieces, unsigned count);

/* In pieces; length -1: not known.  -EAGAIN, -ERANGE, -EALREADY, -EPIPE. */
int response_begin(struct conn *conn, int status, const char *type,
    int64_t length);
int response_write(struct conn *conn, const void *data, size_t len);
int response_write_pieces(struct conn *conn, struct piece *pieces,
    unsigned count);
int response_end(struct conn *conn);

/* The body has ended and all of it has passed the filters: the answer is over. */
int response_finish(struct conn *conn);

/* Have due called when all that was written so far has left, or what waits for a
 * filter has been read by it; outq_mark(). */
int response_mark(struct conn *conn, const struct due *due);

/* Bytes of the body, behind all filters, in the framing of the answer; copied.  0
 * or -ENOMEM. */
int response_add(struct conn *conn, const void *data, size_t len);

/* The host's own answer, with its status as text; the last one where close. */
void response_error(struct conn *conn, int status, bool close);

/* The same with one header, where nothing is wrong with the worker; the connection
 * goes on. */
void response_error_with(struct conn *conn, int status, const char *name,
    const char *value);

/* The answer to OPTIONS: these methods; to `OPTIONS *': those that any request may
 * have. */
void response_allow(struct conn *conn, const char *methods);
void response_options(struct conn *conn);

/* "100 Continue" */
void response_continue(struct conn *conn);

#endif
