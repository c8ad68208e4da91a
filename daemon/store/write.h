/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* write.h: batches into tables.  Store thread. */
#ifndef CLUSTERD_STORE_WRITE_H
#define CLUSTERD_STORE_WRITE_H

#include <sqlite3.h>

#include "common/base/errmsg.h"
#include "daemon/store/store.h"

struct batch;
struct database;

/* All statements that write, SQL__COUNT of them (database.h); a wrong one thus
 * fails when the file is opened. */
int write_prepare(sqlite3 *db, sqlite3_stmt **stmt, struct errmsg *err);

/* The batch, in one transaction: all of it or nothing. */
int write_batch(struct database *base, const struct batch *batch,
    struct errmsg *err);

/* Remove at most 1000 rows of each table that are over its limit.  *removed:
 * whether there may be more. */
int write_trim(struct database *base, const struct store_keep *keep,
    int *removed, struct errmsg *err);

#endif
