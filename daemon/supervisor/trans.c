/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* trans.c: the one transaction, as far as it is made of slots; see trans.h. */
#include "daemon/supervisor/trans.h"

#include "daemon/supervisor/state.h"

enum { FAILED_STARTS = 2 };
static const char stop_reason[] = "stop";

void
trans_begin(struct supervisor *s, struct trans *t, enum trans_kind kind,
    struct roll_slot *room)
{
	struct memo_globals *globals = &s->copy->globals;

	*t = (struct trans){ .pool = MEMO_NONE, .roll.slots = room };
	globals->trans_kind = kind;
	globals->trans_step = 0;
	globals->trans_since_ns = s->now_ns;
	globals->trans_asked_back = 0;
	globals->trans_why[0] = '\0';
	globals->trans_hold_percent = 0;
}

void
trans_end(struct supervisor *s, struct trans *t)
{
	struct memo_globals *globals = &s->copy->globals;

	roll_clear(&t->roll);
	globals->trans_kind = TRANS_NONE;
	globals->trans_step = 0;
	globals->trans_generation = 0;
	globals->trans_command[0] = '\0';
}

static bool
is_healthy(const struct memo_copy *copy, uint16_t slot)
{
	return copy->slot[slot].current != MEMO_NONE &&
	    copy->worker[copy->slot[slot].current].state == WS_READY;
}

/* -- scale ----------------------------------------------------------------- */

int
trans_scale(struct supervisor *s, struct trans *t, uint16_t pool,
    unsigned size, bool by_operator)
{
	struct memo_pool *row = &s->copy->pool[pool];
	int rc;

	t->pool = pool;
	t->from = row->desired;
	t->to = size;
	t->was_by_operator = row->desired_by_operator != 0;
	s->copy->globals.trans_was_by_operator = t->was_by_operator;
	s->copy->globals.trans_pool = pool;
	s->copy->globals.trans_from = t->from;
	s->copy->globals.trans_to = t->to;
	row->desired_by_operator = by_operator;
	row->hold_from_ns = s->now_ns;
	rc = slots_resize(s, pool, size, slots_change_word(s->copy));
	if (rc != 0)
		trans_scale_back(s, t);
	return rc;
}

uint16_t
trans_scale_fault(const struct memo_copy *copy, const struct trans *t)
{
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != t->pool || slot->number < t->from ||
		    slot->current == MEMO_NONE)
			continue;
		if (slot->early >= FAILED_STARTS ||
		    slot->spawn_failures >= FAILED_STARTS ||
		    copy->worker[slot->current].state == WS_HELD)
			return i;
	}
	return MEMO_NONE;
}

unsigned
trans_scale_ready(const struct memo_copy *copy, const struct trans *t,
    unsigned *wanted)
{
	unsigned ready = 0;

	*wanted = 0;
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		/* What is drained does not start before `resume'. */
		if (slot->pool != t->pool || slot->number < t->from ||
		    !slot->wanted || slot->drained)
			continue;
		++*wanted;
		ready += is_healthy(copy, i);
	}
	return ready;
}

void
trans_scale_back(struct supervisor *s, struct trans *t)
{
	s->copy->pool[t->pool].desired_by_operator = t->was_by_operator;
	s->copy->pool[t->pool].hold_from_ns = s->now_ns;
	slots_resize(s, t->pool, t->from, slots_change_word(s->copy));
}

static enum trans_verdict
follow_scale(struct supervisor *s, const struct trans *t)
{
	unsigned wanted, ready = trans_scale_ready(s->copy, t, &wanted);

	if (trans_scale_fault(s->copy, t) != MEMO_NONE)
		return TRANS_FAILED;
	return ready < wanted ? TRANS_GOES_ON : TRANS_DONE;
}

/* -- restart --------------------------------------------------------------- */

bool
trans_slot_is_drained(const struct memo_copy *copy, uint16_t slot)
{
	return copy->slot[slot].drained &&
	    copy->pool[copy->slot[slot].pool].drained;
}

void
trans_restart(struct supervisor *s, struct trans *t, const uint16_t *slots,
    size_t count)
{
	s->copy->globals.trans_step = TRANS_ROLL;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			const struct memo_slot *slot =
			    &s->copy->slot[slots[i]];

			if (is_healthy(s->copy, slots[i]) != pass ||
			    trans_slot_is_drained(s->copy, slots[i]))
				continue;
			if (slot->drained)
				slots_bring_back(s, slots[i]);
			else if (slot->wanted)
				roll_add(&t->roll, slot->pool, slot->number,
				    slot->generation, false);
		}
}

static enum trans_verdict
follow_restart(struct supervisor *s, struct trans *t)
{
	size_t left = roll_follow(s, &t->roll, SIZE_MAX);

	if (roll_count(&t->roll, ROLL_FAILED) > 0)
		return TRANS_FAILED;
	return left > 0 ? TRANS_GOES_ON : TRANS_DONE;
}

/* -- reload: canary and roll ----------------------------------------------- */

/* A pool that is removed and comes back while it still serves has workers of
 * what it was. */
static bool
is_to_roll(const struct trans *t, const struct memo_slot *slot)
{
	switch ((enum trans_pool)t->pools[slot->pool]) {
	case TRANS_POOL_STAYS:
	case TRANS_POOL_MOVES:
		return false;
	case TRANS_POOL_ROLLS:
		return true;
	case TRANS_POOL_RETURNS:
		return slot->wanted != 0;
	}
	return false;
}

/* The lowest slot of its pool that has a worker to be tried: one that was taken
 * out shows nothing. */
static bool
is_canary(const struct memo_copy *copy, uint16_t slot)
{
	const struct memo_slot *row = &copy->slot[slot];

	if (!row->wanted || row->drained)
		return false;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == row->pool && copy->slot[i].wanted &&
		    !copy->slot[i].drained &&
		    copy->slot[i].number < row->number)
			return false;
	return true;
}

/* Slots of the pools that differ and are not in the roll yet: the canaries alone,
 * or all; unhealthy ones first. */
static void
add_slots(const struct memo_copy *copy, struct trans *t, bool canaries)
{
	for (int pass = 0; pass < 2; pass++)
		for (uint16_t i = 0; i < copy->slots; i++) {
			const struct memo_slot *slot = &copy->slot[i];

			if (slot->pool == MEMO_NONE ||
			    is_healthy(copy, i) != pass ||
			    !is_to_roll(t, slot) ||
			    (canaries && !is_canary(copy, i)) ||
			    roll_has(&t->roll, slot->pool, slot->number))
				continue;
			roll_add(&t->roll, slot->pool, slot->number,
			    copy->globals.trans_generation, canaries);
		}
}

void
trans_reload(struct supervisor *s, struct trans *t, bool canaries)
{
	s->copy->globals.trans_step = canaries ? TRANS_CANARY : TRANS_ROLL;
	add_slots(s->copy, t, canaries);
}

static enum trans_verdict
follow_roll(struct supervisor *s, struct trans *t)
{
	struct roll *roll = &t->roll;
	uint32_t percent = s->copy->globals.trans_hold_percent;
	size_t limit = percent == 0 ? SIZE_MAX :
	    (roll->count * percent + 99) / 100;
	size_t left = roll_follow(s, roll, limit == 0 ? 1 : limit);

	if (roll_count(roll, ROLL_FAILED) > 0)
		return TRANS_FAILED;
	/* Also where that is all of them: it was asked to be looked at. */
	if (percent != 0 && roll->count > 0 &&
	    roll_count(roll, ROLL_BUSY) == 0 && roll->count - left >= limit)
		return TRANS_HOLDS;
	return left == 0 ? TRANS_DONE : TRANS_GOES_ON;
}

static enum trans_verdict
follow_canary(struct supervisor *s, struct trans *t)
{
	size_t left = roll_follow(s, &t->roll, SIZE_MAX);

	/* One that was taken out has shown nothing: the next one is tried. */
	if (left == 0) {
		add_slots(s->copy, t, true);
		left = roll_follow(s, &t->roll, SIZE_MAX);
	}
	if (roll_count(&t->roll, ROLL_FAILED) > 0)
		return TRANS_FAILED;
	if (left > 0)
		return TRANS_GOES_ON;
	trans_reload(s, t, false);
	return follow_roll(s, t);
}

void
trans_hold(struct supervisor *s)
{
	s->copy->globals.trans_step = TRANS_HELD;
}

void
trans_go_on(struct supervisor *s)
{
	s->copy->globals.trans_hold_percent = 0;
	s->copy->globals.trans_step = TRANS_ROLL;
}

/* -- reload: its end ------------------------------------------------------- */

void
trans_undo(struct supervisor *s, struct trans *t)
{
	struct memo_copy *copy = s->copy;
	uint64_t from = copy->globals.trans_generation;

	copy->globals.trans_step = TRANS_UNDO;
	roll_clear(&t->roll);
	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE)
			continue;
		if (slot->other != MEMO_NONE && copy->worker[slot->other]
		    .transaction == SUCCESSOR_CHANGE) {
			copy->worker[slot->other].transaction =
			    SUCCESSOR_NONE;
			slots_send_off(s, slot->other,
			    slots_change_word(copy));
		}
		/* Not always the one in force: that may lack the pool. */
		if (slot->generation == from)
			roll_add(&t->roll, slot->pool, slot->number,
			    copy->pool[slot->pool].generation, false);
	}
}

void
trans_undone(struct supervisor *s)
{
	struct memo_copy *copy = s->copy;
	uint64_t from = copy->globals.trans_generation;

	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE || slot->generation != from)
			continue;
		slot->generation = copy->pool[slot->pool].generation;
		if (slot->current != MEMO_NONE)
			copy->worker[slot->current].taken_back = 1;
	}
}

void
trans_commit(struct supervisor *s, bool automatic)
{
	struct memo_globals *globals = &s->copy->globals;

	globals->previous = globals->generation;
	globals->generation = globals->trans_generation;
	globals->committed_ns = s->now_ns;
	globals->rollback_used = automatic;
	globals->taken_back = automatic ? globals->previous : 0;
	globals->trans_step = TRANS_COMMITTED;
}

/* Not what is older than the generation that was in force: it is another. */
static void
move_workers(struct memo_copy *copy, uint16_t pool)
{
	for (uint16_t i = 0; i < copy->workers; i++) {
		struct memo_worker *row = &copy->worker[i];

		if (row->id != 0 && copy->slot[row->slot].pool == pool &&
		    row->generation == copy->globals.previous)
			row->generation = copy->globals.generation;
	}
}

void
trans_commit_pool(struct supervisor *s, const struct trans *t, uint16_t index)
{
	struct memo_copy *copy = s->copy;
	struct memo_pool *pool = &copy->pool[index];

	pool->generation = copy->globals.generation;
	pool->was_stable = pool->stable_generation == copy->globals.previous;
	pool->early_deaths = 0;
	pool->tokens_ns = 0;		/* a full bucket */
	pool->tokens_milli = 0;
	if (t->pools[index] == TRANS_POOL_MOVES)
		move_workers(copy, index);
	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != index)
			continue;
		slot->generation = copy->globals.generation;
		slot->early = 0;
		if (slot->current != MEMO_NONE &&
		    copy->worker[slot->current].state == WS_HELD)
			slots_retry(s, slot->current);
	}
}

/* -- all ------------------------------------------------------------------- */

static bool
is_reload(const struct memo_globals *globals)
{
	return globals->trans_kind == TRANS_RELOAD ||
	    globals->trans_kind == TRANS_ROLLBACK;
}

static enum trans_verdict
follow_reload(struct supervisor *s, struct trans *t)
{
	switch ((enum trans_step)s->copy->globals.trans_step) {
	case TRANS_CHECK:
	case TRANS_BIND:
	case TRANS_HELD:
		break;
	case TRANS_CANARY:
		return follow_canary(s, t);
	case TRANS_ROLL:
		return follow_roll(s, t);
	case TRANS_UNDO:
		return roll_follow(s, &t->roll, SIZE_MAX) > 0 ?
		    TRANS_GOES_ON : TRANS_DONE;
	case TRANS_COMMITTED:
		return TRANS_DONE;
	}
	return TRANS_GOES_ON;
}

enum trans_verdict
trans_follow(struct supervisor *s, struct trans *t)
{
	switch ((enum trans_kind)s->copy->globals.trans_kind) {
	case TRANS_SCALE:
		return follow_scale(s, t);
	case TRANS_RESTART:
		return follow_restart(s, t);
	case TRANS_RELOAD:
	case TRANS_ROLLBACK:
		return follow_reload(s, t);
	case TRANS_NONE:
		break;
	}
	return TRANS_GOES_ON;
}

void
trans_hear_end(struct supervisor *s, struct trans *t,
    const struct slot_end *end, const char *text)
{
	const struct memo_globals *globals = &s->copy->globals;
	const struct memo_worker *row = &end->before;

	if (row->is_other) {
		if (row->transaction == SUCCESSOR_CHANGE)
			roll_successor_gone(s, &t->roll, row->slot, text);
	} else if (policy_is_death(&end->gone) && is_reload(globals) &&
	    (globals->trans_step == TRANS_CANARY ||
	    globals->trans_step == TRANS_ROLL)) {
		roll_worker_died(s, &t->roll, row->slot, text);
	}
}

static void
resume_hold(struct supervisor *s, struct trans *t)
{
	const struct memo_copy *copy = s->copy;
	struct roll *roll = &t->roll;

	add_slots(copy, t, true);
	add_slots(copy, t, false);
	for (size_t i = 0; i < roll->count; i++) {
		uint16_t slot = state_find_slot(copy, roll->slots[i].pool,
		    roll->slots[i].number);

		roll->slots[i].canary = false;
		if (slot != MEMO_NONE && copy->slot[slot].generation ==
		    copy->globals.trans_generation)
			roll->slots[i].state = ROLL_DONE;
	}
}

enum trans_verdict
trans_adopt(struct supervisor *s, struct trans *t, bool has_target)
{
	const struct memo_globals *globals = &s->copy->globals;

	if (globals->trans_kind == TRANS_SCALE) {
		t->pool = (uint16_t)globals->trans_pool;
		t->from = globals->trans_from;
		t->to = globals->trans_to;
		t->was_by_operator = globals->trans_was_by_operator != 0;
		return TRANS_GOES_ON;
	}
	if (!is_reload(globals))
		return TRANS_FAILED;
	if (globals->trans_step == TRANS_COMMITTED)
		return TRANS_DONE;
	if (globals->trans_step == TRANS_HELD && has_target) {
		resume_hold(s, t);
		return TRANS_HOLDS;
	}
	trans_undo(s, t);
	return TRANS_FAILED;
}

void
trans_settle_orphans(struct supervisor *s)
{
	struct memo_copy *copy = s->copy;

	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];
		struct memo_worker *other;

		if (slot->pool == MEMO_NONE || slot->other == MEMO_NONE)
			continue;
		other = &copy->worker[slot->other];
		if (other->transaction != SUCCESSOR_CHANGE)
			continue;
		if (other->generation != slot->generation ||
		    other->state == WS_KILLING) {
			/* It may be at work for somebody. */
			other->transaction = SUCCESSOR_NONE;
			slots_send_off(s, slot->other,
			    slots_change_word(copy));
		} else if (other->state == WS_READY) {
			slots_promote(s, i);
		}
	}
}

/* -- stop ------------------------------------------------------------------ */

/* Without a deadline, with one, now: each may follow the one before. */
static unsigned
gravity(uint32_t kind)
{
	return kind == STOP_NOW ? 3 : kind == STOP_DRAIN ? 2 :
	    kind == STOP_QUIT ? 1 : 0;
}

bool
trans_stop_counts(const struct memo_copy *copy, enum stop_kind kind)
{
	return gravity(kind) > gravity(copy->globals.stopping);
}

void
trans_stop(struct supervisor *s, enum stop_kind kind)
{
	struct step_input now = { .reason = stop_reason };

	s->copy->globals.stopping = kind;
	for (uint16_t i = 0; i < s->copy->workers; i++) {
		if (s->copy->worker[i].id == 0)
			continue;
		if (kind == STOP_NOW)
			slots_feed(s, i, WE_STOP, &now);
		else
			slots_drain(s, i, kind == STOP_QUIT ? 0 :
			    slots_drain_deadline(s, i), stop_reason);
	}
}

void
trans_stop_limit(struct supervisor *s)
{
	for (uint16_t i = 0; i < s->copy->workers; i++)
		if (s->copy->worker[i].id != 0)
			slots_kill(s, i, CAUSE_STOP_TIMEOUT, stop_reason);
}

bool
trans_anything_runs(const struct memo_copy *copy)
{
	for (uint16_t i = 0; i < copy->workers; i++)
		if (slots_has_process(&copy->worker[i]))
			return true;
	return false;
}
