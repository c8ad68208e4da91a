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
#include "daemon/supervisor/autoscale.h"
#include "daemon/supervisor/capacity.h"
#include "daemon/supervisor/state.h"

/* why: words, or "" where whoever gave it knows. */
static void
tell_scaled(struct master *m, unsigned from, unsigned to, const char *why)
{
	const struct change_run *run = m->change;
	char text[200];
	const struct event_member more[] = {
		EVENT_NUMBER("from", from), EVENT_NUMBER("to", to),
		EVENT_TEXT("who", run->change.who), EVENT_END
	};
	struct event_fields fields = {
		.pool = turn_look(m)->pool[run->trans.pool].name,
		.text = text, .more = more,
	};

	snprintf(text, sizeof(text), "%u -> %u workers%s%s", from, to,
	    why[0] != '\0' ? ": " : "", why);
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
		need.sockets += (uint64_t)conf_sockets(conf, (int64_t)slots);
		if (i == pool)
			need.shared_sockets = (uint64_t)conf_sockets(conf,
			    (int64_t)slots);
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
	int64_t now = copy->pool[pool].desired, size = now, others = 0;
	int64_t most = conf_max_workers(m->conf);
	struct autoscale_rules rules;

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
		autoscale_rules(m, pool, &rules);
		size = autoscale_bound(&rules, (uint32_t)now);
		break;
	}
	if (size < 0)
		size = 0;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0' && i != pool)
			others += copy->pool[i].desired;
	if (size > now && size + others > most) {
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
	struct supervisor s;
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
	if (change->automatic && change->text != NULL)
		snprintf(run->why, sizeof(run->why), "%s", change->text);
	s = life_now(m);
	if (trans_scale(&s, &run->trans, pool, (unsigned)size,
	    change->how != SCALE_AUTO && !change->automatic) != 0) {
		errmsg_set(&err, ERR_FULL, "no room for %d slots", size);
		change_fail(m, &err, NULL);
		return;
	}
	if (run->trans.from != run->trans.to)
		tell_scaled(m, run->trans.from, run->trans.to, run->why);
	(void)FP("scale.roll");
}

static void
give_up(struct master *m, struct supervisor *s)
{
	struct change_run *run = m->change;
	struct trans *trans = &run->trans;
	uint16_t slot = trans_scale_fault(s->copy, trans);
	struct errmsg err;
	char name[64], why[100];

	state_slot_name(s->copy, slot, name, sizeof(name));
	errmsg_set(&err, ERR_FAILED, "%s does not start (`clusterctl why "
	    "%s'); %u workers again", name, name, trans->from);
	snprintf(why, sizeof(why), "%s does not start", name);
	trans_scale_back(s, trans);
	tell_scaled(m, trans->to, trans->from, why);
	change_fail(m, &err, NULL);
}

static void
tell_progress(struct change_run *run, unsigned ready, unsigned wanted)
{
	char text[120];

	if (ready == run->told)
		return;
	run->told = ready;
	snprintf(text, sizeof(text), "{\"done\":%u,\"of\":%u,\"text\":"
	    "\"%u of %u new workers are ready\"}", ready, wanted, ready, wanted);
	if (run->call != NULL)
		control_progress(run->call, text);
}

/* What an operator may not expect of it, or "". */
static void
add_words(struct master *m, char *out, size_t size)
{
	const struct trans *trans = &m->change->trans;
	const struct memo_pool *pool = &turn_look(m)->pool[trans->pool];
	struct autoscale_rules rules;

	*out = '\0';
	autoscale_rules(m, trans->pool, &rules);
	if (pool->drained)
		snprintf(out, size, ",\"drained\":true,\"text\":"
		    "\"%u workers, but the pool is drained until `resume'\"",
		    trans->to);
	else if (rules.min < rules.max && !autoscale_is_on(pool, &rules))
		snprintf(out, size, ",\"text\":\"%u workers, and no longer "
		    "%u..%u by load until `scale %s auto'\"", trans->to,
		    rules.min, rules.max, pool->name);
	else if (m->change->why[0] != '\0')
		snprintf(out, size, ",\"text\":\"%u workers: %s\"", trans->to,
		    m->change->why);
}

void
scale_follow(struct master *m)
{
	struct change_run *run = m->change;
	const struct trans *trans = &run->trans;
	struct supervisor s = life_now(m);
	enum trans_verdict verdict = trans_follow(&s, &run->trans);
	const struct memo_pool *pool = &s.copy->pool[trans->pool];
	unsigned wanted, ready = trans_scale_ready(s.copy, trans, &wanted);
	char text[400], words[200];

	if (verdict == TRANS_FAILED) {
		give_up(m, &s);
		return;
	}
	tell_progress(run, ready, wanted);
	if (!change_is_stored(m) || verdict != TRANS_DONE)
		return;
	(void)FP("scale.after_store");
	add_words(m, words, sizeof(words));
	snprintf(text, sizeof(text), "{\"pool\":\"%s\",\"from\":%u,\"to\":%u,"
	    "\"stored\":%s%s}", pool->name, trans->from, trans->to,
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
	struct supervisor s;

	snprintf(change.id, sizeof(change.id), "%.32s",
	    globals.trans_command);
	memcpy(change.who, globals.trans_who, sizeof(change.who));
	change.automatic = strcmp(change.who, AUTOSCALE_BY) == 0;
	call = m->control != NULL ? control_adopt(m->control, COMMAND_SCALE,
	    change.id, change.who) : NULL;
	run = change_begin(m, call, &change, TRANS_SCALE);
	s = life_now(m);
	trans_adopt(&s, &run->trans, false);
}
