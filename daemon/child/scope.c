/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* scope.c: whom a signal for a child reaches; see scope.h. */
#include "daemon/child/scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/child/proc.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { KILL_ROUNDS = 5 };	/* against those that fork meanwhile */

void
scope_init(struct scope *scope, enum cluster_kill_scope kind, pid_t leader,
    int pidfd)
{
	*scope = (struct scope){ .kind = kind, .leader = leader,
	    .pidfd = pidfd };
}

void
scope_done(struct scope *scope)
{
	free(scope->members);
	scope->members = NULL;
	scope->count = 0;
}

void
scope_lose_leader(struct scope *scope)
{
	scope->pidfd = -1;
}

/* ---- one, and the group ------------------------------------------------------------- */

static int
send_to(int pidfd, int number)
{
	if (pidfd < 0)
		return -ESRCH;
	return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ?
	    -errno : 0;
}

static int
signal_members_of_group(struct scope *scope, int number)
{
	if (scope->empty)
		return -ESRCH;
	if (kill(-scope->leader, number) == 0)
		return 0;
	if (errno == ESRCH)
		scope->empty = scope->pidfd < 0;
	return -errno;
}

/* The leader may have left its group; whoever is in it is reached once. */
static int
signal_group(struct scope *scope, int number)
{
	int rc = signal_members_of_group(scope, number);

	if (scope->pidfd >= 0 && getpgid(scope->leader) != scope->leader)
		return send_to(scope->pidfd, number);
	return rc;
}

/* ---- the tree ------------------------------------------------------------------------ */

static bool
is_marked(struct proc *all, size_t count, pid_t pid)
{
	struct proc *proc = proc_find(all, count, pid);

	return proc != NULL && proc->marked;
}

static bool
is_ours(const struct scope *scope, struct proc *all, size_t count,
    const struct proc *proc)
{
	if (!scope->empty && (proc->group == scope->leader ||
	    proc->session == scope->leader))
		return true;
	return is_marked(all, count, proc->parent) ||
	    is_marked(all, count, proc->group) ||
	    is_marked(all, count, proc->session);
}

/* The leader, those found before, and whoever stems from one of them or is in a
 * group or session of theirs. */
static void
mark(const struct scope *scope, struct proc *all, size_t count)
{
	struct proc *proc = scope->pidfd < 0 ? NULL :
	    proc_find(all, count, scope->leader);
	bool more = true;

	for (size_t i = 0; i < count; i++)
		all[i].marked = false;
	if (proc != NULL)
		proc->marked = true;
	for (size_t i = 0; i < scope->count; i++) {
		proc = proc_find(all, count, scope->members[i].pid);
		if (proc != NULL && proc->start == scope->members[i].start)
			proc->marked = true;
	}
	while (more) {
		more = false;
		for (size_t i = 0; i < count; i++)
			if (!all[i].marked &&
			    is_ours(scope, all, count, &all[i]))
				all[i].marked = more = true;
	}
}

static bool
is_known(const struct scope *scope, const struct proc *proc)
{
	for (size_t i = 0; i < scope->count; i++)
		if (scope->members[i].pid == proc->pid &&
		    scope->members[i].start == proc->start)
			return true;
	return false;
}

static bool
remember(struct scope *scope, const struct proc *proc)
{
	struct scope_member *members;

	if (proc->pid == scope->leader || is_known(scope, proc) ||
	    scope->count == SCOPE_MEMBERS_MAX)
		return false;
	members = realloc(scope->members,
	    (scope->count + 1) * sizeof(members[0]));
	if (members == NULL)
		return false;
	scope->members = members;
	members[scope->count++] = (struct scope_member){ proc->pid,
	    proc->start };
	return true;
}

/* True: some were found that were not known. */
static bool
look_among(struct scope *scope, struct proc *all, size_t count)
{
	bool found = false;

	mark(scope, all, count);
	for (size_t i = 0; i < count; i++)
		if (all[i].marked && !all[i].ended)
			found |= remember(scope, &all[i]);
	return found;
}

static bool
look(struct scope *scope)
{
	size_t count;
	struct proc *all;
	bool found;

	if (scope->widened || (all = proc_read_all(&count)) == NULL)
		return false;
	found = look_among(scope, all, count);
	free(all);
	return found;
}

void
scope_widen(struct scope *scope, struct proc *all, size_t count)
{
	scope->kind = CLUSTER_KILL_TREE;
	scope->widened = true;
	(void)look_among(scope, all, count);
}

/* Held by a pidfd while it is looked at, so that it is the one we mean. */
static int
signal_member(const struct scope *scope, const struct scope_member *member,
    int number)
{
	struct proc proc;
	int fd = (int)syscall(SYS_pidfd_open, member->pid, 0), rc = -ESRCH;

	if (fd < 0)
		return -ESRCH;
	if (proc_read(member->pid, &proc) && proc.start == member->start &&
	    !proc.ended && (scope->empty || proc.group != scope->leader))
		rc = send_to(fd, number);
	close(fd);
	return rc;
}

static int
signal_tree(struct scope *scope, int number)
{
	int rounds = number == SIGKILL ? KILL_ROUNDS : 1, rc = -ESRCH;
	bool more = true;

	for (int i = 0; i < rounds && more; i++) {
		more = look(scope);
		if (signal_group(scope, number) == 0)
			rc = 0;
		for (size_t m = 0; m < scope->count; m++)
			if (signal_member(scope, &scope->members[m],
			    number) == 0)
				rc = 0;
	}
	return rc;
}

/* ---- all of them --------------------------------------------------------------------- */

int
scope_signal_as(struct scope *scope, enum cluster_kill_scope kind, int number)
{
	switch (kind) {
	case CLUSTER_KILL_ONE:
		return send_to(scope->pidfd, number);
	case CLUSTER_KILL_GROUP:
		return signal_group(scope, number);
	case CLUSTER_KILL_TREE:
		return signal_tree(scope, number);
	}
	return -EINVAL;
}

int
scope_signal(struct scope *scope, int number)
{
	return scope_signal_as(scope, scope->kind, number);
}

static bool
is_member_left(const struct scope *scope)
{
	for (size_t i = 0; i < scope->count; i++) {
		struct proc proc;

		if (proc_read(scope->members[i].pid, &proc) && !proc.ended &&
		    proc.start == scope->members[i].start)
			return true;
	}
	return false;
}

bool
scope_is_gone(struct scope *scope)
{
	if (scope->pidfd >= 0)
		return false;
	(void)signal_members_of_group(scope, 0);
	switch (scope->kind) {
	case CLUSTER_KILL_ONE:
		return true;
	case CLUSTER_KILL_GROUP:
		return scope->empty;
	case CLUSTER_KILL_TREE:
		return scope->empty && !is_member_left(scope);
	}
	return true;
}
