/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* slots.c: wishes about workers, and the turns of their life; see slots.h. */
#include "daemon/supervisor/slots.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/errmsg.h"
#include "daemon/supervisor/state.h"

enum { HELD_MS = 60000, SUCCESSOR_MS = 250 };

static int
row_is(const struct memo_copy *copy, uint16_t row, enum worker_state state)
{
	return row != MEMO_NONE && copy->worker[row].state == state;
}

static struct memo_slot *
slot_of(struct supervisor *s, uint16_t row)
{
	return &s->copy->slot[s->copy->worker[row].slot];
}

/* A successor is on its way for this slot, so its own start waits. */
static int
slot_has_successor(const struct memo_copy *copy, const struct memo_slot *slot)
{
	return slot->other != MEMO_NONE &&
	    copy->worker[slot->other].transaction != SUCCESSOR_NONE;
}

/* -- feeding --------------------------------------------------------------- */

/* A row that has had a process gets another id for the next one. */
static void
row_renew(struct supervisor *s, uint16_t index)
{
	struct memo_worker *row = &s->copy->worker[index];
	struct memo_worker fresh = {
		.slot = row->slot, .is_other = row->is_other,
		.state = row->state, .transaction = row->transaction,
		.since_ns = row->since_ns,
	};

	fresh.id = row->since_ns == 0 || row->forked_ns == 0 ? row->id :
	    s->host->new_id(s->arg);
	fresh.generation = s->copy->slot[row->slot].generation;
	*row = fresh;
}

void
slots_await_stable(struct supervisor *s, uint16_t row)
{
	struct memo_worker *worker = &s->copy->worker[row];
	struct policy_limits limits;

	if (worker->state != WS_READY)
		return;
	s->host->limits(s->arg, s->copy->slot[worker->slot].pool, &limits);
	worker->stable = 0;
	worker->deadline_ns = s->now_ns + limits.stable_after_ms * NS_PER_MS;
}

static void
note_stable(struct supervisor *s, uint16_t row)
{
	struct memo_slot *slot = slot_of(s, row);

	if (s->host->is_stalled(s->arg, row)) {
		slots_await_stable(s, row);
		return;
	}
	slot->early = 0;
	if (slot->had_trouble) {
		slot->had_trouble = 0;
		s->host->tell(s->arg, EVENT_WORKER_RECOVERED, row);
	}
}

static void
row_queue(struct supervisor *s, uint16_t row)
{
	struct memo_copy *copy = s->copy;
	struct memo_slot *slot = slot_of(s, row);
	struct step_input input = { 0 };
	struct policy_limits limits;
	enum worker_event next = WE_WAIT;

	s->host->limits(s->arg, slot->pool, &limits);
	if (slot_has_successor(copy, slot))
		input.wait_ms = clock_scaled_ms(SUCCESSOR_MS);
	else
		next = policy_admit(&limits, &copy->pool[slot->pool], slot,
		    state_count_starting(copy), s->cpus, s->now_ns,
		    &input.wait_ms);
	if (next == WE_START)
		row_renew(s, row);
	slot->next_try_boot_ms = next == WE_START ? 0 :
	    s->boot_ms + input.wait_ms;
	slots_feed(s, row, next, &input);
}

static void
input_fill(struct supervisor *s, uint16_t row, struct step_input *input)
{
	struct supervisor_times times;

	s->host->times(s->arg, row, &times);
	input->now_ns = s->now_ns;
	input->start_ms = times.start_ms;
	input->stable_ms = times.stable_ms;
	input->stop_ms = times.stop_ms;
}

/* What the host performs; the rest is done in the same flip. */
enum { EFFECTS = ACT_SPAWN | ACT_SAY_STOP | ACT_SAY_DRAIN | ACT_OFF |
	ACT_ON | ACT_KILL };

struct step_result
slots_feed(struct supervisor *s, uint16_t row, enum worker_event event,
    struct step_input *input)
{
	struct step_input none = { 0 };
	struct step_result result;

	if (input == NULL)
		input = &none;
	input_fill(s, row, input);
	s->host->stepped(s->arg, row, event);
	result = worker_step(&s->copy->worker[row], event, input);
	if ((result.actions & EFFECTS) != 0)
		s->host->act(s->arg, row, result.actions & EFFECTS);
	if (result.to == WS_DRAINING && result.from != WS_DRAINING)
		s->host->tell(s->arg, EVENT_WORKER_DRAINING, row);
	if (result.actions & ACT_STABLE)
		note_stable(s, row);
	if (result.actions & ACT_QUEUE)
		row_queue(s, row);
	if (result.actions & ACT_DETACH)
		s->host->detach(s->arg, row);
	return result;
}

/* -- wishes ---------------------------------------------------------------- */

uint64_t
slots_drain_deadline(struct supervisor *s, uint16_t row)
{
	struct supervisor_times times;

	s->host->times(s->arg, row, &times);
	return s->now_ns + times.drain_ms * NS_PER_MS;
}

void
slots_drain(struct supervisor *s, uint16_t row, uint64_t drain_ns,
    const char *reason)
{
	struct step_input input = { .drain_ns = drain_ns, .reason = reason };

	slots_feed(s, row, WE_DRAIN, &input);
}

void
slots_send_off(struct supervisor *s, uint16_t row, const char *reason)
{
	slots_drain(s, row, slots_drain_deadline(s, row), reason);
}

void
slots_kill(struct supervisor *s, uint16_t row, enum death_cause cause,
    const char *reason)
{
	struct step_input input = { .cause = (uint8_t)cause,
		.asked = reason != NULL, .reason = reason };

	slots_feed(s, row, WE_KILL, &input);
}

const char *
slots_change_word(const struct memo_copy *copy)
{
	if (copy->globals.trans_step == TRANS_UNDO)
		return "rollback";
	switch ((enum trans_kind)copy->globals.trans_kind) {
	case TRANS_SCALE:
		return "scale";
	case TRANS_RESTART:
		return "restart";
	case TRANS_RELOAD:
		return "reload";
	case TRANS_ROLLBACK:
		return "rollback";
	case TRANS_NONE:
		break;
	}
	return "replaced";	/* by one that a change had left */
}

void
slots_note_recycle(struct supervisor *s, uint16_t row, const char *why)
{
	struct memo_worker *worker = &s->copy->worker[row];

	snprintf(worker->reason, sizeof(worker->reason), "recycle: %s", why);
}

static int
is_being_recycled(const struct memo_copy *copy, const struct memo_worker *row)
{
	uint16_t other = copy->slot[row->slot].other;

	return !row->is_other && other != MEMO_NONE &&
	    copy->worker[other].transaction == SUCCESSOR_RECYCLE;
}

void
slots_note_kill(struct supervisor *s, uint16_t row, uint64_t until_ns,
    const char *who)
{
	struct memo_worker *worker = &s->copy->worker[row];

	worker->kill_until_ns = until_ns;
	if (!worker->asked && !is_being_recycled(s->copy, worker))
		snprintf(worker->reason, sizeof(worker->reason), "kill by %s",
		    who);
}

int
slots_is_killed(const struct supervisor *s, uint16_t row)
{
	return s->copy->worker[row].kill_until_ns > s->now_ns;
}

void
slots_retry(struct supervisor *s, uint16_t row)
{
	struct memo_slot *slot = slot_of(s, row);

	slot->early = 0;
	slot->spawn_failures = 0;
	slot->fatal_class = 0;
	slot->next_try_boot_ms = 0;
	slot->start_is_free = 1;
	slots_feed(s, row, WE_RETRY, NULL);
}

/* It is wanted, again: what failed before says nothing of the next try.  One of
 * a pool that was taken out stays out, whatever the size. */
static void
slot_return(const struct memo_copy *copy, struct memo_slot *slot)
{
	slot->wanted = 1;
	slot->drained = copy->pool[slot->pool].drained != 0;
	slot->early = 0;
	slot->spawn_failures = 0;
}

static int
slot_begin(struct supervisor *s, uint16_t pool, uint16_t number)
{
	struct memo_copy *copy = s->copy;
	uint16_t slot = state_find_slot(copy, pool, number);
	int fresh = slot == MEMO_NONE;
	uint16_t row;

	if (fresh)
		slot = state_add_slot(copy, pool, number);
	if (slot == MEMO_NONE)
		return ERR_FULL;
	if (fresh || !copy->slot[slot].wanted)
		slot_return(copy, &copy->slot[slot]);
	if (copy->slot[slot].generation == 0)
		copy->slot[slot].generation = copy->pool[pool].generation;
	if (copy->slot[slot].current != MEMO_NONE)
		return 0;
	row = state_add_worker(copy, slot, s->host->new_id(s->arg), 0);
	if (row == MEMO_NONE)
		return ERR_FULL;
	copy->worker[row].generation = copy->slot[slot].generation;
	return 0;
}

static void
send_off_both(struct supervisor *s, const struct memo_slot *slot,
    const char *reason)
{
	if (slot->current != MEMO_NONE)
		slots_send_off(s, slot->current, reason);
	if (slot->other != MEMO_NONE)
		slots_send_off(s, slot->other, reason);
}

int
slots_resize(struct supervisor *s, uint16_t pool, unsigned size,
    const char *reason)
{
	struct memo_copy *copy = s->copy;
	int rc = 0;

	for (uint16_t number = 0; number < size && rc == 0; number++)
		rc = slot_begin(s, pool, number);
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool && copy->slot[i].number >= size
		    && copy->slot[i].wanted) {
			copy->slot[i].wanted = 0;
			send_off_both(s, &copy->slot[i], reason);
		}
	copy->pool[pool].desired = size;
	return rc;
}

void
slots_take_out(struct supervisor *s, uint16_t index, const char *reason)
{
	struct memo_slot *slot = &s->copy->slot[index];

	slot->drained = 1;
	send_off_both(s, slot, reason);
}

void
slots_bring_back(struct supervisor *s, uint16_t index)
{
	s->copy->slot[index].drained = 0;
}

int
slots_start_successor(struct supervisor *s, uint16_t index,
    uint64_t generation, int transaction)
{
	struct memo_copy *copy = s->copy;
	uint16_t row;

	if (copy->slot[index].other != MEMO_NONE) {
		/* A predecessor has the time that was given to it. */
		if (!row_is(copy, copy->slot[index].other, WS_DRAINING))
			slots_drain(s, copy->slot[index].other, s->now_ns,
			    slots_change_word(copy));
		return ERR_BUSY;
	}
	row = state_add_worker(copy, index, s->host->new_id(s->arg), 1);
	if (row == MEMO_NONE)
		return ERR_FULL;
	copy->worker[row].generation = generation;
	copy->worker[row].transaction = (uint8_t)transaction;
	slots_feed(s, row, WE_START, NULL);
	return 0;
}

void
slots_promote(struct supervisor *s, uint16_t index)
{
	struct memo_copy *copy = s->copy;
	struct memo_slot *slot = &copy->slot[index];
	const char *reason = NULL;	/* of a recycling: noted when it began */

	CHECK(slot->other != MEMO_NONE);
	state_swap(copy, index);
	if (copy->worker[slot->current].transaction != SUCCESSOR_RECYCLE)
		reason = slots_change_word(copy);
	/* A recycled one may have been begun before a commit. */
	if (copy->worker[slot->current].transaction == SUCCESSOR_CHANGE)
		slot->generation = copy->worker[slot->current].generation;
	copy->worker[slot->current].transaction = SUCCESSOR_NONE;
	slot->early = 0;
	if (slot->other != MEMO_NONE)
		slots_send_off(s, slot->other, reason);
}

int
slots_may_recycle(const struct memo_copy *copy, uint16_t row)
{
	const struct memo_worker *worker = &copy->worker[row];
	uint16_t pool = copy->slot[worker->slot].pool;

	if (worker->state != WS_READY || worker->is_other ||
	    !copy->slot[worker->slot].wanted ||
	    copy->globals.trans_kind != 0 || copy->globals.stopping != 0)
		return 0;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool &&
		    copy->slot[i].other != MEMO_NONE)
			return 0;
	return 1;
}

/* -- what its process says ---------------------------------------------------- */

void
slots_note_spawned(struct supervisor *s, uint16_t row, int32_t pid)
{
	slot_of(s, row)->spawn_failures = 0;
	s->copy->worker[row].pid = pid;
	s->copy->worker[row].forked_ns = s->now_ns;
}

int
slots_fatal(struct supervisor *s, uint16_t row, uint8_t class_id)
{
	struct step_result result = slots_feed(s, row, WE_FATAL, NULL);

	if (!(result.actions & ACT_NOTE_FATAL))
		return 0;
	s->copy->worker[row].fatal_class = class_id;
	slot_of(s, row)->fatal_class = class_id;
	return 1;
}

/* -- ends ------------------------------------------------------------------ */

static void
ask_policy(struct supervisor *s, const struct memo_worker *row,
    struct slot_end *end)
{
	struct memo_slot *slot = &s->copy->slot[row->slot];
	struct policy_limits limits;

	end->wait_ms = 0;
	s->host->limits(s->arg, slot->pool, &limits);
	end->gone.wanted = slot->wanted && !slot->drained && !row->is_other &&
	    s->copy->globals.stopping == 0;
	/* A successor failed or a predecessor is over: no policy for them. */
	end->gone.transaction = row->is_other;
	end->next = policy_after_exit(&limits, &s->copy->pool[slot->pool], slot,
	    &end->gone, s->now_ns, s->random, &end->wait_ms);
	if (end->next == WE_NONE)
		end->wait_ms = UINT64_MAX;
}

void
slots_end(struct supervisor *s, uint16_t row, enum worker_event event,
    struct slot_end *end)
{
	struct memo_worker *worker = &s->copy->worker[row];
	struct memo_slot *slot = slot_of(s, row);

	end->before = *worker;
	if (event == WE_UNKILLABLE) {
		end->before.state = WS_KILLING;
		/* A SPAWN that was not answered yet may be, and its id is not
		 * used again. */
		if (worker->forked_ns == 0)
			worker->forked_ns = s->now_ns;
	} else {
		slots_feed(s, row, event, NULL);
	}
	end->gone = (struct policy_exit){
		.asked = end->before.asked,
		.fatal_class = end->before.fatal_class,
		.spawn_failed = event == WE_SPAWN_FAILED,
	};
	if (end->before.ready_ns != 0)
		end->gone.ready_for_ms = (s->now_ns - end->before.ready_ns) /
		    NS_PER_MS;
	ask_policy(s, worker, end);
	if (event == WE_SPAWN_FAILED)
		return;			/* there was no process */
	if (policy_is_death(&end->gone))
		slot->restarts++;
	else
		slot->replacements++;
}

void
slots_follow_end(struct supervisor *s, uint16_t row,
    const struct slot_end *end)
{
	struct memo_slot *slot = &s->copy->slot[end->before.slot];
	struct step_input input = { .wait_ms = end->wait_ms };
	uint64_t wait_ms = end->next == WE_HOLD ? clock_scaled_ms(HELD_MS) :
	    end->wait_ms;

	s->copy->worker[row].pid = 0;
	/* WE_START: the row is DOWN and wanted; the starter has its turn. */
	if (end->next != WE_WAIT && end->next != WE_HOLD)
		return;
	slot->had_trouble = 1;
	slot->next_try_boot_ms = s->boot_ms + wait_ms;
	slots_feed(s, row, end->next, &input);
}

/* -- turns ----------------------------------------------------------------- */

/* Rows and slots that have no further use. */
static void
slot_tidy(struct memo_copy *copy, uint16_t index)
{
	struct memo_slot *slot = &copy->slot[index];

	if (row_is(copy, slot->other, WS_DOWN))
		state_free_worker(copy, slot->other);
	if (slot->wanted || slot->other != MEMO_NONE)
		return;
	if (row_is(copy, slot->current, WS_DOWN))
		state_free_worker(copy, slot->current);
	if (slot->current == MEMO_NONE)
		state_retire_slot(copy, index);
}

static void
promote_recycled(struct supervisor *s)
{
	struct memo_copy *copy = s->copy;

	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE &&
		    row_is(copy, copy->slot[i].other, WS_READY) &&
		    copy->worker[copy->slot[i].other].transaction ==
		    SUCCESSOR_RECYCLE)
			slots_promote(s, i);
}

static void
starter(struct supervisor *s)
{
	struct memo_copy *copy = s->copy;
	uint32_t starting = state_count_starting(copy);

	for (uint16_t i = 0; i < copy->slots && starting < s->cpus; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE || !slot->wanted || slot->drained ||
		    !row_is(copy, slot->current, WS_DOWN) ||
		    slot_has_successor(copy, slot))
			continue;
		row_renew(s, slot->current);
		slots_feed(s, slot->current, WE_START, NULL);
		starting++;
	}
}

void
slots_follow(struct supervisor *s)
{
	for (uint16_t i = 0; i < s->copy->slots; i++)
		if (s->copy->slot[i].pool != MEMO_NONE)
			slot_tidy(s->copy, i);
	promote_recycled(s);
	if (s->copy->globals.stopping == 0)
		starter(s);
}

uint32_t
slots_implied_actions(const struct memo_worker *row)
{
	switch ((enum worker_state)row->state) {
	case WS_STARTING:
		return ACT_SPAWN;
	case WS_READY:
		return ACT_ON;
	case WS_DRAINING:
		return ACT_SAY_DRAIN;
	case WS_STOPPING:
		return ACT_SAY_STOP;
	case WS_KILLING:
		return ACT_KILL;
	case WS_DOWN:
	case WS_WAITING:
	case WS_HELD:
		return 0;
	}
	return 0;
}

int
slots_has_process(const struct memo_worker *row)
{
	return row->id != 0 && row->state != WS_DOWN &&
	    row->state != WS_WAITING && row->state != WS_HELD;
}

int
slots_is_awaited(const struct memo_worker *row)
{
	return slots_has_process(row) && row->state != WS_READY &&
	    row->deadline_ns != 0;
}

int
slots_is_lost(const struct memo_worker *row)
{
	/* A SPAWN that was not answered is asked again. */
	return slots_has_process(row) && row->state != WS_STARTING;
}
