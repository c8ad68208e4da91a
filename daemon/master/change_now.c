/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * change_now.c: changes that are done at once: kill, pause, resume, retry,
 * drain, send, log level and reopen.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/actions.h"
#include "daemon/master/change.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/logs.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/relay.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/state.h"

enum { OPERATOR_MS = 5000 };

size_t
change_targets(struct master *m, const struct target *target, uint16_t *slots,
    size_t max)
{
	const struct memo_copy *copy = turn_look(m);
	size_t count = 0;

	for (uint16_t i = 0; i < copy->slots && count < max; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE)
			continue;
		if (target->kind == TARGET_WORKER &&
		    slot->number != target->slot)
			continue;
		if (target->kind != TARGET_ALL &&
		    strcmp(copy->pool[slot->pool].name, target->pool) != 0)
			continue;
		slots[count++] = i;
	}
	return count;
}

static size_t
kill_slot(struct master *m, uint16_t slot, const struct change *change)
{
	uint16_t row = turn_look(m)->slot[slot].current;
	struct process *process = row == MEMO_NONE ? NULL : m->process[row];
	struct supervisor s;

	if (process == NULL)
		return 0;
	s = life_now(m);
	slots_note_kill(&s, row, s.now_ns + clock_scaled_ms(OPERATOR_MS) *
	    NS_PER_MS, change->who);
	actions_signal(m, process->id, change->signal > 0 ? change->signal :
	    SIGKILL);
	return 1;
}

/* What the memo says of it by now. */
static void
tell_pause(struct master *m, uint64_t id)
{
	uint16_t row = state_find_worker(turn_look(m), id);

	if (row != MEMO_NONE && m->process[row] != NULL)
		listeners_tell_worker(m->process[row],
		    !turn_look(m)->worker[row].paused);
}

static size_t
pause_slot(struct master *m, uint16_t slot, bool paused)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t row = copy->slot[slot].current;

	if (copy->slot[slot].drained && !paused) {
		life_bring_back(m, slot);
		return 1;
	}
	if (row == MEMO_NONE || copy->worker[row].state != WS_READY ||
	    copy->worker[row].paused == paused)
		return 0;
	copy->worker[row].paused = paused;
	turn_tell_worker(m, paused ? EVENT_WORKER_PAUSED :
	    EVENT_WORKER_RESUMED, row, NULL, NULL);
	if (m->process[row] != NULL)
		m->process[row]->clock_from_ns = clock_now_ns();
	turn_later(m, tell_pause, copy->worker[row].id);
	turn_later(m, dispatch_take_back_later, 0);
	return 1;
}

static size_t
retry_slot(struct master *m, uint16_t slot)
{
	struct memo_copy *copy = turn_change(m);
	uint16_t row = copy->slot[slot].current;
	struct supervisor s;

	if (copy->slot[slot].drained) {
		if (copy->pool[copy->slot[slot].pool].drained)
			return 0;	/* until `resume' */
		life_bring_back(m, slot);
		return 1;
	}
	if (row == MEMO_NONE || (copy->worker[row].state != WS_WAITING &&
	    copy->worker[row].state != WS_HELD))
		return 0;
	s = life_now(m);
	slots_retry(&s, row);
	return 1;
}

static size_t
drain_slot(struct master *m, uint16_t slot, const struct change *change)
{
	char reason[MEMO_REASON];

	snprintf(reason, sizeof(reason), "drain by %s", change->who);
	life_take_out(m, slot, reason);
	return 1;
}

static size_t
do_slot(struct master *m, uint16_t slot, const struct change *change)
{
	switch ((unsigned)change->command) {
	case COMMAND_KILL:
		return kill_slot(m, slot, change);
	case COMMAND_PAUSE:
		return pause_slot(m, slot, true);
	case COMMAND_RESUME:
		return pause_slot(m, slot, false);
	case COMMAND_RETRY:
		return retry_slot(m, slot);
	case COMMAND_DRAIN:
		return drain_slot(m, slot, change);
	}
	return 0;
}

/* `drain POOL' takes a whole pool out until `resume'; `retry POOL' is for its
 * routes, too. */
static void
note_pools(struct master *m, const struct change *change)
{
	struct memo_copy *copy = turn_change(m);

	for (uint16_t i = 0; i < copy->pools; i++) {
		struct memo_pool *pool = &copy->pool[i];

		if (pool->name[0] == '\0' || change->target.kind ==
		    TARGET_WORKER || (change->target.kind == TARGET_POOL &&
		    strcmp(pool->name, change->target.pool) != 0))
			continue;
		if (change->command == COMMAND_DRAIN) {
			pool->drained = 1;
			snprintf(pool->drained_by, sizeof(pool->drained_by),
			    "%.63s", change->who);
		} else if (change->command == COMMAND_RESUME) {
			pool->drained = 0;
			pool->drained_by[0] = '\0';
		} else if (change->command == COMMAND_RETRY) {
			quarantine_lift(m, i);
		}
	}
}

static void
do_targets(struct master *m, struct control_call *call,
    const struct change *change)
{
	static uint16_t slots[MEMO_SLOTS];
	size_t count = change_targets(m, &change->target, slots, MEMO_SLOTS);
	size_t done = 0;
	char result[120];

	for (size_t i = 0; i < count; i++)
		done += do_slot(m, slots[i], change);
	note_pools(m, change);
	if (count == 0) {
		change_refuse(call, ERR_NOT_FOUND, "no such worker");
		return;
	}
	if (done == 0 && change->target.kind == TARGET_WORKER) {
		change_refuse(call, ERR_CONFLICT, "nothing to %s there",
		    commands[change->command].name);
		return;
	}
	snprintf(result, sizeof(result), "{\"done\":%zu,\"of\":%zu}", done,
	    count);
	change_answer(m, call, NULL, result);
}

bool
change_now(struct master *m, struct control_call *call,
    const struct change *change)
{
	int level;

	switch ((unsigned)change->command) {
	case COMMAND_KILL:
	case COMMAND_PAUSE:
	case COMMAND_RESUME:
	case COMMAND_RETRY:
	case COMMAND_DRAIN:
		if (turn_look(m)->globals.stopping != 0)
			change_refuse(call, ERR_CONFLICT,
			    "the daemon is stopping");
		else
			do_targets(m, call, change);
		return true;
	case COMMAND_SEND:
		relay_send(m, call, change);
		return true;
	case COMMAND_LOG_LEVEL:
		level = change->text != NULL ?
		    log_level_by_name(change->text) : -1;
		if (level < 0) {
			change_refuse(call, ERR_BAD_ARGUMENT,
			    "no such level");
			return true;
		}
		log_set_level((enum log_level)level);
		for (size_t i = 0; i < MEMO_WORKERS; i++)
			if (m->process[i] != NULL)
				process_say_log_level(m->process[i]);
		if (call != NULL)
			control_done(call, "{}");
		return true;
	case COMMAND_LOG_REOPEN:
		logs_reopen(m, call);
		return true;
	}
	return false;
}
