/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* state.c: the supervisor's state as rows of the memo; see state.h. */
#include "daemon/supervisor/state.h"

#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/digest.h"
#include "common/table/worker.h"

/* -- the two copies -------------------------------------------------------- */

static uint32_t
layout(void)
{
	const uint32_t sizes[] = {
		sizeof(struct memo), sizeof(struct memo_copy),
		sizeof(struct memo_globals), sizeof(struct memo_pool),
		sizeof(struct memo_slot), sizeof(struct memo_worker),
		WS__COUNT, CAUSE__COUNT,
	};

	return crc32c(0, sizes, sizeof(sizes));
}

static uint32_t
digest(const struct memo_copy *copy)
{
	uint32_t crc = crc32c(0, &copy->pools,
	    offsetof(struct memo_copy, pool) -
	    offsetof(struct memo_copy, pools));

	crc = crc32c(crc, copy->pool, copy->pools * sizeof(copy->pool[0]));
	crc = crc32c(crc, copy->slot, copy->slots * sizeof(copy->slot[0]));
	return crc32c(crc, copy->worker,
	    copy->workers * sizeof(copy->worker[0]));
}

void
state_sign(struct memo_copy *copy)
{
	copy->crc = digest(copy);
}

static void
empty_copy(struct memo_copy *copy)
{
	memset(copy, 0, sizeof(*copy));
	for (size_t i = 0; i < MEMO_SLOTS; i++)
		copy->slot[i].pool = MEMO_NONE;
	state_sign(copy);
}

void
state_init(struct memo *memo)
{
	memset(memo, 0, sizeof(*memo));
	empty_copy(&memo->copy[0]);
	empty_copy(&memo->copy[1]);
	memo->magic = MEMO_MAGIC;
	memo->version = MEMO_VERSION;
	memo->head_size = offsetof(struct memo, copy);
	memo->layout = layout();
	memo->copy_size = sizeof(struct memo_copy);
}

static int
slot_fault(const struct memo_copy *copy, size_t i)
{
	const struct memo_slot *slot = &copy->slot[i];
	uint16_t rows[2] = { slot->current, slot->other };

	if (slot->pool == MEMO_NONE)
		return 0;
	if (slot->pool >= copy->pools || copy->pool[slot->pool].name[0] == '\0')
		return 1;
	for (size_t n = 0; n < 2; n++)
		if (rows[n] != MEMO_NONE && (rows[n] >= copy->workers ||
		    copy->worker[rows[n]].id == 0 ||
		    copy->worker[rows[n]].slot != i))
			return 1;
	return 0;
}

static int
worker_fault(const struct memo_copy *copy, size_t i)
{
	const struct memo_worker *row = &copy->worker[i];
	const struct memo_slot *slot;

	if (row->id == 0)
		return 0;
	if (row->slot >= copy->slots || row->state >= WS__COUNT ||
	    row->cause >= CAUSE__COUNT ||
	    memchr(row->reason, '\0', MEMO_REASON) == NULL)
		return 1;
	slot = &copy->slot[row->slot];
	return slot->current != i && slot->other != i;
}

static const char *
copy_fault(const struct memo_copy *copy)
{
	if (copy->pools > MEMO_POOLS || copy->slots > MEMO_SLOTS ||
	    copy->workers > MEMO_WORKERS)
		return "counts beyond its tables";
	if (digest(copy) != copy->crc)
		return "a wrong digest";
	for (size_t i = 0; i < copy->pools; i++)
		if (memchr(copy->pool[i].name, '\0', MEMO_NAME) == NULL)
			return "a pool without an end of its name";
	for (size_t i = 0; i < copy->slots; i++)
		if (slot_fault(copy, i))
			return "a slot that points nowhere";
	for (size_t i = 0; i < copy->workers; i++)
		if (worker_fault(copy, i))
			return "a worker that cannot be";
	return NULL;
}

static int
is_this_version(const struct memo *memo, size_t size)
{
	return size >= sizeof(*memo) && memo->magic == MEMO_MAGIC &&
	    memo->version == MEMO_VERSION && memo->layout == layout() &&
	    memo->copy_size == sizeof(struct memo_copy) && memo->current <= 1;
}

struct memo_copy *
state_recover(struct memo *memo, size_t size, struct errmsg *err)
{
	const char *fault;

	if (!is_this_version(memo, size)) {
		errmsg_set(err, ERR_VERSION, "the memo is of another version");
		return NULL;
	}
	fault = copy_fault(&memo->copy[memo->current]);
	if (fault == NULL)
		return &memo->copy[memo->current];
	errmsg_set(err, ERR_FORMAT, "the memo has %s", fault);
	return NULL;
}

const struct memo_copy *
state_salvage(const struct memo *memo, size_t size)
{
	if (!is_this_version(memo, size))
		return NULL;
	for (uint32_t i = 0; i < 2; i++) {
		const struct memo_copy *copy =
		    &memo->copy[memo->current ^ i];

		if (copy_fault(copy) == NULL)
			return copy;
	}
	return NULL;
}

const struct memo_copy *
state_current(const struct memo *memo)
{
	return &memo->copy[__atomic_load_n(&memo->current, __ATOMIC_ACQUIRE) &
	    1];
}

/* Copy the rows in use; what lies beyond them in the idle copy is emptied, so
 * that a row added later starts clean. */
static void
copy_rows(struct memo_copy *to, const struct memo_copy *from)
{
	memcpy(to, from, offsetof(struct memo_copy, pool));
	memcpy(to->pool, from->pool, from->pools * sizeof(from->pool[0]));
	memcpy(to->slot, from->slot, from->slots * sizeof(from->slot[0]));
	memcpy(to->worker, from->worker,
	    from->workers * sizeof(from->worker[0]));
}

struct memo_copy *
state_begin(struct memo *memo)
{
	const struct memo_copy *now = state_current(memo);
	struct memo_copy *idle = &memo->copy[now == &memo->copy[0]];

	copy_rows(idle, now);
	return idle;
}

void
state_commit(struct memo *memo)
{
	const struct memo_copy *now = state_current(memo);
	uint32_t next = now == &memo->copy[0];
	struct memo_copy *idle = &memo->copy[next];

	idle->number = now->number + 1;
	state_sign(idle);
	__atomic_store_n(&memo->current, next, __ATOMIC_RELEASE);
}

/* -- rows ------------------------------------------------------------------ */

uint16_t
state_find_pool(const struct memo_copy *copy, const char *name)
{
	for (uint16_t i = 0; i < copy->pools; i++)
		if (name[0] != '\0' && strcmp(copy->pool[i].name, name) == 0)
			return i;
	return MEMO_NONE;
}

uint16_t
state_add_pool(struct memo_copy *copy, const char *name)
{
	uint16_t i = 0;

	if (strlen(name) >= MEMO_NAME || name[0] == '\0')
		return MEMO_NONE;
	while (i < copy->pools && copy->pool[i].name[0] != '\0')
		i++;
	if (i == MEMO_POOLS)
		return MEMO_NONE;
	if (i == copy->pools)
		copy->pools++;
	memset(&copy->pool[i], 0, sizeof(copy->pool[i]));
	memcpy(copy->pool[i].name, name, strlen(name));
	return i;
}

void
state_remove_pool(struct memo_copy *copy, uint16_t pool)
{
	for (uint16_t i = 0; i < copy->slots; i++)
		CHECK(copy->slot[i].pool != pool);
	memset(&copy->pool[pool], 0, sizeof(copy->pool[pool]));
	while (copy->pools > 0 && copy->pool[copy->pools - 1].name[0] == '\0')
		copy->pools--;
}

uint16_t
state_find_slot(const struct memo_copy *copy, uint16_t pool, uint16_t number)
{
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool &&
		    copy->slot[i].number == number && pool != MEMO_NONE)
			return i;
	return MEMO_NONE;
}

uint16_t
state_add_slot(struct memo_copy *copy, uint16_t pool, uint16_t number)
{
	uint16_t i = 0;

	while (i < copy->slots && copy->slot[i].pool != MEMO_NONE)
		i++;
	if (i == MEMO_SLOTS)
		return MEMO_NONE;
	if (i == copy->slots)
		copy->slots++;
	memset(&copy->slot[i], 0, sizeof(copy->slot[i]));
	copy->slot[i].pool = pool;
	copy->slot[i].number = number;
	copy->slot[i].current = copy->slot[i].other = MEMO_NONE;
	copy->slot[i].wanted = 1;
	return i;
}

void
state_retire_slot(struct memo_copy *copy, uint16_t slot)
{
	struct memo_slot *row = &copy->slot[slot];
	struct memo_pool *pool = &copy->pool[row->pool];

	CHECK(row->current == MEMO_NONE && row->other == MEMO_NONE);
	pool->retired_restarts += row->restarts;
	pool->retired_replacements += row->replacements;
	pool->retired_requests += row->requests;
	pool->retired_connections += row->connections;
	memset(row, 0, sizeof(*row));
	row->pool = MEMO_NONE;
	while (copy->slots > 0 &&
	    copy->slot[copy->slots - 1].pool == MEMO_NONE)
		copy->slots--;
}

uint16_t
state_find_worker(const struct memo_copy *copy, uint64_t id)
{
	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id == id && id != 0)
			return i;
	return MEMO_NONE;
}

uint16_t
state_add_worker(struct memo_copy *copy, uint16_t slot, uint64_t id,
    int as_other)
{
	struct memo_slot *owner = &copy->slot[slot];
	uint16_t *place = as_other ? &owner->other : &owner->current;
	uint16_t i = 0;

	CHECK(*place == MEMO_NONE && id != 0);
	while (i < copy->workers && copy->worker[i].id != 0)
		i++;
	if (i == MEMO_WORKERS)
		return MEMO_NONE;
	if (i == copy->workers)
		copy->workers++;
	memset(&copy->worker[i], 0, sizeof(copy->worker[i]));
	copy->worker[i].id = id;
	copy->worker[i].slot = slot;
	copy->worker[i].is_other = as_other != 0;
	*place = i;
	return i;
}

void
state_free_worker(struct memo_copy *copy, uint16_t worker)
{
	struct memo_slot *slot = &copy->slot[copy->worker[worker].slot];

	if (slot->current == worker)
		slot->current = MEMO_NONE;
	if (slot->other == worker)
		slot->other = MEMO_NONE;
	memset(&copy->worker[worker], 0, sizeof(copy->worker[worker]));
	while (copy->workers > 0 && copy->worker[copy->workers - 1].id == 0)
		copy->workers--;
}

void
state_swap(struct memo_copy *copy, uint16_t slot)
{
	struct memo_slot *row = &copy->slot[slot];
	uint16_t was = row->current;

	row->current = row->other;
	row->other = was;
	if (row->current != MEMO_NONE)
		copy->worker[row->current].is_other = 0;
	if (row->other != MEMO_NONE)
		copy->worker[row->other].is_other = 1;
}

char *
state_slot_name(const struct memo_copy *copy, uint16_t slot, char *out,
    size_t size)
{
	const struct memo_slot *row = &copy->slot[slot];

	snprintf(out, size, "%s/%u", row->pool == MEMO_NONE ? "?" :
	    copy->pool[row->pool].name, row->number);
	return out;
}

uint32_t
state_count_starting(const struct memo_copy *copy)
{
	uint32_t count = 0;

	for (size_t i = 0; i < copy->workers; i++)
		count += copy->worker[i].id != 0 &&
		    copy->worker[i].state == WS_STARTING;
	return count;
}

uint32_t
state_count_ready(const struct memo_copy *copy, uint16_t pool)
{
	uint32_t count = 0;

	for (size_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		count += slot->pool == pool && slot->current != MEMO_NONE &&
		    copy->worker[slot->current].state == WS_READY;
	}
	return count;
}

uint32_t
state_count_wanted(const struct memo_copy *copy, uint16_t pool)
{
	uint32_t count = 0;

	for (size_t i = 0; i < copy->slots; i++)
		count += copy->slot[i].pool == pool && copy->slot[i].wanted &&
		    !copy->slot[i].drained;
	return count;
}

uint64_t
state_sum_restarts(const struct memo_copy *copy, uint16_t pool)
{
	uint64_t sum = copy->pool[pool].retired_restarts;

	for (size_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool)
			sum += copy->slot[i].restarts;
	return sum;
}
