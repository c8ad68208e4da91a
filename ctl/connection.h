/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * connection.h: one connection to the control socket: lines out, lines in, each
 * with a deadline.
 */
#ifndef CLUSTERD_CTL_CONNECTION_H
#define CLUSTERD_CTL_CONNECTION_H

#include <jansson.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "common/wire/lines.h"

struct connection {
	int fd;			/* -1: closed */
	struct lines lines;
};

/* ERR_NOT_FOUND: nobody listens there, ERR_DENIED: the file's mode forbids it,
 * ERR_SYSTEM: the rest. */
int connection_open(struct connection *connection, const char *path,
    struct errmsg *err);
void connection_close(struct connection *connection);

/* 0, or ERR_SYSTEM: the peer has closed. */
int connection_send(struct connection *connection, const json_t *request,
    struct errmsg *err);

/*
 * The next answer, the caller's reference.  timeout_ms < 0: none.  0,
 * ERR_TIMEOUT, ERR_SYSTEM (closed) or ERR_FORMAT (not what a daemon says).
 */
int connection_receive(struct connection *connection, int64_t timeout_ms,
    json_t **out, struct errmsg *err);

#endif
