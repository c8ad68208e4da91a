/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* death.c: a row of `deaths' read back; see death.h. */
#include "daemon/store/death.h"

#include "daemon/store/sql.h"

#define NAME(kind, name) ", " #name
#define WHERE " FROM deaths WHERE id >= ?1 AND time >= ?2 AND " \
	"(?3 = '' OR pool = ?3 OR pool || '/' || slot = ?3) "

const char death_sql_first[] = "SELECT id"
#define DEATH NAME
#include "daemon/store/rows.def"
    WHERE "ORDER BY id LIMIT ?4";

const char death_sql_last[] = "SELECT id"
#define DEATH NAME
#include "daemon/store/rows.def"
    WHERE "ORDER BY id DESC LIMIT ?4";

#define GET_number(stmt, at, to) (to) = sql_get_number(stmt, at)
#define GET_zero GET_number
#define GET_negative(stmt, at, to) (to) = sql_get_negative(stmt, at)
#define GET_truth(stmt, at, to) (to) = (int)sql_get_negative(stmt, at)
#define GET_text(stmt, at, to) sql_get_text(stmt, at, to, sizeof(to))

void
death_get(sqlite3_stmt *stmt, struct store_death *death)
{
	int at = 0;

	death->id = (uint64_t)sql_get_number(stmt, 0);
#define DEATH(kind, name) GET_##kind(stmt, ++at, death->name);
#include "daemon/store/rows.def"
}
