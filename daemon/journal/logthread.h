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
	LOGTHREAD_TARGET = 300,		/* the name of a target */
};

/*
 * Start it, with stderr as its target.  From now on log_line() goes to the ring.
 * wake_fd is an eventfd that is written to when a target is open or refused; it
 * must outlive the thread, which has all signals blocked.  0, ERR_SYSTEM; the log
 * then goes on as it was.
 */
int logthread_start(int wake_fd, struct errmsg *err);

/*
 * Another target, or the same name again after a rotation; what waits goes to
 * the new one.  target is the value of the key `log': "stderr", "syslog" or an
 * absolute file name.  A file is made if missing (0640), opened for appending and
 * without following a link; it must be a regular file with one name or a
 * character device.  Opened by the thread, as a disk may stand still: returns the
 * number of the request, which is over when status.answered has come to it.  One
 * that is refused changes nothing, and is tried again each second.
 *
 * A file that is removed while it is written to is made again; one that is
 * renamed is followed.
 */
unsigned logthread_open(const char *target);

/* Write what waits, at most timeout_ms, then log to stderr as before. */
void logthread_stop(unsigned timeout_ms);

struct logthread_status {
	uint64_t written, dropped;	/* lines since the start */
	unsigned waiting;
	int losing;			/* lines were dropped in the last 10 s */
	char reason[256];		/* why, or "" */
	int stuck;			/* a call has not returned for 2 s */
	unsigned answered;		/* the last request that is over */
	int refused;			/* 0: it was open, or an ERR_ code */
	char trouble[256];		/* and its words */
};
/* Zero when it does not run. */
void logthread_status(struct logthread_status *status);

#endif
