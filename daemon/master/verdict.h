/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * verdict.h: is the service well?  Kept up to date by the tick; told once a
 * change to log, journal and service manager; read by view.c.
 */
#ifndef CLUSTERD_MASTER_VERDICT_H
#define CLUSTERD_MASTER_VERDICT_H

#include <stddef.h>

#include "daemon/control/view.h"

struct master;

enum { VERDICT_REASONS = 64, VERDICT_TEXT = 256 };

/* Look again, tell what has changed. */
void verdict_look(struct master *m);
/* Look again, without telling: for a view. */
void verdict_find(struct master *m);

enum view_state verdict_state(void);
size_t verdict_reasons(const struct view_reason **reasons);

#endif
