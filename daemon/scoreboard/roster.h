/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * roster.h: the master writes the roster, workers read it.  No lock: a reader
 * that was overtaken twice sees it and reads again; a writer that died leaves
 * the copy before.  Never blocks.
 */
#ifndef DAEMON_SCOREBOARD_ROSTER_H
#define DAEMON_SCOREBOARD_ROSTER_H

#include "daemon/proto/roster.h"

/* The copy to fill, whatever is in it; then it is shown.  One writer. */
struct roster_copy *roster_begin(struct roster *roster);
void roster_end(struct roster *roster);

/* The newest one, as far as its rows are in use; the counts in it are within
 * their bounds.  0; -ENOENT: there is none yet; -EAGAIN: overtaken again and
 * again, *out is worth nothing. */
int roster_read(const struct roster *shared, struct roster_copy *out);

#endif
