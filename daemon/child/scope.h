/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * scope.h: whom a signal for a child reaches: it alone, its process group, or all
 * that stem from it.  A number of a process is used only as long as somebody who
 * is ours holds it: the child until it is reaped, its group until it was seen to
 * be empty, others by their pidfd and the time of their start.
 */
#ifndef DAEMON_CHILD_SCOPE_H
#define DAEMON_CHILD_SCOPE_H

#include <clusterd/process.h>

struct proc;

enum { SCOPE_MEMBERS_MAX = 4096 };

struct scope_member {
	pid_t pid;
	unsigned long long start;	/* ticks after boot */
};

struct scope {
	enum cluster_kill_scope kind;
	pid_t leader;
	int pidfd;			/* of the leader; -1: reaped */
	bool empty;			/* of the group: seen */
	bool widened;
	struct scope_member *members;	/* TREE: those found so far */
	size_t count;
};

void scope_init(struct scope *scope, enum cluster_kill_scope kind,
    pid_t leader, int pidfd);
void scope_done(struct scope *scope);

/* Signal all of it; 0 only asks.  0, -ESRCH: nobody is there, -EPERM, -EINVAL. */
int scope_signal(struct scope *scope, int number);
/* The same for another kind, of a leader that was not reaped. */
int scope_signal_as(struct scope *scope, enum cluster_kill_scope kind,
    int number);

/* At the end of the worker: all that stem from it are meant from now on, and they
 * are looked for here alone, among all processes. */
void scope_widen(struct scope *scope, struct proc *all, size_t count);

/* The leader was reaped. */
void scope_lose_leader(struct scope *scope);
/* After that: is nobody left?  To be asked every few ms, so that the group's
 * number is not somebody else's in between. */
bool scope_is_gone(struct scope *scope);

#endif
