/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * life.c: wishes about workers, and the turns of their life.
 * Called by commands, the tick, the timer and the parts that hear from keeper
 * and workers.  Changes the idle copy of the memo alone; see turn.h.
 */
#include "daemon/master/life.h"

#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/recycle.h"
#include "daemon/master/sample.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/policy.h"
#include "daemon/supervisor/state.h"

enum { ID_BLOCK = 1000 };

uint64_t
life_new_id(struct master *m)
{
	struct memo_globals *globals = &turn_change(m)->globals;
	uint64_t id = globals->next_id++;

	if (globals->next_id >= m->id_mark) {
		m->id_mark = globals->next_id + ID_BLOCK;
		if (m->store != NULL)
			store_put_marks(m->store, 0, m->id_mark);
	}
	return id;
}

void
life_skip_known_ids(struct master *m)
{
	struct memo_globals *globals = &turn_change(m)->globals;

	if (globals->next_id <= m->highest_id)
		globals->next_id = m->highest_id + 1;
}

const struct conf_pool *
life_conf(struct master *m, uint16_t row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	const char *pool = copy->pool[copy->slot[worker->slot].pool].name;
	const struct conf_pool *conf = NULL;

	/* What we time are live keys: those in force, also for a worker that
	 * was there before them.  One on trial has its own. */
	if (worker->generation != copy->globals.trans_generation &&
	    m->conf != NULL)
		conf = conf_pool_by_name(m->conf, pool);
	return conf != NULL ? conf :
	    master_pool_conf(m, worker->generation, pool);
}

void
life_limits(struct master *m, uint16_t pool, struct policy_limits *limits)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = master_pool_now(m, pool);
	uint32_t slots = copy->pool[pool].desired;

	limits->stable_after_ms = 60000;
	limits->backoff_min_ms = 250;
	limits->backoff_max_ms = 30000;
	limits->restart_burst = policy_auto_burst(slots);
	limits->restart_rate = policy_auto_rate(slots);
	if (conf == NULL)
		return;
	limits->stable_after_ms = (uint64_t)conf->stable_after_ms;
	limits->backoff_min_ms = (uint64_t)conf->backoff_min_ms;
	limits->backoff_max_ms = (uint64_t)conf->backoff_max_ms;
	limits->restart_burst = (uint32_t)conf_restart_burst(conf, slots);
	limits->restart_rate = (uint32_t)conf_restart_rate(conf, slots);
}

/* -- feeding ------------------------------------------------------------------- */

static void
input_fill(struct master *m, uint16_t row, struct step_input *input)
{
	const struct conf_pool *conf = life_conf(m, row);

	input->now_ns = clock_now_ns();
	input->start_ms = conf != NULL ? (uint64_t)conf->start_timeout_ms :
	    60000;
	input->stable_ms = conf != NULL ? (uint64_t)conf->stable_after_ms :
	    60000;
	input->stop_ms = conf != NULL ? (uint64_t)conf->stop_timeout_ms :
	    10000;
}

/* A row that has had a process gets another id for the next one. */
static void
row_renew(struct master *m, struct memo_worker *row)
{
	struct memo_worker fresh = {
		.slot = row->slot, .is_other = row->is_other,
		.state = row->state, .transaction = row->transaction,
		.since_ns = row->since_ns,
	};

	fresh.id = row->since_ns == 0 || row->forked_ns == 0 ? row->id :
	    life_new_id(m);
	fresh.generation = turn_change(m)->slot[row->slot].generation;
	*row = fresh;
}

void
life_await_stable(struct master *m, uint16_t row)
{
	struct memo_worker *worker = &turn_change(m)->worker[row];
	struct policy_limits limits;

	if (worker->state != WS_READY)
		return;
	life_limits(m, turn_look(m)->slot[worker->slot].pool, &limits);
	worker->stable = 0;
	worker->deadline_ns = clock_now_ns() +
	    limits.stable_after_ms * NS_PER_MS;
}

static void
note_stable(struct master *m, uint16_t row)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[copy->worker[row].slot];

	if (m->process[row] != NULL && m->process[row]->stalled) {
		life_await_stable(m, row);
		return;
	}
	slot->early = 0;
	if (slot->had_trouble) {
		slot->had_trouble = 0;
		turn_tell_worker(m, EVENT_WORKER_RECOVERED, row, NULL, NULL);
	}
}

static void
row_queue(struct master *m, uint16_t row)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[copy->worker[row].slot];
	struct step_input input = { 0 };
	struct policy_limits limits;
	uint32_t cpus = m->conf != NULL && m->conf->daemon.cpus > 0 ?
	    (uint32_t)m->conf->daemon.cpus : 1;
	enum worker_event next;

	life_limits(m, slot->pool, &limits);
	next = policy_admit(&limits, &copy->pool[slot->pool], slot,
	    state_count_starting(copy), cpus, clock_now_ns(), &input.wait_ms);
	if (next == WE_START)
		row_renew(m, &copy->worker[row]);
	slot->next_try_boot_ms = next == WE_START ? 0 :
	    clock_boot_ms() + input.wait_ms;
	life_feed(m, row, next, &input);
}

static void
never(struct master *m, uint16_t row, enum worker_event event)
{
	static bool said[WS__COUNT][WE__COUNT];
	const struct memo_worker *worker = &turn_look(m)->worker[row];

	if (said[worker->state][event])
		return;
	said[worker->state][event] = true;
	log_error("master: bug.cell: %s in state %s",
	    worker_event_name(event), worker_state_name(worker->state));
}

/* What the performer does; the rest is done in the same flip. */
enum { EFFECTS = ACT_SPAWN | ACT_SAY_STOP | ACT_SAY_DRAIN | ACT_OFF |
	ACT_ON | ACT_KILL };

struct step_result
life_feed(struct master *m, uint16_t row, enum worker_event event,
    struct step_input *input)
{
	struct memo_copy *copy = turn_change(m);
	struct step_input none = { 0 };
	struct step_result result;

	if (input == NULL)
		input = &none;
	input_fill(m, row, input);
	result = worker_step(&copy->worker[row], event, input);
	if (result.kind == EDGE_NEVER || result.kind == EDGE_MISSING)
		never(m, row, event);
	turn_act(m, row, result.actions & EFFECTS);
	if (result.to == WS_DRAINING && result.from != WS_DRAINING)
		turn_tell_worker(m, EVENT_WORKER_DRAINING, row, NULL, NULL);
	if (result.actions & ACT_STABLE)
		note_stable(m, row);
	if (result.actions & ACT_QUEUE)
		row_queue(m, row);
	if (result.actions & ACT_DETACH)
		life_detach(m, row);
	return result;
}

/* -- wishes ------------------------------------------------------------------------ */

uint64_t
life_drain_deadline(struct master *m, uint16_t row)
{
	const struct conf_pool *conf = life_conf(m, row);

	return clock_now_ns() + (conf != NULL ?
	    (uint64_t)conf->drain_timeout_ms : 30000) * NS_PER_MS;
}

void
life_drain(struct master *m, uint16_t row, uint64_t drain_ns)
{
	struct step_input input = { .drain_ns = drain_ns };

	life_feed(m, row, WE_DRAIN, &input);
}

void
life_stop(struct master *m, uint16_t row)
{
	life_feed(m, row, WE_STOP, NULL);
}

void
life_kill(struct master *m, uint16_t row, enum death_cause cause, int asked)
{
	struct step_input input = { .cause = (uint8_t)cause,
		.asked = (uint8_t)asked };

	life_feed(m, row, WE_KILL, &input);
}

void
life_retry(struct master *m, uint16_t row)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[copy->worker[row].slot];

	slot->early = 0;
	slot->spawn_failures = 0;
	slot->fatal_class = 0;
	slot->next_try_boot_ms = 0;
	slot->start_is_free = 1;
	life_feed(m, row, WE_RETRY, NULL);
}

void
life_send_off(struct master *m, uint16_t row)
{
	life_drain(m, row, life_drain_deadline(m, row));
}

static int
slot_begin(struct master *m, uint16_t pool, uint16_t number)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t slot = state_find_slot(copy, pool, number);
	bool fresh = slot == MEMO_NONE;
	uint16_t row;

	if (fresh)
		slot = state_add_slot(copy, pool, number);
	if (slot == MEMO_NONE)
		return ERR_FULL;
	/* One that was taken out stays out, whatever the size. */
	if (fresh || !copy->slot[slot].wanted)
		copy->slot[slot].drained = copy->pool[pool].drained != 0;
	copy->slot[slot].wanted = 1;
	if (copy->slot[slot].generation == 0)
		copy->slot[slot].generation = copy->pool[pool].generation;
	if (copy->slot[slot].current != MEMO_NONE)
		return 0;
	row = state_add_worker(copy, slot, life_new_id(m), 0);
	if (row == MEMO_NONE)
		return ERR_FULL;
	copy->worker[row].generation = copy->slot[slot].generation;
	return 0;
}

static void
slot_end(struct master *m, uint16_t index)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[index];

	slot->wanted = 0;
	if (slot->current != MEMO_NONE)
		life_send_off(m, slot->current);
	if (slot->other != MEMO_NONE)
		life_send_off(m, slot->other);
}

int
life_resize(struct master *m, uint16_t pool, unsigned size)
{
	struct memo_copy *copy = turn_change(m);
	int rc = 0;

	for (uint16_t number = 0; number < size && rc == 0; number++)
		rc = slot_begin(m, pool, number);
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool && copy->slot[i].number >= size
		    && copy->slot[i].wanted)
			slot_end(m, i);
	copy->pool[pool].desired = size;
	return rc;
}

void
life_set_drained(struct master *m, uint16_t index, int drained)
{
	struct memo_slot *slot = &turn_change(m)->slot[index];

	slot->drained = drained != 0;
	if (!drained)
		return;
	if (slot->current != MEMO_NONE)
		life_send_off(m, slot->current);
	if (slot->other != MEMO_NONE)
		life_send_off(m, slot->other);
}

int
life_start_successor(struct master *m, uint16_t index, uint64_t generation,
    int transaction)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t row;

	if (copy->slot[index].other != MEMO_NONE) {
		/* A predecessor still drains: its time is over. */
		life_drain(m, copy->slot[index].other, clock_now_ns());
		return ERR_BUSY;
	}
	row = state_add_worker(copy, index, life_new_id(m), 1);
	if (row == MEMO_NONE)
		return ERR_FULL;
	copy->worker[row].generation = generation;
	copy->worker[row].transaction = (uint8_t)transaction;
	life_feed(m, row, WE_START, NULL);
	return 0;
}

void
life_promote(struct master *m, uint16_t index)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[index];

	CHECK(slot->other != MEMO_NONE);
	state_swap(copy, index);
	slot->generation = copy->worker[slot->current].generation;
	copy->worker[slot->current].transaction = SUCCESSOR_NONE;
	slot->early = 0;
	if (slot->other != MEMO_NONE)
		life_send_off(m, slot->other);
}

/* -- turns ---------------------------------------------------------------------------- */

static bool
row_is_down(const struct memo_copy *copy, uint16_t row)
{
	return row != MEMO_NONE && copy->worker[row].state == WS_DOWN;
}

/* Rows and slots that have no further use. */
static void
slot_tidy(struct master *m, uint16_t index)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[index];

	if (row_is_down(copy, slot->other))
		state_free_worker(copy, slot->other);
	if (slot->wanted || slot->other != MEMO_NONE)
		return;
	if (row_is_down(copy, slot->current))
		state_free_worker(copy, slot->current);
	if (slot->current == MEMO_NONE)
		state_retire_slot(copy, index);
}

/* A successor is on its way for this slot, so its own start waits. */
static bool
slot_has_successor(const struct memo_copy *copy, const struct memo_slot *slot)
{
	return slot->other != MEMO_NONE &&
	    copy->worker[slot->other].transaction != SUCCESSOR_NONE;
}

static void
starter(struct master *m)
{
	struct memo_copy *copy = turn_change(m);
	uint32_t room = m->conf != NULL && m->conf->daemon.cpus > 0 ?
	    (uint32_t)m->conf->daemon.cpus : 1;
	uint32_t starting = state_count_starting(copy);

	for (uint16_t i = 0; i < copy->slots && starting < room; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE || !slot->wanted || slot->drained ||
		    !row_is_down(copy, slot->current) ||
		    slot_has_successor(copy, slot))
			continue;
		row_renew(m, &copy->worker[slot->current]);
		life_feed(m, slot->current, WE_START, NULL);
		starting++;
	}
}

void
life_follow(struct master *m)
{
	struct memo_copy *copy;

	if (!m->attached || m->ending || m->turn == NULL)
		return;
	copy = turn_change(m);
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE)
			slot_tidy(m, i);
	recycle_follow(m);
	if (copy->globals.stopping == 0)
		starter(m);
}

void
life_arm_deadline(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t first = UINT64_MAX, now;
	struct timeval when = { 0, 0 };

	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id != 0 && copy->worker[i].deadline_ns != 0
		    && copy->worker[i].deadline_ns < first)
			first = copy->worker[i].deadline_ns;
	if (first == UINT64_MAX) {
		event_del(m->deadline);
		return;
	}
	now = clock_now_ns();
	if (first > now) {
		when.tv_sec = (time_t)((first - now) / NS_PER_S);
		when.tv_usec = (suseconds_t)((first - now) % NS_PER_S / 1000)
		    + 1;
	}
	event_add(m->deadline, &when);
}

/* A SIGKILL now would leave half a core. */
static bool
awaits_core(struct master *m, uint16_t row, uint64_t now)
{
	const struct memo_worker *worker = &turn_look(m)->worker[row];

	return worker->state == WS_KILLING && worker->ladder == 1 &&
	    m->process[row] != NULL && sample_is_dumping(m->process[row]) &&
	    worker_await_core(&turn_change(m)->worker[row], now);
}

void
life_on_deadline(int fd, short what, void *arg)
{
	struct master *m = arg;
	const struct memo_copy *copy = turn_look(m);
	uint64_t now = clock_now_ns();

	(void)fd;
	(void)what;
	for (uint16_t i = 0; i < copy->workers; i++) {
		const struct memo_worker *row = &turn_look(m)->worker[i];

		if (row->id != 0 && row->deadline_ns != 0 &&
		    row->deadline_ns <= now && !awaits_core(m, i, now))
			life_feed(m, i, WE_DEADLINE, NULL);
	}
	turn_change(m);
}
