/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* receiving.h: bytes from the client: those of a request, and those that are
 * thrown away behind the last answer. */
#ifndef DAEMON_HTTP_RECEIVING_H
#define DAEMON_HTTP_RECEIVING_H

#include "daemon/http/conn.h"

/* Read once.  May refuse the request or mark the connection dead. */
void receiving_read(struct conn *conn);

/* The same in CONN_LINGER, within its bounds. */
void receiving_discard(struct conn *conn);

#endif
