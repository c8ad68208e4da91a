/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* read.c: history as JSON, a bounded number of rows a query; see read.h. */
#include "daemon/store/read.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/store/death.h"
#include "daemon/store/sql.h"

enum { ANSWER_BYTES = 8 << 20 };	/* of one answer */

#define EVENTS "SELECT seq, time, json FROM events " \
	"WHERE seq >= ?1 AND time >= ?2 AND (?3 = '' OR worker = ?3 OR " \
	"substr(worker, 1, length(?3) + 1) = ?3 || '/') "
#define GENERATIONS "SELECT number, time, previous, state, sha256, image, " \
	"who, text, plugins, verdict FROM generations " \
	"WHERE number >= ?1 AND time >= ?2 "
#define COMMANDS "SELECT number, time, command_id, ended, command, args, uid, " \
	"gid, pid, exe, state, code, text, result FROM commands " \
	"WHERE number >= ?1 AND time >= ?2 AND (?3 = '' OR command_id = ?3) "

static const char *const selects[][2] = {
	[STORE_EVENTS] = {
		EVENTS "ORDER BY seq LIMIT ?4",
		EVENTS "ORDER BY seq DESC LIMIT ?4",
	},
	[STORE_DEATHS] = { death_sql_first, death_sql_last },
	[STORE_GENERATIONS] = {
		GENERATIONS "ORDER BY number LIMIT ?4",
		GENERATIONS "ORDER BY number DESC LIMIT ?4",
	},
	[STORE_COMMANDS] = {
		COMMANDS "ORDER BY number LIMIT ?4",
		COMMANDS "ORDER BY number DESC LIMIT ?4",
	},
};

int
read_answer_init(struct read_answer *answer)
{
	memset(answer, 0, sizeof(*answer));
	buf_init(&answer->text, ANSWER_BYTES);
	answer->rows = calloc(STORE_ROWS_MAX, sizeof(*answer->rows));
	answer->offsets = calloc(STORE_ROWS_MAX, sizeof(*answer->offsets));
	if (answer->rows != NULL && answer->offsets != NULL)
		return 0;
	read_answer_done(answer);
	return ERR_MEMORY;
}

void
read_answer_done(struct read_answer *answer)
{
	buf_done(&answer->text);
	free(answer->rows);
	free(answer->offsets);
	memset(answer, 0, sizeof(*answer));
}

/* ---- rows as JSON ------------------------------------------------------------ */

static void
add_death(struct buf *buf, sqlite3_stmt *stmt)
{
	struct store_death death;

	memset(&death, 0, sizeof(death));
	death_get(stmt, &death);
	rows_add_death(buf, &death);
}

static void
add_generation(struct buf *buf, sqlite3_stmt *stmt)
{
	const struct store_generation generation = {
		.number = (uint64_t)sql_get_number(stmt, 0),
		.time = sql_get_number(stmt, 1),
		.previous = (uint64_t)sql_get_number(stmt, 2),
		.state = sql_get_borrowed(stmt, 3),
		.sha256 = sql_get_borrowed(stmt, 4),
		.image = sql_get_borrowed(stmt, 5),
		.who = sql_get_borrowed(stmt, 6),
		.text = sql_get_borrowed(stmt, 7),
		.plugins = sql_get_borrowed(stmt, 8),
		.verdict = sql_get_borrowed(stmt, 9),
	};

	rows_add_generation(buf, &generation);
}

static void
add_command(struct buf *buf, sqlite3_stmt *stmt)
{
	const struct store_command command = {
		.time = sql_get_number(stmt, 1),
		.command_id = sql_get_borrowed(stmt, 2),
		.ended = sql_get_number(stmt, 3),
		.command = sql_get_borrowed(stmt, 4),
		.args = sql_get_borrowed(stmt, 5),
		.uid = sql_get_negative(stmt, 6),
		.gid = sql_get_negative(stmt, 7),
		.pid = sql_get_negative(stmt, 8),
		.exe = sql_get_borrowed(stmt, 9),
		.state = sql_get_borrowed(stmt, 10),
		.code = sql_get_borrowed(stmt, 11),
		.text = sql_get_borrowed(stmt, 12),
		.result = sql_get_borrowed(stmt, 13),
	};

	rows_add_command(buf, &command);
}

static void
add_event(struct buf *buf, sqlite3_stmt *stmt)
{
	buf_add_text(buf, sql_get_borrowed(stmt, 2));
}

static void (*const adders[])(struct buf *buf, sqlite3_stmt *stmt) = {
	[STORE_EVENTS] = add_event,
	[STORE_DEATHS] = add_death,
	[STORE_GENERATIONS] = add_generation,
	[STORE_COMMANDS] = add_command,
};

/* One row into the answer; 0 when it is full. */
static int
add_row(struct read_answer *answer, const struct store_query *query,
    sqlite3_stmt *stmt)
{
	struct store_text *row = &answer->rows[answer->count];
	size_t before = buf_len(&answer->text);

	adders[query->table](&answer->text, stmt);
	if (answer->text.failed || answer->count == STORE_ROWS_MAX)
		return 0;
	row->key = (uint64_t)sqlite3_column_int64(stmt, 0);
	row->time_ms = sqlite3_column_int64(stmt, 1);
	row->len = buf_len(&answer->text) - before;
	answer->offsets[answer->count++] = before;
	return 1;
}

/* The last rows were read backwards. */
static void
reverse(struct read_answer *answer)
{
	for (size_t i = 0, j = answer->count; i + 1 < j; i++) {
		struct store_text row = answer->rows[i];
		size_t offset = answer->offsets[i];

		j--;
		answer->rows[i] = answer->rows[j];
		answer->offsets[i] = answer->offsets[j];
		answer->rows[j] = row;
		answer->offsets[j] = offset;
	}
}

static void
complete(struct read_answer *answer, const struct store_query *query)
{
	if (query->last)
		reverse(answer);
	for (size_t i = 0; i < answer->count; i++)
		answer->rows[i].json = answer->text.data +
		    answer->text.start + answer->offsets[i];
}

int
read_query(sqlite3 *db, const struct store_query *query,
    struct read_answer *answer, struct errmsg *err)
{
	unsigned limit = query->limit;
	sqlite3_stmt *stmt = NULL;
	const char *word;
	int rc, step;

	if (limit == 0 || limit > STORE_ROWS_MAX)
		limit = STORE_ROWS_MAX;
	word = query->table == STORE_COMMANDS ? query->command_id :
	    query->worker;
	if ((rc = sql_prepare(db, selects[query->table][query->last != 0],
	    &stmt, err)) != 0)
		return rc;
	sqlite3_bind_int64(stmt, 1, (int64_t)query->since);
	sqlite3_bind_int64(stmt, 2, query->since_ms);
	if (query->table != STORE_GENERATIONS)
		sqlite3_bind_text(stmt, 3, word, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, limit + 1);
	while ((step = sqlite3_step(stmt)) == SQLITE_ROW)
		if (answer->count == limit || !add_row(answer, query, stmt)) {
			answer->more = 1;
			break;
		}
	if (step != SQLITE_ROW && step != SQLITE_DONE)
		rc = sql_error(db, "read", err);
	sqlite3_finalize(stmt);
	complete(answer, query);
	return rc;
}
