/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_roll.c: replacing workers slot by slot, new before old, max_surge of
 * a pool at once: the roll of a reload and the command restart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

enum { TRIES = 2, CANARY_REQUESTS = 20 };

int
roll_add(struct change_run *run, uint16_t pool, uint16_t number,
    uint64_t generation, bool canary)
{
	struct roll_slot *slots = realloc(run->slots,
	    (run->count + 1) * sizeof(*slots));

	if (slots == NULL)
		return ERR_MEMORY;
	run->slots = slots;
	slots[run->count++] = (struct roll_slot){ .pool = pool,
		.number = number, .generation = generation,
		.canary = canary };
	return 0;
}

bool
roll_has(const struct change_run *run, uint16_t pool, uint16_t number)
{
	for (size_t i = 0; i < run->count; i++)
		if (run->slots[i].pool == pool &&
		    run->slots[i].number == number)
			return true;
	return false;
}

size_t
roll_count(const struct change_run *run, enum roll_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++)
		count += run->slots[i].state == state;
	return count;
}

static size_t
busy_in_pool(const struct change_run *run, uint16_t pool)
{
	size_t count = 0;

	for (size_t i = 0; i < run->count; i++)
		count += run->slots[i].state == ROLL_BUSY &&
		    run->slots[i].pool == pool;
	return count;
}

static size_t
surge_of(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = conf_pool_by_name(m->conf,
	    copy->pool[pool].name);
	int64_t surge = conf == NULL ? 1 : conf_max_surge(conf,
	    copy->pool[pool].desired);

	return surge > 0 ? (size_t)surge : 1;
}

static void
finish_slot(struct roll_slot *slot)
{
	slot->state = ROLL_DONE;
	slot->canary = false;
	slot->ready_ns = clock_now_ns();
}

/* A canary has served long enough: canary_hold, or 20 requests. */
static bool
canary_has_passed(struct change_run *run, struct roll_slot *slot,
    const struct memo_worker *row, const struct process *process)
{
	struct master *m = run->master;
	const struct conf_pool *conf = master_pool_conf(m, slot->generation,
	    turn_look(m)->pool[slot->pool].name);
	uint64_t held_ms = (clock_now_ns() - row->ready_ns) / NS_PER_MS;

	if (conf == NULL || held_ms >= (uint64_t)conf->canary_hold_ms)
		return true;
	return process != NULL && process->has_report &&
	    process->report.counters[METRIC_REQUESTS] >= CANARY_REQUESTS;
}

static const char *
canary_fault(const struct process *process)
{
	if (process == NULL)
		return NULL;
	if (process->stalled)
		return "it stalls";
	if (process->has_report && process->report.counters[METRIC_HOST_5XX] > 0)
		return "it answers requests with errors";
	return NULL;
}

/* Two slots that failed say as much as one that failed twice; on the way back
 * every slot has its own tries. */
static bool
may_try_again(const struct change_run *run, const struct roll_slot *slot)
{
	if (slot->tries >= TRIES || slot->canary)
		return false;
	if (turn_look(run->master)->globals.trans_step == TRANS_UNDO)
		return true;
	for (size_t i = 0; i < run->count; i++)
		if (&run->slots[i] != slot && run->slots[i].tries > 0)
			return false;
	return true;
}

static void
slot_failed(const struct change_run *run, struct roll_slot *slot,
    const char *text)
{
	snprintf(slot->text, sizeof(slot->text), "%s", text);
	slot->tries++;
	slot->state = may_try_again(run, slot) ? ROLL_TODO : ROLL_FAILED;
}

static void
follow_busy(struct change_run *run, struct roll_slot *slot, uint16_t index)
{
	struct master *m = run->master;
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *row = &copy->slot[index];
	const struct memo_worker *other;
	const char *fault;

	if (row->other == MEMO_NONE ||
	    copy->worker[row->other].transaction != SUCCESSOR_CHANGE)
		return;		/* its end is told by roll_successor_gone() */
	other = &copy->worker[row->other];
	if (other->state != WS_READY)
		return;
	if (slot->canary) {
		struct process *process = m->process[row->other];

		if (!slot->ready_ns) {
			slot->ready_ns = clock_now_ns();
			(void)FP("reload.canary_ready");
		}
		fault = canary_fault(process);
		if (fault != NULL) {
			slot_failed(run, slot, fault);
			life_kill(m, row->other, CAUSE_OPERATOR, 1);
			return;
		}
		if (!canary_has_passed(run, slot, other, process))
			return;
	}
	life_promote(m, index);
	finish_slot(slot);
}

/* Nobody stands behind this one: it is the slot's only worker. */
static void
follow_again(struct change_run *run, struct roll_slot *slot, uint16_t index)
{
	const struct memo_copy *copy = turn_look(run->master);
	const struct memo_slot *row = &copy->slot[index];

	if (!row->wanted || row->drained || (row->current != MEMO_NONE &&
	    copy->worker[row->current].state == WS_READY))
		finish_slot(slot);
}

static void
begin_slot(struct change_run *run, struct roll_slot *slot, uint16_t index)
{
	struct master *m = run->master;
	struct memo_slot *row = &turn_change(m)->slot[index];
	int rc;

	if (!row->wanted || row->drained) {
		/* Nothing runs there; its next worker is of that generation. */
		row->generation = slot->generation;
		finish_slot(slot);
		return;
	}
	rc = life_start_successor(m, index, slot->generation,
	    SUCCESSOR_CHANGE);
	if (rc == ERR_BUSY)
		return;		/* its predecessor leaves first */
	if (rc != 0) {
		slot_failed(run, slot, "no room for a successor");
		return;
	}
	(void)FP("reload.roll_slot");
	slot->state = ROLL_BUSY;
	slot->started_ns = clock_now_ns();
}

size_t
roll_follow(struct change_run *run, size_t limit)
{
	struct master *m = run->master;
	size_t left = 0, begun = run->count - roll_count(run, ROLL_TODO);

	for (size_t i = 0; i < run->count; i++) {
		struct roll_slot *slot = &run->slots[i];
		uint16_t index = state_find_slot(turn_look(m), slot->pool,
		    slot->number);

		if (slot->state == ROLL_DONE || slot->state == ROLL_FAILED)
			continue;
		if (index == MEMO_NONE)
			finish_slot(slot);
		else if (slot->state == ROLL_BUSY)
			follow_busy(run, slot, index);
		else if (slot->state == ROLL_AGAIN)
			follow_again(run, slot, index);
		else if (begun < limit && busy_in_pool(run, slot->pool) <
		    surge_of(m, slot->pool)) {
			begin_slot(run, slot, index);
			begun += slot->state != ROLL_TODO;
		}
		left += slot->state != ROLL_DONE && slot->state != ROLL_FAILED;
	}
	return left;
}

void
roll_successor_gone(struct change_run *run, uint16_t index, const char *text)
{
	const struct memo_slot *row = &turn_look(run->master)->slot[index];

	for (size_t i = 0; i < run->count; i++)
		if (run->slots[i].state == ROLL_BUSY &&
		    run->slots[i].pool == row->pool &&
		    run->slots[i].number == row->number)
			slot_failed(run, &run->slots[i], text);
}

void
roll_worker_died(struct change_run *run, uint16_t index, const char *text)
{
	const struct memo_slot *row = &turn_look(run->master)->slot[index];

	for (size_t i = 0; i < run->count; i++) {
		struct roll_slot *slot = &run->slots[i];

		if (slot->pool != row->pool || slot->number != row->number ||
		    (slot->state != ROLL_DONE && slot->state != ROLL_AGAIN))
			continue;
		slot_failed(run, slot, text);
		if (slot->state == ROLL_TODO)
			slot->state = ROLL_AGAIN;
	}
}

void
roll_tell_progress(struct change_run *run, const char *what)
{
	size_t done = roll_count(run, ROLL_DONE);
	char text[160];

	if (done == run->told)
		return;
	run->told = done;
	snprintf(text, sizeof(text), "{\"done\":%zu,\"of\":%zu,\"text\":\"%zu "
	    "of %zu %s\"}", done, run->count, done, run->count, what);
	if (run->call != NULL)
		control_progress(run->call, text);
}

/* -- restart ------------------------------------------------------------------------ */

static bool
is_healthy(const struct memo_copy *copy, uint16_t slot)
{
	return copy->slot[slot].current != MEMO_NONE &&
	    copy->worker[copy->slot[slot].current].state == WS_READY;
}

/* Out of service with its pool, until `resume'. */
static bool
is_drained(struct master *m, uint16_t slot)
{
	const struct memo_copy *copy = turn_look(m);

	return copy->slot[slot].drained &&
	    copy->pool[copy->slot[slot].pool].drained;
}

void
restart_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	static uint16_t slots[MEMO_SLOTS];
	struct change_run *run;
	size_t count = change_targets(m, &change->target, slots, MEMO_SLOTS);

	if (count == 0) {
		change_refuse(call, ERR_NOT_FOUND, "no such worker");
		return;
	}
	if (change->target.kind != TARGET_ALL && is_drained(m, slots[0])) {
		change_refuse(call, ERR_CONFLICT, "pool %s is drained: "
		    "`resume' first", change->target.pool);
		return;
	}
	run = change_begin(m, call, change, TRANS_RESTART);
	change_step(m, TRANS_ROLL);
	/* Unhealthy slots first: nothing is lost there. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < count; i++) {
			const struct memo_copy *copy = turn_look(m);
			const struct memo_slot *slot = &copy->slot[slots[i]];

			if (is_healthy(copy, slots[i]) != pass)
				continue;
			if (is_drained(m, slots[i]))
				continue;
			if (slot->drained)
				life_set_drained(m, slots[i], 0);
			else if (slot->wanted)
				roll_add(run, slot->pool, slot->number,
				    slot->generation, false);
		}
}

static const char *
first_failure(const struct change_run *run, char *out, size_t size)
{
	const struct memo_copy *copy = turn_look(run->master);

	out[0] = '\0';
	for (size_t i = 0; i < run->count; i++)
		if (run->slots[i].state == ROLL_FAILED && out[0] == '\0')
			snprintf(out, size, "%s/%u: %s",
			    copy->pool[run->slots[i].pool].name,
			    run->slots[i].number, run->slots[i].text);
	return out;
}

void
restart_follow(struct master *m)
{
	struct change_run *run = m->change;
	size_t left = roll_follow(run, SIZE_MAX);
	char text[300], failure[300];
	struct errmsg err;

	roll_tell_progress(run, "workers are replaced");
	snprintf(text, sizeof(text), "{\"done\":%zu,\"of\":%zu}",
	    roll_count(run, ROLL_DONE), run->count);
	if (roll_count(run, ROLL_FAILED) > 0) {
		errmsg_set(&err, ERR_FAILED, "%s; the old worker serves on",
		    first_failure(run, failure, sizeof(failure)));
		change_fail(m, &err, text);
	} else if (left == 0) {
		change_succeed(m, text);
	}
}
