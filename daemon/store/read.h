/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* read.h: tables into structs and JSON.  Store thread. */
#ifndef CLUSTERD_STORE_READ_H
#define CLUSTERD_STORE_READ_H

#include <sqlite3.h>

#include "common/base/buf.h"
#include "common/base/errmsg.h"
#include "daemon/store/store.h"

/* All that the next start wants to know.  loaded is filled only on success
 * and then owns memory: read_loaded_done(). */
int read_loaded(sqlite3 *db, struct store_loaded *loaded, struct errmsg *err);
void read_loaded_done(struct store_loaded *loaded);

/* Rows of a query; the pointers in rows are set when it is complete. */
struct read_answer {
	struct buf text;
	struct store_text *rows;	/* room for STORE_ROWS_MAX */
	size_t *offsets;
	size_t count;
	int more;
};
/* 0 or ERR_MEMORY. */
int read_answer_init(struct read_answer *answer);
void read_answer_done(struct read_answer *answer);

int read_query(sqlite3 *db, const struct store_query *query,
    struct read_answer *answer, struct errmsg *err);

#endif
