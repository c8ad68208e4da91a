/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* gate.c: routes that are shut; see gate.h. */
#include "daemon/plugin/gate.h"

#include "common/base/clock.h"

/* A channel carries ten messages of a kind a second; with answers to what is
 * granted these stay below. */
enum { ASK_EVERY_MS = 250 };

static struct gate *
find(struct gates *gates, unsigned route)
{
	for (size_t i = 0; i < GATES_MAX; i++)
		if (gates->gate[i].route == route)
			return &gates->gate[i];
	return NULL;
}

void
gates_shut(struct gates *gates, unsigned route, uint64_t until_ns)
{
	struct gate *gate;

	if (route == 0)
		return;
	gate = find(gates, route);
	if (gate == NULL && (gate = find(gates, 0)) != NULL) {
		*gate = (struct gate){ .route = route };
		gates->count++;
	}
	if (gate != NULL)
		gate->until_ns = until_ns;
}

void
gates_open(struct gates *gates, unsigned route)
{
	struct gate *gate = route != 0 ? find(gates, route) : NULL;

	if (gate == NULL)
		return;
	gate->route = 0;
	gates->count--;
}

void
gates_leave(struct gates *gates, unsigned route, uint64_t leave_ns)
{
	struct gate *gate = route != 0 ? find(gates, route) : NULL;

	if (gate == NULL || gate->state != GATE_SHUT)
		return;
	gate->state = GATE_LEAVE;
	gate->leave_ns = leave_ns;
}

static bool
may_ask(struct gates *gates, uint64_t now_ns)
{
	if (now_ns - gates->asked_ns < ASK_EVERY_MS * NS_PER_MS)
		return false;
	gates->asked_ns = now_ns;
	return true;
}

enum gate_answer
gates_look(struct gates *gates, unsigned route, uint64_t now_ns)
{
	struct gate *gate = find(gates, route);

	if (gate == NULL)
		return GATE_PASS;
	switch ((enum gate_state)gate->state) {
	case GATE_SHUT:
		return now_ns >= gate->until_ns && may_ask(gates, now_ns) ?
		    GATE_REFUSE_AND_ASK : GATE_REFUSE;
	case GATE_LEAVE:
		gate->state = GATE_PROBE;
		return GATE_PASS_AS_PROBE;
	case GATE_PROBE:
		break;
	}
	return GATE_REFUSE;
}

void
gates_end_probe(struct gates *gates, unsigned route)
{
	struct gate *gate = route != 0 ? find(gates, route) : NULL;

	if (gate != NULL)
		gate->state = GATE_SHUT;
}

unsigned
gates_take_back(struct gates *gates, uint64_t now_ns)
{
	for (size_t i = 0; gates->count > 0 && i < GATES_MAX; i++) {
		struct gate *gate = &gates->gate[i];

		if (gate->route == 0 || gate->state != GATE_LEAVE ||
		    now_ns < gate->leave_ns)
			continue;
		gate->state = GATE_SHUT;
		return gate->route;
	}
	return 0;
}
