/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * state.h: all that the keeper knows.  One static object in main.c, passed to
 * every part; nothing of it is on the heap.
 */
#ifndef CLUSTERD_KEEPER_STATE_H
#define CLUSTERD_KEEPER_STATE_H

#include <stdint.h>

#include "common/base/fd.h"
#include "common/base/file.h"
#include "daemon/keeper/images.h"
#include "daemon/keeper/options.h"
#include "daemon/keeper/process.h"
#include "daemon/proto/checker.h"
#include "daemon/proto/keeper.h"
#include "daemon/proto/page.h"

/* Exit statuses, a contract with service managers and scripts. */
enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_RUNNING, EXIT_BIND,
	EXIT_NEWER_STATE, EXIT_CONFIG = 78 };

enum { ENVIRONMENT_MAX = 64, INHERITED_MAX = KEEPER_LISTENERS_MAX };

/* A socket that a service manager gave us, until a BIND takes it. */
struct inherited {
	int fd;			/* -1: taken */
	char name[64];
};

struct listener {
	int fd;			/* -1: the row is free */
	uint32_t id, flags, type, mode, gid, backlog;
	uint32_t address_len;
	uint8_t address[128];	/* as bound: port 0 resolved */
	struct file_id path;	/* of a Unix socket */
};

struct kept {
	int fd;			/* -1: the row is free */
	uint32_t kind;
	uint64_t number;
};

struct spawn_fds {		/* SPAWN_FDS until its SPAWN */
	uint64_t id;		/* 0: free */
	uint32_t count;
	uint32_t listeners[KEEPER_SPAWN_LISTENERS];
};

/* The socket to the master, and what it has not taken yet. */
struct link {
	int fd;			/* -1: no master */
	int attached;
	int blocked;		/* the socket is full: wait for room */
	uint64_t retry_ns;	/* too many descriptors in flight: try again */
	int answer_waits;	/* `answer` could not be sent yet */
	struct keeper_packet answer;
	int answer_fds[FD_PASS_MAX];	/* borrowed from the tables */
	size_t answer_len, answer_count;
	enum { INVENTORY_DONE, INVENTORY_LISTENERS, INVENTORY_KEPT,
		INVENTORY_PROCESSES, INVENTORY_END } inventory;
	unsigned cursor;	/* row in that table */
	uint32_t listeners, kept, processes;	/* told so far */
	uint32_t open;		/* SPAWNs without an answer */
};

struct master {
	enum { MASTER_ABSENT, MASTER_RUNNING, MASTER_ENDING,
		MASTER_KILLED } state;
	pid_t pid;
	int pidfd;
	int failure;		/* pipe of child.h */
	int ahead;		/* of other sessions, for the CPU */
	uint32_t number;	/* of this life, from 1 */
	uint32_t early;		/* deaths in a row before 60 s of life */
	uint64_t started_ns;
	uint64_t fresh_ns;	/* staleness counts from here at the earliest */
	uint64_t deadline_ns;	/* next step: start, kill, give up */
	char last[200];		/* how the one before it ended */
};

struct order {
	int due, open;		/* to be sent; sent and not yet taken */
	uint64_t deadline_ns;
};

/* What the first checker said, and the sockets to it. */
struct first {
	int keeper_fd;		/* "go on" is written here */
	struct checker_header header;
	int done;		/* the master has released it */
};

struct stop {
	enum { STOP_NONE, STOP_TERM, STOP_KILL } phase;
	int status;
	uint64_t deadline_ns;
};

/* A session of ours of which there may be somebody left; see left.h. */
struct ended {
	pid_t session;		/* number of its leader, who has ended */
	int seen;		/* in this look */
};

struct notify {
	int fd;			/* -1: no service manager */
	int was_ready;
	uint8_t phase;
	uint64_t watchdog_ns, next_ns;
	char text[128];
};

struct keeper {
	struct options options;
	struct images images;
	int privileged;		/* started as root */
	const char *environment[ENVIRONMENT_MAX + 2];	/* of every role */
	struct inherited inherited[INHERITED_MAX];
	unsigned inherited_count;
	int null_fd, signal_fd, lifeline_read, lifeline_write, detach_fd;
	int lock_fd, workers_lock_fd;
	int memo_fd, page_fd, page_read_fd;
	const struct page *page;	/* the master's, read-only */
	int64_t started_wall_ms;
	struct checker_account builtin_worker;
	struct first first;
	struct process_table table;
	struct listener listeners[KEEPER_LISTENERS_MAX];
	struct kept kept[KEEPER_KEPT_MAX];
	struct spawn_fds spawn_fds[KEEPER_OPEN_MAX];
	struct link link;
	struct master master;
	struct order orders[ORDER__LAST + 1];
	int stop_asked;		/* the gravest stop order so far; 0: none */
	uint64_t backstop_ms;
	uint64_t strangers;	/* reaped, but never started by us */
	struct ended ended[KEEPER_PROCESSES_MAX];
	unsigned ended_count;
	uint64_t ended_ns, ended_looked_ns;	/* the last one; the last look */
	struct stop stop;
	struct notify notify;
};

/* The account a role starts under: NULL when we are not root. */
static inline const struct checker_account *
keeper_account(const struct keeper *k, uint32_t number)
{
	return k->privileged ? &k->first.header.accounts[number] : NULL;
}

#endif
