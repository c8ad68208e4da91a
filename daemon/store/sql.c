/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sql.c: SQLite with our errors; see sql.h. */
#include "daemon/store/sql.h"

#include <stdio.h>
#include <string.h>

int
sql_error(sqlite3 *db, const char *what, struct errmsg *err)
{
	int code = ERR_SYSTEM;

	switch (sqlite3_errcode(db) & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		code = ERR_FORMAT;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		code = ERR_BUSY;
		break;
	case SQLITE_FULL:
		code = ERR_FULL;
		break;
	case SQLITE_NOMEM:
		code = ERR_MEMORY;
		break;
	}
	return errmsg_set(err, code, "%s: %s", what, sqlite3_errmsg(db));
}

int
sql_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct errmsg *err)
{
	if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, stmt,
	    NULL) != SQLITE_OK)
		return sql_error(db, "prepare", err);
	return 0;
}

int
sql_run(sqlite3 *db, const char *sql, struct errmsg *err)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(db, "write", err);
	return 0;
}

/* Step to the first row. */
static int
first_row(sqlite3 *db, const char *sql, sqlite3_stmt **stmt,
    struct errmsg *err)
{
	int rc;

	if (sqlite3_prepare_v2(db, sql, -1, stmt, NULL) != SQLITE_OK)
		return sql_error(db, "read", err);
	rc = sqlite3_step(*stmt);
	if (rc == SQLITE_DONE)
		return errmsg_set(err, ERR_NOT_FOUND, "read: no answer to %s",
		    sql);
	return rc == SQLITE_ROW ? 0 : sql_error(db, "read", err);
}

int
sql_number(sqlite3 *db, const char *sql, int64_t *number, struct errmsg *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = first_row(db, sql, &stmt, err);

	if (rc == 0)
		*number = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc;
}

int
sql_text(sqlite3 *db, const char *sql, char *text, size_t size,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = first_row(db, sql, &stmt, err);

	if (rc == 0)
		sql_get_text(stmt, 0, text, size);
	sqlite3_finalize(stmt);
	return rc;
}

int
sql_step(sqlite3_stmt *stmt, struct errmsg *err)
{
	int rc = 0;

	if (sqlite3_step(stmt) != SQLITE_DONE)
		rc = sql_error(sqlite3_db_handle(stmt), "write", err);
	sqlite3_reset(stmt);
	return rc;
}

void
sql_bind_number(sqlite3_stmt *stmt, int at, int64_t number)
{
	sqlite3_bind_int64(stmt, at, number);
}

void
sql_bind_zero(sqlite3_stmt *stmt, int at, int64_t number)
{
	if (number != 0)
		sqlite3_bind_int64(stmt, at, number);
	else
		sqlite3_bind_null(stmt, at);
}

void
sql_bind_negative(sqlite3_stmt *stmt, int at, int64_t number)
{
	if (number >= 0)
		sqlite3_bind_int64(stmt, at, number);
	else
		sqlite3_bind_null(stmt, at);
}

/* NULL and "" are NULL; what is not UTF-8 has been escaped before. */
void
sql_bind_text(sqlite3_stmt *stmt, int at, const char *text)
{
	if (text != NULL && text[0] != '\0')
		sqlite3_bind_text(stmt, at, text, -1, SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, at);
}

int64_t
sql_get_number(sqlite3_stmt *stmt, int at)
{
	return sqlite3_column_int64(stmt, at);
}

int64_t
sql_get_negative(sqlite3_stmt *stmt, int at)
{
	if (sqlite3_column_type(stmt, at) == SQLITE_NULL)
		return -1;
	return sqlite3_column_int64(stmt, at);
}

const char *
sql_get_borrowed(sqlite3_stmt *stmt, int at)
{
	return (const char *)sqlite3_column_text(stmt, at);
}

void
sql_get_text(sqlite3_stmt *stmt, int at, char *text, size_t size)
{
	const char *found = sql_get_borrowed(stmt, at);

	snprintf(text, size, "%s", found != NULL ? found : "");
}
