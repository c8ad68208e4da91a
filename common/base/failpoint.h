/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * failpoint.h: places where a test makes a process die, stop or fail.
 *   CLUSTERD_FP="name:action[@n][/slot],…"
 * actions: kill abort exit spin sleep=MS err=ERRNO skip.  @n: only the n-th
 * time (default: each time); /slot: only in the process of that worker name, or
 * in the master of that number (the first is 1).
 *   CLUSTERD_FP="@FILE"
 * takes the rules from a file that is read at each place, so that a test can
 * lay a rule when something is under way.
 * Exists in builds with --enable-failpoints; elsewhere FP() is 0 and costs
 * nothing.  Names are listed by `PROGRAM --list-failpoints`.
 */
#ifndef CLUSTERD_BASE_FAILPOINT_H
#define CLUSTERD_BASE_FAILPOINT_H

#ifdef CLUSTERD_FAILPOINTS
/*
 * 0: go on.  Positive: the errno of err=.  FP_SKIP: the caller leaves out what
 * follows.  The other actions do not return, or only after their time.
 */
#define FP(name) __extension__ ({					\
	static struct failpoint failpoint_here				\
	    __attribute__((section("failpoints"), used)) =		\
	    { name, 0 };						\
	failpoint_hit(&failpoint_here);					\
})
#else
#define FP(name) 0
#endif

enum { FP_SKIP = -1 };

struct failpoint {
	const char *name;
	unsigned hits;
};

/* Who this process is, for the /slot part; borrowed for ever. */
void failpoint_set_slot(const char *name);
int failpoint_hit(struct failpoint *failpoint);

/* Print the names of this executable's failpoints, one a line, to stdout. */
void failpoint_list(void);

#endif
