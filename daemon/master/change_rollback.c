/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_rollback.c: back to the generation before: by command, and by itself
 * when a young one leaves a pool without a worker and the one before was well.
 * Once for each reload of a person's, so that two bad ones do not take turns.
 */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/conf/diff.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/change.h"
#include "daemon/master/generations.h"
#include "daemon/master/master.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/policy.h"

void
rollback_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	uint64_t previous = turn_look(m)->globals.previous;
	struct generation *target;
	struct errmsg err;
	struct diff diff;
	size_t refused;

	if (change_is_held(m) && m->change != NULL) {
		reload_take_back(m, call, change);
		return;
	}
	if (previous == 0) {
		change_refuse(call, ERR_CONFLICT, "there is no generation "
		    "before this one");
		return;
	}
	if (generations_load(m, previous, &target, &err) != 0) {
		change_refuse(call, err.code, "%s", err.text);
		return;
	}
	refused = diff_make(m->conf, target->conf, &diff) != 0 ? 1 :
	    diff.refused;
	diff_done(&diff);
	if (refused > 0) {
		change_refuse(call, ERR_CONFLICT, "generation %llu differs in "
		    "what needs a restart", (unsigned long long)previous);
		return;
	}
	change_begin(m, call, change, TRANS_ROLLBACK);
	reload_set_target(m, target);
	change_step(m, TRANS_CHECK);
	reload_go(m);
}

/* -- by itself ----------------------------------------------------------------- */

static bool
pool_is_stable(const struct memo_copy *copy, uint16_t pool)
{
	bool any = false;

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != pool || !slot->wanted || slot->drained)
			continue;
		if (slot->current == MEMO_NONE ||
		    copy->worker[slot->current].state != WS_READY ||
		    !copy->worker[slot->current].stable)
			return false;
		any = true;
	}
	return any;
}

static bool
pool_fails(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t empty = m->pool[pool].empty_since_ns;

	return empty != 0 && copy->globals.committed_ns != 0 &&
	    policy_takes_back(&copy->pool[pool],
	    (tick_awake_ns(m) - empty) / NS_PER_MS,
	    (clock_now_ns() - copy->globals.committed_ns) / NS_PER_MS,
	    m->conf->daemon.auto_rollback_ms);
}

static void
take_back(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);
	struct change change = { .command = COMMAND_ROLLBACK,
		.hold_percent = -1, .automatic = true };
	struct event_fields fields = {
		.generation = copy->globals.generation,
	};
	char text[200];

	snprintf(text, sizeof(text), "pool %s has no worker, and %u died early;"
	    " back to generation %llu", copy->pool[pool].name,
	    copy->pool[pool].early_deaths,
	    (unsigned long long)copy->globals.previous);
	fields.text = text;
	/* Whatever comes of it: not again before a person has changed
	 * something. */
	turn_change(m)->globals.rollback_used = 1;
	turn_tell(m, EVENT_RELOAD_ROLLED_BACK, &fields);
	snprintf(change.who, sizeof(change.who), "%s", ROLLBACK_BY);
	if (m->control != NULL)
		control_submit(m->control, &change);
	else
		change_start(m, NULL, &change);
}

void
rollback_look(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint64_t number = copy->globals.generation;

	if (m->change != NULL || copy->globals.stopping != 0)
		return;
	for (uint16_t i = 0; i < copy->pools; i++) {
		if (copy->pool[i].name[0] == '\0')
			continue;
		if (copy->pool[i].stable_generation != number &&
		    pool_is_stable(copy, i)) {
			turn_change(m)->pool[i].stable_generation = number;
			copy = turn_look(m);
		}
		if (!copy->globals.rollback_used && pool_fails(m, i)) {
			take_back(m, i);
			return;
		}
	}
}
