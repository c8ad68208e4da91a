/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* load.c: what the database knew at the start; see read.h. */
#include <stdlib.h>
#include <string.h>

#include "daemon/store/read.h"
#include "daemon/store/sql.h"

#define GET_number(stmt, at, to) (to) = sql_get_number(stmt, at)
#define GET_zero GET_number
#define GET_highest GET_number
#define GET_text(stmt, at, to) sql_get_text(stmt, at, to, sizeof(to))

static void
get_slot(sqlite3_stmt *stmt, void *out)
{
	struct store_slot *slot = out;
	int at = 0;

#define SLOT(kind, name) GET_##kind(stmt, ++at, slot->name);
#include "daemon/store/rows.def"
}

static void
get_pool(sqlite3_stmt *stmt, void *out)
{
	struct store_pool *pool = out;
	int at = 0;

#define POOL(kind, name) GET_##kind(stmt, ++at, pool->name);
#include "daemon/store/rows.def"
}

static void
get_id(sqlite3_stmt *stmt, void *out)
{
	*(uint64_t *)out = (uint64_t)sql_get_number(stmt, 0);
}

/* All rows of a statement, at most limit, as an array. */
static int
load_rows(sqlite3 *db, const char *sql, size_t size, size_t limit,
    void (*get)(sqlite3_stmt *stmt, void *out), void **out, size_t *count,
    struct errmsg *err)
{
	sqlite3_stmt *stmt = NULL;
	char *rows = NULL;
	size_t used = 0;
	int rc, step;

	if ((rc = sql_prepare(db, sql, &stmt, err)) != 0)
		return rc;
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW && used < limit) {
		char *more = used % 64 != 0 ? rows :
		    realloc(rows, (used + 64) * size);

		if (more == NULL) {
			rc = errmsg_set(err, ERR_MEMORY, "out of memory");
			goto out;
		}
		rows = more;
		memset(rows + used * size, 0, size);
		get(stmt, rows + used++ * size);
	}
	if (step != SQLITE_DONE && step != SQLITE_ROW) {
		rc = sql_error(db, "read", err);
		goto out;
	}
	*out = rows;
	*count = used;
	rows = NULL;
out:
	free(rows);
	sqlite3_finalize(stmt);
	return rc;
}

static const char slots_sql[] = "SELECT NULL"
#define SLOT(kind, name) ", " #name
#include "daemon/store/rows.def"
    " FROM workers ORDER BY pool, slot";

static const char pools_sql[] = "SELECT NULL"
#define POOL(kind, name) ", " #name
#include "daemon/store/rows.def"
    " FROM pools ORDER BY pool";

static const char dead_sql[] =
    "SELECT worker_id FROM deaths ORDER BY id DESC";

/* Numbers that are never used again: by their marks, and by what was written
 * after the last mark (there is nothing, unless a mark was lost). */
static const struct { const char *sql; size_t member; } numbers[] = {
	{ "SELECT max(coalesce((SELECT number FROM meta "
	    "WHERE key = 'seq_mark'), 0), "
	    "coalesce((SELECT max(seq) + 1 FROM events), 0))",
	    offsetof(struct store_loaded, seq_mark) },
	{ "SELECT max(coalesce((SELECT number FROM meta "
	    "WHERE key = 'id_mark'), 0), "
	    "coalesce((SELECT max(id) + 1 FROM workers), 0), "
	    "coalesce((SELECT max(worker_id) + 1 FROM deaths), 0))",
	    offsetof(struct store_loaded, id_mark) },
	{ "SELECT coalesce(max(number), 0) FROM generations",
	    offsetof(struct store_loaded, generation) },
	{ "SELECT coalesce((SELECT number FROM generations "
	    "WHERE state = 'committed' ORDER BY time DESC, number DESC "
	    "LIMIT 1), 0)", offsetof(struct store_loaded, committed) },
	{ "SELECT coalesce((SELECT previous FROM generations "
	    "WHERE state = 'committed' ORDER BY time DESC, number DESC "
	    "LIMIT 1), 0)", offsetof(struct store_loaded, previous) },
};

int
read_loaded(sqlite3 *db, struct store_loaded *loaded, struct errmsg *err)
{
	struct store_loaded found = { 0 };
	void *rows[3] = { NULL };
	int64_t number;
	int rc = 0;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		uint64_t value;

		if ((rc = sql_number(db, numbers[i].sql, &number, err)) != 0)
			return rc;
		value = (uint64_t)number;
		memcpy((char *)&found + numbers[i].member, &value,
		    sizeof(value));
		found.present |= value != 0;
	}
	if ((rc = load_rows(db, pools_sql, sizeof(*found.pools),
	    STORE_POOLS_MAX, get_pool, &rows[0], &found.pool_count,
	    err)) == 0)
		rc = load_rows(db, slots_sql, sizeof(*found.slots),
		    STORE_SLOTS_MAX, get_slot, &rows[1], &found.slot_count,
		    err);
	if (rc == 0)
		rc = load_rows(db, dead_sql, sizeof(*found.dead),
		    STORE_LOADED_DEATHS, get_id, &rows[2],
		    &found.dead_count, err);
	found.pools = rows[0];
	found.slots = rows[1];
	found.dead = rows[2];
	if (rc == 0)
		*loaded = found;
	else
		read_loaded_done(&found);
	return rc;
}

void
read_loaded_done(struct store_loaded *loaded)
{
	free(loaded->pools);
	free(loaded->slots);
	free(loaded->dead);
	memset(loaded, 0, sizeof(*loaded));
}
