/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_reload.c: a generation that is checked and stored: canary, roll,
 * commit; or the old one, untouched.  Every step is in the memo before it acts,
 * so that the next master finishes it or takes it back.  What comes before is
 * change_check.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/stamp.h"
#include "daemon/conf/diff.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/change.h"
#include "daemon/master/generations.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/start.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/state.h"

static void begin_canary(struct master *m);

static void
tell(struct master *m, enum event_id event, uint64_t generation,
    const char *text)
{
	struct event_fields fields = { .generation = generation,
		.text = text };

	turn_tell(m, event, &fields);
}

static void
put_generation(struct master *m, const struct generation *generation,
    const char *state, const char *verdict)
{
	struct store_generation row = {
		.number = generation->number, .time = clock_wall_ms(),
		.previous = turn_look(m)->globals.generation, .state = state,
		.image = build_stamp, .text = generation->text,
		.who = m->change != NULL ? m->change->change.who : "",
		.verdict = verdict,
	};

	if (m->store != NULL)
		store_put_generation(m->store, &row);
}

void
reload_reject(struct master *m, const char *text, const char *result)
{
	struct errmsg err;

	tell(m, EVENT_CONFIG_REJECTED, 0, text);
	log_error("reload: %s", text);
	errmsg_set(&err, ERR_FAILED, "%s", text);
	if (m->change->target != NULL)
		put_generation(m, m->change->target, "rejected", text);
	change_fail(m, &err, result);
	listeners_drop_added(m);
	turn_later(m, generations_tidy_later, 0);
}

/* -- begin ------------------------------------------------------------------------------------ */

static void
on_bound(struct master *m, int code, const char *text)
{
	if (m->change == NULL)
		return;
	if (code != 0)
		reload_reject(m, text, NULL);
	else
		begin_canary(m);
	turn_change(m);
}

void
reload_set_target(struct master *m, struct generation *target)
{
	m->change->target = target;
	turn_change(m)->globals.trans_generation = target->number;
}

void
reload_go(struct master *m)
{
	const struct generation *target = m->change->target;

	change_step(m, TRANS_BIND);
	(void)FP("reload.after_plan");
	tell(m, EVENT_RELOAD_STARTED, target->number, NULL);
	listeners_bind(m, target->conf, true, on_bound);
}

/* -- canary and roll ------------------------------------------------------------------------- */

/* A pool that is removed and comes back while it still serves has workers of
 * what it was. */
static bool
is_to_roll(const struct diff *diff, uint32_t pool, const struct memo_slot *slot)
{
	return diff->roll[pool] || (diff->added[pool] && slot->wanted);
}

/* The lowest slot of its pool that has a worker to be tried: one that was taken
 * out shows nothing. */
static bool
is_canary(const struct memo_copy *copy, uint16_t slot)
{
	const struct memo_slot *row = &copy->slot[slot];

	if (!row->wanted || row->drained)
		return false;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == row->pool && copy->slot[i].wanted &&
		    !copy->slot[i].drained &&
		    copy->slot[i].number < row->number)
			return false;
	return true;
}

/* Slots of the pools that differ: the canaries alone, else those that are not
 * in the run yet, unhealthy ones first. */
static void
add_slots(struct master *m, bool canaries)
{
	struct change_run *run = m->change;
	const struct conf *conf = run->target->conf;
	const struct memo_copy *copy = turn_look(m);
	struct diff diff;

	if (diff_make(m->conf, conf, &diff) != 0) {
		diff_done(&diff);
		return;
	}
	for (int pass = 0; pass < 2; pass++)
		for (uint16_t i = 0; i < copy->slots; i++) {
			const struct memo_slot *slot = &copy->slot[i];
			const struct conf_pool *pool;
			int healthy = slot->current != MEMO_NONE &&
			    copy->worker[slot->current].state == WS_READY;

			if (slot->pool == MEMO_NONE || healthy != pass)
				continue;
			pool = conf_pool_by_name(conf,
			    copy->pool[slot->pool].name);
			if (pool == NULL ||
			    !is_to_roll(&diff, pool->index, slot) ||
			    (canaries ? !is_canary(copy, i) :
			    roll_has(run, slot->pool, slot->number)))
				continue;
			roll_add(run, slot->pool, slot->number,
			    run->target->number, canaries);
		}
	diff_done(&diff);
}

static void
begin_roll(struct master *m)
{
	change_step(m, TRANS_ROLL);
	add_slots(m, false);
}

static void
begin_canary(struct master *m)
{
	if (m->change->change.automatic) {	/* nobody would ask it anything */
		begin_roll(m);
		return;
	}
	change_step(m, TRANS_CANARY);
	add_slots(m, true);
	if (m->change->count > 0) {
		tell(m, EVENT_RELOAD_CANARY, m->change->target->number, NULL);
		(void)FP("reload.canary_started");
	}
}

static const char *
failure_text(struct master *m, char *out, size_t size)
{
	const struct change_run *run = m->change;
	const struct memo_copy *copy = turn_look(m);

	for (size_t i = 0; i < run->count; i++)
		if (run->slots[i].state == ROLL_FAILED) {
			snprintf(out, size, "%s/%u: %s",
			    copy->pool[run->slots[i].pool].name,
			    run->slots[i].number, run->slots[i].text);
			return out;
		}
	snprintf(out, size, "taken back");
	return out;
}

/* What has been rolled goes back, new before old as well. */
static void
begin_undo(struct master *m)
{
	struct change_run *run = m->change;
	struct memo_copy *copy = turn_change(m);
	uint64_t from = copy->globals.trans_generation;

	change_step(m, TRANS_UNDO);
	free(run->slots);
	run->slots = NULL;
	run->count = run->told = 0;
	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE)
			continue;
		if (slot->other != MEMO_NONE && copy->worker[slot->other]
		    .transaction == SUCCESSOR_CHANGE) {
			copy->worker[slot->other].transaction =
			    SUCCESSOR_NONE;
			life_send_off(m, slot->other);
		}
		/* Not always the one in force: that may lack the pool. */
		if (slot->generation == from)
			roll_add(run, slot->pool, slot->number,
			    copy->pool[slot->pool].generation, false);
	}
}

static void
undo(struct master *m, const char *text)
{
	struct change_run *run = m->change;

	run->failing = true;
	errmsg_set(&run->err, ERR_FAILED, "%s; generation %llu is in force",
	    text, (unsigned long long)turn_look(m)->globals.generation);
	begin_undo(m);
}

static void
finish_undo(struct master *m)
{
	struct change_run *run = m->change;
	uint64_t number = turn_look(m)->globals.trans_generation;
	struct errmsg err = run->err;

	tell(m, EVENT_RELOAD_ROLLED_BACK, number, run->failing ?
	    run->err.text : "by command");
	if (run->target != NULL)
		put_generation(m, run->target, "rolled_back", run->err.text);
	listeners_drop_added(m);
	if (run->failing)
		change_fail(m, &err, NULL);
	else
		change_succeed(m, "{\"rolled_back\":true}");
	turn_later(m, generations_tidy_later, 0);
}

/* -- commit ------------------------------------------------------------------------------------- */

static void
send_section(struct process *process, enum key_scope scope, const void *before,
    const void *after)
{
	for (size_t i = 0; i < KEY__COUNT; i++) {
		const struct key *key = &keys[i];

		if (key->scope == scope && key_is_number(key) &&
		    key->applies == APPLIES_LIVE &&
		    conf_number(key, before) != conf_number(key, after))
			process_say_key(process, key->number,
			    conf_number(key, after));
	}
}

/* Live keys of the workers that stay. */
static void
send_live_keys(struct master *m, const struct conf *before,
    const struct conf *after)
{
	const struct memo_copy *copy = turn_look(m);

	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		struct process *process = m->process[i];
		const struct conf_pool *old, *new;
		const char *name;

		if (process == NULL)
			continue;
		name = copy->pool[process->pool].name;
		old = conf_pool_by_name(before, name);
		new = conf_pool_by_name(after, name);
		send_section(process, SCOPE_DAEMON, &before->daemon,
		    &after->daemon);
		if (old != NULL && new != NULL)
			send_section(process, SCOPE_POOL, old, new);
	}
}

static void
commit_pool(struct master *m, uint16_t index, const struct conf *before,
    const struct conf *after)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_pool *pool = &copy->pool[index];
	const struct conf_pool *old = conf_pool_by_name(before, pool->name);
	const struct conf_pool *new = conf_pool_by_name(after, pool->name);

	if (new == NULL)
		return;		/* drained when its addresses have left */
	pool->generation = after->generation;
	pool->was_stable = pool->stable_generation == before->generation;
	pool->early_deaths = 0;
	pool->tokens_ns = 0;		/* a full bucket */
	pool->tokens_milli = 0;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == index) {
			copy->slot[i].generation = after->generation;
			copy->slot[i].early = 0;
			if (copy->slot[i].current != MEMO_NONE &&
			    copy->worker[copy->slot[i].current].state ==
			    WS_HELD)
				life_retry(m, copy->slot[i].current);
		}
	if (old != NULL && old->workers_min == new->workers_min)
		return;
	/* The file wins when it says another number. */
	if (pool->desired_by_operator)
		log_notice("pool %s: %lld workers by the configuration, no "
		    "longer %u by command", pool->name,
		    (long long)new->workers_min, pool->desired);
	pool->desired_by_operator = 0;
	pool->file_workers = (uint32_t)new->workers_min;
	life_resize(m, index, (unsigned)new->workers_min);
}

static void
commit(struct master *m)
{
	struct change_run *run = m->change;
	struct memo_globals *globals = &turn_change(m)->globals;
	const struct conf *before = m->conf, *after = run->target->conf;

	(void)FP("reload.before_commit");
	globals->previous = globals->generation;
	globals->generation = run->target->number;
	globals->committed_ns = clock_now_ns();
	globals->rollback_used = run->change.automatic;
	globals->taken_back = run->change.automatic ? globals->previous : 0;
	change_step(m, TRANS_COMMITTED);
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		if (turn_look(m)->pool[i].name[0] != '\0')
			commit_pool(m, i, before, after);
	m->conf = after;
	for (size_t i = 0; i < after->pool_count; i++)
		if (state_find_pool(turn_look(m), after->pools[i].name) ==
		    MEMO_NONE)
			start_add_pool(m, &after->pools[i],
			    after->generation);
	listeners_settle(m, after);
	send_live_keys(m, before, after);
	put_generation(m, run->target, "committed", NULL);
	start_apply_conf(m);
	tell(m, EVENT_RELOAD_COMMITTED, run->target->number, NULL);
	tell(m, EVENT_CONFIG_APPLIED, run->target->number, NULL);
	(void)FP("reload.after_commit");
}

static void
add_times(struct buf *out, const struct change_run *run)
{
	const struct memo_copy *copy = turn_look(run->master);
	bool first = true;

	for (size_t i = 0; i < run->count; i++) {
		const struct roll_slot *slot = &run->slots[i];

		if (slot->started_ns == 0 || slot->ready_ns == 0)
			continue;
		buf_printf(out, "%s{\"worker\":\"%s/%u\",\"ms\":%llu}",
		    first ? "" : ",", copy->pool[slot->pool].name,
		    slot->number, (unsigned long long)
		    ((slot->ready_ns - slot->started_ns) / NS_PER_MS));
		first = false;
	}
}

static void
finish_commit(struct master *m)
{
	struct change_run *run = m->change;
	struct buf out;

	if (!change_is_stored(m))
		return;
	buf_init(&out, 0);
	buf_printf(&out, "{\"generation\":%llu,\"changed\":true,\"stored\":%s,"
	    "\"slots\":[", (unsigned long long)turn_look(m)->globals.generation,
	    run->stored ? "true" : "false");
	add_times(&out, run);
	buf_add(&out, "]}", 3);
	change_succeed(m, out.failed ? "{}" : buf_at(&out));
	buf_done(&out);
	turn_later(m, generations_tidy_later, 0);
}

/* -- hold ------------------------------------------------------------------------------------------- */

static void
begin_hold(struct master *m)
{
	struct change_run *run = m->change;
	char text[160];

	change_step(m, TRANS_HELD);
	tell(m, EVENT_RELOAD_HELD, run->target->number, NULL);
	(void)FP("reload.held");
	snprintf(text, sizeof(text), "{\"held\":true,\"generation\":%llu,"
	    "\"done\":%zu,\"of\":%zu}", (unsigned long long)
	    run->target->number, roll_count(run, ROLL_DONE), run->count);
	if (run->call != NULL)
		control_done(run->call, text);
	run->call = NULL;
	change_next(m);		/* what waits hears of it */
}

static void
take_call(struct master *m, struct control_call *call,
    const struct change *change)
{
	m->change->call = call;
	m->change->change = *change;
	m->change->change.text = NULL;
	snprintf(turn_change(m)->globals.trans_command,
	    sizeof(turn_change(m)->globals.trans_command), "%s", change->id);
	memcpy(turn_change(m)->globals.trans_who, change->who,
	    sizeof(turn_change(m)->globals.trans_who));
}

void
reload_take_back(struct master *m, struct control_call *call,
    const struct change *change)
{
	take_call(m, call, change);
	begin_undo(m);
}

void
reload_go_on(struct master *m, struct control_call *call,
    const struct change *change)
{
	if (!change_is_held(m) || m->change == NULL) {
		change_refuse(call, ERR_CONFLICT, "no reload is held");
		return;
	}
	take_call(m, call, change);
	turn_change(m)->globals.trans_hold_percent = 0;
	change_step(m, TRANS_ROLL);
}

/* -- turns ------------------------------------------------------------------------------------------- */

static void
follow_roll(struct master *m)
{
	struct change_run *run = m->change;
	uint32_t percent = turn_look(m)->globals.trans_hold_percent;
	size_t limit = percent == 0 ? SIZE_MAX :
	    (run->count * percent + 99) / 100;
	size_t left = roll_follow(run, limit == 0 ? 1 : limit);
	char text[400];

	roll_tell_progress(run, "workers are of the new generation");
	if (roll_count(run, ROLL_FAILED) > 0)
		undo(m, failure_text(m, text, sizeof(text)));
	else if (left == 0)
		commit(m);
	else if (percent != 0 && roll_count(run, ROLL_BUSY) == 0 &&
	    run->count - left >= limit)
		begin_hold(m);
}

static void
follow_canary(struct master *m)
{
	struct change_run *run = m->change;
	size_t left = roll_follow(run, SIZE_MAX);
	char text[400];

	if (roll_count(run, ROLL_FAILED) > 0) {
		undo(m, failure_text(m, text, sizeof(text)));
	} else if (left == 0) {
		begin_roll(m);
		follow_roll(m);
	}
}

void
reload_follow(struct master *m)
{
	switch ((enum trans_step)turn_look(m)->globals.trans_step) {
	case TRANS_CHECK:
	case TRANS_BIND:
	case TRANS_HELD:
		break;
	case TRANS_CANARY:
		follow_canary(m);
		break;
	case TRANS_ROLL:
		follow_roll(m);
		break;
	case TRANS_UNDO:
		if (roll_follow(m->change, SIZE_MAX) == 0)
			finish_undo(m);
		break;
	case TRANS_COMMITTED:
		finish_commit(m);
		break;
	}
}

/* -- adoption ---------------------------------------------------------------------------------------- */

static void
resume_hold(struct master *m)
{
	struct change_run *run = m->change;
	const struct memo_copy *copy = turn_look(m);

	add_slots(m, true);
	add_slots(m, false);
	for (size_t i = 0; i < run->count; i++) {
		uint16_t slot = state_find_slot(copy, run->slots[i].pool,
		    run->slots[i].number);

		run->slots[i].canary = false;
		if (slot != MEMO_NONE && copy->slot[slot].generation ==
		    run->target->number)
			run->slots[i].state = ROLL_DONE;
	}
}

void
reload_adopt(struct master *m)
{
	const struct memo_globals globals = turn_look(m)->globals;
	struct change change = { .hold_percent = -1 };
	struct control_call *call = NULL;
	struct memo_globals *now;

	change.automatic = strcmp(globals.trans_who, ROLLBACK_BY) == 0;
	change.command = globals.trans_kind == TRANS_ROLLBACK ?
	    COMMAND_ROLLBACK : COMMAND_RELOAD;
	snprintf(change.id, sizeof(change.id), "%.32s",
	    globals.trans_command);
	memcpy(change.who, globals.trans_who, sizeof(change.who));
	if (m->control != NULL && globals.trans_step != TRANS_HELD)
		call = control_adopt(m->control, change.command, change.id,
		    change.who);
	change_begin(m, call, &change, (enum trans_kind)globals.trans_kind);
	now = &turn_change(m)->globals;
	now->trans_step = globals.trans_step;
	now->trans_generation = globals.trans_generation;
	now->trans_hold_percent = globals.trans_hold_percent;
	m->change->target = master_generation(m, globals.trans_generation);
	if (globals.trans_step == TRANS_COMMITTED)
		return;		/* its end follows */
	if (change.automatic)
		now->rollback_used = 0;		/* it may be tried again */
	if (globals.trans_step == TRANS_HELD && m->change->target != NULL)
		resume_hold(m);
	else
		undo(m, "the master was replaced before the commit");
}
