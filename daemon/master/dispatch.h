/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * dispatch.h: accepting connections and passing each to a worker that has
 * room.  The kernel's socket queue is the window: it counts what a worker has
 * not taken, survives this process, and is read back when a worker is gone.
 */
#ifndef CLUSTERD_MASTER_DISPATCH_H
#define CLUSTERD_MASTER_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

struct listener;
struct master;
struct process;

/* Measure what one message costs in a socket's queue, and whatever else is
 * needed before the first connection. */
void dispatch_init(struct master *m);

/* A process has its descriptors: watch its window. */
void dispatch_watch(struct process *process);
/* Its end of that socket is for reading alone: has it written, or shut it? */
void dispatch_judge_end(struct process *process);
/* Into and out of dispatch. */
void dispatch_on(struct master *m, uint16_t row);
void dispatch_off(struct master *m, uint16_t row);

/* A listener has connections. */
void dispatch_accept(struct listener *listener);
/* At the end of a pass of the loop: all that were awaited and have room have said
 * so, and get what waits in turn. */
void dispatch_refill(struct master *m);
/* Something has changed for the better: serve what waits, then accept. */
void dispatch_kick(struct master *m, uint16_t pool);
/* Every pool; also lets go of queues that are empty. */
void dispatch_kick_all(struct master *m);
void dispatch_take_back_later(struct master *m, uint64_t unused);

/* The next connection that waits for a worker of that pool: the one in hand, or
 * what one that is no more had not taken.  The caller's; -1: none. */
int dispatch_take_waiting(struct master *m, uint16_t pool);
/* The pool goes, its index will be another's: none of its dead is in it. */
void dispatch_forget_pool(struct master *m, uint16_t pool);

/* Its connections are passed; else its workers accept for themselves. */
bool dispatch_is_balanced(struct master *m, uint16_t pool);
/* Connections that were passed to it and not taken yet. */
uint64_t dispatch_waiting(struct master *m, struct process *process);

#endif
