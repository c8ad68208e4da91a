/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logthread.h: the log of the master is written by a thread of its own, behind
 * a ring of 8192 lines.  A full disk, a reader that stalls or a broken
 * descriptor costs lines, which are counted, and never a moment of the loop.
 * One a process, as there is one log.  Functions are for the loop thread; they
 * do not wait, but for logthread_stop().
 */
#ifndef CLUSTERD_JOURNAL_LOGTHREAD_H
#define CLUSTERD_JOURNAL_LOGTHREAD_H

#include <stdint.h>

#include "common/base/errmsg.h"

enum {
	LOGTHREAD_RING = 8192,		/* lines that wait */
	LOGTHREAD_BYTES = 16 << 20,	/* of them together */
};

/*
 * target is the value of the key `log': "stderr", "syslog" or an absolute file
 * name.  A file is made if missing (0640), opened for appending and without
 * following a link; it must be a regular file with one name or a character
 * device.  From now on log_line() goes to the ring.  0, ERR_SYSTEM,
 * ERR_BAD_ARGUMENT (refused file) or ERR_MEMORY; the log then goes on as it
 * was.  The thread has all signals blocked.
 */
int logthread_start(const char *target, struct errmsg *err);

/* The same for a running one: another target, or the same name after a
 * rotation.  What waits goes to the new one.  A failure changes nothing. */
int logthread_reopen(const char *target, struct errmsg *err);

/* Write what waits, at most timeout_ms, then log to stderr as before. */
void logthread_stop(unsigned timeout_ms);

struct logthread_status {
	uint64_t written, dropped;	/* lines since the start */
	unsigned waiting;
	int failing;			/* lines were dropped in the last 10 s */
	char reason[128];		/* the last failure, or "" */
};
/* Zero when it does not run. */
void logthread_status(struct logthread_status *status);

#endif
