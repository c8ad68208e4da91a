/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * schema.h: the tables of the state database and their history.  Store thread.
 */
#ifndef CLUSTERD_STORE_SCHEMA_H
#define CLUSTERD_STORE_SCHEMA_H

#include <sqlite3.h>

#include "common/base/errmsg.h"

/* "clsd": whose file it is. */
enum { SCHEMA_APPLICATION = 0x636c7364 };

/* What a database calls itself; reads, changes nothing. */
struct schema_version {
	int application, user_version;
	int objects;		/* tables, indices, views in it */
};
int schema_version(sqlite3 *db, struct schema_version *version,
    struct errmsg *err);

/* The version that this program writes. */
int schema_current(void);

/*
 * Bring a database from version `from' to version `to' (0..schema_current()),
 * each step in one transaction with its user_version.  0 or an ERR_ code;
 * after a failure the database has the version of the last whole step.
 */
int schema_migrate(sqlite3 *db, int from, int to, struct errmsg *err);

#endif
