/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* supervisor_model_host.c: the supervisor's host in the model, who checks what is
 * asked of him; see supervisor_model.h. */
#include "common/base/clock.h"
#include "tests/unit/supervisor_model.h"

void
model_fault(struct model *m, const char *words)
{
	if (m->fault == NULL)
		m->fault = words;
}

static void
host_times(void *arg, uint16_t row, struct supervisor_times *times)
{
	(void)arg;
	(void)row;
	*times = (struct supervisor_times){ 30000, MODEL_STABLE_MS, 5000, 30000 };
}

uint32_t
model_burst(const struct model *m)
{
	return m->rules->burst > 0 ? m->rules->burst : 100;
}

static void
host_limits(void *arg, uint16_t pool, struct policy_limits *limits)
{
	const struct model *m = arg;

	(void)pool;
	*limits = (struct policy_limits){
		.stable_after_ms = MODEL_STABLE_MS, .backoff_min_ms = 250,
		.backoff_max_ms = 30000, .restart_burst = model_burst(m),
		.restart_rate = MODEL_RATE,
	};
}

static size_t
host_surge(void *arg, uint16_t pool)
{
	(void)pool;
	return ((const struct model *)arg)->rules->surge;
}

static uint64_t
host_new_id(void *arg)
{
	return ((struct model *)arg)->next_id++;
}

static void
check_spawn(struct model *m, uint16_t row)
{
	const struct memo_copy *copy = m->s.copy;
	const struct memo_worker *worker = &copy->worker[row];
	const struct memo_slot *slot = &copy->slot[worker->slot];

	m->spawns++;
	if (copy->globals.stopping != 0)
		model_fault(m, "a start while all is stopping");
	if (worker->forked_ns != 0 || (worker->id <= MODEL_ROWS &&
	    m->had_process[row]))
		model_fault(m, "an id is used twice");
	if (!worker->is_other && slot->other != MEMO_NONE &&
	    copy->worker[slot->other].transaction != SUCCESSOR_NONE)
		model_fault(m, "a start beside the slot's successor");
	if (!slot->wanted || slot->drained)
		model_fault(m, "a start of a slot that is not wanted");
}

static void
host_act(void *arg, uint16_t row, uint32_t actions)
{
	if (actions & ACT_SPAWN)
		check_spawn(arg, row);
}

static void
host_tell(void *arg, enum event_id id, uint16_t row)
{
	(void)arg;
	(void)id;
	(void)row;
}

static void
host_stepped(void *arg, uint16_t row, enum worker_event event)
{
	struct model *m = arg;
	const struct memo_worker *worker = &m->s.copy->worker[row];
	unsigned kind = worker_edge(worker->state, event)->kind;

	m->reached[worker->state][event] = true;
	/* The table's own: a worker's word, a ladder at its end. */
	if (kind == EDGE_VIOLATION)
		m->reached[worker->state][WE_VIOLATION] = true;
	if (event == WE_DEADLINE && worker->state == WS_KILLING &&
	    worker->ladder >= 2)
		m->reached[worker->state][WE_UNKILLABLE] = true;
	if (kind == EDGE_NEVER || kind == EDGE_MISSING)
		model_fault(m, "a cell that cannot happen");
}

static int
host_is_stalled(void *arg, uint16_t row)
{
	(void)row;
	return ((const struct model *)arg)->stalled;
}

static enum trial
host_trial(void *arg, uint16_t row, const char **words)
{
	(void)row;
	*words = "it stalls";
	return ((const struct model *)arg)->trial;
}

static void
follow_end(struct model *m, uint16_t row, const struct slot_end *end)
{
	m->ends += end->gone.spawn_failed ? 0 : 1;
	if (m->s.copy->globals.trans_kind != TRANS_NONE)
		trans_hear_end(&m->s, &m->trans, end, "it ended");
	slots_follow_end(&m->s, row, end);
}

void
model_end_row(struct model *m, uint16_t row, enum worker_event event)
{
	struct slot_end end;

	slots_end(&m->s, row, event, &end);
	follow_end(m, row, &end);
}

static void
host_detach(void *arg, uint16_t row)
{
	struct model *m = arg;
	struct slot_end end;

	/* There may be one all the same: its SPAWN is answered later. */
	m->had_process[row] = true;
	slots_end(&m->s, row, WE_UNKILLABLE, &end);
	follow_end(m, row, &end);
}

const struct supervisor_host model_host = {
	.times = host_times, .limits = host_limits, .surge = host_surge,
	.new_id = host_new_id, .act = host_act, .tell = host_tell,
	.stepped = host_stepped, .detach = host_detach,
	.is_stalled = host_is_stalled, .trial = host_trial,
};
