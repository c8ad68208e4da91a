/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * turn.h: work on a connection is done in turns, and one begins here: it is new,
 * there is something to read or room to write, or its time has come.  A turn may
 * close the connection at its end.  From the loop; never blocks.
 */
#ifndef DAEMON_HTTP_TURN_H
#define DAEMON_HTTP_TURN_H

#include "daemon/http/conn.h"

/* Of a new one; header_ms: how long its first head may take, HTTP_OFF as usual. */
void turn_first(struct conn *conn, int64_t header_ms);

/* It has waited till now: its deadline, or what was held back. */
void turn_on_time(struct conn *conn);

/* Callbacks of the loop; arg is the connection. */
void turn_readable(evutil_socket_t fd, short what, void *arg);
void turn_writable(evutil_socket_t fd, short what, void *arg);

#endif
