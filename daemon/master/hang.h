/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * hang.h: a worker whose beat is old.  A second: stalled, it gets nothing and
 * what it has not taken is given to others.  handler_timeout: hung, evidence
 * is taken and the ladder begins.  And one whose beat is well and that takes no
 * connections: deaf, it is replaced.
 */
#ifndef CLUSTERD_MASTER_HANG_H
#define CLUSTERD_MASTER_HANG_H

#include <stdint.h>

struct process;

/* now: when the caller found that it was not late itself.  If everything stood
 * still since, that is for its next look to see. */
void hang_look(struct process *process, uint64_t now);

#endif
