/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * worker_fsm.c: the life of a worker; see worker_fsm.h.
 * Called by the master for each event on a row of the idle memo copy.  Pure.
 */
#include "daemon/supervisor/worker_fsm.h"

#include <stdio.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "daemon/proto/messages.h"

#define GO(to, act)	{ EDGE_GO, WS_##to, act }
#define IGNORE		{ EDGE_IGNORE, 0, 0 }
#define NEVER		{ EDGE_NEVER, 0, 0 }
#define STRAY		{ EDGE_NEVER, 0, ACT_KILL_STRAY }
#define PUNISH		{ EDGE_VIOLATION, 0, 0 }
#define GONE		(ACT_RECORD | ACT_ASK)

static const struct worker_edge edges[WS__COUNT][WE__COUNT] = {
	[WS_DOWN] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = GO(STARTING, ACT_SPAWN),
		[WE_WAIT]	  = GO(WAITING, 0),
		[WE_HOLD]	  = GO(HELD, 0),
		[WE_DRAIN]	  = IGNORE,
		[WE_STOP]	  = IGNORE,
		[WE_KILL]	  = IGNORE,
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = STRAY,
		[WE_SPAWN_FAILED] = NEVER,
		[WE_EXITED]	  = NEVER,
		[WE_PROGRESS]	  = NEVER,
		[WE_READY]	  = NEVER,
		[WE_FATAL]	  = NEVER,
		[WE_LEAVING]	  = NEVER,
		[WE_DRAINED]	  = NEVER,
		[WE_REQUEST]	  = NEVER,
		[WE_VIOLATION]	  = NEVER,
		[WE_DEADLINE]	  = NEVER,
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_STARTING] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = GO(STOPPING, ACT_SAY_STOP),
		[WE_STOP]	  = GO(STOPPING, ACT_SAY_STOP),
		[WE_KILL]	  = GO(KILLING, ACT_KILL),
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = GO(STARTING, ACT_NOTE),
		[WE_SPAWN_FAILED] = GO(DOWN, ACT_ASK),
		[WE_EXITED]	  = GO(DOWN, GONE),
		[WE_PROGRESS]	  = GO(STARTING, ACT_PUBLISH),
		[WE_READY]	  = GO(READY, ACT_ON),
		[WE_FATAL]	  = GO(STOPPING, ACT_NOTE_FATAL),
		[WE_LEAVING]	  = GO(STOPPING, ACT_NOTE_LEAVING),
		[WE_DRAINED]	  = PUNISH,
		[WE_REQUEST]	  = GO(STARTING, ACT_PASS),
		[WE_VIOLATION]	  = GO(KILLING, ACT_KILL),
		[WE_DEADLINE]	  = GO(KILLING, ACT_KILL),
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_READY] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = GO(DRAINING, ACT_OFF | ACT_SAY_DRAIN),
		[WE_STOP]	  = GO(STOPPING, ACT_OFF | ACT_SAY_STOP),
		[WE_KILL]	  = GO(KILLING, ACT_OFF | ACT_KILL),
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = NEVER,
		[WE_SPAWN_FAILED] = NEVER,
		[WE_EXITED]	  = GO(DOWN, ACT_OFF | GONE),
		[WE_PROGRESS]	  = PUNISH,
		[WE_READY]	  = PUNISH,
		[WE_FATAL]	  = PUNISH,
		[WE_LEAVING]	  = GO(DRAINING, ACT_OFF | ACT_NOTE_LEAVING),
		[WE_DRAINED]	  = PUNISH,
		[WE_REQUEST]	  = GO(READY, ACT_PASS),
		[WE_VIOLATION]	  = GO(KILLING, ACT_OFF | ACT_KILL),
		[WE_DEADLINE]	  = GO(READY, ACT_STABLE),
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_DRAINING] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = GO(DRAINING, ACT_SAY_DRAIN),
		[WE_STOP]	  = GO(STOPPING, ACT_SAY_STOP),
		[WE_KILL]	  = GO(KILLING, ACT_KILL),
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = NEVER,
		[WE_SPAWN_FAILED] = NEVER,
		[WE_EXITED]	  = GO(DOWN, GONE),
		[WE_PROGRESS]	  = PUNISH,
		[WE_READY]	  = PUNISH,
		[WE_FATAL]	  = PUNISH,
		[WE_LEAVING]	  = IGNORE,
		[WE_DRAINED]	  = GO(STOPPING, 0),
		[WE_REQUEST]	  = GO(DRAINING, ACT_PASS),
		[WE_VIOLATION]	  = GO(KILLING, ACT_KILL),
		[WE_DEADLINE]	  = GO(KILLING, ACT_KILL),
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_STOPPING] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = IGNORE,
		[WE_STOP]	  = IGNORE,
		[WE_KILL]	  = GO(KILLING, ACT_KILL),
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = GO(STOPPING, ACT_NOTE | ACT_SAY_STOP),
		[WE_SPAWN_FAILED] = GO(DOWN, ACT_ASK),
		[WE_EXITED]	  = GO(DOWN, GONE),
		[WE_PROGRESS]	  = IGNORE,
		[WE_READY]	  = IGNORE,
		[WE_FATAL]	  = GO(STOPPING, ACT_NOTE_FATAL),
		[WE_LEAVING]	  = IGNORE,
		[WE_DRAINED]	  = IGNORE,
		[WE_REQUEST]	  = GO(STOPPING, ACT_PASS),
		[WE_VIOLATION]	  = GO(KILLING, ACT_KILL),
		[WE_DEADLINE]	  = GO(KILLING, ACT_KILL),
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_KILLING] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = IGNORE,
		[WE_STOP]	  = IGNORE,
		[WE_KILL]	  = GO(KILLING, ACT_KILL),
		[WE_RETRY]	  = IGNORE,
		[WE_SPAWNED]	  = GO(KILLING, ACT_NOTE | ACT_KILL),
		[WE_SPAWN_FAILED] = GO(DOWN, ACT_ASK),
		[WE_EXITED]	  = GO(DOWN, GONE),
		[WE_PROGRESS]	  = IGNORE,
		[WE_READY]	  = IGNORE,
		[WE_FATAL]	  = IGNORE,
		[WE_LEAVING]	  = IGNORE,
		[WE_DRAINED]	  = IGNORE,
		[WE_REQUEST]	  = IGNORE,
		[WE_VIOLATION]	  = IGNORE,
		[WE_DEADLINE]	  = GO(KILLING, ACT_KILL),
		[WE_UNKILLABLE]	  = GO(DOWN, ACT_DETACH | ACT_ASK),
	},
	[WS_WAITING] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = GO(STARTING, ACT_SPAWN),
		[WE_WAIT]	  = GO(WAITING, 0),
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = GO(DOWN, 0),
		[WE_STOP]	  = GO(DOWN, 0),
		[WE_KILL]	  = IGNORE,
		[WE_RETRY]	  = GO(WAITING, ACT_QUEUE),
		[WE_SPAWNED]	  = STRAY,
		[WE_SPAWN_FAILED] = NEVER,
		[WE_EXITED]	  = NEVER,
		[WE_PROGRESS]	  = NEVER,
		[WE_READY]	  = NEVER,
		[WE_FATAL]	  = NEVER,
		[WE_LEAVING]	  = NEVER,
		[WE_DRAINED]	  = NEVER,
		[WE_REQUEST]	  = NEVER,
		[WE_VIOLATION]	  = NEVER,
		[WE_DEADLINE]	  = GO(WAITING, ACT_QUEUE),
		[WE_UNKILLABLE]	  = NEVER,
	},
	[WS_HELD] = {
		[WE_NONE]	  = IGNORE,
		[WE_START]	  = NEVER,
		[WE_WAIT]	  = NEVER,
		[WE_HOLD]	  = NEVER,
		[WE_DRAIN]	  = GO(DOWN, 0),
		[WE_STOP]	  = GO(DOWN, 0),
		[WE_KILL]	  = IGNORE,
		[WE_RETRY]	  = GO(WAITING, ACT_QUEUE),
		[WE_SPAWNED]	  = STRAY,
		[WE_SPAWN_FAILED] = NEVER,
		[WE_EXITED]	  = NEVER,
		[WE_PROGRESS]	  = NEVER,
		[WE_READY]	  = NEVER,
		[WE_FATAL]	  = NEVER,
		[WE_LEAVING]	  = NEVER,
		[WE_DRAINED]	  = NEVER,
		[WE_REQUEST]	  = NEVER,
		[WE_VIOLATION]	  = NEVER,
		[WE_DEADLINE]	  = GO(WAITING, ACT_QUEUE),
		[WE_UNKILLABLE]	  = NEVER,
	},
};

/* Fixed times of the ladder, before scaling. */
enum {
	K1_MS = 2000, CORE_MS = 10000, CORE_LOOK_MS = 250, K2_MS = 5000,
	HELD_MS = 60000,
};

const struct worker_edge *
worker_edge(unsigned state, unsigned event)
{
	CHECK(state < WS__COUNT && event < WE__COUNT);
	return &edges[state][event];
}

static uint64_t
after_ms(const struct step_input *input, uint64_t ms)
{
	return input->now_ns + ms * NS_PER_MS;
}

/* The earlier of two absolute deadlines, 0 being none. */
static uint64_t
earlier(uint64_t a, uint64_t b)
{
	if (a == 0 || b == 0)
		return a != 0 ? a : b;
	return a < b ? a : b;
}

static uint64_t
drain_deadline(uint64_t drain_ns)
{
	return drain_ns == 0 ? 0 :
	    drain_ns + clock_scaled_ms(DRAIN_GRACE_MS) * NS_PER_MS;
}

/* Why it was asked to go: the first reason counts. */
static void
note_reason(struct memo_worker *row, const char *reason)
{
	if (reason != NULL)
		snprintf(row->reason, sizeof(row->reason), "%s", reason);
}

/* Who ordered it, and why it will have ended: the first cause counts. */
static void
note_cause(struct memo_worker *row, enum worker_event event,
    const struct step_input *input)
{
	uint8_t cause = CAUSE_NONE, was_asked = row->asked;

	if (event == WE_DRAIN || event == WE_STOP)
		row->asked = row->cause == CAUSE_NONE ? 1 : row->asked;
	if (event == WE_LEAVING)
		row->asked = input->asked;
	if (event == WE_LEAVING && !input->asked)
		cause = CAUSE_LOST_FD;
	if (event == WE_KILL) {
		cause = input->cause;
		if (row->cause == CAUSE_NONE)
			row->asked |= input->asked;
	}
	if (event == WE_FATAL)
		cause = CAUSE_FATAL;
	if (event == WE_VIOLATION)
		cause = CAUSE_PROTOCOL;
	if (event == WE_DEADLINE && row->state == WS_STARTING)
		cause = CAUSE_START_TIMEOUT;
	if (event == WE_DEADLINE && row->state == WS_DRAINING)
		cause = CAUSE_DRAIN_TIMEOUT;
	if (event == WE_DEADLINE && row->state == WS_STOPPING)
		cause = CAUSE_STOP_TIMEOUT;
	if (row->cause == CAUSE_NONE)
		row->cause = cause;
	if (row->asked && !was_asked)
		note_reason(row, input->reason);
}

/* Which step of the ladder a KILLING row takes: VIOLATION and a second KILL
 * go to SIGKILL at once, a deadline to the next. */
static uint8_t
ladder_step(const struct memo_worker *row, enum worker_event event)
{
	if (event == WE_VIOLATION || row->state == WS_KILLING)
		return event == WE_SPAWNED ? row->ladder : 2;
	return 1;
}

/* The deadline may be behind D + grace (worker_excuse): it is set anew where D
 * changes alone. */
static void
enter_drain(struct memo_worker *row, enum worker_event event, int same,
    const struct step_input *input)
{
	uint64_t drain_ns = input->drain_ns;

	if (same && event != WE_DRAIN)
		return;
	if (same)
		drain_ns = earlier(row->drain_ns, drain_ns);
	if (same && drain_ns == row->drain_ns)
		return;
	row->drain_ns = drain_ns;
	row->deadline_ns = drain_deadline(drain_ns);
}

static void
enter(struct memo_worker *row, enum worker_event event, uint8_t to,
    const struct step_input *input)
{
	int same = row->state == to;

	switch ((enum worker_state)to) {
	case WS_STARTING:
		if (!same)
			row->deadline_ns = after_ms(input, input->start_ms);
		break;
	case WS_READY:
		if (!same) {
			row->ready_ns = input->now_ns;
			row->deadline_ns = after_ms(input, input->stable_ms);
		} else if (event == WE_DEADLINE) {
			row->stable = 1;
			row->deadline_ns = 0;
		}
		break;
	case WS_DRAINING:
		enter_drain(row, event, same, input);
		break;
	case WS_STOPPING:
		if (!same)
			row->deadline_ns = after_ms(input, input->stop_ms);
		break;
	case WS_KILLING:
		row->ladder = ladder_step(row, event);
		row->deadline_ns = after_ms(input,
		    clock_scaled_ms(row->ladder == 1 ? K1_MS : K2_MS));
		break;
	case WS_WAITING:
		row->deadline_ns = event == WE_WAIT ?
		    after_ms(input, input->wait_ms) : 0;
		break;
	case WS_HELD:
		row->deadline_ns = after_ms(input, clock_scaled_ms(HELD_MS));
		break;
	case WS_DOWN:
		row->deadline_ns = 0;
		break;
	}
	if (!same)
		row->since_ns = input->now_ns;
	row->state = to;
}

struct step_result
worker_step(struct memo_worker *row, enum worker_event event,
    const struct step_input *input)
{
	struct step_result result = { .from = row->state, .to = row->state };
	const struct worker_edge *edge = worker_edge(row->state, event);

	result.kind = edge->kind;
	if (edge->kind == EDGE_VIOLATION) {
		event = WE_VIOLATION;
		edge = worker_edge(row->state, event);
	}
	if (event == WE_DEADLINE && row->state == WS_KILLING &&
	    row->ladder >= 2) {
		event = WE_UNKILLABLE;
		edge = worker_edge(row->state, event);
	}
	result.actions = edge->actions;
	if (edge->kind != EDGE_GO)
		return result;
	note_cause(row, event, input);
	enter(row, event, edge->state, input);
	result.to = row->state;
	return result;
}

int
worker_await_core(struct memo_worker *row, uint64_t now_ns)
{
	uint64_t last = row->since_ns + clock_scaled_ms(CORE_MS) * NS_PER_MS;
	uint64_t look = now_ns + clock_scaled_ms(CORE_LOOK_MS) * NS_PER_MS;

	if (row->state != WS_KILLING || row->ladder != 1 || now_ns >= last)
		return 0;
	row->deadline_ns = look < last ? look : last;
	return 1;
}

void
worker_excuse(struct memo_worker *row, uint64_t from_ns, uint64_t now_ns)
{
	if (from_ns < row->since_ns)
		from_ns = row->since_ns;
	if (row->deadline_ns == 0 || from_ns >= now_ns)
		return;
	row->deadline_ns += now_ns - from_ns;
	/* a core's time counts from there */
	if (row->state == WS_KILLING && row->ladder == 1)
		row->since_ns += now_ns - from_ns;
}

void
worker_spare(struct memo_worker *row, uint64_t now_ns)
{
	uint64_t least = now_ns + clock_scaled_ms(2 * CLOCK_EXCUSE_MS) *
	    NS_PER_MS;

	if (row->deadline_ns != 0 && row->deadline_ns < least)
		row->deadline_ns = least;
}
