/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* write.c: batches into tables; see write.h. */
#include "daemon/store/write.h"

#include <string.h>

#include "common/base/check.h"
#include "common/base/failpoint.h"
#include "daemon/store/database.h"
#include "daemon/store/queue.h"
#include "daemon/store/sql.h"

enum { TRIM_ROWS = 1000, DEATHS_A_SLOT = 100 };

/* ", a, b" for columns · ", ?, ?" for values · ", a = excluded.a" for what a
 * later write changes.  The leading comma is after a column of its own. */
#define NAME(kind, name) ", " #name
#define MARK(kind, name) ", ?"
#define ASSIGN(kind, name) ASSIGN_##kind(name)
#define ASSIGN_number(name) ", " #name " = excluded." #name
#define ASSIGN_zero ASSIGN_number
#define ASSIGN_text ASSIGN_number
#define ASSIGN_highest(name) ", " #name " = max(" #name ", excluded." #name ")"

static const char *const statements[SQL__COUNT] = {
	[SQL_EVENT] = "INSERT OR REPLACE INTO events "
	    "(seq, time, event, worker, pid, json) VALUES (?, ?, ?, ?, ?, ?)",
	[SQL_DEATH] = "INSERT OR IGNORE INTO deaths (id"
#define DEATH NAME
#include "daemon/store/rows.def"
	    ") VALUES (NULL"
#define DEATH MARK
#include "daemon/store/rows.def"
	    ")",
	[SQL_GENERATION] = "INSERT OR REPLACE INTO generations "
	    "(number, time, previous, state, sha256, image, who, text, plugins, "
	    "verdict) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
	[SQL_COMMAND] = "INSERT INTO commands "
	    "(command_id, time, ended, command, args, uid, gid, pid, exe, "
	    "state, code, text, result) "
	    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
	    "ON CONFLICT (command_id) DO UPDATE SET ended = excluded.ended, "
	    "state = excluded.state, code = excluded.code, "
	    "text = excluded.text, result = excluded.result",
	[SQL_POOL] = "INSERT INTO pools (rowid"
#define POOL NAME
#include "daemon/store/rows.def"
	    ") VALUES (NULL"
#define POOL MARK
#include "daemon/store/rows.def"
	    ") ON CONFLICT (pool) DO UPDATE SET pool = pool"
#define POOL ASSIGN
#include "daemon/store/rows.def"
	,
	[SQL_SLOT] = "INSERT INTO workers (rowid"
#define SLOT NAME
#include "daemon/store/rows.def"
	    ") VALUES (NULL"
#define SLOT MARK
#include "daemon/store/rows.def"
	    ") ON CONFLICT (pool, slot) DO UPDATE SET pool = pool"
#define SLOT ASSIGN
#include "daemon/store/rows.def"
	,
	[SQL_MARK] = "INSERT INTO meta (key, number) VALUES (?, ?) "
	    "ON CONFLICT (key) DO UPDATE "
	    "SET number = max(number, excluded.number)",
	[SQL_REMOVE_POOL] = "DELETE FROM pools WHERE pool = ?",
	[SQL_REMOVE_SLOTS] = "DELETE FROM workers WHERE pool = ?",
	[SQL_REMOVE_SLOT] = "DELETE FROM workers WHERE pool = ? AND slot = ?",
	/* ?1: rows to keep, ?2: rows to remove at most */
	[SQL_TRIM_EVENTS] = "DELETE FROM events WHERE seq IN "
	    "(SELECT seq FROM events ORDER BY seq LIMIT max(0, min(?2, "
	    "(SELECT count(*) FROM events) - ?1)))",
	[SQL_TRIM_DEATHS] = "DELETE FROM deaths WHERE id IN "
	    "(SELECT id FROM deaths ORDER BY id LIMIT max(0, min(?2, "
	    "(SELECT count(*) FROM deaths) - ?1)))",
	[SQL_TRIM_SLOT_DEATHS] = "DELETE FROM deaths WHERE id IN "
	    "(SELECT id FROM (SELECT id, row_number() OVER "
	    "(PARTITION BY pool, slot ORDER BY id DESC) AS nth FROM deaths) "
	    "WHERE nth > ?1 LIMIT ?2)",
	/* What is in force and what went before stays, however old. */
	[SQL_TRIM_GENERATIONS] = "DELETE FROM generations WHERE number IN "
	    "(SELECT number FROM generations WHERE number NOT IN "
	    "(SELECT number FROM generations WHERE state = 'committed' "
	    "ORDER BY time DESC, number DESC LIMIT 2) "
	    "ORDER BY number LIMIT max(0, min(?2, "
	    "(SELECT count(*) FROM generations) - ?1)))",
	[SQL_TRIM_COMMANDS] = "DELETE FROM commands WHERE number IN "
	    "(SELECT number FROM commands ORDER BY number LIMIT max(0, "
	    "min(?2, (SELECT count(*) FROM commands) - ?1)))",
};

int
write_prepare(sqlite3 *db, sqlite3_stmt **stmt, struct errmsg *err)
{
	int rc = 0;

	for (size_t i = 0; i < SQL__COUNT && rc == 0; i++)
		rc = sql_prepare(db, statements[i], &stmt[i], err);
	return rc;
}

/* ---- rows ------------------------------------------------------------------- */

static int
write_event(struct database *base, const struct store_event *event,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_EVENT];

	sql_bind_number(stmt, 1, (int64_t)event->seq);
	sql_bind_number(stmt, 2, event->time);
	sql_bind_text(stmt, 3, event->event);
	sql_bind_text(stmt, 4, event->worker);
	sql_bind_zero(stmt, 5, event->pid);
	sql_bind_text(stmt, 6, event->json);
	return sql_step(stmt, err);
}

static int
write_death(struct database *base, const struct store_death *death,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_DEATH];
	int at = 0;

#define DEATH(kind, name) sql_bind_##kind(stmt, ++at, death->name);
#include "daemon/store/rows.def"
	return sql_step(stmt, err);
}

static int
write_generation(struct database *base,
    const struct store_generation *generation, struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_GENERATION];

	sql_bind_number(stmt, 1, (int64_t)generation->number);
	sql_bind_number(stmt, 2, generation->time);
	sql_bind_zero(stmt, 3, (int64_t)generation->previous);
	sql_bind_text(stmt, 4, generation->state);
	sql_bind_text(stmt, 5, generation->sha256);
	sql_bind_text(stmt, 6, generation->image);
	sql_bind_text(stmt, 7, generation->who);
	sql_bind_text(stmt, 8, generation->text);
	sql_bind_text(stmt, 9, generation->plugins);
	sql_bind_text(stmt, 10, generation->verdict);
	return sql_step(stmt, err);
}

static int
write_command(struct database *base, const struct store_command *command,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_COMMAND];

	sql_bind_text(stmt, 1, command->command_id);
	sql_bind_number(stmt, 2, command->time);
	sql_bind_zero(stmt, 3, command->ended);
	sql_bind_text(stmt, 4, command->command);
	sql_bind_text(stmt, 5, command->args);
	sql_bind_negative(stmt, 6, command->uid);
	sql_bind_negative(stmt, 7, command->gid);
	sql_bind_negative(stmt, 8, command->pid);
	sql_bind_text(stmt, 9, command->exe);
	sql_bind_text(stmt, 10, command->state);
	sql_bind_text(stmt, 11, command->code);
	sql_bind_text(stmt, 12, command->text);
	sql_bind_text(stmt, 13, command->result);
	return sql_step(stmt, err);
}

static int
write_pool(struct database *base, const struct store_pool *pool,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_POOL];
	int at = 0;

#define POOL(kind, name) sql_bind_##kind(stmt, ++at, pool->name);
#include "daemon/store/rows.def"
	return sql_step(stmt, err);
}

static int
write_slot(struct database *base, const struct store_slot *slot,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_SLOT];
	int at = 0;

#define SLOT(kind, name) sql_bind_##kind(stmt, ++at, slot->name);
#include "daemon/store/rows.def"
	return sql_step(stmt, err);
}

static int
write_mark(struct database *base, const char *key, uint64_t number,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_MARK];

	if (number == 0)
		return 0;
	sql_bind_text(stmt, 1, key);
	sql_bind_number(stmt, 2, (int64_t)number);
	return sql_step(stmt, err);
}

static int
remove_pool(struct database *base, const char *pool, struct errmsg *err)
{
	int rc;

	sql_bind_text(base->stmt[SQL_REMOVE_POOL], 1, pool);
	sql_bind_text(base->stmt[SQL_REMOVE_SLOTS], 1, pool);
	if ((rc = sql_step(base->stmt[SQL_REMOVE_POOL], err)) != 0)
		return rc;
	return sql_step(base->stmt[SQL_REMOVE_SLOTS], err);
}

static int
remove_slot(struct database *base, const struct store_place *place,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[SQL_REMOVE_SLOT];

	sql_bind_text(stmt, 1, place->pool);
	sql_bind_number(stmt, 2, place->slot);
	return sql_step(stmt, err);
}

static int
write_record(struct database *base, const struct record *record,
    struct errmsg *err)
{
	switch (record->kind) {
	case RECORD_EVENT:
		return write_event(base, &record->event, err);
	case RECORD_DEATH:
		return write_death(base, &record->death, err);
	case RECORD_GENERATION:
		return write_generation(base, &record->generation, err);
	case RECORD_COMMAND:
		return write_command(base, &record->command, err);
	case RECORD_REMOVE_POOL:
		return remove_pool(base, record->pool, err);
	case RECORD_REMOVE_SLOT:
		return remove_slot(base, &record->place, err);
	}
	return 0;
}

/* ---- batches ----------------------------------------------------------------- */

static int
write_rows(struct database *base, const struct batch *batch,
    struct errmsg *err)
{
	const struct record *record;
	int rc = 0;

	for (record = batch->others.first; record != NULL && rc == 0;
	    record = record->next)
		rc = write_record(base, record, err);
	for (record = batch->events.first; record != NULL && rc == 0;
	    record = record->next)
		rc = write_record(base, record, err);
	for (size_t i = 0; i < batch->pool_count && rc == 0; i++)
		rc = write_pool(base, &batch->pools[i], err);
	for (size_t i = 0; i < batch->slot_count && rc == 0; i++)
		rc = write_slot(base, &batch->slots[i], err);
	if (rc == 0)
		rc = write_mark(base, "seq_mark", batch->seq_mark, err);
	if (rc == 0)
		rc = write_mark(base, "id_mark", batch->id_mark, err);
	return rc;
}

static int
commit(struct database *base, struct errmsg *err)
{
	int fp = FP("store.before_commit"), rc;

	if (fp != 0)
		return errmsg_set(err, ERR_FULL, "write: %s",
		    fp > 0 ? strerror(fp) : "skipped");
	rc = sql_run(base->db, "COMMIT", err);
	if (rc == 0)
		(void)FP("store.after_commit");
	return rc;
}

static void
roll_back(struct database *base)
{
	if (sqlite3_get_autocommit(base->db) == 0)
		sqlite3_exec(base->db, "ROLLBACK", NULL, NULL, NULL);
}

int
write_batch(struct database *base, const struct batch *batch,
    struct errmsg *err)
{
	int rc = sql_run(base->db, "BEGIN IMMEDIATE", err);

	if (rc == 0)
		rc = write_rows(base, batch, err);
	if (rc == 0)
		rc = commit(base, err);
	if (rc != 0)
		roll_back(base);
	return rc;
}

/* ---- retention --------------------------------------------------------------- */

static int
trim(struct database *base, enum statement which, unsigned keep, int *removed,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = base->stmt[which];
	int rc;

	sql_bind_number(stmt, 1, keep);
	sql_bind_number(stmt, 2, TRIM_ROWS);
	rc = sql_step(stmt, err);
	if (rc == 0 && sqlite3_changes(base->db) == TRIM_ROWS)
		*removed = 1;
	return rc;
}

int
write_trim(struct database *base, const struct store_keep *keep, int *removed,
    struct errmsg *err)
{
	const struct { enum statement which; unsigned keep; } limits[] = {
		{ SQL_TRIM_EVENTS, keep->events },
		{ SQL_TRIM_SLOT_DEATHS, DEATHS_A_SLOT },
		{ SQL_TRIM_DEATHS, keep->deaths },
		{ SQL_TRIM_GENERATIONS, keep->generations },
		{ SQL_TRIM_COMMANDS, keep->commands },
	};
	int rc = sql_run(base->db, "BEGIN IMMEDIATE", err);

	*removed = 0;
	for (size_t i = 0; i < COUNT(limits) && rc == 0; i++)
		rc = trim(base, limits[i].which, limits[i].keep, removed, err);
	if (rc == 0)
		rc = sql_run(base->db, "COMMIT", err);
	if (rc != 0)
		roll_back(base);
	return rc;
}
