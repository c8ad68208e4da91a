/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* leader.c: who leads each pool; see leader.h. */
#include "daemon/master/leader.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/table/worker.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/scoreboard/roster.h"
#include "daemon/supervisor/leader.h"
#include "daemon/supervisor/state.h"

static void
see(struct master *m, struct leader_pick *pick, uint16_t slot_index,
    uint16_t row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[slot_index];
	const struct memo_worker *worker;
	const struct process *process;

	if (row == MEMO_NONE || (process = m->process[row]) == NULL)
		return;
	worker = &copy->worker[row];
	leader_see(pick, &(struct leader_worker){ .id = worker->id,
	    .slot = slot->number,
	    .ready = worker->state == WS_READY && process->words_until_ns == 0,
	    .current = row == slot->current,
	    .well = !worker->paused && !process->stalled && !process->deaf });
}

/* Whoever is not there any more does nothing any more. */
static bool
is_out(struct master *m, uint64_t id, uint64_t stopped_ns)
{
	const struct process *process = id == 0 ? NULL : process_find(m, id);
	bool gone = process == NULL || process->words_until_ns != 0;

	if (!gone && process->page == NULL)
		return false;		/* nobody can tell */
	return leader_is_out(gone, gone ? 0 :
	    page_read_callback(process->page), stopped_ns);
}

/* Where a master before us took the word, it counts from our first look. */
static void
settle(struct master *m, struct roster_leader *row, uint64_t wanted)
{
	uint64_t *stopped_ns = &m->leaderless_ns[row - m->roster->leader];

	if (row->id != 0 && row->id == wanted)
		return;
	if (row->id != 0 || *stopped_ns == 0) {
		roster_take_lead(row);
		*stopped_ns = clock_now_ns();
	}
	(void)FP("master.leader");
	if (wanted != 0 && is_out(m, row->former, *stopped_ns))
		roster_give_lead(row, wanted);
}

/* That of a pool that is gone is, when its last leader is out. */
static bool
is_free(struct master *m, const struct roster_leader *row)
{
	return row->pool[0] == '\0' || (row->id == 0 &&
	    state_find_pool(turn_look(m), row->pool) == MEMO_NONE &&
	    is_out(m, row->former, 0));
}

/* NULL: there are too many pools for the moment. */
static struct roster_leader *
find_row(struct master *m, const char *pool)
{
	struct roster_leader *row = roster_leader(m->roster, pool);

	for (size_t i = 0; row == NULL && i < MEMO_POOLS; i++)
		if (is_free(m, &m->roster->leader[i])) {
			row = &m->roster->leader[i];
			roster_name_leader(m->roster, row, pool);
		}
	return row;
}

void
leader_follow(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	struct roster_leader *row[MEMO_POOLS] = { NULL };
	struct leader_pick pick[MEMO_POOLS];

	if (m->roster == NULL || !m->attached)
		return;
	for (uint16_t i = 0; i < copy->pools; i++) {
		if (copy->pool[i].name[0] != '\0')
			row[i] = find_row(m, copy->pool[i].name);
		leader_begin(&pick[i], row[i] != NULL ? row[i]->id : 0);
	}
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE)
			continue;
		see(m, &pick[slot->pool], i, slot->current);
		see(m, &pick[slot->pool], i, slot->other);
	}
	for (uint16_t i = 0; i < copy->pools; i++)
		if (row[i] != NULL)
			settle(m, row[i], leader_end(&pick[i]));
}
