/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * roster.h: the master writes the roster, workers read it.  No lock: a reader
 * that was overtaken twice sees it and reads again; a writer that died leaves
 * the copy before.  Never blocks.
 */
#ifndef DAEMON_SCOREBOARD_ROSTER_H
#define DAEMON_SCOREBOARD_ROSTER_H

#include <stdbool.h>

#include "daemon/proto/roster.h"

/* The copy to fill, whatever is in it; then it is shown.  One writer. */
struct roster_copy *roster_begin(struct roster *roster);
void roster_end(struct roster *roster);

/* The newest one, as far as its rows are in use; the counts in it are within
 * their bounds.  0; -ENOENT: there is none yet; -EAGAIN: overtaken again and
 * again, *out is worth nothing. */
int roster_read(const struct roster *shared, struct roster_copy *out);

/* The row of one worker alone; -ENOENT also where it is not in it. */
int roster_find(const struct roster *shared, uint64_t id,
    struct roster_worker *out);
/* How often it was written: is there something new? */
uint64_t roster_number(const struct roster *shared);

/* -- leaders --------------------------------------------------------------- */

/*
 * Does this worker lead its pool?  A worker asks inside of a callback, after its
 * page says so (board_set_callback); the master takes the lead back and then looks
 * at that page.  Of two such looks at least one sees what the other wrote.
 */
bool roster_leads(const struct roster *shared, uint64_t id);

/* The master's: the row of a pool, NULL if there is none; a free row becomes that
 * of a pool; nobody leads it any more; this one does. */
struct roster_leader *roster_leader(struct roster *roster, const char *pool);
void roster_name_leader(struct roster *roster, struct roster_leader *row,
    const char *pool);
void roster_take_lead(struct roster_leader *row);
void roster_give_lead(struct roster_leader *row, uint64_t id);

#endif
