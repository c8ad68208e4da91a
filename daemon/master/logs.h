/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logs.h: where the log goes.  The log thread opens it; here the loop says what,
 * and answers those who asked when it is open, refused, or takes too long.
 */
#ifndef CLUSTERD_MASTER_LOGS_H
#define CLUSTERD_MASTER_LOGS_H

struct control_call;
struct master;

/* The target of the configuration, if it is another than before. */
void logs_apply(struct master *m);
/* `log reopen': the same names again, those of access logs too.  call: answered
 * within a second, or NULL. */
void logs_reopen(struct master *m, struct control_call *call);
/* What the threads that open files write to, when one is open or refused; -1:
 * there are none. */
int logs_wake_fd(const struct master *m);
/* Write what waits, at most timeout_ms.  Nobody is answered any more. */
void logs_stop(struct master *m, unsigned timeout_ms);
/* Why the log is not where it should be; "": it is. */
const char *logs_trouble(const struct master *m);

#endif
