/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* report.h: the memo's rows into the state database, as far as they changed. */
#ifndef CLUSTERD_MASTER_REPORT_H
#define CLUSTERD_MASTER_REPORT_H

#include "daemon/proto/memo.h"

struct master;

/* What differs between two copies; before may be NULL: everything. */
void report_rows(struct master *m, const struct memo_copy *before,
    const struct memo_copy *after);

#endif
