/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * guard.h: somebody who can still speak when a plugin's constructor has ended
 * the checker: by a signal, by _exit(0), or by never coming back.  Only for
 * --print, where nobody else does: after --first and --reload the master knows
 * from OPENING and the exit status.
 */
#ifndef CLUSTERD_CHECKER_GUARD_H
#define CLUSTERD_CHECKER_GUARD_H

#include "daemon/checker/report.h"

/*
 * Call run(arg) in a child and return the exit status it returned.  If the
 * child ended in any other way, say on fd 2 whose code ran then, and return
 * `status'.  Blocks.
 */
int guard_run(int (*run)(void *arg), void *arg, int status);

/* In the child: whose code runs next. */
void guard_set(struct place place, const char *plugin, const char *module);
/* In the child: nobody's any more. */
void guard_clear(void);

/* The end that comes is its own, and it has said why. */
void guard_finish(void);

#endif
