/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* roll.c: replacing workers slot by slot; see roll.h. */
#include "daemon/supervisor/roll.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"
#include "common/base/failpoint.h"
#include "daemon/supervisor/slots.h"
#include "daemon/supervisor/state.h"

enum { TRIES = 2 };

void
roll_clear(struct roll *roll)
{
	roll->count = 0;
}

void
roll_add(struct roll *roll, uint16_t pool, uint16_t number,
    uint64_t generation, bool canary)
{
	CHECK(roll->count < MEMO_SLOTS);
	roll->slots[roll->count++] = (struct roll_slot){ .pool = pool,
		.number = number, .generation = generation,
		.canary = canary };
}

bool
roll_has(const struct roll *roll, uint16_t pool, uint16_t number)
{
	for (size_t i = 0; i < roll->count; i++)
		if (roll->slots[i].pool == pool &&
		    roll->slots[i].number == number)
			return true;
	return false;
}

size_t
roll_count(const struct roll *roll, enum roll_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < roll->count; i++)
		count += roll->slots[i].state == state;
	return count;
}

static size_t
busy_in_pool(const struct roll *roll, uint16_t pool)
{
	size_t count = 0;

	for (size_t i = 0; i < roll->count; i++)
		count += roll->slots[i].state == ROLL_BUSY &&
		    roll->slots[i].pool == pool;
	return count;
}

static void
finish_slot(struct supervisor *s, struct roll_slot *slot)
{
	slot->state = ROLL_DONE;
	slot->canary = false;
	slot->ready_ns = s->now_ns;
}

/* Nothing is to run there. */
static bool
is_out(const struct memo_slot *row)
{
	return !row->wanted || row->drained;
}

/* Its next worker, whenever that is, is of the generation of the roll. */
static void
leave_out(struct supervisor *s, struct roll_slot *slot, struct memo_slot *row)
{
	row->generation = slot->generation;
	finish_slot(s, slot);
}

/* Two slots that failed say as much as one that failed twice; on the way back
 * every slot has its own tries. */
static bool
may_try_again(const struct supervisor *s, const struct roll *roll,
    const struct roll_slot *slot)
{
	if (slot->tries >= TRIES || slot->canary)
		return false;
	if (s->copy->globals.trans_step == TRANS_UNDO)
		return true;
	for (size_t i = 0; i < roll->count; i++)
		if (&roll->slots[i] != slot && roll->slots[i].tries > 0)
			return false;
	return true;
}

static void
slot_failed(const struct supervisor *s, const struct roll *roll,
    struct roll_slot *slot, const char *text)
{
	snprintf(slot->text, sizeof(slot->text), "%s", text);
	slot->tries++;
	slot->state = may_try_again(s, roll, slot) ? ROLL_TODO : ROLL_FAILED;
}

static void
follow_busy(struct supervisor *s, struct roll *roll, struct roll_slot *slot,
    uint16_t index)
{
	const struct memo_slot *row = &s->copy->slot[index];
	const char *fault = "";

	if (row->other == MEMO_NONE || s->copy->worker[row->other].transaction
	    != SUCCESSOR_CHANGE)
		return;		/* its end is told by roll_successor_gone() */
	if (s->copy->worker[row->other].state != WS_READY)
		return;
	if (slot->canary) {
		if (!slot->ready_ns) {
			slot->ready_ns = s->now_ns;
			(void)FP("reload.canary_ready");
		}
		switch (s->host->trial(s->arg, row->other, &fault)) {
		case TRIAL_GOES_ON:
			return;
		case TRIAL_FAILED:
			slot_failed(s, roll, slot, fault);
			slots_kill(s, row->other, CAUSE_OPERATOR,
			    slots_change_word(s->copy));
			return;
		case TRIAL_PASSED:
			break;
		}
	}
	slots_promote(s, index);
	finish_slot(s, slot);
}

/* Nobody stands behind this one: it is the slot's only worker.  A death of it is
 * told by roll_worker_died(); one that is not even born is seen here. */
static void
follow_again(struct supervisor *s, struct roll *roll, struct roll_slot *slot,
    uint16_t index)
{
	const struct memo_slot *row = &s->copy->slot[index];

	if (row->spawn_failures >= TRIES)
		slot_failed(s, roll, slot, "no process can be started");
	else if (is_out(row) || (row->current != MEMO_NONE &&
	    s->copy->worker[row->current].state == WS_READY))
		finish_slot(s, slot);
}

/* A predecessor still has requests to finish, and its place.  On the way back a
 * slot in which nobody serves does not wait for that: its next worker is of the
 * generation that is good, which is all that was to be reached. */
static void
go_back_in_place(struct supervisor *s, struct roll_slot *slot, uint16_t index)
{
	struct memo_slot *row = &s->copy->slot[index];

	if (s->copy->globals.trans_step != TRANS_UNDO ||
	    row->current == MEMO_NONE ||
	    slots_has_process(&s->copy->worker[row->current]))
		return;
	row->generation = slot->generation;
	if (s->copy->worker[row->current].state != WS_DOWN)
		slots_retry(s, row->current);
	finish_slot(s, slot);
}

static void
begin_slot(struct supervisor *s, struct roll *roll, struct roll_slot *slot,
    uint16_t index)
{
	struct memo_slot *row = &s->copy->slot[index];
	int rc;

	if (is_out(row)) {
		leave_out(s, slot, row);
		return;
	}
	rc = slots_start_successor(s, index, slot->generation,
	    SUCCESSOR_CHANGE);
	if (rc == ERR_BUSY) {
		go_back_in_place(s, slot, index);
		return;
	}
	if (rc != 0) {
		slot_failed(s, roll, slot, "no room for a successor");
		return;
	}
	(void)FP("reload.roll_slot");
	slot->state = ROLL_BUSY;
	slot->started_ns = s->now_ns;
}

size_t
roll_follow(struct supervisor *s, struct roll *roll, size_t limit)
{
	size_t left = 0, begun = roll->count - roll_count(roll, ROLL_TODO);

	for (size_t i = 0; i < roll->count; i++) {
		struct roll_slot *slot = &roll->slots[i];
		uint16_t index = state_find_slot(s->copy, slot->pool,
		    slot->number);

		if (slot->state == ROLL_DONE || slot->state == ROLL_FAILED)
			continue;
		if (index == MEMO_NONE)
			finish_slot(s, slot);
		else if (slot->state == ROLL_BUSY)
			follow_busy(s, roll, slot, index);
		else if (slot->state == ROLL_AGAIN)
			follow_again(s, roll, slot, index);
		else if (begun < limit && busy_in_pool(roll, slot->pool) <
		    s->host->surge(s->arg, slot->pool)) {
			begin_slot(s, roll, slot, index);
			begun += slot->state != ROLL_TODO;
		}
		left += slot->state != ROLL_DONE && slot->state != ROLL_FAILED;
	}
	return left;
}

void
roll_successor_gone(struct supervisor *s, struct roll *roll, uint16_t index,
    const char *text)
{
	struct memo_slot *row = &s->copy->slot[index];

	for (size_t i = 0; i < roll->count; i++) {
		struct roll_slot *slot = &roll->slots[i];

		if (slot->state != ROLL_BUSY || slot->pool != row->pool ||
		    slot->number != row->number)
			continue;
		/* Taken out meanwhile, so that it was told to go. */
		if (is_out(row))
			leave_out(s, slot, row);
		else
			slot_failed(s, roll, slot, text);
	}
}

void
roll_worker_died(struct supervisor *s, struct roll *roll, uint16_t index,
    const char *text)
{
	const struct memo_slot *row = &s->copy->slot[index];

	for (size_t i = 0; i < roll->count; i++) {
		struct roll_slot *slot = &roll->slots[i];

		if (slot->pool != row->pool || slot->number != row->number ||
		    (slot->state != ROLL_DONE && slot->state != ROLL_AGAIN))
			continue;
		slot_failed(s, roll, slot, text);
		if (slot->state == ROLL_TODO)
			slot->state = ROLL_AGAIN;
	}
}
