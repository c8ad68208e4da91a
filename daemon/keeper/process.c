/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* process.c: the table of workers and checkers; see process.h. */
#include "daemon/keeper/process.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"

struct process *
process_new(struct process_table *table)
{
	struct process *row;
	unsigned i = 0;

	while (i < table->used && table->rows[i].state != PROCESS_FREE)
		i++;
	if (i == KEEPER_PROCESSES_MAX)
		return NULL;
	if (i == table->used)
		table->used++;
	row = &table->rows[i];
	memset(row, 0, sizeof(*row));
	for (i = 0; i < COUNT(row->fds); i++)
		row->fds[i] = -1;
	row->failure = -1;
	return row;
}

void
process_free(struct process *process)
{
	fd_close_all(process->fds, COUNT(process->fds));
	fd_close(&process->failure);
	process->state = PROCESS_FREE;
}

struct process *
process_find(struct process_table *table, uint64_t id)
{
	for (unsigned i = 0; i < table->used; i++)
		if (table->rows[i].state != PROCESS_FREE &&
		    table->rows[i].id == id)
			return &table->rows[i];
	return NULL;
}

struct process *
process_find_pid(struct process_table *table, pid_t pid)
{
	for (unsigned i = 0; i < table->used; i++)
		if (process_is_alive(&table->rows[i]) &&
		    table->rows[i].pid == pid)
			return &table->rows[i];
	return NULL;
}

unsigned
process_fd_count(const struct process *process)
{
	return process->role == ROLE_WORKER ? PF_WORKER_COUNT :
	    PF_CHECKER_COUNT;
}

int
process_signal(const struct process *process, int number)
{
	if (!process_is_alive(process))
		return -ESRCH;
	failpoint_set_slot(process->name);
	if (number == SIGKILL && FP("keeper.kill9") == FP_SKIP)
		return 0;
	return syscall(SYS_pidfd_send_signal, process->fds[PF_PIDFD], number,
	    NULL, 0) < 0 ? -errno : 0;
}

static uint64_t
timeval_us(const struct timeval *time)
{
	return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void
process_tell_spawned(const struct process *process, int exists,
    struct keeper_msg_spawned *body)
{
	body->id = process->id;
	body->snapshot = process->snapshot;
	body->pid = (uint32_t)process->pid;
	body->role = process->role;
	body->account = process->account;
	body->image = process->image;
	body->exists = exists != 0;
	record_put_text(body->name, sizeof(body->name), process->name);
}

void
process_tell_have(const struct process *process,
    struct keeper_msg_have_worker *body)
{
	body->id = process->id;
	body->snapshot = process->snapshot;
	body->pid = (uint32_t)process->pid;
	body->role = process->role;
	body->account = process->account;
	body->image = process->image;
	record_put_text(body->name, sizeof(body->name), process->name);
	body->exited = process->state == PROCESS_EXITED;
	body->status = (uint32_t)process->status;
	body->utime_us = timeval_us(&process->usage.ru_utime);
	body->stime_us = timeval_us(&process->usage.ru_stime);
	body->maxrss_kb = (uint64_t)process->usage.ru_maxrss;
	body->ended_ns = process->ended_ns;
	body->core = process->core;
}

void
process_tell_exited(const struct process *process,
    struct keeper_msg_exited *body)
{
	body->id = process->id;
	body->pid = (uint32_t)process->pid;
	body->status = (uint32_t)process->status;
	body->utime_us = timeval_us(&process->usage.ru_utime);
	body->stime_us = timeval_us(&process->usage.ru_stime);
	body->maxrss_kb = (uint64_t)process->usage.ru_maxrss;
	body->ended_ns = process->ended_ns;
	body->core = process->core;
}
