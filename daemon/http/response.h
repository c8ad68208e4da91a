/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * response.h: the answer to a connection's open request.  Functions return 0
 * or -errno; what is refused changes nothing.
 */
#ifndef DAEMON_HTTP_RESPONSE_H
#define DAEMON_HTTP_RESPONSE_H

#include "daemon/http/conn.h"

/* Add a header line; -EINVAL, -EALREADY, -ENOSPC. */
int response_set_header(struct conn *conn, const char *name, const char *value);

/* The whole answer; data is copied.  -EALREADY, -EINVAL, -ENOMEM. */
int response_reply(struct conn *conn, int status, const char *type,
    const void *data, size_t len);

/* In pieces; length -1: not known.  -EAGAIN, -ERANGE, -EALREADY. */
int response_begin(struct conn *conn, int status, const char *type,
    int64_t length);
int response_write(struct conn *conn, const void *data, size_t len);
int response_end(struct conn *conn);

/* The host's own answer, with its status as text; the last one where close. */
void response_error(struct conn *conn, int status, bool close);

/* "100 Continue" */
void response_continue(struct conn *conn);

#endif
