/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * database.c: the file state.db; see database.h.  No other descriptor of the
 * file may ever be opened here: closing it would drop SQLite's locks.
 */
#include "daemon/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "daemon/store/aside.h"
#include "daemon/store/schema.h"
#include "daemon/store/sql.h"
#include "daemon/store/write.h"

void
database_init(struct database *base, const char *dir, int (*busy)(void *arg),
    void *busy_arg)
{
	char *real = realpath(dir, NULL);

	memset(base, 0, sizeof(*base));
	/* SQLite refuses a link in any component, /var included. */
	snprintf(base->path, sizeof(base->path), "%s/state.db",
	    real != NULL ? real : dir);
	free(real);
	base->busy = busy;
	base->busy_arg = busy_arg;
}

static int
on_busy(void *arg, int count)
{
	struct database *base = arg;

	(void)count;
	sqlite3_sleep(20);
	return base->busy(base->busy_arg);
}

/* Make the file ourselves, so that its mode does not depend on a umask.  A
 * file that is there must be regular and not empty. */
static int
prepare_file(struct database *base, struct errmsg *err)
{
	struct stat st;
	int fd;

	if (lstat(base->path, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return errmsg_set(err, ERR_SYSTEM,
			    "%s is not a regular file", base->path);
		if (st.st_size > 0)
			return 0;
	} else if (errno != ENOENT) {
		return errmsg_errno(err, "%s", base->path);
	}
	/* Empty, or only a -wal of a file that is gone: SQLite would delete
	 * what that holds. */
	aside_move(base->path, base->aside, sizeof(base->aside));
	fd = open(base->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	    0640);
	if (fd < 0)
		return errmsg_errno(err, "cannot make %s", base->path);
	(void)fchmod(fd, 0640);
	close(fd);
	base->fresh = 1;
	return 0;
}

static int
open_handle(const char *path, int flags, sqlite3 **out, struct errmsg *err)
{
	sqlite3 *db = NULL;
	int rc = 0;

	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		rc = db != NULL ? sql_error(db, "open", err) :
		    errmsg_set(err, ERR_MEMORY, "out of memory");
		sqlite3_close(db);
		return rc;
	}
	sqlite3_extended_result_codes(db, 1);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	*out = db;
	return rc;
}

/* Whose file it is, of which version, and whether it is whole. */
static int
identify(struct database *base, int thorough, int *from, struct errmsg *err)
{
	struct schema_version version;
	char word[128];
	int rc;

	if ((rc = schema_version(base->db, &version, err)) != 0)
		return rc;
	if (version.objects > 0 && version.application != SCHEMA_APPLICATION)
		return errmsg_set(err, ERR_FORMAT, "not a database of ours");
	if (version.user_version > schema_current())
		return errmsg_set(err, ERR_VERSION,
		    "%s has schema %d, this program knows up to %d: it is from "
		    "a newer version", base->path, version.user_version,
		    schema_current());
	if (version.user_version < 0 ||
	    (version.user_version > 0 && version.objects == 0))
		return errmsg_set(err, ERR_FORMAT, "its tables are missing");
	*from = version.user_version;
	if (!thorough)
		return 0;
	if ((rc = sql_text(base->db, "PRAGMA quick_check(1)", word,
	    sizeof(word), err)) != 0)
		return rc;
	if (strcmp(word, "ok") != 0)
		return errmsg_set(err, ERR_FORMAT, "damaged: %s", word);
	return 0;
}

/* The log and its index stay when the file is closed, so that users who may
 * only read can; and a file that is not, or not yet, ours is left as it is. */
static void
leave_log(struct database *base, int unfolded)
{
	int on = 1;

	sqlite3_file_control(base->db, "main", SQLITE_FCNTL_PERSIST_WAL, &on);
	sqlite3_db_config(base->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, unfolded,
	    NULL);
}

static int
set_up(struct database *base, struct errmsg *err)
{
	char mode[16];
	int rc;

	/* The pragma does not fail, it tells the mode in force. */
	if ((rc = sql_text(base->db, "PRAGMA journal_mode = WAL", mode,
	    sizeof(mode), err)) != 0)
		return rc;
	if (strcmp(mode, "wal") != 0)
		return errmsg_set(err, ERR_SYSTEM,
		    "%s cannot have a write-ahead log (mode %s)", base->path,
		    mode);
	return sql_run(base->db, "PRAGMA synchronous = NORMAL;"
	    "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
	    "PRAGMA journal_size_limit = 4194304", err);
}

/* CLUSTERD_TEST_PRAGMA="max_page_count=40": a full disk for tests. */
static int
test_pragma(struct database *base, struct errmsg *err)
{
#ifdef CLUSTERD_FAILPOINTS
	const char *pragma = getenv("CLUSTERD_TEST_PRAGMA");
	char text[128];

	if (pragma != NULL && pragma[0] != '\0') {
		snprintf(text, sizeof(text), "PRAGMA %s", pragma);
		return sql_run(base->db, text, err);
	}
#endif
	(void)base;
	(void)err;
	return 0;
}

/* A newer program keeps a copy of the file before it changes its tables. */
static int
keep_copy(struct database *base, int version, struct errmsg *err)
{
	char copy[sizeof(base->path) + 16], *sql;
	int rc;

	snprintf(copy, sizeof(copy), "%s.schema-%d", base->path, version);
	if (access(copy, F_OK) == 0)
		return 0;		/* of an attempt that was cut short */
	sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
	rc = sql != NULL ? sql_run(base->db, sql, err) :
	    errmsg_set(err, ERR_MEMORY, "out of memory");
	sqlite3_free(sql);
	return rc;
}

static int
migrate(struct database *base, int from, struct errmsg *err)
{
	int rc;

	if (from > 0 && from < schema_current() &&
	    (rc = keep_copy(base, from, err)) != 0)
		return rc;
	return schema_migrate(base->db, from, schema_current(), err);
}

static int
stat_wal(const struct database *base, struct stat *st)
{
	char wal[sizeof(base->path) + 8];

	snprintf(wal, sizeof(wal), "%s-wal", base->path);
	return stat(wal, st);
}

static void
remember_wal(struct database *base)
{
	struct stat st;

	if (stat_wal(base, &st) != 0)
		memset(&st, 0, sizeof(st));
	base->wal = file_id_of(&st);
}

static int
open_once(struct database *base, int thorough, struct errmsg *err)
{
	int from = 0, rc;
	int fp = FP("store.open");

	if (fp > 0)
		return errmsg_set(err, ERR_SYSTEM, "open: %s", strerror(fp));
	if ((rc = prepare_file(base, err)) != 0)
		return rc;
	if ((rc = open_handle(base->path, SQLITE_OPEN_READWRITE, &base->db,
	    err)) != 0)
		return rc;
	sqlite3_busy_handler(base->db, on_busy, base);
	leave_log(base, 1);
	if ((rc = identify(base, thorough, &from, err)) != 0)
		return rc;
	leave_log(base, 0);
	if ((rc = set_up(base, err)) != 0 ||
	    (rc = migrate(base, from, err)) != 0 ||
	    (rc = test_pragma(base, err)) != 0 ||
	    (rc = write_prepare(base->db, base->stmt, err)) != 0)
		return rc;
	if ((rc = open_handle(base->path, SQLITE_OPEN_READONLY, &base->reader,
	    err)) != 0)
		return rc;
	sqlite3_busy_timeout(base->reader, (int)clock_scaled_ms(1000));
	remember_wal(base);
	return 0;
}

int
database_open(struct database *base, int thorough, struct errmsg *err)
{
	int rc;

	CHECK(base->db == NULL);
	base->fresh = 0;
	base->aside[0] = '\0';
	rc = open_once(base, thorough, err);
	if (rc == ERR_FORMAT) {
		database_close(base, 0);
		if (aside_move(base->path, base->aside,
		    sizeof(base->aside)) == 0)
			rc = open_once(base, thorough, err);
		else
			rc = errmsg_set(err, ERR_SYSTEM,
			    "%s is unusable and cannot be moved aside: %s",
			    base->path, strerror(errno));
	}
	if (rc != 0)
		database_close(base, 0);
	return rc;
}

void
database_close(struct database *base, int tidy)
{
	for (size_t i = 0; i < COUNT(base->stmt); i++) {
		sqlite3_finalize(base->stmt[i]);
		base->stmt[i] = NULL;
	}
	sqlite3_close(base->reader);
	base->reader = NULL;
	if (base->db != NULL && tidy)
		sqlite3_wal_checkpoint_v2(base->db, NULL,
		    SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_close(base->db);
	base->db = NULL;
}

void
database_discard(struct database *base)
{
	enum database_health health = database_check(base);
	char side[sizeof(base->path) + 8];
	struct stat st;

	if (base->db != NULL)
		leave_log(base, health != DATABASE_LOG_LOST);
	database_close(base, health == DATABASE_LOG_LOST);
	if (health == DATABASE_DAMAGED) {
		aside_move(base->path, base->aside, sizeof(base->aside));
		return;
	}
	/* The log of a file that is gone must not be played into the one that
	 * took its name.  A log that came with that one stays. */
	if (health != DATABASE_MOVED || stat_wal(base, &st) != 0 ||
	    !file_is(&st, &base->wal))
		return;
	snprintf(side, sizeof(side), "%s-wal", base->path);
	(void)unlink(side);
	snprintf(side, sizeof(side), "%s-shm", base->path);
	(void)unlink(side);
}

/* Read through SQLite's own descriptor.  The first page is in the file from the
 * change to WAL on, so a short file has been cut; an error of another kind is
 * for the next write to tell. */
static int
is_overwritten(struct database *base)
{
	sqlite3_file *file = NULL;
	char head[16] = "";
	int rc;

	sqlite3_file_control(base->db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	if (file == NULL || file->pMethods == NULL)
		return 0;
	rc = file->pMethods->xRead(file, head, sizeof(head), 0);
	if (rc != SQLITE_OK && rc != SQLITE_IOERR_SHORT_READ)
		return 0;
	return memcmp(head, "SQLite format 3", sizeof(head)) != 0;
}

/* Whoever held an older file of our name takes the log with it when it closes:
 * SQLite deletes it by its path. */
static int
is_log_lost(struct database *base)
{
	struct stat st;

	if (base->wal.ino == 0) {
		remember_wal(base);
		return 0;
	}
	return stat_wal(base, &st) != 0 ? errno == ENOENT :
	    !file_is(&st, &base->wal);
}

enum database_health
database_check(struct database *base)
{
	int moved = 0;

	if (base->db == NULL)
		return DATABASE_FINE;
	sqlite3_file_control(base->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	if (moved)
		return DATABASE_MOVED;
	if (is_overwritten(base))
		return DATABASE_DAMAGED;
	return is_log_lost(base) ? DATABASE_LOG_LOST : DATABASE_FINE;
}

uint64_t
database_wal_bytes(const struct database *base)
{
	struct stat st;

	return stat_wal(base, &st) == 0 ? (uint64_t)st.st_size : 0;
}
