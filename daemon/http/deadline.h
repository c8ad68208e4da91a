/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deadline.h: the one deadline of a connection, what it stands for, and what its
 * end means. */
#ifndef DAEMON_HTTP_DEADLINE_H
#define DAEMON_HTTP_DEADLINE_H

#include "daemon/http/conn.h"

/* Set the deadline; ms: HTTP_OFF for the usual time of that kind. */
void deadline_arm(struct conn *conn, enum deadline deadline, int64_t ms);

/* The same for the open request, by what its handler wanted. */
void deadline_arm_request(struct conn *conn);

/* While its body is read: the end of the client's time for it or, where the
 * handler has set one, of the request; whichever comes first. */
void deadline_arm_body(struct conn *conn);

/* What the handler has set counts from now on again. */
void deadline_renew_own(struct conn *conn);

/* The handler of the open request sets its end; 0: none. */
void deadline_set_own(struct conn *conn, int64_t ms);

/* Go on at the next pass of the loop, when the others have had theirs: there is
 * no deadline until then. */
void deadline_go_on(struct conn *conn);

/* It is over.  False: nothing follows from that. */
bool deadline_expire(struct conn *conn);

#endif
