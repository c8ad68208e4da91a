/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* supervisor_model_pack.c: the memo as few bytes, and back; see
 * supervisor_model.h. */
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "tests/unit/supervisor_model.h"

/* As many as make a difference. */
enum { EARLY_MOST = 2, SPAWN_FAILURES_MOST = 2 };

static uint8_t
at_most(uint64_t value, uint64_t most)
{
	return (uint8_t)(value < most ? value : most);
}

static uint8_t
pack_generation(const struct memo_globals *globals, uint64_t number)
{
	return number == globals->generation ? MODEL_IN_FORCE :
	    number == globals->trans_generation ? MODEL_COMING : MODEL_OLDER;
}

/* What a row says that decides nothing any more. */
static void
forget(struct model_row *row, bool is_other)
{
	bool leaves = row->state == WS_DRAINING || row->state == WS_STOPPING ||
	    row->state == WS_KILLING;

	if (row->state == WS_DOWN || row->state == WS_WAITING ||
	    row->state == WS_HELD)	/* renewed before it starts */
		*row = (struct model_row){ .used = 1, .state = row->state,
			.forked = row->forked, .deadline = row->deadline };
	if (leaves && is_other && row->transaction == SUCCESSOR_NONE)
		*row = (struct model_row){ .used = 1, .state = row->state,
			.ladder = row->ladder, .forked = row->forked,
			.deadline = row->deadline, .drain = row->drain };
	if (row->state != WS_READY)
		row->paused = row->stable = 0;
	if (row->state != WS_KILLING)
		row->ladder = 0;
	if (row->state != WS_DRAINING)
		row->drain = 0;
	if (leaves && row->asked)	/* no death, however old it is */
		row->ready = 1;
}

static void
pack_row(const struct memo_copy *copy, uint16_t row, struct model_row *out)
{
	const struct memo_worker *w;

	if (row == MEMO_NONE)
		return;
	w = &copy->worker[row];
	*out = (struct model_row){
		.used = 1, .state = w->state, .ladder = w->ladder,
		.transaction = w->transaction,
		.generation = pack_generation(&copy->globals, w->generation),
		.ready = w->ready_ns == 0 ? 0 : MODEL_NOW_NS - w->ready_ns >=
		    MODEL_STABLE_MS * NS_PER_MS ? 2 : 1,
		.asked = w->asked != 0, .caused = w->cause != CAUSE_NONE,
		.fatal = w->fatal_class != 0, .paused = w->paused != 0,
		.stable = w->stable != 0, .forked = w->forked_ns != 0,
		.deadline = w->deadline_ns != 0, .drain = w->drain_ns != 0,
		.taken_back = w->taken_back != 0,
	};
	forget(out, w->is_other != 0);
}

static void
pack_slot(const struct memo_copy *copy, uint16_t index, struct model_slot *out)
{
	const struct memo_slot *slot = &copy->slot[index];

	out->used = 1;
	out->wanted = slot->wanted != 0;
	out->drained = slot->drained != 0;
	out->start_is_free = slot->start_is_free != 0;
	out->early = at_most(slot->early, EARLY_MOST);
	out->spawn_failures = at_most(slot->spawn_failures,
	    SPAWN_FAILURES_MOST);
	out->generation = pack_generation(&copy->globals, slot->generation);
	pack_row(copy, slot->current, &out->row[0]);
	pack_row(copy, slot->other, &out->row[1]);
}

static void
pack_trans(const struct model *m, struct model_state *out)
{
	const struct trans *t = &m->trans;

	if (out->kind == TRANS_SCALE) {
		out->from = (uint8_t)t->from;
		out->to = (uint8_t)t->to;
		out->was_by_operator = t->was_by_operator;
		return;
	}
	CHECK(t->roll.count <= MODEL_SLOTS);
	if (out->kind >= TRANS_RELOAD)
		out->pool = t->pools[0];
	out->rolls = (uint8_t)t->roll.count;
	for (size_t i = 0; i < t->roll.count; i++) {
		const struct roll_slot *slot = &t->roll.slots[i];

		out->roll[i] = (struct model_roll){
			.number = (uint8_t)slot->number, .state = slot->state,
			.tries = slot->tries, .canary = slot->canary,
			.ready = slot->ready_ns != 0,
			.generation = pack_generation(&m->s.copy->globals,
			    slot->generation),
		};
	}
}

void
model_pack(const struct model *m, struct model_state *out)
{
	const struct memo_copy *copy = m->s.copy;
	const struct memo_globals *globals = &copy->globals;
	const struct memo_pool *pool = &copy->pool[0];

	memset(out, 0, sizeof(*out));
	out->kind = (uint8_t)globals->trans_kind;
	out->step = (uint8_t)globals->trans_step;
	out->hold = globals->trans_hold_percent != 0;
	out->stopping = (uint8_t)globals->stopping;
	out->desired = (uint8_t)pool->desired;
	out->by_operator = pool->desired_by_operator != 0;
	out->drained = pool->drained != 0;
	if (m->rules->burst > 0)
		out->tokens = (uint8_t)(pool->tokens_ns == 0 ? model_burst(m) :
		    pool->tokens_milli / 1000);
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE) {
			CHECK(copy->slot[i].number == i && i < MODEL_SLOTS);
			pack_slot(copy, i, &out->slot[i]);
		}
	if (out->kind != TRANS_NONE)
		pack_trans(m, out);
}

static void
unpack_row(struct model *m, struct memo_copy *copy, uint16_t slot, int which,
    const struct model_row *row)
{
	uint16_t index = (uint16_t)(2 * slot + which);
	struct memo_worker *w = &copy->worker[index];

	m->had_process[index] = row->used && row->forked;
	if (!row->used) {
		w->id = 0;
		return;
	}
	*w = (struct memo_worker){
		.id = 1u + index, .slot = slot, .state = row->state,
		.ladder = row->ladder, .transaction = row->transaction,
		.generation = row->generation, .asked = row->asked,
		.cause = row->caused ? CAUSE_HANG : CAUSE_NONE,
		.fatal_class = row->fatal, .paused = row->paused,
		.stable = row->stable, .is_other = which != 0,
		.taken_back = row->taken_back,
		.since_ns = MODEL_NOW_NS,
		.forked_ns = row->forked ? MODEL_NOW_NS : 0,
		.pid = row->forked ? 100 + index : 0,
		.deadline_ns = row->deadline ? MODEL_NOW_NS + 1 : 0,
		.drain_ns = row->drain ? MODEL_NOW_NS + 1 : 0,
		.ready_ns = row->ready == 0 ? 0 : row->ready == 1 ? MODEL_NOW_NS :
		    MODEL_NOW_NS - MODEL_STABLE_MS * NS_PER_MS,
	};
	copy->workers = index + 1u;
}

static void
unpack_slot(struct model *m, struct memo_copy *copy, uint16_t index,
    const struct model_slot *from)
{
	struct memo_slot *slot = &copy->slot[index];

	*slot = (struct memo_slot){
		.pool = from->used ? 0 : MEMO_NONE, .number = index,
		.wanted = from->wanted, .drained = from->drained,
		.start_is_free = from->start_is_free, .early = from->early,
		.spawn_failures = from->spawn_failures,
		.generation = from->generation,
		.current = MEMO_NONE, .other = MEMO_NONE,
	};
	for (int which = 0; which < 2; which++)
		unpack_row(m, copy, index, which, &from->row[which]);
	if (from->row[0].used)
		slot->current = (uint16_t)(2 * index);
	if (from->row[1].used)
		slot->other = (uint16_t)(2 * index + 1);
	if (from->used)
		copy->slots = index + 1u;
}

static void
unpack_trans(struct model *m, const struct model_state *from)
{
	struct trans *t = &m->trans;

	roll_clear(&t->roll);
	t->pool = 0;
	t->from = from->from;
	t->to = from->to;
	t->was_by_operator = from->was_by_operator != 0;
	t->pools[0] = from->pool;
	for (size_t i = 0; i < from->rolls; i++) {
		const struct model_roll *slot = &from->roll[i];

		roll_add(&t->roll, 0, slot->number, slot->generation,
		    slot->canary);
		t->roll.slots[i].state = slot->state;
		t->roll.slots[i].tries = slot->tries;
		t->roll.slots[i].ready_ns = slot->ready ? MODEL_NOW_NS : 0;
	}
}

void
model_unpack(struct model *m, struct memo_copy *copy, const struct model_state *from)
{
	struct memo_globals *globals = &copy->globals;
	struct memo_pool *pool = &copy->pool[0];

	m->s.copy = copy;
	m->fault = NULL;
	m->trial = TRIAL_GOES_ON;
	m->stalled = false;
	m->spawns = m->ends = 0;
	m->next_id = 1000;
	copy->pools = 1;
	globals->generation = MODEL_IN_FORCE;
	globals->previous = MODEL_OLDER;
	globals->trans_kind = from->kind;
	globals->trans_step = from->step;
	globals->trans_hold_percent = from->hold ? MODEL_HOLD_PERCENT : 0;
	globals->trans_generation = from->step == TRANS_COMMITTED ? MODEL_IN_FORCE :
	    from->kind >= TRANS_RELOAD ? MODEL_COMING : 0;
	globals->trans_pool = 0;
	globals->trans_from = from->from;
	globals->trans_to = from->to;
	globals->trans_was_by_operator = from->was_by_operator;
	globals->stopping = from->stopping;
	memcpy(pool->name, "web", 4);
	pool->generation = MODEL_IN_FORCE;
	pool->desired = from->desired;
	pool->desired_by_operator = from->by_operator;
	pool->drained = from->drained;
	pool->tokens_ns = MODEL_NOW_NS;
	pool->tokens_milli = (m->rules->burst > 0 ? from->tokens :
	    model_burst(m)) * 1000u;
	pool->retired_restarts = pool->retired_replacements = 0;
	copy->slots = copy->workers = 0;
	for (uint16_t i = 0; i < MODEL_SLOTS; i++)
		unpack_slot(m, copy, i, &from->slot[i]);
	unpack_trans(m, from);
}
