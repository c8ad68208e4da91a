/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sending.h: bytes of answers on their way out, and whether the client takes
 * them.  What it has taken is what its kernel has acknowledged: ours may hold
 * so much that a client reads for minutes before we can write again.
 */
#ifndef DAEMON_HTTP_SENDING_H
#define DAEMON_HTTP_SENDING_H

#include "daemon/http/conn.h"

/* Bytes of answers that our kernel has not taken yet. */
size_t sending_left(const struct conn *conn);

/* Write as much as goes.  May mark the connection dead. */
void sending_write(struct conn *conn);

/* It must wait for its client: from now on DEADLINE_SEND. */
void sending_wait(struct conn *conn);

/* That deadline: true, and armed anew, if the client goes on reading, and fast
 * enough. */
bool sending_look(struct conn *conn);

#endif
