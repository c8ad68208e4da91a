/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* receiving.h: bytes from the client: those of a request, and those that are
 * thrown away behind the last answer. */
#ifndef DAEMON_HTTP_RECEIVING_H
#define DAEMON_HTTP_RECEIVING_H

#include "daemon/http/conn.h"

/* Its body is what comes now. */
static inline bool
receiving_is_in_body(const struct conn *conn)
{
	return conn->state == CONN_BODY || conn->state == CONN_HANDLE;
}

/* Read once.  May mark the connection dead. */
void receiving_read(struct conn *conn);

/* Behind that, and only where it is in its body: refuse one that is too slow, if
 * something of it is still missing. */
void receiving_check_pace(struct conn *conn);

/* While a head waits for its rest its bytes are kept without the buffers of an
 * exchange.  They come back for a read, or before it is refused; false: there is no
 * memory for it. */
void receiving_shelve(struct conn *conn);
bool receiving_unshelve(struct conn *conn);

/* True if the client has sent what nobody has read yet. */
bool receiving_waits(const struct conn *conn);

/* The same in CONN_LINGER, within its bounds. */
void receiving_discard(struct conn *conn);

#endif
