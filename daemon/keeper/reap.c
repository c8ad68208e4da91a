/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* reap.c: every child that has ended; see reap.h. */
#include "daemon/keeper/reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "daemon/keeper/child.h"
#include "daemon/keeper/left.h"
#include "daemon/keeper/master.h"

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

	left_note(k, process->pid);
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
		left_note(k, pid);
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
	/* Once for all of them.  The children of a stranger are ours now, and
	 * may be among those who are left, too. */
	if (count > 0)
		left_kill(k);
}
