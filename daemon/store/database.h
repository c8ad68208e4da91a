/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * database.h: the file state.db: opened, kept an eye on, moved aside.
 * Used by the store thread alone.
 */
#ifndef CLUSTERD_STORE_DATABASE_H
#define CLUSTERD_STORE_DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

#include "common/base/errmsg.h"
#include "common/base/file.h"

enum statement {
	SQL_EVENT, SQL_DEATH, SQL_GENERATION, SQL_COMMAND, SQL_POOL, SQL_SLOT,
	SQL_MARK, SQL_REMOVE_POOL, SQL_REMOVE_SLOTS, SQL_REMOVE_SLOT,
	SQL_TRIM_EVENTS, SQL_TRIM_DEATHS, SQL_TRIM_SLOT_DEATHS,
	SQL_TRIM_GENERATIONS, SQL_TRIM_COMMANDS,
};
enum { SQL__COUNT = SQL_TRIM_COMMANDS + 1 };

struct database {
	char path[4096];		/* of state.db, without links in it */
	sqlite3 *db;			/* the writer; NULL: not open */
	sqlite3 *reader;		/* read-only, for history */
	sqlite3_stmt *stmt[SQL__COUNT];
	struct file_id wal;		/* its -wal file */
	int (*busy)(void *arg);		/* locked: 1 wait on, 0 give up */
	void *busy_arg;
	int fresh;			/* made by this open */
	char aside[256];		/* where an unusable file was moved to, or "" */
};

/* Nothing is opened.  busy is called about every 20 ms while the file is
 * locked by another process. */
void database_init(struct database *base, const char *dir,
    int (*busy)(void *arg), void *busy_arg);

/*
 * Open, check (thorough: page by page), migrate and prepare.  A file that is
 * not a database of ours, is damaged or empty is moved aside together with its
 * -wal and -shm, and a new one is made.  Returns 0, ERR_VERSION (newer schema,
 * file untouched), ERR_BUSY (locked), or another ERR_ code; closed then.
 */
int database_open(struct database *base, int thorough, struct errmsg *err);

/* Close.  tidy: fold the WAL into the file before. */
void database_close(struct database *base, int tidy);

/* Close, and do away with what is at our path and cannot be used: damaged
 * files are moved aside, a stale -wal of a file that is gone is removed.  A log
 * that lost its name is folded into the file first. */
void database_discard(struct database *base);

/* What became of the file under us. */
enum database_health {
	DATABASE_FINE,
	DATABASE_MOVED,		/* deleted, renamed or replaced */
	DATABASE_DAMAGED,	/* overwritten in place */
	DATABASE_LOG_LOST,	/* its -wal is gone or another: what we commit
				 * is seen by us alone, and lost when we end */
};
enum database_health database_check(struct database *base);

uint64_t database_wal_bytes(const struct database *base);

#endif
