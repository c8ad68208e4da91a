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
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/disk.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
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
	struct change_run *run = calloc(1, sizeof(*run));
	struct memo_globals *globals = &turn_change(m)->globals;
	char progress[200];

	CHECK(run != NULL && m->change == NULL);
	run->master = m;
	run->call = call;
	run->change = *change;
	run->change.text = NULL;
	run->kind = kind;
	run->pool = MEMO_NONE;
	run->began_ns = clock_now_ns();
	m->change = run;
	globals->trans_kind = kind;
	globals->trans_step = 0;
	globals->trans_since_ns = run->began_ns;
	globals->trans_hold_percent = 0;
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
	struct memo_globals *globals = &turn_change(m)->globals;

	if (run->sync_job > 0)
		store_cancel(m->store, run->sync_job);
	if (run->storing)
		disk_cancel(m->disk);
	if (run->warnings != NULL)
		buf_done(run->warnings);
	free(run->warnings);
	free(run->slots);
	free(run);
	m->change = NULL;
	globals->trans_kind = TRANS_NONE;
	globals->trans_step = 0;
	globals->trans_generation = 0;
	globals->trans_command[0] = '\0';
	change_next(m);
}

/* Answers are given after the flip, so that they are never taken back. */
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
	free(answer);
}

static void
answer_later(struct master *m, struct control_call *call,
    const struct errmsg *err, const char *result)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	CHECK(answer != NULL);
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
	answer_later(m, m->change->call, NULL, result);
	end(m);
}

void
change_fail(struct master *m, const struct errmsg *err, const char *result)
{
	struct errmsg copy = *err;

	if (copy.code == 0)
		copy.code = ERR_FAILED;
	remember_end(m, &copy, result);
	answer_later(m, m->change->call, &copy, result);
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

bool
change_is_stored(struct master *m)
{
	struct change_run *run = m->change;

	if (run->synced || run->sync_job > 0)
		return run->synced;
	run->sync_job = m->store == NULL ? -1 : store_sync(m->store,
	    clock_scaled_ms(STORED_MS), on_synced, run);
	if (run->sync_job <= 0) {
		run->sync_job = 0;
		run->synced = true;
	}
	return run->synced;
}

/* -- stop --------------------------------------------------------------------------------- */

static bool
anything_runs(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->workers; i++)
		if (copy->worker[i].id != 0 &&
		    copy->worker[i].state != WS_DOWN &&
		    copy->worker[i].state != WS_WAITING &&
		    copy->worker[i].state != WS_HELD)
			return true;
	return false;
}

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
	struct master *m = arg;

	(void)fd;
	(void)what;
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (turn_look(m)->worker[i].id != 0)
			life_kill(m, i, CAUSE_STOP_TIMEOUT, 1);
	turn_change(m);
}

static void
stop_row(struct master *m, uint16_t row, enum stop_kind kind)
{
	if (kind == STOP_NOW)
		life_stop(m, row);
	else
		life_drain(m, row, kind == STOP_QUIT ? 0 :
		    life_drain_deadline(m, row));
}

/* Without a deadline, with one, now: each may follow the one before. */
static unsigned
gravity(uint32_t kind)
{
	return kind == STOP_NOW ? 3 : kind == STOP_DRAIN ? 2 :
	    kind == STOP_QUIT ? 1 : 0;
}

void
change_stop(struct master *m, enum stop_kind kind, struct control_call *call)
{
	struct memo_globals *globals = &turn_change(m)->globals;
	struct timeval second = { 0, 0 };
	struct errmsg err;

	if (call != NULL && stop_call != NULL)
		control_done(call, "{\"text\":\"it is stopping already\"}");
	else if (call != NULL)
		stop_call = call;
	if (gravity(kind) <= gravity(globals->stopping))
		return;
	if (m->change != NULL) {
		errmsg_set(&err, ERR_CONFLICT, "the daemon is stopping");
		change_fail(m, &err, NULL);
	}
	if (globals->stopping == 0)
		turn_tell(m, EVENT_MASTER_STOPPING, NULL);
	globals->stopping = kind;
	if (!m->attached)		/* nothing has been started yet */
		turn_later(m, finish_stop, 0);
	for (uint16_t i = 0; i < turn_look(m)->workers; i++)
		if (turn_look(m)->worker[i].id != 0)
			stop_row(m, i, kind);
	if (kind == STOP_NOW) {
		second.tv_sec = clock_scaled_ms(1000) / 1000;
		second.tv_usec = clock_scaled_ms(1000) % 1000 * 1000;
		event_base_once(m->base, -1, EV_TIMEOUT, on_now_limit, m,
		    &second);
	}
}

/* -- turns --------------------------------------------------------------------------------- */

/* Successors of a transaction that is over: they serve if they are of the
 * generation that is in force, else they go. */
static void
settle_orphans(struct master *m)
{
	struct memo_copy *copy = turn_change(m);

	for (uint16_t i = 0; i < copy->slots; i++) {
		struct memo_slot *slot = &copy->slot[i];
		struct memo_worker *other;

		if (slot->pool == MEMO_NONE || slot->other == MEMO_NONE)
			continue;
		other = &copy->worker[slot->other];
		if (other->transaction != SUCCESSOR_CHANGE)
			continue;
		if (other->generation != slot->generation ||
		    other->state == WS_KILLING) {
			/* It may be at work for somebody. */
			other->transaction = SUCCESSOR_NONE;
			life_send_off(m, slot->other);
		} else if (other->state == WS_READY) {
			life_promote(m, i);
		}
	}
}

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
			life_resize(m, i, 0);
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
		state_remove_pool(copy, i);
		fd_close(&m->pool[i].hand_fd);
		memset(&m->pool[i], 0, sizeof(m->pool[i]));
		m->pool[i].hand_fd = -1;
	}
}

void
change_follow(struct master *m)
{
	if (!m->attached || m->ending)
		return;
	if (turn_look(m)->globals.stopping != 0) {
		if (!anything_runs(m))
			turn_later(m, finish_stop, 0);
		return;
	}
	drain_pools(m);
	if (m->change == NULL) {
		settle_orphans(m);
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
change_successor_gone(struct master *m, uint16_t slot, int kind,
    const char *text)
{
	uint16_t pool = turn_look(m)->slot[slot].pool;

	if (kind == SUCCESSOR_RECYCLE)
		m->pool[pool].recycle_after_ns = clock_now_ns() +
		    clock_scaled_ms(60000) * NS_PER_MS;
	else if (m->change != NULL)
		roll_successor_gone(m->change, slot, text);
}

void
change_worker_died(struct master *m, uint16_t slot, const char *text)
{
	uint32_t step = turn_look(m)->globals.trans_step;

	if (m->change != NULL && change_is_reload(m) &&
	    (step == TRANS_CANARY || step == TRANS_ROLL))
		roll_worker_died(m->change, slot, text);
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
