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

enum { SENDING_MUCH = 65536 };		/* bytes of answers of one turn */

/* Bytes of answers that our kernel has not taken yet. */
static inline uint64_t
sending_left(const struct conn *conn)
{
	return conn->exchange == NULL ? 0 : outq_left(&conn->exchange->out);
}

/* So much of it that no further request is taken before it has gone. */
static inline bool
sending_is_much(const struct conn *conn)
{
	return sending_left(conn) > SENDING_MUCH ||
	    conn->exchange->out.count > OUTQ_PARTS / 4;
}

/* A turn begins: as much as is one's share may go out again. */
static inline void
sending_begin_turn(struct conn *conn)
{
	if (conn->exchange != NULL)
		conn->exchange->spent = 0;
}

/* Write as much as goes, or as is its share.  May mark the connection dead. */
void sending_write(struct conn *conn);

/* It must wait for its client: from now on DEADLINE_SEND. */
void sending_wait(struct conn *conn);

/* That deadline: true, and armed anew, if the client goes on reading, and fast
 * enough. */
bool sending_look(struct conn *conn);

#endif
