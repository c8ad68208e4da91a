/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* death.h: a row of `deaths' read back.  Store thread. */
#ifndef CLUSTERD_STORE_DEATH_H
#define CLUSTERD_STORE_DEATH_H

#include <sqlite3.h>

#include "daemon/store/rows.h"

/* Columns: id and those of rows.def, as death_get() wants them. */
/* ?1 id, ?2 time, ?3 worker or pool, ?4 limit */
extern const char death_sql_first[];
extern const char death_sql_last[];

void death_get(sqlite3_stmt *stmt, struct store_death *death);

#endif
