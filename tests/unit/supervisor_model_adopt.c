/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* supervisor_model_adopt.c: the next master; see supervisor_model.h. */
#include <string.h>

#include "daemon/supervisor/state.h"
#include "tests/unit/supervisor_model.h"

/* What the keeper has of a row. */
struct inventory {
	uint64_t id;			/* 0: nothing */
	bool exited;
};

static void
take_inventory(const struct memo_copy *copy, const struct model_state *from,
    struct model_event event, int exits, struct inventory *have)
{
	for (uint16_t i = 0; i < MODEL_ROWS; i++) {
		const struct model_row *row = &from->slot[i / 2].row[i % 2];
		bool it = event.slot == i / 2 && event.which == i % 2;

		have[i] = (struct inventory){ 0 };
		if (!row->used || !slots_has_process(&copy->worker[i]) ||
		    (!row->forked && !(it && event.what == MODEL_SPAWNED)))
			continue;
		have[i].id = copy->worker[i].id;
		have[i].exited = i == exits || (it && (event.what ==
		    MODEL_EXITED || event.what == MODEL_KILLED));
	}
}

/* master/adopt.c: bringing both together. */
static void
take_found(struct model *m, const struct inventory *have)
{
	for (size_t i = 0; i < MODEL_ROWS; i++) {
		uint16_t row = state_find_worker(m->s.copy, have[i].id);

		if (row == MEMO_NONE ||
		    !slots_has_process(&m->s.copy->worker[row]))
			continue;
		if (m->s.copy->worker[row].forked_ns == 0)
			slots_note_spawned(&m->s, row, 100 + row);
		if (have[i].exited)
			model_end_row(m, row, WE_EXITED);
	}
}

static void
miss_processes(struct model *m, const struct inventory *have)
{
	for (uint16_t i = 0; i < m->s.copy->workers; i++) {
		const struct memo_worker *row = &m->s.copy->worker[i];
		bool found = false;

		for (size_t n = 0; n < MODEL_ROWS; n++)
			found |= have[n].id != 0 && have[n].id == row->id;
		if (!found && slots_is_lost(row))
			model_end_row(m, i, WE_EXITED);
	}
}

static void
adopt_change(struct model *m)
{
	const struct memo_globals was = m->s.copy->globals;
	struct memo_globals *now = &m->s.copy->globals;
	uint8_t pool = m->trans.pools[0];	/* as the configurations say */

	roll_clear(&m->trans.roll);
	if (was.trans_kind == TRANS_NONE)
		return;
	trans_begin(&m->s, &m->trans, (enum trans_kind)was.trans_kind,
	    m->room);
	m->trans.pools[0] = pool;
	now->trans_step = was.trans_step;
	now->trans_hold_percent = was.trans_hold_percent;
	if (trans_adopt(&m->s, &m->trans, true) == TRANS_FAILED &&
	    was.trans_kind == TRANS_RESTART)
		trans_end(&m->s, &m->trans);
}

/* What it had in its head is gone; the next one has the memo. */
static void
die(struct model *m, bool flipped)
{
	if (m->rules->flips && flipped)
		state_commit(m->memo);
	if (m->rules->flips) {
		if (state_recover(m->memo, sizeof(*m->memo), NULL) == NULL)
			model_fault(m, "the memo cannot be read");
		m->s.copy = state_begin(m->memo);
	}
	for (size_t i = 0; i < MODEL_ROWS; i++)
		m->had_process[i] = i < m->s.copy->workers &&
		    m->s.copy->worker[i].forked_ns != 0;
	m->trial = TRIAL_GOES_ON;
	m->stalled = false;
	m->ends = flipped ? m->ends : 0;
}

void
model_adopt(struct model *m, const struct model_state *from,
    struct model_event event, bool flipped, int exits, struct model_state *to)
{
	struct inventory have[MODEL_ROWS];
	struct memo_copy *copy = &m->memo->copy[m->memo->current];

	model_unpack(m, copy, from);
	take_inventory(copy, from, event, exits, have);
	if (m->rules->flips)
		state_sign(copy);
	m->s.copy = m->rules->flips ? state_begin(m->memo) : copy;
	if (flipped || m->rules->flips) {
		model_apply(m, event);
		model_end_turn(m);
	}
	die(m, flipped);
	take_found(m, have);
	/* READY was taken from the channel, and not kept: the page says it. */
	if (event.what == MODEL_READY && !flipped &&
	    m->s.copy->worker[2 * event.slot + event.which].state ==
	    WS_STARTING)
		model_apply(m, event);
	miss_processes(m, have);
	adopt_change(m);
	model_settle(m, to);
}

unsigned
model_counted_ends(const struct model *m)
{
	const struct memo_copy *copy = m->s.copy;
	uint64_t sum = copy->pool[0].retired_restarts +
	    copy->pool[0].retired_replacements;

	for (size_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE)
			sum += copy->slot[i].restarts +
			    copy->slot[i].replacements;
	return (unsigned)sum;
}
