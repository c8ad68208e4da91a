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
#include "daemon/master/files.h"
#include "daemon/master/generations.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/pools.h"
#include "daemon/master/process.h"
#include "daemon/master/start.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/autoscale.h"
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
    uint64_t previous, const char *state, const char *verdict)
{
	struct store_generation row = {
		.number = generation->number, .time = clock_wall_ms(),
		.previous = previous, .state = state,
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
	/* One to go back to was in force once. */
	if (m->change->target != NULL && m->change->kind == TRANS_RELOAD)
		put_generation(m, m->change->target,
		    turn_look(m)->globals.generation, "rejected", text);
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

static void
on_kept(struct master *m, const struct errmsg *err)
{
	const struct generation *target;

	if (m->change == NULL)
		return;		/* stopped meanwhile */
	turn_change(m);
	if (err->code != 0) {
		reload_reject(m, err->text, NULL);
		return;
	}
	target = m->change->target;
	change_step(m, TRANS_BIND);
	(void)FP("reload.after_plan");
	tell(m, EVENT_RELOAD_STARTED, target->number, NULL);
	listeners_bind(m, target->conf, true, on_bound);
}

void
reload_go(struct master *m)
{
	generations_keep(m, m->change->target, on_kept);
}

/* -- canary and roll ------------------------------------------------------------------------- */

/* Which pools of the memo it changes.  0 or ERR_MEMORY. */
static int
note_pools(struct master *m)
{
	struct change_run *run = m->change;
	const struct memo_copy *copy = turn_look(m);
	const struct conf *conf = run->target->conf;
	struct diff diff;
	int rc = diff_make(m->conf, conf, &diff);

	memset(run->trans.pools, TRANS_POOL_STAYS, sizeof(run->trans.pools));
	for (uint16_t i = 0; i < copy->pools && rc == 0; i++) {
		const struct conf_pool *pool = conf_pool_by_name(conf,
		    copy->pool[i].name);

		if (pool == NULL)
			continue;
		if (diff.roll[pool->index])
			run->trans.pools[i] = TRANS_POOL_ROLLS;
		else if (diff.added[pool->index])
			run->trans.pools[i] = TRANS_POOL_RETURNS;
		else if (diff.alike[pool->index])
			run->trans.pools[i] = TRANS_POOL_MOVES;
	}
	diff_done(&diff);
	return rc;
}

static void
begin_canary(struct master *m)
{
	struct change_run *run = m->change;
	struct supervisor s = life_now(m);

	if (note_pools(m) != 0) {
		reload_reject(m, "out of memory", NULL);
		return;
	}
	/* Of one that nobody gave, nobody would ask a canary anything. */
	trans_reload(&s, &run->trans, !run->change.automatic);
	if (!run->change.automatic && run->trans.roll.count > 0) {
		tell(m, EVENT_RELOAD_CANARY, run->target->number, NULL);
		(void)FP("reload.canary_started");
	}
}

static void
note_failure(struct change_run *run, const char *text)
{
	run->failing = true;
	errmsg_set(&run->err, ERR_FAILED, "%s; generation %llu is in force",
	    text, (unsigned long long)
	    turn_look(run->master)->globals.generation);
}

static void
undo(struct master *m, const char *text)
{
	struct change_run *run = m->change;
	struct supervisor s = life_now(m);

	note_failure(run, text);
	run->told = 0;
	snprintf(s.copy->globals.trans_why, sizeof(s.copy->globals.trans_why),
	    "%s", text);
	trans_undo(&s, &run->trans);
}

static void
finish_undo(struct master *m)
{
	struct change_run *run = m->change;
	uint64_t number = turn_look(m)->globals.trans_generation;
	struct supervisor s = life_now(m);
	struct errmsg err = run->err;

	trans_undone(&s);
	tell(m, EVENT_RELOAD_ROLLED_BACK, number, run->failing ?
	    run->err.text : "by command");
	if (run->target != NULL)
		put_generation(m, run->target,
		    turn_look(m)->globals.generation, "rolled_back",
		    run->err.text);
	listeners_drop_added(m);
	if (run->failing)
		change_fail(m, &err, NULL);
	else
		change_succeed(m, "{\"rolled_back\":true}");
	turn_later(m, generations_tidy_later, 0);
}

/* -- commit ------------------------------------------------------------------------------------- */

/* before NULL: all of them. */
static void
send_section(struct process *process, enum key_scope scope, const void *before,
    const void *after)
{
	for (size_t i = 0; i < KEY__COUNT; i++) {
		const struct key *key = &keys[i];

		if (key->scope == scope && key_is_number(key) &&
		    key->applies == APPLIES_LIVE && (before == NULL ||
		    conf_number(key, before) != conf_number(key, after)))
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

void
reload_tell_keys(struct process *process)
{
	struct master *m = process->master;
	const struct conf_pool *pool = life_conf(m, process->row);

	if (pool == NULL)
		return;
	send_section(process, SCOPE_DAEMON, NULL, &m->conf->daemon);
	send_section(process, SCOPE_POOL, NULL, pool);
}

static void
tell_schedules(struct master *m, const struct conf *before,
    const struct conf *after)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->pools; i++) {
		const char *name = copy->pool[i].name;
		const struct conf_pool *old = conf_pool_by_name(before, name);
		const struct conf_pool *new = conf_pool_by_name(after, name);

		if (old != NULL && new != NULL &&
		    old->schedule != new->schedule)
			listeners_tell_schedule(m, i);
	}
}

/* What workers that stay, the keeper and the database hear of a commit: after
 * its flip, or they would keep what the next master takes back.  A master that
 * adopts in the middle of it says it again. */
static void
tell_of_commit(struct master *m, uint64_t before)
{
	const struct generation *old = master_generation(m, before);
	const struct generation *new = master_generation(m,
	    turn_look(m)->globals.generation);

	(void)FP("reload.flipped");
	if (new != NULL)
		put_generation(m, new, before, "committed", NULL);
	listeners_settle(m, m->conf);
	if (old == NULL || old->conf == m->conf)
		return;
	send_live_keys(m, old->conf, m->conf);
	files_tell_change(m, old->conf, m->conf);
	tell_schedules(m, old->conf, m->conf);
}

static void
commit_pool(struct master *m, uint16_t index, const struct conf *before,
    const struct conf *after)
{
	struct supervisor s = life_now(m);
	struct memo_pool *pool = &s.copy->pool[index];
	const struct conf_pool *old = conf_pool_by_name(before, pool->name);
	const struct conf_pool *new = conf_pool_by_name(after, pool->name);
	struct autoscale_rules rules;
	uint32_t size;

	if (new == NULL)
		return;		/* drained when its addresses have left */
	trans_commit_pool(&s, &m->change->trans, index);
	if (old != NULL && old->workers_min == new->workers_min &&
	    old->workers_max == new->workers_max)
		return;
	autoscale_rules_of(new, &rules);
	size = autoscale_bound(&rules, pool->desired);
	/* The file wins when it says another number. */
	if (pool->desired_by_operator)
		log_notice("pool %s: %u workers by the configuration, no "
		    "longer %u by command", pool->name, size, pool->desired);
	pool->desired_by_operator = 0;
	pool->file_workers = (uint32_t)new->workers_min;
	pool->file_workers_max = (uint32_t)new->workers_max;
	if (size != pool->desired)
		pool->hold_from_ns = s.now_ns;
	slots_resize(&s, index, size, slots_change_word(s.copy));
}

static void
commit(struct master *m)
{
	struct change_run *run = m->change;
	const struct conf *before = m->conf, *after = run->target->conf;
	struct supervisor s = life_now(m);

	(void)FP("reload.before_commit");
	trans_commit(&s, run->change.automatic);
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		if (turn_look(m)->pool[i].name[0] != '\0')
			commit_pool(m, i, before, after);
	m->conf = after;
	for (size_t i = 0; i < after->pool_count; i++)
		if (state_find_pool(turn_look(m), after->pools[i].name) ==
		    MEMO_NONE)
			pools_add(m, &after->pools[i],
			    after->generation);
	turn_later(m, tell_of_commit, turn_look(m)->globals.previous);
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

	for (size_t i = 0; i < run->trans.roll.count; i++) {
		const struct roll_slot *slot = &run->trans.roll.slots[i];

		if (slot->started_ns == 0 || slot->ready_ns == 0)
			continue;
		buf_printf(out, "%s{\"worker\":\"%s/%u\",\"ms\":%llu}",
		    first ? "" : ",", copy->pool[slot->pool].name,
		    slot->number, (unsigned long long)
		    ((slot->ready_ns - slot->started_ns) / NS_PER_MS));
		first = false;
	}
}

void
reload_report_commit(struct master *m)
{
	struct change_run *run = m->change;
	struct buf out;

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
	const struct roll *roll = &run->trans.roll;
	struct supervisor s = life_now(m);
	char text[160];

	trans_hold(&s);
	tell(m, EVENT_RELOAD_HELD, run->target->number, NULL);
	(void)FP("reload.held");
	snprintf(text, sizeof(text), "{\"held\":true,\"generation\":%llu,"
	    "\"done\":%zu,\"of\":%zu}", (unsigned long long)
	    run->target->number, roll_count(roll, ROLL_DONE), roll->count);
	change_answer(m, run->call, NULL, text);
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
	struct supervisor s = life_now(m);

	take_call(m, call, change);
	m->change->told = 0;
	s.copy->globals.trans_asked_back = 1;
	trans_undo(&s, &m->change->trans);
}

void
reload_go_on(struct master *m, struct control_call *call,
    const struct change *change)
{
	struct supervisor s = life_now(m);

	if (!change_is_held(m) || m->change == NULL) {
		change_refuse(call, ERR_CONFLICT, "no reload is held");
		return;
	}
	take_call(m, call, change);
	trans_go_on(&s);
}

/* -- turns ------------------------------------------------------------------------------------------- */

static void
follow_roll(struct master *m)
{
	struct change_run *run = m->change;
	struct supervisor s = life_now(m);
	enum trans_verdict verdict = trans_follow(&s, &run->trans);
	char text[400];

	if (s.copy->globals.trans_step == TRANS_ROLL)
		roll_tell_progress(run, "workers are of the new generation");
	switch (verdict) {
	case TRANS_GOES_ON:
		break;
	case TRANS_FAILED:
		undo(m, roll_failure(run, text, sizeof(text)));
		break;
	case TRANS_DONE:
		commit(m);
		break;
	case TRANS_HOLDS:
		begin_hold(m);
		break;
	}
}

void
reload_follow(struct master *m)
{
	struct supervisor s;

	switch ((enum trans_step)turn_look(m)->globals.trans_step) {
	case TRANS_CHECK:
	case TRANS_BIND:
	case TRANS_HELD:
		break;
	case TRANS_CANARY:
	case TRANS_ROLL:
		follow_roll(m);
		break;
	case TRANS_UNDO:
		s = life_now(m);
		if (trans_follow(&s, &m->change->trans) == TRANS_DONE)
			finish_undo(m);
		break;
	case TRANS_COMMITTED:
		if (change_is_stored(m))
			reload_report_commit(m);
		break;
	}
}

/* -- adoption ---------------------------------------------------------------------------------------- */

void
reload_record(struct master *m, uint64_t unused)
{
	const struct memo_globals *globals = &turn_look(m)->globals;
	const struct generation *now = master_generation(m,
	    globals->generation);

	(void)unused;
	if (m->store != NULL && now != NULL &&
	    store_load(m->store)->committed != now->number)
		put_generation(m, now, globals->previous, "committed", NULL);
}

void
reload_adopt(struct master *m)
{
	const struct memo_globals globals = turn_look(m)->globals;
	struct change change = { .hold_percent = -1 };
	struct control_call *call = NULL;
	struct memo_globals *now;
	struct supervisor s;

	change.automatic = strcmp(globals.trans_who, ROLLBACK_BY) == 0;
	change.command = globals.trans_kind == TRANS_ROLLBACK ||
	    globals.trans_asked_back ? COMMAND_ROLLBACK : COMMAND_RELOAD;
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
	now->trans_asked_back = globals.trans_asked_back;
	memcpy(now->trans_why, globals.trans_why, sizeof(now->trans_why));
	m->change->target = master_generation(m, globals.trans_generation);
	if (globals.trans_step == TRANS_COMMITTED) {
		listeners_tell_again(m);
		turn_later(m, tell_of_commit, globals.previous);
	}
	if (m->change->target != NULL && note_pools(m) != 0)
		master_give_up("memory");
	s = life_now(m);
	if (trans_adopt(&s, &m->change->trans, m->change->target != NULL) !=
	    TRANS_FAILED)
		return;		/* held still, or its end follows */
	if (change.automatic)
		now->rollback_used = 0;		/* it may be tried again */
	if (!globals.trans_asked_back)
		note_failure(m->change, globals.trans_why[0] != '\0' ?
		    globals.trans_why :
		    "the master was replaced before the commit");
}
