/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* reap.c: every child that has ended; see reap.h. */
#include "daemon/keeper/reap.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/keeper/child.h"
#include "daemon/keeper/master.h"

/* -- what a dead worker leaves --------------------------------------------------- */

static pid_t
session_of(pid_t pid)
{
	char path[32], text[512], *at;
	int fd, session = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	/* pid (name) state ppid pgrp session */
	if ((at = strrchr(text, ')')) == NULL ||
	    sscanf(at + 1, " %*c %*d %*d %d", &session) != 1)
		return -1;
	return session;
}

/* A number is not given to another process as long as a session has it. */
static int
is_ended(const struct keeper *k, pid_t session)
{
	for (unsigned i = 0; session > 0 && i < COUNT(k->ended); i++)
		if (k->ended[i] == session)
			return 1;
	return 0;
}

static void
remember_ended(struct keeper *k, pid_t session)
{
	if (is_ended(k, session))
		return;
	k->ended[k->ended_next] = session;
	k->ended_next = (k->ended_next + 1) % COUNT(k->ended);
}

void
reap_is_another(struct keeper *k, pid_t pid)
{
	for (unsigned i = 0; i < COUNT(k->ended); i++)
		if (k->ended[i] == pid)
			k->ended[i] = 0;
}

/* One of our children by adoption, so its number is its own until we reap.  A
 * leader is never one. */
static void
kill_if_left(const struct keeper *k, pid_t pid)
{
	pid_t session = session_of(pid);
	int pidfd;

	if (session == pid || !is_ended(k, session))
		return;
	pidfd = child_pidfd(pid);
	if (pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
}

/* Our children as the kernel lists them; returns how many there are, and looks
 * at each of them where that is wanted. */
static unsigned
each_child(const struct keeper *k, int look)
{
	char path[48], buffer[1024];
	unsigned count = 0;
	pid_t pid = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	while ((n = read(fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			if (buffer[i] >= '0' && buffer[i] <= '9') {
				pid = pid * 10 + buffer[i] - '0';
				continue;
			}
			if (pid > 0 && look)
				kill_if_left(k, pid);
			count += pid > 0;
			pid = 0;
		}
	close(fd);
	return count;
}

/* Only strangers can be of a session that ended, so most of the time there is
 * nobody to ask. */
static void
kill_strangers(const struct keeper *k)
{
	unsigned ours = k->table.living +
	    (k->master.state != MASTER_ABSENT && k->master.pid > 0);

	if (each_child(k, 0) > ours)
		each_child(k, 1);
}

static void
kill_group(struct keeper *k, pid_t pid)
{
	if (pid > 1)
		kill(-pid, SIGKILL);
	remember_ended(k, pid);
}

/* -- reaping --------------------------------------------------------------------- */

/* The wait of libc gives either usage or no reaping by pidfd; the call has
 * both. */
static int
collect(pid_t pid, int *status, int *core, struct rusage *usage)
{
	siginfo_t info = { .si_pid = 0 };

	if (syscall(SYS_waitid, P_PID, pid, &info, WEXITED | WNOHANG,
	    usage) < 0 || info.si_pid != pid)
		return -1;
	*core = info.si_code == CLD_DUMPED;
	*status = info.si_code == CLD_EXITED ? (info.si_status & 0xff) << 8 :
	    info.si_status | (*core ? 0x80 : 0);
	return 0;
}

static void
become_running(struct process *process)
{
	process->state = PROCESS_RUNNING;
	if (process->ref != 0)
		process->due |= DUE_SPAWNED;
}

void
reap_started(struct keeper *k, struct process *process)
{
	struct child_failure failure;
	ssize_t n = fd_read(process->failure, &failure, sizeof(failure));

	(void)k;
	if (n < 0 && errno == EAGAIN)
		return;
	fd_close(&process->failure);
	if (n != sizeof(failure)) {
		become_running(process);
		return;
	}
	process->failed = 1;
	process->failed_step = failure.step;
	process->failed_error = failure.error;
	process->state = PROCESS_RUNNING;	/* until it is reaped */
	if (process->ref != 0)
		process->due |= DUE_FAILED;
}

static void
on_process_exit(struct keeper *k, struct process *process)
{
	int status, core;

	kill_group(k, process->pid);
	if (process->state == PROCESS_STARTING)
		reap_started(k, process);
	if (collect(process->pid, &status, &core, &process->usage) != 0)
		return;
	process->status = status;
	process->core = (uint8_t)core;
	process->ended_ns = clock_now_ns();
	process->state = PROCESS_EXITED;
	k->table.living--;
	/* A master that was told of it as living hears of its end. */
	if (process->failed && process->announced)
		process->failed = 0;
	if (!process->failed)
		process->due |= DUE_EXITED;
}

static void
on_exit_of(struct keeper *k, pid_t pid)
{
	struct process *process = process_find_pid(&k->table, pid);
	struct rusage usage;
	int status, core;

	if (process != NULL) {
		on_process_exit(k, process);
		return;
	}
	if (pid == k->master.pid && k->master.state != MASTER_ABSENT) {
		kill_group(k, pid);
		if (collect(pid, &status, &core, &usage) == 0)
			master_on_exit(k, status);
		return;
	}
	if (collect(pid, &status, &core, &usage) != 0)
		return;
	k->strangers++;
}

void
reap_all(struct keeper *k)
{
	int count = 0;

	/* Bounded: what is left raises the signal's flag again or is seen at
	 * the next tick. */
	for (; count < 2 * KEEPER_PROCESSES_MAX; count++) {
		siginfo_t info = { .si_pid = 0 };

		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
		    info.si_pid == 0)
			break;
		on_exit_of(k, info.si_pid);
	}
	/* Once for all of them: the kernel's list is as long as there are
	 * children.  Those of a stranger are ours now, and may be of a session
	 * that ended, too. */
	if (count > 0)
		kill_strangers(k);
}
