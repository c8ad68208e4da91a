/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* view.h: fills the plain-data state that control/ shows. */
#ifndef CLUSTERD_MASTER_VIEW_H
#define CLUSTERD_MASTER_VIEW_H

#include "daemon/control/view.h"

struct master;

/* The present state; all of it holds until the next call.  NULL: out of memory. */
const struct view *view_make(struct master *m, enum view_children children);

#endif
