/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* dispatch_parts.h: what the files of dispatch share; see dispatch.h. */
#ifndef CLUSTERD_MASTER_DISPATCH_PARTS_H
#define CLUSTERD_MASTER_DISPATCH_PARTS_H

#include <stdbool.h>
#include <stdint.h>

struct connection_passed;
struct master;
struct process;

/* dispatch_window.c: what one message costs in a socket's queue (unknown: the
 * window is 1); W of a pool, and the socket that is told of it. */
void dispatch_measure(struct master *m);
unsigned dispatch_window(struct master *m, uint16_t pool);
void dispatch_set_window(struct master *m, struct process *process,
    unsigned window);
/* At most so many wait there; as a rule without a system call. */
uint64_t dispatch_waiting_most(struct master *m, struct process *process,
    unsigned window);

/* dispatch_choose.c: look at the workers of a pool, all but one; then, until
 * somebody else is looked at, who is next (-1: nobody has room). */
void dispatch_collect(struct master *m, uint16_t pool,
    const struct process *except);
int dispatch_choose(struct master *m, uint16_t pool);

/* This worker would be given one if its queue were not full. */
bool dispatch_lacks_room_only(struct master *m, const struct process *process,
    uint16_t pool);
/* Send one connection to the best of those collected; false: nobody could take
 * it.  fd stays the caller's. */
bool dispatch_pass(struct master *m, uint16_t pool,
    const struct connection_passed *message, int fd);

/* dispatch_back.c: true if nothing is left to be taken back in this pool, and
 * nothing in hand. */
bool dispatch_take_back(struct master *m, uint16_t pool);
bool dispatch_send_hand(struct master *m, uint16_t pool);
/* Keep a number for a connection that passes through; false: there is none.  Let go
 * of it for one; false: there was none. */
bool dispatch_hold_number(struct master *m);
bool dispatch_lend_number(struct master *m);
/* Let go of the dead whose queues are empty. */
void dispatch_release_empty(struct master *m);

#endif
