/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* roster.c: the roster of the master's page; see roster.h. */
#include "daemon/scoreboard/roster.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/scoreboard/word.h"

enum { TRIES = 16 };			/* a writer comes twice a second */

struct roster_copy *
roster_begin(struct roster *roster)
{
	/* of one that was begun and not done: once more */
	uint64_t number = roster->done + 1;

	roster->version = ROSTER_VERSION;
	roster->copy_size = sizeof(roster->copy[0]);
	WORD_SET(roster->begun, number);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return &roster->copy[number % 2];
}

void
roster_end(struct roster *roster)
{
	__atomic_store_n(&roster->done, WORD_GET(roster->begun),
	    __ATOMIC_RELEASE);
}

static uint32_t
at_most(uint32_t count, uint32_t most)
{
	return count < most ? count : most;
}

static void
copy_pool(const struct roster_pool *from, struct roster_pool *to)
{
	memcpy(to, from, offsetof(struct roster_pool, listen));
	to->listens = at_most(to->listens, ROSTER_LISTENS);
	memcpy(to->listen, from->listen, to->listens * sizeof(to->listen[0]));
}

static void
copy_rows(const struct roster_copy *from, struct roster_copy *to)
{
	to->at_ns = from->at_ns;
	to->pools = at_most(WORD_GET(from->pools), MEMO_POOLS);
	to->workers = at_most(WORD_GET(from->workers), ROSTER_WORKERS);
	memcpy(to->worker, from->worker,
	    to->workers * sizeof(to->worker[0]));
	for (uint32_t i = 0; i < to->pools; i++)
		copy_pool(&from->pool[i], &to->pool[i]);
}

/* The newest copy; NULL: there is none that we know how to read. */
static const struct roster_copy *
newest(const struct roster *shared, uint64_t *number)
{
	*number = __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE);
	if (*number == 0 || shared->version != ROSTER_VERSION ||
	    shared->copy_size != sizeof(shared->copy[0]))
		return NULL;
	return &shared->copy[*number % 2];
}

/* The next but one goes where we read. */
static bool
was_whole(const struct roster *shared, uint64_t number)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return WORD_GET(shared->begun) <= number + 1;
}

int
roster_read(const struct roster *shared, struct roster_copy *out)
{
	const struct roster_copy *copy;
	uint64_t number;

	for (int i = 0; i < TRIES; i++) {
		if ((copy = newest(shared, &number)) == NULL)
			return -ENOENT;
		copy_rows(copy, out);
		if (was_whole(shared, number))
			return 0;
	}
	return -EAGAIN;
}

static int
find_row(const struct roster_copy *copy, uint64_t id, struct roster_worker *out)
{
	uint32_t rows = at_most(WORD_GET(copy->workers), ROSTER_WORKERS);

	for (uint32_t i = 0; i < rows; i++)
		if (WORD_GET(copy->worker[i].id) == id) {
			*out = copy->worker[i];
			return 0;
		}
	return -ENOENT;
}

int
roster_find(const struct roster *shared, uint64_t id, struct roster_worker *out)
{
	const struct roster_copy *copy;
	struct roster_worker row;
	uint64_t number;

	for (int i = 0; i < TRIES; i++) {
		int rc;

		if ((copy = newest(shared, &number)) == NULL)
			return -ENOENT;
		rc = find_row(copy, id, &row);
		if (!was_whole(shared, number))
			continue;
		if (rc == 0)
			*out = row;
		return rc;
	}
	return -EAGAIN;
}

uint64_t
roster_number(const struct roster *shared)
{
	return __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE);
}

/* ---- leaders -------------------------------------------------------------------- */

bool
roster_leads(const struct roster *shared, uint64_t id)
{
	uint32_t rows = at_most(WORD_GET(shared->leaders), MEMO_POOLS);

	/* the begin of the callback is seen before this is read */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (uint32_t i = 0; id != 0 && i < rows; i++)
		if (__atomic_load_n(&shared->leader[i].id,
		    __ATOMIC_ACQUIRE) == id)
			return true;
	return false;
}

struct roster_leader *
roster_leader(struct roster *roster, const char *pool)
{
	for (uint32_t i = 0; i < MEMO_POOLS; i++)
		if (strcmp(roster->leader[i].pool, pool) == 0)
			return &roster->leader[i];
	return NULL;
}

void
roster_name_leader(struct roster *roster, struct roster_leader *row,
    const char *pool)
{
	uint32_t rows = (uint32_t)(row - roster->leader) + 1;

	WORD_SET(row->id, 0);
	WORD_SET(row->former, 0);
	snprintf(row->pool, sizeof(row->pool), "%s", pool);
	if (rows > WORD_GET(roster->leaders))
		WORD_SET(roster->leaders, rows);
}

void
roster_take_lead(struct roster_leader *row)
{
	WORD_SET(row->id, 0);
	/* before the page of who had it is looked at */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* A master that dies between the two has named somebody that never led: the next
 * one only waits for it in vain, for a callback at most. */
void
roster_give_lead(struct roster_leader *row, uint64_t id)
{
	WORD_SET(row->former, id);
	__atomic_store_n(&row->id, id, __ATOMIC_RELEASE);
}
