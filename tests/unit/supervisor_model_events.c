/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* supervisor_model_events.c: what can happen in a state, and its words; see
 * supervisor_model.h. */
#include <stdio.h>

#include "common/base/check.h"
#include "tests/unit/supervisor_model.h"

struct list {
	struct model_event *events;
	size_t count;
};

static void
add(struct list *list, enum model_what what, unsigned slot, unsigned which)
{
	CHECK(list->count < MODEL_EVENTS);
	list->events[list->count++] = (struct model_event){ (uint8_t)what,
		(uint8_t)slot, (uint8_t)which };
}

/* A process says what it likes, whether it may or not. */
static void
add_process(struct list *list, const struct model_row *row, unsigned slot,
    unsigned which)
{
	static const uint8_t says[] = { MODEL_EXITED, MODEL_KILLED,
		MODEL_PROGRESS, MODEL_READY, MODEL_FATAL, MODEL_LEAVING,
		MODEL_LOST_FD, MODEL_DRAINED, MODEL_REQUEST, MODEL_VIOLATION };

	for (size_t i = 0; i < COUNT(says); i++)
		add(list, says[i], slot, which);
	if ((row->state == WS_READY || row->state == WS_DRAINING) &&
	    !row->paused)
		add(list, MODEL_HANG, slot, which);
}

static void
add_row(struct list *list, const struct model_row *row, bool ages,
    unsigned slot, unsigned which)
{
	bool process = row->state != WS_DOWN && row->state != WS_WAITING &&
	    row->state != WS_HELD;

	if (!row->used)
		return;
	if (process && !row->forked) {
		add(list, MODEL_SPAWNED, slot, which);
		add(list, MODEL_SPAWN_FAILED, slot, which);
	} else if (process) {
		add_process(list, row, slot, which);
	}
	if (row->deadline && (ages || row->state != WS_READY))
		add(list, MODEL_DEADLINE, slot, which);
	if (row->deadline && ages && row->state == WS_READY) {
		add(list, MODEL_DEADLINE_STALLED, slot, which);
		add(list, MODEL_STALL, slot, which);
	}
}

/* Those that are done at once (change_now.c), and recycling. */
static void
add_orders(struct list *list, const struct model_state *state, unsigned i)
{
	const struct model_slot *slot = &state->slot[i];
	const struct model_row *row = &slot->row[0];
	bool others = false;

	if (!slot->used)
		return;
	for (size_t n = 0; n < MODEL_SLOTS; n++)
		others |= state->slot[n].row[1].used;
	if (!slot->drained)
		add(list, MODEL_DRAIN, i, 0);
	if (slot->drained || row->paused)
		add(list, MODEL_RESUME, i, 0);
	if (slot->drained ? !state->drained : row->used && (row->state ==
	    WS_WAITING || row->state == WS_HELD))
		add(list, MODEL_RETRY, i, 0);
	if (!slot->drained && row->state == WS_READY && !row->paused)
		add(list, MODEL_PAUSE, i, 0);
	if (row->state == WS_READY && slot->wanted && state->kind == 0 &&
	    !others)
		add(list, MODEL_RECYCLE, i, 0);
	if (state->kind == TRANS_NONE && !(slot->drained && state->drained))
		add(list, MODEL_RESTART, i, 0);
}

static void
add_changes(struct list *list, const struct model_state *state,
    const struct model_rules *rules)
{
	static const uint8_t changes[] = { MODEL_RESTART_ALL, MODEL_RELOAD,
		MODEL_RELOAD_LIVE, MODEL_RELOAD_HOLD, MODEL_ROLLBACK, MODEL_TAKE_BACK };

	add(list, state->drained ? MODEL_RESUME_ALL : MODEL_DRAIN_ALL, 0, 0);
	if (state->step == TRANS_HELD) {
		add(list, MODEL_CONTINUE, 0, 0);
		add(list, MODEL_ROLLBACK, 0, 0);
	}
	if (state->kind != TRANS_NONE)
		return;
	for (size_t i = 0; i < COUNT(changes); i++)
		add(list, changes[i], 0, 0);
	if (state->desired < rules->slots)
		add(list, MODEL_SCALE_UP, 0, 0);
	if (state->desired > 0)
		add(list, MODEL_SCALE_DOWN, 0, 0);
}

static bool
has_trial(const struct model_state *state)
{
	for (size_t i = 0; i < state->rolls; i++)
		if (state->roll[i].canary && state->roll[i].state == ROLL_BUSY
		    && state->roll[i].ready)
			return true;
	return false;
}

static void
add_waits(struct list *list, const struct model_state *state,
    const struct model_rules *rules)
{
	if (state->tokens < rules->burst)
		add(list, MODEL_REFILL, 0, 0);
	if (has_trial(state)) {
		add(list, MODEL_TRIAL_PASSES, 0, 0);
		add(list, MODEL_TRIAL_FAILS, 0, 0);
	}
	if (state->step == TRANS_CHECK) {
		add(list, MODEL_BOUND, 0, 0);
		add(list, MODEL_REJECTED, 0, 0);
	}
	if (state->step == TRANS_COMMITTED)
		add(list, MODEL_STORED, 0, 0);
}

static void
add_stops(struct list *list, const struct model_state *state)
{
	if (state->stopping == 0)
		add(list, MODEL_QUIT, 0, 0);
	if (state->stopping == 0 || state->stopping == STOP_QUIT)
		add(list, MODEL_STOP, 0, 0);
	add(list, state->stopping == STOP_NOW ? MODEL_STOP_LIMIT :
	    MODEL_STOP_NOW, 0, 0);
}

size_t
model_events(const struct model_state *state, const struct model_rules *rules,
    struct model_event *out)
{
	struct list list = { out, 0 };

	for (unsigned i = 0; i < MODEL_SLOTS; i++)
		for (unsigned which = 0; which < 2; which++)
			add_row(&list, &state->slot[i].row[which],
			    rules->ages, i, which);
	add_waits(&list, state, rules);
	if (rules->only != 0) {
		if (state->kind == TRANS_NONE)
			add(&list, (enum model_what)rules->only, 0, 0);
		return list.count;
	}
	if (state->stopping == 0) {
		for (unsigned i = 0; i < MODEL_SLOTS; i++)
			add_orders(&list, state, i);
		add_changes(&list, state, rules);
	}
	add_stops(&list, state);
	return list.count;
}

bool
model_is_progress(const struct model_state *state, struct model_event event)
{
	const struct model_row *row =
	    &state->slot[event.slot].row[event.which];

	switch ((enum model_what)event.what) {
	case MODEL_SPAWNED:
	case MODEL_REFILL:
	case MODEL_TRIAL_PASSES:
	case MODEL_BOUND:
	case MODEL_STORED:
	case MODEL_STOP_LIMIT:
		return true;
	case MODEL_PROGRESS:
	case MODEL_READY:
		return row->state == WS_STARTING;
	case MODEL_DRAINED:
		return row->state == WS_DRAINING;
	case MODEL_REQUEST:
		return row->state == WS_READY;
	case MODEL_EXITED:
		return row->state == WS_STOPPING || row->state == WS_KILLING;
	case MODEL_DEADLINE:
		return row->state == WS_READY || row->state == WS_WAITING ||
		    row->state == WS_HELD;
	default:
		return false;
	}
}

/* -- words --------------------------------------------------------------------- */

enum whom { ROW, SLOT, ALL };

const char *
model_event_text(struct model_event event, char out[64])
{
	static const struct { enum whom whom; const char *words; } names[] = {
#define MODEL_EVENT(id, whom, words) [MODEL_##id] = { whom, words },
#include "tests/unit/supervisor_model.def"
	};

	switch (names[event.what].whom) {
	case ROW:
		snprintf(out, 64, "web/%u %s %s", event.slot, event.which ?
		    "other" : "current", names[event.what].words);
		break;
	case SLOT:
		snprintf(out, 64, "%s web/%u", names[event.what].words,
		    event.slot);
		break;
	case ALL:
		snprintf(out, 64, "%s", names[event.what].words);
		break;
	}
	return out;
}

static void
print_row(const struct model_row *row)
{
	if (!row->used)
		return;
	printf(" | %s of %u%s%s%s%s%s%s%s%s%s%s%s",
	    worker_state_name(row->state), row->generation,
	    row->forked ? "" : " unforked", row->asked ? " asked" : "",
	    row->caused ? " caused" : "", row->fatal ? " fatal" : "",
	    row->paused ? " paused" : "", row->stable ? " stable" : "",
	    row->transaction == SUCCESSOR_CHANGE ? " successor" :
	    row->transaction == SUCCESSOR_RECYCLE ? " recycling" : "",
	    row->ladder == 2 ? " k2" : "", row->deadline ? "" : " untimed",
	    row->ready == 2 ? " old" : "",
	    row->taken_back ? " taken back" : "");
}

void
model_print(const struct model_state *state)
{
	printf("  change %u step %u%s, stopping %u, %u wanted%s%s, "
	    "%u tokens\n", state->kind, state->step, state->hold ? " (hold)" :
	    "", state->stopping, state->desired, state->by_operator ?
	    " by command" : "", state->drained ? ", drained" : "",
	    state->tokens);
	for (size_t i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *slot = &state->slot[i];

		if (!slot->used)
			continue;
		printf("  web/%zu of %u%s%s n=%u f=%u%s", i, slot->generation,
		    slot->wanted ? "" : " unwanted", slot->drained ?
		    " drained" : "", slot->early, slot->spawn_failures,
		    slot->start_is_free ? " free" : "");
		print_row(&slot->row[0]);
		print_row(&slot->row[1]);
		printf("\n");
	}
	for (size_t i = 0; i < state->rolls; i++)
		printf("  roll of web/%u to %u: %u, %u tries%s\n",
		    state->roll[i].number, state->roll[i].generation,
		    state->roll[i].state, state->roll[i].tries,
		    state->roll[i].canary ? ", canary" : "");
}
