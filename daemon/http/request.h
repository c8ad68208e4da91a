/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * request.h: from bytes to a request, and what a handler may ask about it.
 * Texts are terminated in place and borrowed until the request is answered.
 */
#ifndef DAEMON_HTTP_REQUEST_H
#define DAEMON_HTTP_REQUEST_H

#include "daemon/http/conn.h"

enum step { STEP_MORE, STEP_NEXT, STEP_OPEN };

/*
 * Go on with the bytes that are there.  STEP_MORE: more are needed; STEP_NEXT:
 * a request was answered, or refused; STEP_OPEN: it is with a handler.
 */
enum step request_step(struct conn *conn);

/* Its parts, for delivery.c: the request gets its handle; who answers is called;
 * both. */
void request_open(struct conn *conn);
enum step request_call(struct conn *conn);
enum step request_hand_over(struct conn *conn);

const char *request_method(struct conn *conn);
const char *request_path(struct conn *conn);
const char *request_query(struct conn *conn);
const char *request_header(struct conn *conn, const char *name);
int request_header_at(struct conn *conn, unsigned index, const char **name,
    const char **value);
const char *request_body(struct conn *conn, size_t *len);
/* Path without query and host as slices: not terminated; for routing. */
const char *request_raw_path(struct conn *conn, size_t *len);
const char *request_raw_host(struct conn *conn, size_t *len);

/* A handle carries row and number of its request, so one that has ended is
 * known by its number. */
uint64_t request_handle(const struct conn *conn);
/* The connection of an open request, or NULL: stale. */
struct conn *request_by_handle(const struct http *http, uint64_t handle);

#endif
