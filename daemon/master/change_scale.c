/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_scale.c: another number of workers.  Done when the new ones are READY
 * and the old ones drain; a start that fails twice brings the old size back.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/base/failpoint.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/change.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/capacity.h"
#include "daemon/supervisor/state.h"

enum { FAILED_STARTS = 2 };

static void
tell_scaled(struct master *m, uint16_t pool, unsigned from, unsigned to)
{
	char text[80];
	const struct event_member more[] = {
		EVENT_NUMBER("from", from), EVENT_NUMBER("to", to), EVENT_END
	};
	struct event_fields fields = {
		.pool = turn_look(m)->pool[pool].name, .text = text,
		.more = more,
	};

	snprintf(text, sizeof(text), "%u -> %u workers", from, to);
	turn_tell(m, EVENT_POOL_SCALED, &fields);
}

/* Does a pool of that size fit beside the others? */
static int
check_room(struct master *m, uint16_t pool, int64_t size, struct errmsg *err)
{
	const struct memo_copy *copy = turn_look(m);
	struct capacity need = { 0 };
	struct rlimit files;

	for (uint16_t i = 0; i < copy->pools; i++) {
		const struct conf_pool *conf = copy->pool[i].name[0] == '\0' ?
		    NULL : conf_pool_by_name(m->conf, copy->pool[i].name);
		uint64_t slots = i == pool ? (uint64_t)size :
		    copy->pool[i].desired;

		if (conf == NULL)
			continue;
		need.workers += slots;
		need.successors += (uint64_t)conf_max_surge(conf,
		    (uint32_t)slots);
		need.in_flight += slots * (uint64_t)conf->dispatch_window;
	}
	for (const struct process *p = m->graves; p != NULL; p = p->next)
		need.others++;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return 0;
	need.nofile = files.rlim_cur;
	return capacity_check(&need, err);
}

/* The size asked for, or -1 with words in err. */
static int
size_wanted(struct master *m, uint16_t pool, const struct change *change,
    struct errmsg *err)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = conf_pool_by_name(m->conf,
	    copy->pool[pool].name);
	int64_t now = copy->pool[pool].desired, size = now, others = 0;
	int64_t most = conf_max_workers(m->conf);

	switch (change->how) {
	case SCALE_TO:
		size = change->number;
		break;
	case SCALE_UP:
		size = now + change->number;
		break;
	case SCALE_DOWN:
		size = now - (int64_t)change->number;
		break;
	case SCALE_AUTO:
		size = conf != NULL ? conf->workers_min : now;
		break;
	}
	if (size < 0)
		size = 0;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0' && i != pool)
			others += copy->pool[i].desired;
	if (size + others > most) {
		errmsg_set(err, ERR_FAILED, "%lld workers and %lld of "
		    "other pools are more than max_workers = %lld",
		    (long long)size, (long long)others, (long long)most);
		return -1;
	}
	if (size > now && check_room(m, pool, size, err) != 0)
		return -1;
	return (int)size;
}

void
scale_start(struct master *m, struct control_call *call,
    const struct change *change)
{
	uint16_t pool = state_find_pool(turn_look(m), change->target.pool);
	struct change_run *run;
	struct memo_copy *copy;
	struct errmsg err;
	int size;

	if (pool == MEMO_NONE) {
		change_refuse(call, ERR_NOT_FOUND, "no pool %s",
		    change->target.pool);
		return;
	}
	size = size_wanted(m, pool, change, &err);
	if (size < 0) {
		change_refuse(call, err.code, "%s", err.text);
		return;
	}
	run = change_begin(m, call, change, TRANS_SCALE);
	copy = turn_change(m);
	run->pool = pool;
	run->from = copy->pool[pool].desired;
	run->to = (unsigned)size;
	run->was_by_operator = copy->pool[pool].desired_by_operator != 0;
	copy->globals.trans_pool = pool;
	copy->globals.trans_from = run->from;
	copy->globals.trans_to = run->to;
	copy->pool[pool].desired_by_operator = change->how != SCALE_AUTO;
	if (life_resize(m, pool, run->to) != 0) {
		life_resize(m, pool, run->from);
		errmsg_set(&err, ERR_FULL, "no room for %u slots", run->to);
		change_fail(m, &err, NULL);
		return;
	}
	if (run->from != run->to)
		tell_scaled(m, pool, run->from, run->to);
	(void)FP("scale.roll");
}

/* The slot whose starts fail, or MEMO_NONE. */
static uint16_t
failing_slot(const struct memo_copy *copy, const struct change_run *run)
{
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != run->pool || slot->number < run->from ||
		    slot->current == MEMO_NONE)
			continue;
		if (slot->early >= FAILED_STARTS ||
		    slot->spawn_failures >= FAILED_STARTS ||
		    copy->worker[slot->current].state == WS_HELD)
			return i;
	}
	return MEMO_NONE;
}

/* New slots that are READY; *wanted: how many there should be. */
static unsigned
count_ready(const struct memo_copy *copy, const struct change_run *run,
    unsigned *wanted)
{
	unsigned ready = 0;

	*wanted = run->to > run->from ? run->to - run->from : 0;
	if (copy->pool[run->pool].drained)
		*wanted = 0;	/* none starts before `resume' */
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		ready += slot->pool == run->pool &&
		    slot->number >= run->from && slot->wanted &&
		    slot->current != MEMO_NONE &&
		    copy->worker[slot->current].state == WS_READY;
	}
	return ready;
}

static void
give_up(struct master *m, uint16_t slot)
{
	struct change_run *run = m->change;
	struct errmsg err;
	char name[64];

	errmsg_set(&err, ERR_FAILED, "%s does not start (`clusterctl why "
	    "%s'); %u workers again", state_slot_name(turn_look(m), slot, name,
	    sizeof(name)), name, run->from);
	turn_change(m)->pool[run->pool].desired_by_operator =
	    run->was_by_operator;
	life_resize(m, run->pool, run->from);
	tell_scaled(m, run->pool, run->to, run->from);
	change_fail(m, &err, NULL);
}

void
scale_follow(struct master *m)
{
	struct change_run *run = m->change;
	const struct memo_copy *copy = turn_look(m);
	unsigned wanted, ready = count_ready(copy, run, &wanted);
	uint16_t bad = failing_slot(copy, run);
	char text[300], words[120] = "";

	if (bad != MEMO_NONE) {
		give_up(m, bad);
		return;
	}
	if (ready != run->told || run->told == 0) {
		snprintf(text, sizeof(text), "{\"done\":%u,\"of\":%u,\"text\":"
		    "\"%u of %u new workers are ready\"}", ready, wanted,
		    ready, wanted);
		if (run->call != NULL && ready != run->told)
			control_progress(run->call, text);
		run->told = ready;
	}
	if (!change_is_stored(m) || ready < wanted)
		return;
	(void)FP("scale.after_store");
	if (copy->pool[run->pool].drained)
		snprintf(words, sizeof(words), ",\"drained\":true,\"text\":"
		    "\"%u workers, but the pool is drained until `resume'\"",
		    run->to);
	snprintf(text, sizeof(text), "{\"pool\":\"%s\",\"from\":%u,\"to\":%u,"
	    "\"stored\":%s%s}", copy->pool[run->pool].name, run->from, run->to,
	    run->stored ? "true" : "false", words);
	change_succeed(m, text);
}

void
scale_adopt(struct master *m)
{
	const struct memo_globals globals = turn_look(m)->globals;
	struct change change = { .command = COMMAND_SCALE,
		.hold_percent = -1 };
	struct control_call *call;
	struct change_run *run;

	snprintf(change.id, sizeof(change.id), "%.32s",
	    globals.trans_command);
	memcpy(change.who, globals.trans_who, sizeof(change.who));
	call = m->control != NULL ? control_adopt(m->control, COMMAND_SCALE,
	    change.id, change.who) : NULL;
	run = change_begin(m, call, &change, TRANS_SCALE);
	run->pool = (uint16_t)globals.trans_pool;
	run->from = globals.trans_from;
	run->to = globals.trans_to;
	run->was_by_operator = true;
}
