/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * supervisor_model.c: what happens, and the turns that follow: the master
 * without its words; see supervisor_model.h.
 */
#include "tests/unit/supervisor_model.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/supervisor/state.h"

enum { TURNS_MOST = 16 };

static void
end_by_operator(struct model *m, uint16_t row)
{
	struct memo_worker *worker = &m->s.copy->worker[row];

	if (worker->cause == CAUSE_NONE) {
		worker->asked = 1;
		worker->cause = CAUSE_OPERATOR;
	}
	model_end_row(m, row, WE_EXITED);
}

static void
spawned(struct model *m, uint16_t row)
{
	slots_note_spawned(&m->s, row, 100 + row);
	slots_feed(&m->s, row, WE_SPAWNED, NULL);
}

static void
leaving(struct model *m, uint16_t row, bool asked)
{
	struct step_input input = { .asked = asked,
		.drain_ns = MODEL_NOW_NS + NS_PER_S };

	slots_feed(&m->s, row, WE_LEAVING, &input);
}

static void
meet_deadline(struct model *m, uint16_t row)
{
	struct memo_worker *worker = &m->s.copy->worker[row];

	if (worker->state == WS_READY)
		worker->ready_ns = MODEL_NOW_NS - MODEL_STABLE_MS * NS_PER_MS;
	slots_feed(&m->s, row, WE_DEADLINE, NULL);
}

static void
refill(struct model *m)
{
	struct memo_pool *pool = &m->s.copy->pool[0];
	struct policy_limits limits;

	model_host.limits(m, 0, &limits);
	pool->tokens_ns = MODEL_NOW_NS - 60 * NS_PER_S / MODEL_RATE;
	policy_refill(&limits, pool, MODEL_NOW_NS);
}

static void
retry(struct model *m, uint16_t index)
{
	const struct memo_slot *slot = &m->s.copy->slot[index];

	if (slot->drained)
		slots_bring_back(&m->s, index);
	else
		slots_retry(&m->s, slot->current);
}

static void
resume(struct model *m, uint16_t index)
{
	const struct memo_slot *slot = &m->s.copy->slot[index];

	if (slot->drained)
		slots_bring_back(&m->s, index);
	else if (slot->current != MEMO_NONE)
		m->s.copy->worker[slot->current].paused = 0;
}

static void
drain_all(struct model *m, int drained)
{
	struct memo_copy *copy = m->s.copy;

	copy->pool[0].drained = (uint32_t)drained;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == MEMO_NONE)
			continue;
		else if (drained)
			slots_take_out(&m->s, i, "drain");
		else
			resume(m, i);
}

static void
restart(struct model *m, uint16_t first, size_t count)
{
	const uint16_t slots[MODEL_SLOTS] = { first, (uint16_t)(first + 1),
		(uint16_t)(first + 2) };

	trans_begin(&m->s, &m->trans, TRANS_RESTART, m->room);
	trans_restart(&m->s, &m->trans, slots, count);
}

static void
scale(struct model *m, int by)
{
	unsigned size = (unsigned)((int)m->s.copy->pool[0].desired + by);

	trans_begin(&m->s, &m->trans, TRANS_SCALE, m->room);
	if (trans_scale(&m->s, &m->trans, 0, size, true) != 0)
		model_fault(m, "no room in the tables");
}

static void
reload(struct model *m, enum trans_kind kind, enum trans_step step,
    enum trans_pool pool)
{
	trans_begin(&m->s, &m->trans, kind, m->room);
	m->trans.pools[0] = pool;
	m->s.copy->globals.trans_generation = MODEL_COMING;
	m->s.copy->globals.trans_step = step;
	if (step != TRANS_CHECK)
		trans_reload(&m->s, &m->trans, step == TRANS_CANARY);
}

static void
rollback(struct model *m)
{
	if (m->s.copy->globals.trans_step == TRANS_HELD)
		trans_undo(&m->s, &m->trans);
	else
		reload(m, TRANS_ROLLBACK, TRANS_CANARY, TRANS_POOL_ROLLS);
}

static void
stop(struct model *m, enum stop_kind kind)
{
	if (m->s.copy->globals.trans_kind != TRANS_NONE)
		trans_end(&m->s, &m->trans);
	trans_stop(&m->s, kind);
}

void
model_apply(struct model *m, struct model_event event)
{
	struct memo_slot *slot = &m->s.copy->slot[event.slot];
	uint16_t row = event.which ? slot->other : slot->current;

	switch ((enum model_what)event.what) {
	case MODEL_NOTHING:
		break;
	case MODEL_SPAWNED:
		spawned(m, row);
		break;
	case MODEL_SPAWN_FAILED:
		model_end_row(m, row, WE_SPAWN_FAILED);
		break;
	case MODEL_EXITED:
		model_end_row(m, row, WE_EXITED);
		break;
	case MODEL_KILLED:
		end_by_operator(m, row);
		break;
	case MODEL_PROGRESS:
		slots_feed(&m->s, row, WE_PROGRESS, NULL);
		break;
	case MODEL_READY:
		slots_feed(&m->s, row, WE_READY, NULL);
		break;
	case MODEL_FATAL:
		slots_fatal(&m->s, row, 1);
		break;
	case MODEL_LEAVING:
		leaving(m, row, true);
		break;
	case MODEL_LOST_FD:
		leaving(m, row, false);
		break;
	case MODEL_DRAINED:
		slots_feed(&m->s, row, WE_DRAINED, NULL);
		break;
	case MODEL_REQUEST:
		slots_feed(&m->s, row, WE_REQUEST, NULL);
		break;
	case MODEL_VIOLATION:
		slots_feed(&m->s, row, WE_VIOLATION, NULL);
		break;
	case MODEL_HANG:
		slots_kill(&m->s, row, CAUSE_HANG, NULL);
		break;
	case MODEL_STALL:
		slots_await_stable(&m->s, row);
		break;
	case MODEL_DEADLINE_STALLED:
		m->stalled = true;
		/* fall through */
	case MODEL_DEADLINE:
		meet_deadline(m, row);
		break;
	case MODEL_REFILL:
		refill(m);
		break;
	case MODEL_TRIAL_PASSES:
		m->trial = TRIAL_PASSED;
		break;
	case MODEL_TRIAL_FAILS:
		m->trial = TRIAL_FAILED;
		break;
	case MODEL_BOUND:
		trans_reload(&m->s, &m->trans, true);
		break;
	case MODEL_REJECTED:
	case MODEL_STORED:
		trans_end(&m->s, &m->trans);
		break;
	case MODEL_DRAIN:
		slots_take_out(&m->s, event.slot, "drain");
		break;
	case MODEL_RESUME:
		resume(m, event.slot);
		break;
	case MODEL_RETRY:
		retry(m, event.slot);
		break;
	case MODEL_PAUSE:
		m->s.copy->worker[row].paused = 1;
		break;
	case MODEL_RECYCLE:
		slots_start_successor(&m->s, event.slot, slot->generation,
		    SUCCESSOR_RECYCLE);
		break;
	case MODEL_RESTART:
		restart(m, event.slot, 1);
		break;
	case MODEL_RESTART_ALL:
		restart(m, 0, m->s.copy->slots);
		break;
	case MODEL_DRAIN_ALL:
		drain_all(m, 1);
		break;
	case MODEL_RESUME_ALL:
		drain_all(m, 0);
		break;
	case MODEL_SCALE_UP:
		scale(m, 1);
		break;
	case MODEL_SCALE_DOWN:
		scale(m, -1);
		break;
	case MODEL_RELOAD:
		reload(m, TRANS_RELOAD, TRANS_CHECK, TRANS_POOL_ROLLS);
		break;
	case MODEL_RELOAD_LIVE:
		reload(m, TRANS_RELOAD, TRANS_CHECK, TRANS_POOL_MOVES);
		break;
	case MODEL_RELOAD_HOLD:
		reload(m, TRANS_RELOAD, TRANS_CHECK, TRANS_POOL_ROLLS);
		m->s.copy->globals.trans_hold_percent = MODEL_HOLD_PERCENT;
		break;
	case MODEL_CONTINUE:
		trans_go_on(&m->s);
		break;
	case MODEL_ROLLBACK:
		rollback(m);
		break;
	case MODEL_TAKE_BACK:
		reload(m, TRANS_ROLLBACK, TRANS_ROLL, TRANS_POOL_ROLLS);
		break;
	case MODEL_STOP:
		stop(m, STOP_DRAIN);
		break;
	case MODEL_STOP_NOW:
		stop(m, STOP_NOW);
		break;
	case MODEL_STOP_LIMIT:
		trans_stop_limit(&m->s);
		break;
	case MODEL_QUIT:
		stop(m, STOP_QUIT);
		break;
	}
}

/* -- turns --------------------------------------------------------------------- */

/* What the master does with a verdict, without its words. */
static void
follow_verdict(struct model *m, enum trans_verdict verdict)
{
	const struct memo_globals *globals = &m->s.copy->globals;
	bool undone = globals->trans_step == TRANS_UNDO;

	if (verdict == TRANS_GOES_ON || globals->trans_step == TRANS_COMMITTED)
		return;		/* the latter until it is stored */
	if (globals->trans_kind == TRANS_SCALE && verdict == TRANS_FAILED)
		trans_scale_back(&m->s, &m->trans);
	if (undone)
		trans_undone(&m->s);
	if (globals->trans_kind < TRANS_RELOAD || undone) {
		trans_end(&m->s, &m->trans);
	} else if (verdict == TRANS_FAILED) {
		trans_undo(&m->s, &m->trans);
	} else if (verdict == TRANS_HOLDS) {
		trans_hold(&m->s);
	} else {
		trans_commit(&m->s, false);
		trans_commit_pool(&m->s, &m->trans, 0);
	}
}

static void
follow_change(struct model *m)
{
	if (m->s.copy->globals.stopping != 0)
		return;
	if (m->s.copy->globals.trans_kind == TRANS_NONE)
		trans_settle_orphans(&m->s);
	else
		follow_verdict(m, trans_follow(&m->s, &m->trans));
}

/* What the master does at the end of each turn. */
void
model_end_turn(struct model *m)
{
	slots_follow(&m->s);
	follow_change(m);
	slots_follow(&m->s);
}

/* Turns until nothing changes any more. */
void
model_settle(struct model *m, struct model_state *to)
{
	struct model_state before;
	int turns = 0;

	model_pack(m, to);
	do {
		before = *to;
		model_end_turn(m);
		model_pack(m, to);
		turns++;
	} while (memcmp(&before, to, sizeof(before)) != 0 &&
	    turns < TURNS_MOST);
	if (turns == TURNS_MOST)
		model_fault(m, "turns without an end");
}

void
model_step(struct model *m, const struct model_state *from,
    struct model_event event, struct model_state *to)
{
	model_unpack(m, &m->memo->copy[0], from);
	model_apply(m, event);
	model_settle(m, to);
}

void
model_init(struct model *m, const struct model_rules *rules)
{
	memset(m, 0, sizeof(*m));
	m->rules = rules;
	m->trans.roll.slots = m->room;
	m->memo = malloc(sizeof(*m->memo));
	CHECK(m->memo != NULL);
	state_init(m->memo);
	m->s = (struct supervisor){ .now_ns = MODEL_NOW_NS, .boot_ms = 1,
		.random = UINT32_MAX, .cpus = rules->cpus, .host = &model_host,
		.arg = m };
}

void
model_done(struct model *m)
{
	free(m->memo);
}

void
model_begin(struct model *m, struct model_state *out)
{
	struct model_state empty;

	memset(&empty, 0, sizeof(empty));
	empty.tokens = (uint8_t)m->rules->burst;
	model_unpack(m, &m->memo->copy[0], &empty);
	slots_resize(&m->s, 0, m->rules->slots, "scale");
	model_settle(m, out);
}
