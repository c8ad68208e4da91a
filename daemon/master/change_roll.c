/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_roll.c: how a roll (supervisor/roll.h) does, and the command restart,
 * which is one.
 */
#include <stdio.h>

#include "common/base/clock.h"
#include "daemon/control/control.h"
#include "daemon/master/change.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"

enum { CANARY_REQUESTS = 20 };

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

/* How long it has served, a standstill of the master not counted: nobody may have
 * asked it anything then. */
static uint64_t
held_ms(const struct master *m, struct process *process,
    const struct memo_worker *worker)
{
	uint64_t since_ns = clock_now_ns() - worker->ready_ns;

	if (process == NULL)
		return since_ns / NS_PER_MS;
	if (process->tried_from_ns == 0)
		process->tried_from_ns = tick_awake_ns(m) - since_ns;
	return (tick_awake_ns(m) - process->tried_from_ns) / NS_PER_MS;
}

/* It has passed when it has served long enough: canary_hold, or 20 requests. */
enum trial
change_try_canary(void *master, uint16_t row, const char **fault)
{
	struct master *m = master;
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	const struct conf_pool *conf = master_pool_conf(m, worker->generation,
	    copy->pool[copy->slot[worker->slot].pool].name);
	struct process *process = m->process[row];
	const char *words = canary_fault(process);
	uint64_t held = held_ms(m, process, worker);

	if (words != NULL) {
		*fault = words;
		return TRIAL_FAILED;
	}
	if (conf == NULL || held >= (uint64_t)conf->canary_hold_ms)
		return TRIAL_PASSED;
	return process != NULL && process->has_report &&
	    process->report.counters[METRIC_REQUESTS] >= CANARY_REQUESTS ?
	    TRIAL_PASSED : TRIAL_GOES_ON;
}

void
roll_tell_progress(struct change_run *run, const char *what)
{
	const struct roll *roll = &run->trans.roll;
	size_t done = roll_count(roll, ROLL_DONE);
	char text[160];

	if (done == run->told)
		return;
	run->told = done;
	snprintf(text, sizeof(text), "{\"done\":%zu,\"of\":%zu,\"text\":\"%zu "
	    "of %zu %s\"}", done, roll->count, done, roll->count, what);
	if (run->call != NULL)
		control_progress(run->call, text);
}

const char *
roll_failure(const struct change_run *run, char *out, size_t size)
{
	const struct memo_copy *copy = turn_look(run->master);
	const struct roll *roll = &run->trans.roll;

	for (size_t i = 0; i < roll->count; i++)
		if (roll->slots[i].state == ROLL_FAILED) {
			snprintf(out, size, "%s/%u: %s",
			    copy->pool[roll->slots[i].pool].name,
			    roll->slots[i].number, roll->slots[i].text);
			return out;
		}
	snprintf(out, size, "taken back");
	return out;
}

/* -- restart ------------------------------------------------------------------------ */

void
restart_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	static uint16_t slots[MEMO_SLOTS];
	size_t count = change_targets(m, &change->target, slots, MEMO_SLOTS);
	struct change_run *run;
	struct supervisor s;

	if (count == 0) {
		change_refuse(call, ERR_NOT_FOUND, "no such worker");
		return;
	}
	if (change->target.kind != TARGET_ALL &&
	    trans_slot_is_drained(turn_look(m), slots[0])) {
		change_refuse(call, ERR_CONFLICT, "pool %s is drained: "
		    "`resume' first", change->target.pool);
		return;
	}
	run = change_begin(m, call, change, TRANS_RESTART);
	s = life_now(m);
	trans_restart(&s, &run->trans, slots, count);
}

void
restart_follow(struct master *m)
{
	struct change_run *run = m->change;
	struct supervisor s = life_now(m);
	enum trans_verdict verdict = trans_follow(&s, &run->trans);
	char text[300], failure[300];
	struct errmsg err;

	roll_tell_progress(run, "workers are replaced");
	snprintf(text, sizeof(text), "{\"done\":%zu,\"of\":%zu}",
	    roll_count(&run->trans.roll, ROLL_DONE), run->trans.roll.count);
	if (verdict == TRANS_FAILED) {
		errmsg_set(&err, ERR_FAILED, "%s; the old worker serves on",
		    roll_failure(run, failure, sizeof(failure)));
		change_fail(m, &err, text);
	} else if (verdict == TRANS_DONE) {
		change_succeed(m, text);
	}
}
