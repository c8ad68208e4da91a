/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* session.h: all others of a worker's session, whoever started them. */
#ifndef DAEMON_CHILD_SESSION_H
#define DAEMON_CHILD_SESSION_H

/* SIGKILL to each; those that have made a session of their own are none of them.
 * For the end of a worker whose keeper is not there to do it. */
void session_end_others(void);

#endif
