/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * turn.h: one turn of the master's loop on the memo.  What is decided goes to
 * the idle copy; turn_end() flips it (the commit) and only then performs what
 * follows from it, in order.  Loop thread alone.
 */
#ifndef CLUSTERD_MASTER_TURN_H
#define CLUSTERD_MASTER_TURN_H

#include <stdint.h>

#include "common/base/errmsg.h"
#include "common/table/events.h"
#include "daemon/proto/memo.h"

struct event_fields;
struct master;

/* Map the keeper's memo.  fresh: begin a new one.  Sets *recovered to 1 if an
 * earlier master's state was found whole.  0 or an ERR_ code. */
int turn_open(struct master *m, int memo_fd, int fresh, int *recovered,
    struct errmsg *err);
void turn_close(struct master *m);

/* The copy to change, and the newest state for reading. */
struct memo_copy *turn_change(struct master *m);
const struct memo_copy *turn_look(struct master *m);

/* To be done after the flip: the actions of a row (if it still has that id). */
void turn_act(struct master *m, uint16_t row, uint32_t actions);
/* An event for the journal, published after the flip; all is copied. */
void turn_tell(struct master *m, enum event_id id,
    const struct event_fields *fields);
/* The same about a worker row: pool, slot, id, pid and generation are filled
 * in; more may be NULL. */
struct event_member;
void turn_tell_worker(struct master *m, enum event_id id, uint16_t row,
    const char *text, const struct event_member *more);
/* Any other consequence. */
void turn_later(struct master *m, void (*call)(struct master *, uint64_t),
    uint64_t about);

/* Decide what follows, flip, perform; again while that leads to more. */
void turn_end(struct master *m);

#endif
