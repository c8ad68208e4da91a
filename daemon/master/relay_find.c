/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * relay_find.c: one worker by its name or id, for each message of plugins.
 * Where it was found the last time is looked at first, so that the number of
 * workers costs nothing; a hint that is wrong by now is found to be.
 */
#include <string.h>

#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/relay_parts.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

enum { HINTS = 1024 };

static uint16_t slot_hints[HINTS], id_hints[HINTS];

static unsigned
hash(const struct mail_target *target)
{
	unsigned value = target->slot;

	for (const char *at = target->pool; *at != '\0'; at++)
		value = value * 31 + (unsigned char)*at;
	return value % HINTS;
}

static bool
is_slot(const struct memo_copy *copy, uint16_t index,
    const struct mail_target *target)
{
	const struct memo_slot *slot = &copy->slot[index];

	return index < copy->slots && slot->pool != MEMO_NONE &&
	    slot->number == target->slot &&
	    strcmp(copy->pool[slot->pool].name, target->pool) == 0;
}

static uint16_t
row_of_slot(const struct memo_copy *copy, const struct mail_target *target)
{
	uint16_t *hint = &slot_hints[hash(target)];
	uint16_t pool;

	if (!is_slot(copy, *hint, target)) {
		pool = state_find_pool(copy, target->pool);
		if (pool == MEMO_NONE)
			return MEMO_NONE;
		*hint = state_find_slot(copy, pool, (uint16_t)target->slot);
	}
	return *hint == MEMO_NONE ? MEMO_NONE : copy->slot[*hint].current;
}

static uint16_t
row_of_id(const struct memo_copy *copy, uint64_t id)
{
	uint16_t *hint = &id_hints[id % HINTS];

	if (*hint >= copy->workers || copy->worker[*hint].id != id)
		*hint = state_find_worker(copy, id);
	return *hint;
}

struct process *
relay_find(struct master *m, const struct mail_target *target)
{
	const struct memo_copy *copy = turn_look(m);
	uint16_t row = target->kind == MAIL_TO_ID ?
	    row_of_id(copy, target->id) : row_of_slot(copy, target);

	return row == MEMO_NONE ? NULL : m->process[row];
}
