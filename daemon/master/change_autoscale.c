/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_autoscale.c: a pool's size by how busy its workers are.  Each tick
 * their pages are counted; a step is given as a `scale' that nobody gave, so
 * that it is recorded, waited for and taken back like one.
 */
#include <stdio.h>

#include "common/base/clock.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/autoscale.h"

void
autoscale_rules_of(const struct conf_pool *conf, struct autoscale_rules *rules)
{
	*rules = (struct autoscale_rules){
		.min = (uint32_t)conf->workers_min,
		.max = (uint32_t)conf->workers_max,
		.up_percent = (uint32_t)conf->scale_up_busy,
		.down_percent = (uint32_t)conf->scale_down_busy,
		.hold_ms = (uint64_t)conf->scale_hold_ms,
	};
}

void
autoscale_rules(struct master *m, uint16_t pool, struct autoscale_rules *rules)
{
	const struct memo_pool *row = &turn_look(m)->pool[pool];
	const struct conf_pool *conf = m->conf == NULL ? NULL :
	    conf_pool_by_name(m->conf, row->name);

	*rules = (struct autoscale_rules){ .min = row->desired,
		.max = row->desired };
	if (conf != NULL)
		autoscale_rules_of(conf, rules);
}

/* Those that are there to serve: one that is drained or paused is idle because
 * it has to be. */
static void
measure(struct master *m, uint16_t pool, uint64_t now)
{
	const struct memo_copy *copy = turn_look(m);
	struct busy_mean *mean = &m->pool[pool].busy;
	struct busy_round round = busy_begin(mean, now);

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];
		struct process *process;

		if (slot->pool != pool || !slot->wanted || slot->drained ||
		    slot->current == MEMO_NONE ||
		    copy->worker[slot->current].state != WS_READY ||
		    copy->worker[slot->current].paused)
			continue;
		process = m->process[slot->current];
		if (process != NULL && process->has_report)
			busy_add(&round, &process->busy,
			    process->report.beat_ns, process->report.busy_ns);
	}
	busy_end(&round, mean);
}

/* Rounded away from the limit, so that the words never deny the step. */
static void
give_reason(const struct busy_mean *mean, int step, char *out, size_t size)
{
	const uint32_t percent = BUSY_ALL / 100;

	snprintf(out, size, "busy %u %% over %u worker%s",
	    (mean->share + (step > 0 ? percent - 1 : 0)) / percent,
	    mean->workers, mean->workers == 1 ? "" : "s");
}

static void
take_step(struct master *m, uint16_t pool, int step, uint64_t now)
{
	struct change change = { .command = COMMAND_SCALE,
		.how = step > 0 ? SCALE_UP : SCALE_DOWN, .number = 1,
		.target.kind = TARGET_POOL, .hold_percent = -1,
		.automatic = true };
	char why[sizeof(m->change->why)];

	give_reason(&m->pool[pool].busy, step, why, sizeof(why));
	change.text = why;
	snprintf(change.who, sizeof(change.who), "%s", AUTOSCALE_BY);
	snprintf(change.target.pool, sizeof(change.target.pool), "%s",
	    turn_look(m)->pool[pool].name);
	/* Also if it is refused, for want of room: not at each tick. */
	turn_change(m)->pool[pool].hold_from_ns = now;
	if (m->control != NULL)
		control_submit(m->control, &change);
	else
		change_start(m, NULL, &change);
}

void
autoscale_look(struct master *m)
{
	uint64_t now = clock_now_ns();

	for (uint16_t i = 0; i < turn_look(m)->pools; i++) {
		struct autoscale_rules rules;
		int step;

		if (turn_look(m)->pool[i].name[0] == '\0')
			continue;
		measure(m, i, now);
		autoscale_rules(m, i, &rules);
		step = autoscale_step(turn_look(m), i, &rules,
		    &m->pool[i].busy, now);
		if (step != 0)
			take_step(m, i, step, now);
	}
}
