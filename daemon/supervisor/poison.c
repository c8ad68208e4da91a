/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* poison.c: routes of which requests end workers; see poison.h. */
#include "daemon/supervisor/poison.h"

#include <string.h>

/* FNV-1a. */
static uint64_t
add(uint64_t hash, const char *text)
{
	do {
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
	} while (*text++ != '\0');
	return hash;
}

uint64_t
poison_key(const char *plugin, const char *pattern)
{
	uint64_t key = add(add(0xcbf29ce484222325, plugin), pattern);

	return key != 0 ? key : 1;
}

struct memo_poison *
poison_find(struct memo_pool *pool, uint64_t key)
{
	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (pool->poison[i].key == key)
			return &pool->poison[i];
	return NULL;
}

static int
may_go(const struct memo_poison *row)
{
	return row->state == POISON_WATCHED || row->state == POISON_SAID;
}

static struct memo_poison *
new_row(struct memo_pool *pool, uint64_t key)
{
	struct memo_poison *row = poison_find(pool, 0);

	for (size_t i = 0; row == NULL && i < MEMO_POISONS; i++)
		if (may_go(&pool->poison[i]))
			row = &pool->poison[i];
	if (row == NULL)
		return NULL;
	for (size_t i = 0; row->key != 0 && i < MEMO_POISONS; i++)
		if (may_go(&pool->poison[i]) &&
		    pool->poison[i].death_ns[0] < row->death_ns[0])
			row = &pool->poison[i];
	memset(row, 0, sizeof(*row));
	row->key = key;
	return row;
}

static void
shut(struct memo_pool *pool, struct memo_poison *row,
    const struct poison_times *times)
{
	row->state = POISON_SHUT;
	row->until_ns = times->now_ns + times->shut_ns;
	row->probe_id = 0;
	row->generation = pool->generation;
}

enum poison_news
poison_note_death(struct memo_pool *pool, uint64_t key, uint64_t id,
    int want_shut, const struct poison_times *times)
{
	struct memo_poison *row = poison_find(pool, key);
	uint64_t oldest;

	if (row == NULL && (row = new_row(pool, key)) == NULL)
		return POISON_NONE;
	memmove(&row->death_ns[1], &row->death_ns[0],
	    sizeof(row->death_ns) - sizeof(row->death_ns[0]));
	row->death_ns[0] = times->now_ns;
	if (row->state == POISON_SHUT) {
		if (row->probe_id != id)
			return POISON_NONE;	/* was under way before */
		shut(pool, row, times);
		return POISON_AGAIN;
	}
	oldest = row->death_ns[MEMO_POISON_DEATHS - 1];
	if (row->state == POISON_LIFTED || oldest == 0 ||
	    times->now_ns - oldest > times->window_ns)
		return POISON_NONE;
	if (want_shut) {
		shut(pool, row, times);
		return POISON_BEGIN;
	}
	if (row->state == POISON_SAID)
		return POISON_NONE;
	row->state = POISON_SAID;
	return POISON_REPORT;
}

void
poison_forget_worker(struct memo_pool *pool, uint64_t id)
{
	for (size_t i = 0; i < MEMO_POISONS; i++)
		if (pool->poison[i].probe_id == id)
			pool->poison[i].probe_id = 0;
}

int
poison_grant(struct memo_poison *row, uint64_t id, uint64_t now_ns)
{
	if (row->state != POISON_SHUT || row->probe_id != 0 ||
	    now_ns < row->until_ns)
		return 0;
	row->probe_id = id;
	return 1;
}

int
poison_tidy(struct memo_pool *pool, const struct poison_times *times)
{
	int changed = 0;

	for (size_t i = 0; i < MEMO_POISONS; i++) {
		struct memo_poison *row = &pool->poison[i];

		if (row->key == 0 || !may_go(row) ||
		    times->now_ns - row->death_ns[0] <= times->window_ns)
			continue;
		memset(row, 0, sizeof(*row));
		changed = 1;
	}
	return changed;
}
