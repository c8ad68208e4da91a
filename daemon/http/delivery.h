/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * delivery.h: a body on its way to who answers: the request is offered at its
 * head (http_ops.on_offer), its body is read for it, streamed or as a whole, and
 * the end of it is told once.
 *
 * A request is with a handler (CONN_HANDLE) from its offer on, also while its
 * body is read.  Without an offer it is in CONN_BODY until all of it is there.
 */
#ifndef DAEMON_HTTP_DELIVERY_H
#define DAEMON_HTTP_DELIVERY_H

#include "daemon/http/request.h"

/* The head is there, and a body follows. */
enum step delivery_begin(struct conn *conn);

/* Go on with the bytes that are there, or that a pause held back. */
enum step delivery_step(struct conn *conn);

/* The body cannot be had: its stream ends with error, and the request with
 * status, unless its end callback answers. */
void delivery_fail(struct conn *conn, int error, int status);

/* The open request is over by itself: its stream ends with error.  True: the end
 * callback has answered it. */
bool delivery_cut(struct conn *conn, int error);

/* The functions of body.h, for the open request: 0 or -errno. */
int delivery_stream(struct conn *conn, const struct cluster_body_sink *sink,
    void *arg);
int delivery_pause(struct conn *conn);
int delivery_resume(struct conn *conn);
int delivery_limit(struct conn *conn, uint64_t bytes);

#endif
