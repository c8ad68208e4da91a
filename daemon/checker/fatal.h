/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fatal.h: what the checker still says when a plugin's constructor ends it: by
 * a signal, by exit(), or by never coming back.  Only where somebody reads fd
 * 2; the master words the same from OPENING and the exit status.
 */
#ifndef CLUSTERD_CHECKER_FATAL_H
#define CLUSTERD_CHECKER_FATAL_H

#include "daemon/checker/report.h"

/* From now on a deadly signal, SIGALRM, SIGXCPU or exit() is an end with words
 * (if spoken) and exit status 78.  disarm() takes exit() back. */
void fatal_arm(int spoken);
void fatal_disarm(void);

/* Whose code runs next; borrowed until the next call. */
void fatal_set(struct place place, const char *plugin, const char *module);

#endif
