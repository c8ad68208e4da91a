/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * priority.h: keeper and master get the CPU before the workers, of which many
 * may want it at once.
 *
 * The kernel may weigh sessions first (sched_autogroup) and niceness only within
 * one, so each of the two is set.  That it refuses is no harm.
 */
#ifndef CLUSTERD_KEEPER_PRIORITY_H
#define CLUSTERD_KEEPER_PRIORITY_H

#include <sys/types.h>

/* For ourselves, and for the children that do not leave it. */
void priority_raise(void);

/* In a child: back to the niceness that we were started with. */
void priority_leave(void);

/* For the session that this process leads.  Not 0: it may be tried again later,
 * since the kernel takes a change only now and then. */
int priority_raise_session(pid_t pid);

#endif
