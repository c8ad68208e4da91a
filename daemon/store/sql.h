/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * sql.h: SQLite with our errors: small helpers of this folder.  Store thread.
 */
#ifndef CLUSTERD_STORE_SQL_H
#define CLUSTERD_STORE_SQL_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/errmsg.h"

/*
 * The last error of db as an errmsg: "WHAT: words".  ERR_FORMAT: the file is
 * not a database or is damaged; ERR_BUSY: locked by another process; ERR_FULL:
 * no space; ERR_SYSTEM: everything else.
 */
int sql_error(sqlite3 *db, const char *what, struct errmsg *err);

/* Run statements that return nothing. */
int sql_run(sqlite3 *db, const char *sql, struct errmsg *err);
/* First column of the first row as a number or as text (cut to size). */
int sql_number(sqlite3 *db, const char *sql, int64_t *number,
    struct errmsg *err);
int sql_text(sqlite3 *db, const char *sql, char *text, size_t size,
    struct errmsg *err);

int sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct errmsg *err);
/* Step a statement that returns nothing, then reset it. */
int sql_step(sqlite3_stmt *stmt, struct errmsg *err);

/* Binding by the kinds of rows.def; errors show at the step. */
void sql_bind_number(sqlite3_stmt *stmt, int at, int64_t number);
void sql_bind_zero(sqlite3_stmt *stmt, int at, int64_t number);
void sql_bind_negative(sqlite3_stmt *stmt, int at, int64_t number);
void sql_bind_text(sqlite3_stmt *stmt, int at, const char *text);
#define sql_bind_highest sql_bind_number
#define sql_bind_truth sql_bind_negative

/* Reading by the same kinds. */
int64_t sql_get_number(sqlite3_stmt *stmt, int at);	/* NULL: 0 */
int64_t sql_get_negative(sqlite3_stmt *stmt, int at);	/* NULL: -1 */
void sql_get_text(sqlite3_stmt *stmt, int at, char *text, size_t size);
const char *sql_get_borrowed(sqlite3_stmt *stmt, int at);	/* NULL: NULL */

#endif
