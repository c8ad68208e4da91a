/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * logfiles.h: files that workers append to, opened for them by a thread of the
 * master, since an open can hang as a write can.  A row a name; it is opened
 * when it is asked for, each second till that succeeds, again on request, and
 * again when the file was removed.  Functions are for the loop thread and do not
 * wait.
 */
#ifndef CLUSTERD_JOURNAL_LOGFILES_H
#define CLUSTERD_JOURNAL_LOGFILES_H

#include <stdbool.h>

#include "common/base/errmsg.h"

enum {
	LOGFILES_MAX = 400,		/* of two generations, and some */
	LOGFILES_NAME = 256,
};

/* Start the thread, which has all signals blocked; later calls do nothing.  It
 * writes to wake_fd, an eventfd, when a file is open or refused.  0 or
 * ERR_SYSTEM. */
int logfiles_start(int wake_fd, struct errmsg *err);

/* The row of a name, "stdout" or an absolute path; a new one is opened soon
 * (logfile.h), and called what in words, a constant: "access log".  -1: all rows
 * are taken. */
int logfiles_find(const char *name, const char *what);
/* Nobody wants it any more. */
void logfiles_drop(int row);

/* All of them once more.  The number of the request, which is over when
 * logfiles_answered() has come to it; one that is refused stays as it was. */
unsigned logfiles_reopen(void);
unsigned logfiles_answered(void);
/* A call of the thread has not returned for two seconds. */
bool logfiles_are_stuck(void);

struct logfiles_status {
	char name[LOGFILES_NAME];
	const char *what;		/* as who asked for it first called it */
	unsigned opened;		/* how often; 0: it is not open */
	bool made_again;		/* the last time as it had been removed */
	int refused;			/* of the last try: 0 or an ERR_ code */
	char trouble[256];		/* and its words */
};
/* False: there is no such row. */
bool logfiles_status(int row, struct logfiles_status *status);

/* Call use with the descriptor, if it is open, which is lent for the call. */
void logfiles_use(int row, void (*use)(int fd, bool is_pipe, void *arg),
    void *arg);

#endif
