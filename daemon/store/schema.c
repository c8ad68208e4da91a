/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * schema.c: the tables of the state database as a list of migrations.  The
 * list is append-only: a step that was released is never edited, as there are
 * files that have taken it.  user_version counts the steps.
 */
#include "daemon/store/schema.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "daemon/store/sql.h"

/* Columns are checked by type in every SQLite; from 3.37 on STRICT does it too
 * ("@" below), and tells readers so. */
#define INT(name) name " INTEGER CHECK (typeof(" name ") = 'integer')"
#define INT_OR_NULL(name) \
	name " INTEGER CHECK (typeof(" name ") IN ('integer', 'null'))"
#define TEXT(name) name " TEXT CHECK (typeof(" name ") = 'text')"
#define TEXT_OR_NULL(name) \
	name " TEXT CHECK (typeof(" name ") IN ('text', 'null'))"

static const char *const migrations[] = {
	/* 1: the first release */
	"CREATE TABLE meta (key TEXT PRIMARY KEY NOT NULL, "
	    INT_OR_NULL("number") ", " TEXT_OR_NULL("text") ") @;"
	"CREATE TABLE pools (pool TEXT PRIMARY KEY NOT NULL, "
	    INT("desired") ", " INT("scaled") ", " INT("file_workers") ", "
	    INT("bucket_milli") ", " INT_OR_NULL("bucket_time") ", "
	    INT("restarts") ", " INT("replacements") ", "
	    INT("requests") ", " INT("connections") ", " INT("drained") ") @;"
	"CREATE TABLE workers (" TEXT("pool") ", " INT("slot") ", "
	    INT_OR_NULL("id") ", " INT_OR_NULL("pid") ", "
	    INT("generation") ", " TEXT_OR_NULL("state") ", "
	    INT("wanted") ", " INT("drained") ", "
	    INT_OR_NULL("started") ", " INT_OR_NULL("ready") ", "
	    INT("restarts") ", " INT("replacements") ", " INT("n") ", "
	    INT_OR_NULL("next_try") ", " TEXT_OR_NULL("fatal") ", "
	    INT("requests") ", " INT("connections") ", " INT("cpu_ms") ", "
	    "PRIMARY KEY (pool, slot)) @;"
	"CREATE TABLE events (seq INTEGER PRIMARY KEY, "
	    INT("time") ", " TEXT("event") ", " TEXT_OR_NULL("worker") ", "
	    INT_OR_NULL("pid") ", " TEXT("json") ") @;"
	"CREATE INDEX events_time ON events (time);"
	"CREATE TABLE deaths (id INTEGER PRIMARY KEY, "
	    INT("time") ", " INT("mono_ms") ", " TEXT("pool") ", "
	    INT("slot") ", " INT("worker_id") " UNIQUE, "
	    INT_OR_NULL("pid") ", " INT_OR_NULL("generation") ", "
	    TEXT_OR_NULL("image") ", " TEXT_OR_NULL("state") ", "
	    INT_OR_NULL("uptime_ms") ", " TEXT_OR_NULL("cause") ", "
	    INT_OR_NULL("code") ", " INT_OR_NULL("signal") ", "
	    INT("core") ", " TEXT_OR_NULL("plugin") ", "
	    TEXT_OR_NULL("route") ", " TEXT_OR_NULL("method") ", "
	    TEXT_OR_NULL("path") ", " INT_OR_NULL("request_ms") ", "
	    INT_OR_NULL("beat_age_ms") ", " TEXT_OR_NULL("evidence") ", "
	    INT_OR_NULL("connections_lost") ", "
	    INT_OR_NULL("connections_recovered") ", "
	    INT_OR_NULL("requests") ", " INT_OR_NULL("cpu_ms") ", "
	    INT_OR_NULL("rss_kb") ", " TEXT_OR_NULL("output_tail") ", "
	    INT("n") ", " INT_OR_NULL("next_ms") ", "
	    TEXT_OR_NULL("text") ") @;"
	"CREATE INDEX deaths_slot ON deaths (pool, slot, id);"
	"CREATE TABLE generations (number INTEGER PRIMARY KEY, "
	    INT("time") ", " INT_OR_NULL("previous") ", " TEXT("state") ", "
	    TEXT_OR_NULL("sha256") ", " TEXT_OR_NULL("image") ", "
	    TEXT_OR_NULL("who") ", " TEXT_OR_NULL("text") ", "
	    TEXT_OR_NULL("plugins") ", " TEXT_OR_NULL("verdict") ") @;"
	"CREATE TABLE commands (number INTEGER PRIMARY KEY, "
	    TEXT("command_id") " UNIQUE, " INT("time") ", "
	    INT_OR_NULL("ended") ", " TEXT("command") ", "
	    TEXT_OR_NULL("args") ", " INT_OR_NULL("uid") ", "
	    INT_OR_NULL("gid") ", " INT_OR_NULL("pid") ", "
	    TEXT_OR_NULL("exe") ", " TEXT("state") ", "
	    TEXT_OR_NULL("code") ", " TEXT_OR_NULL("text") ", "
	    TEXT_OR_NULL("result") ") @;",
	/* 2: who drained a pool */
	"ALTER TABLE pools ADD COLUMN " TEXT_OR_NULL("drained_by") ";",
	/* 3: a range of workers */
	"ALTER TABLE pools ADD COLUMN " INT_OR_NULL("file_workers_max") ";",
	/* 4: whether and why an exit was ordered */
	"ALTER TABLE deaths ADD COLUMN " INT_OR_NULL("asked") ";"
	"ALTER TABLE deaths ADD COLUMN " TEXT_OR_NULL("reason") ";",
};

int
schema_current(void)
{
	return (int)COUNT(migrations);
}

int
schema_version(sqlite3 *db, struct schema_version *version, struct errmsg *err)
{
	int64_t application, user_version, objects;
	int rc;

	if ((rc = sql_number(db, "PRAGMA application_id", &application,
	    err)) != 0 ||
	    (rc = sql_number(db, "PRAGMA user_version", &user_version,
	    err)) != 0 ||
	    (rc = sql_number(db, "SELECT count(*) FROM sqlite_master",
	    &objects, err)) != 0)
		return rc;
	version->application = (int)application;
	version->user_version = (int)user_version;
	version->objects = (int)objects;
	return 0;
}

/* The statements of one step: "@" becomes STRICT where there is such a thing. */
static void
spell(struct buf *buf, const char *text)
{
	const char *strict = sqlite3_libversion_number() >= 3037000 ?
	    "STRICT" : "";

	for (const char *at = text; *at != '\0'; at++)
		if (*at == '@')
			buf_add_text(buf, strict);
		else
			buf_add(buf, at, 1);
}

static int
migrate_one(sqlite3 *db, int step, struct errmsg *err)
{
	struct buf buf;
	int rc;

	buf_init(&buf, 0);
	buf_add_text(&buf, "BEGIN IMMEDIATE;");
	spell(&buf, migrations[step]);
	buf_printf(&buf, "PRAGMA application_id = %d;"
	    "PRAGMA user_version = %d; COMMIT", SCHEMA_APPLICATION, step + 1);
	buf_add(&buf, "", 1);
	if (buf.failed)
		rc = errmsg_set(err, ERR_MEMORY, "out of memory");
	else
		rc = sql_run(db, buf_at(&buf), err);
	if (rc != 0 && sqlite3_get_autocommit(db) == 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	buf_done(&buf);
	return rc;
}

int
schema_migrate(sqlite3 *db, int from, int to, struct errmsg *err)
{
	int rc = 0;

	CHECK(from >= 0 && to <= schema_current());
	for (int step = from; step < to && rc == 0; step++)
		rc = migrate_one(db, step, err);
	return rc;
}
