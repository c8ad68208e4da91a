/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * process.h: the table of workers and checkers, dead ones included until the
 * master releases them, with the descriptors that are kept for it.
 */
#ifndef CLUSTERD_KEEPER_PROCESS_H
#define CLUSTERD_KEEPER_PROCESS_H

#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "daemon/proto/keeper.h"

enum process_state { PROCESS_FREE, PROCESS_STARTING, PROCESS_RUNNING,
	PROCESS_EXITED };

/* Order of the descriptors in SPAWNED. */
enum process_fd { PF_PIDFD, PF_PROC, PF_CHANNEL, PF_CONNECTIONS,
	PF_CONNECTIONS_WORKER, PF_PAGE, PF_OUTPUT, PF_LOG,
	PF_VERDICT = PF_CHANNEL, PF_CHECKER_OUTPUT = PF_CONNECTIONS };
enum { PF_WORKER_COUNT = 8, PF_CHECKER_COUNT = 4 };

enum process_due { DUE_SPAWNED = 1, DUE_FAILED = 2, DUE_EXITED = 4 };

struct process {
	enum process_state state;
	uint8_t due;		/* what the master has yet to be told */
	uint8_t announced;	/* this master knows the row */
	uint8_t failed;		/* it never came to exec */
	uint8_t core;
	uint32_t role, account, image;
	uint64_t id, snapshot;
	uint32_t ref;		/* of the SPAWN that is open */
	pid_t pid;
	int fds[PF_WORKER_COUNT];
	int failure;		/* pipe of child.h while STARTING */
	uint32_t failed_step, failed_error;
	int status;
	struct rusage usage;
	uint64_t ended_ns;
	char name[64];
};

struct process_table {
	struct process rows[KEEPER_PROCESSES_MAX];
	unsigned used;		/* rows beyond were never in use */
	unsigned living;	/* STARTING or RUNNING */
};

/* A free row with all descriptors -1, or NULL: the table is full. */
struct process *process_new(struct process_table *table);
/* Close what it holds; the row is free. */
void process_free(struct process *process);

struct process *process_find(struct process_table *table, uint64_t id);
struct process *process_find_pid(struct process_table *table, pid_t pid);

unsigned process_fd_count(const struct process *process);
static inline int
process_is_alive(const struct process *process)
{
	return process->state == PROCESS_STARTING ||
	    process->state == PROCESS_RUNNING;
}

/* Through the pidfd.  0 or -errno (-ESRCH: it has been reaped). */
int process_signal(const struct process *process, int number);

/* Fill the body of the message that tells the master of the row. */
void process_tell_spawned(const struct process *process, int exists,
    struct keeper_msg_spawned *body);
void process_tell_have(const struct process *process,
    struct keeper_msg_have_worker *body);
void process_tell_exited(const struct process *process,
    struct keeper_msg_exited *body);

#endif
