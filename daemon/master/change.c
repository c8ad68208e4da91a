/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* change.c: transactions in general; see change.h. */
#include "daemon/master/change.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/disk.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/sorry.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/state.h"

enum { STORED_MS = 1000 };

static struct control_call *stop_call;

void
change_refuse(struct control_call *call, int code, const char *fmt, ...)
{
	struct errmsg err;
	va_list args;

	va_start(args, fmt);
	errmsg_vset(&err, code, fmt, args);
	va_end(args);
	if (call != NULL)
		control_fail(call, &err, NULL);
	else
		log_warn("%s", err.text);
}

/* -- the run -------------------------------------------------------------------------- */

struct change_run *
change_begin(struct master *m, struct control_call *call,
    const struct change *change, enum trans_kind kind)
{
	static struct roll_slot room[MEMO_SLOTS];	/* one at a time */
	struct change_run *run = memory_new(sizeof(*run));
	struct supervisor s = life_now(m);
	struct memo_globals *globals = &s.copy->globals;
	char progress[200];

	CHECK(m->change == NULL);
	run->master = m;
	run->call = call;
	run->change = *change;
	run->change.text = NULL;
	run->kind = kind;
	run->began_ns = clock_now_ns();
	m->change = run;
	trans_begin(&s, &run->trans, kind, room);
	snprintf(globals->trans_command, sizeof(globals->trans_command), "%s",
	    change->id);
	snprintf(globals->trans_who, sizeof(globals->trans_who), "%s",
	    change->who);
	snprintf(progress, sizeof(progress), "{\"text\":\"%s begins\"}",
	    commands[change->command].name);
	if (call != NULL)
		control_progress(call, progress);
	return run;
}

static void
end(struct master *m)
{
	struct change_run *run = m->change;
	struct supervisor s = life_now(m);

	if (run->sync_job > 0)
		store_cancel(m->store, run->sync_job);
	if (run->storing)
		disk_cancel(m->disk);
	if (run->warnings != NULL)
		buf_done(run->warnings);
	free(run->warnings);
	trans_end(&s, &run->trans);
	memory_free(run);
	m->change = NULL;
	change_next(m);
}

struct answer {
	struct control_call *call;
	int code;
	struct errmsg err;
	char *result;
};

static void
give_answer(struct master *m, uint64_t about)
{
	struct answer *answer = (struct answer *)(uintptr_t)about;

	(void)m;
	if (answer->call != NULL && answer->code == 0)
		control_done(answer->call, answer->result);
	else if (answer->call != NULL)
		control_fail(answer->call, &answer->err, answer->result);
	free(answer->result);
	memory_free(answer);
}

void
change_answer(struct master *m, struct control_call *call,
    const struct errmsg *err, const char *result)
{
	struct answer *answer = memory_new(sizeof(*answer));

	answer->call = call;
	if (err != NULL) {
		answer->err = *err;
		answer->code = err->code;
	}
	answer->result = result != NULL ? strdup(result) : NULL;
	turn_later(m, give_answer, (uint64_t)(uintptr_t)answer);
}

/* In the flip that ends it, so that the next master can still say it. */
static void
remember_end(struct master *m, const struct errmsg *err, const char *result)
{
	struct memo_globals *globals = &turn_change(m)->globals;
	size_t len = result != NULL ? strlen(result) : 0;

	memcpy(globals->ended_command, globals->trans_command,
	    sizeof(globals->ended_command));
	memcpy(globals->ended_who, globals->trans_who,
	    sizeof(globals->ended_who));
	globals->ended_kind = (uint32_t)m->change->change.command;
	globals->ended_code = err != NULL ? err->code : 0;
	snprintf(globals->ended_text, sizeof(globals->ended_text), "%.255s",
	    err != NULL ? err->text : "");
	snprintf(globals->ended_result, sizeof(globals->ended_result), "%s",
	    len < sizeof(globals->ended_result) && len > 0 ? result : "");
}

void
change_succeed(struct master *m, const char *result)
{
	remember_end(m, NULL, result);
	change_answer(m, m->change->call, NULL, result);
	end(m);
}

void
change_fail(struct master *m, const struct errmsg *err, const char *result)
{
	struct errmsg copy = *err;

	if (copy.code == 0)
		copy.code = ERR_FAILED;
	remember_end(m, &copy, result);
	change_answer(m, m->change->call, &copy, result);
	end(m);
}

void
change_step(struct master *m, enum trans_step step)
{
	turn_change(m)->globals.trans_step = step;
}

static void
on_synced(void *arg, const struct store_answer *answer)
{
	struct change_run *run = arg;

	run->sync_job = 0;
	run->synced = true;
	run->stored = answer->rc == 0;
	turn_change(run->master);
}

/* The rows of this turn have been put. */
static void
begin_sync(struct master *m, uint64_t unused)
{
	struct change_run *run = m->change;

	(void)unused;
	if (run == NULL || run->synced || run->sync_job > 0)
		return;
	run->sync_job = m->store == NULL ? -1 : store_sync(m->store,
	    clock_scaled_ms(STORED_MS), on_synced, run);
	if (run->sync_job <= 0) {
		run->sync_job = 0;
		run->synced = true;
		turn_change(m);
	}
}

bool
change_is_stored(struct master *m)
{
	struct change_run *run = m->change;

	if (!run->sync_asked)
		turn_later(m, begin_sync, 0);
	run->sync_asked = true;
	return run->synced;
}

/* -- stop --------------------------------------------------------------------------------- */

static void
finish_stop(struct master *m, uint64_t unused)
{
	(void)unused;
	if (stop_call != NULL)
		control_done(stop_call, "{\"text\":\"stopped\"}");
	stop_call = NULL;
	master_end(m, 0, "%s", "");
}

static void
on_now_limit(evutil_socket_t fd, short what, void *arg)
{
	struct supervisor s = life_now(arg);

	(void)fd;
	(void)what;
	trans_stop_limit(&s);
}

void
change_stop(struct master *m, enum stop_kind kind, struct control_call *call)
{
	const struct memo_globals *globals = &turn_change(m)->globals;
	struct timeval second = { 0, 0 };
	struct supervisor s;
	struct errmsg err;

	if (call != NULL && stop_call != NULL)
		control_done(call, "{\"text\":\"it is stopping already\"}");
	else if (call != NULL)
		stop_call = call;
	if (!trans_stop_counts(turn_look(m), kind))
		return;
	if (m->change != NULL && change_is_reload(m) &&
	    globals->trans_step == TRANS_COMMITTED) {
		reload_report_commit(m);	/* it waits for the disk alone */
	} else if (m->change != NULL) {
		errmsg_set(&err, ERR_CONFLICT, "the daemon is stopping");
		change_fail(m, &err, NULL);
	}
	if (globals->stopping == 0)
		turn_tell(m, EVENT_MASTER_STOPPING, NULL);
	if (!m->attached)		/* nothing has been started yet */
		turn_later(m, finish_stop, 0);
	s = life_now(m);
	trans_stop(&s, kind);
	if (kind == STOP_NOW) {
		second.tv_sec = clock_scaled_ms(1000) / 1000;
		second.tv_usec = clock_scaled_ms(1000) % 1000 * 1000;
		event_base_once(m->base, -1, EV_TIMEOUT, on_now_limit, m,
		    &second);
	}
}

/* -- turns --------------------------------------------------------------------------------- */

/* Pools that left the configuration are drained when nothing waits in their
 * listeners any more. */
static void
drain_pools(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint32_t one;

	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0' &&
		    copy->pool[i].desired > 0 &&
		    conf_pool_by_name(m->conf, copy->pool[i].name) == NULL &&
		    listeners_of_pool(m, copy->pool[i].name, &one, 1) == 0)
			life_resize(m, i, 0, "reload");
}

/* The same, once their last worker is gone. */
static void
remove_pools(struct master *m)
{
	struct memo_copy *copy = turn_change(m);
	bool used[MEMO_POOLS] = { false };

	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE)
			used[copy->slot[i].pool] = true;
	for (uint16_t i = 0; i < copy->pools; i++) {
		if (copy->pool[i].name[0] == '\0' || used[i] ||
		    conf_pool_by_name(m->conf, copy->pool[i].name) != NULL)
			continue;
		if (m->store != NULL)
			store_remove_pool(m->store, copy->pool[i].name);
		sorry_end_pool(m, i);
		state_remove_pool(copy, i);
		memset(&m->pool[i], 0, sizeof(m->pool[i]));
		m->pool[i].hand_fd = -1;
	}
}

void
change_follow(struct master *m)
{
	struct supervisor s;

	if (!m->attached || m->ending)
		return;
	if (turn_look(m)->globals.stopping != 0) {
		if (!trans_anything_runs(turn_look(m)))
			turn_later(m, finish_stop, 0);
		return;
	}
	drain_pools(m);
	if (m->change == NULL) {
		s = life_now(m);
		trans_settle_orphans(&s);
		remove_pools(m);
		return;
	}
	switch (m->change->kind) {
	case TRANS_SCALE:
		scale_follow(m);
		break;
	case TRANS_RESTART:
		restart_follow(m);
		break;
	case TRANS_RELOAD:
	case TRANS_ROLLBACK:
		reload_follow(m);
		break;
	case TRANS_NONE:
		break;
	}
}

void
change_hear_end(struct master *m, struct supervisor *s,
    const struct slot_end *end, const char *text)
{
	const struct memo_worker *row = &end->before;
	uint16_t pool = s->copy->slot[row->slot].pool;

	if (row->is_other && row->transaction == SUCCESSOR_RECYCLE)
		m->pool[pool].recycle_after_ns = s->now_ns +
		    clock_scaled_ms(60000) * NS_PER_MS;
	else if (m->change != NULL)
		trans_hear_end(s, &m->change->trans, end, text);
}

bool
change_is_held(struct master *m)
{
	return turn_look(m)->globals.trans_step == TRANS_HELD;
}

bool
change_is_reload(struct master *m)
{
	uint32_t kind = turn_look(m)->globals.trans_kind;

	return kind == TRANS_RELOAD || kind == TRANS_ROLLBACK;
}

void
change_adopt(struct master *m)
{
	const struct memo_globals *globals = &turn_look(m)->globals;
	struct change change = { .command = COMMAND_RESTART,
		.hold_percent = -1 };
	struct control_call *call;
	struct errmsg err;

	switch ((enum trans_kind)globals->trans_kind) {
	case TRANS_NONE:
		break;
	case TRANS_SCALE:
		scale_adopt(m);
		break;
	case TRANS_RESTART:
		snprintf(change.id, sizeof(change.id), "%.32s",
		    globals->trans_command);
		memcpy(change.who, globals->trans_who, sizeof(change.who));
		call = m->control != NULL ? control_adopt(m->control,
		    COMMAND_RESTART, change.id, change.who) : NULL;
		change_begin(m, call, &change, TRANS_RESTART);
		errmsg_set(&err, ERR_FAILED, "the master was replaced "
		    "meanwhile; some workers may have been restarted");
		change_fail(m, &err, NULL);
		break;
	case TRANS_RELOAD:
	case TRANS_ROLLBACK:
		reload_adopt(m);
		break;
	}
}
