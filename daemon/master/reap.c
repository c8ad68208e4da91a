/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * reap.c: the end of a worker's process.  What it left in its channel is read,
 * its page is folded, the death is counted and the policy is asked, all in one
 * flip; then the record is written and its queue becomes a source of dispatch.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/change.h"
#include "daemon/master/death.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/files.h"
#include "daemon/master/generations.h"
#include "daemon/master/life.h"
#include "daemon/master/link.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/sample.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/recent.h"
#include "daemon/supervisor/state.h"

/* What it said before it ended is worth this wait for memory. */
enum { LAST_WORDS_MS = 5000 };

static enum death_cause
cause_of(struct master *m, const struct memo_worker *row, int status,
    uint8_t from)
{
	if (row->cause != CAUSE_NONE)
		return row->cause;	/* so a SIGKILL below is not ours */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
	    oom_explains_now(&m->oom))
		return CAUSE_OOM;
	if (WIFSIGNALED(status))
		return CAUSE_SIGNAL;
	if (from == WS_STARTING && !row->asked)
		return CAUSE_INIT_FAILED;
	return CAUSE_EXIT;
}

/* The transaction hears of it, and what follows is done and told. */
static void
follow(struct master *m, uint16_t row, const struct slot_end *end,
    const char *text)
{
	struct supervisor s = life_now(m);
	const struct event_member more[] = {
		EVENT_NUMBER("next_ms", (int64_t)end->wait_ms),
		EVENT_NUMBER("n", s.copy->slot[end->before.slot].early),
		EVENT_END
	};

	change_hear_end(m, &s, end, text);
	slots_follow_end(&s, row, end);
	if (end->next == WE_WAIT)
		turn_tell_worker(m, EVENT_WORKER_BACKOFF, row, text, more);
	else if (end->next == WE_HOLD)
		turn_tell_worker(m, EVENT_WORKER_FAILED, row, text, more);
}

static void
tell_exit(struct master *m, uint16_t row, const struct death *death)
{
	const struct event_member more[] = {
		death->signal > 0 ? (struct event_member)
		    EVENT_TEXT("signal", death->signal_name) :
		    (struct event_member)EVENT_TEXT("signal", NULL),
		death->signal > 0 ? (struct event_member)
		    EVENT_JSON("code", "null") : (struct event_member)
		    EVENT_NUMBER("code", death->code),
		EVENT_TEXT("cause", death_cause_name(death->cause)),
		EVENT_JSON("asked", death->asked ? "true" : "false"),
		EVENT_TEXT("reason", death->reason[0] != '\0' ?
		    death->reason : NULL),
		EVENT_JSON("core", death->core ? "true" : "false"),
		EVENT_NUMBER("ended", death->time),
		EVENT_NUMBER("uptime_ms", death->uptime_ms),
		EVENT_NUMBER("cpu_ms", death->cpu_ms),
		EVENT_NUMBER("rss_kb", death->rss_kb),
		EVENT_NUMBER("connections_lost", death->lost),
		EVENT_END
	};

	turn_tell_worker(m, EVENT_WORKER_EXITED, row, death->text, more);
}

static void
release(struct master *m, uint64_t id)
{
	struct keeper_packet packet;

	keeper_begin(&packet, KEEPER_RELEASE, 0);
	packet.body.release.id = id;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

void
life_release(struct master *m, uint64_t id)
{
	release(m, id);
}

/* The process leaves its row; its queue may still hold connections. */
static void
part(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];

	if (process == NULL)
		return;
	m->process[row] = NULL;
	process->on = false;
	process_bury(process);
	process->next = m->graves;
	m->graves = process;
	turn_later(m, dispatch_take_back_later, 0);
}

static void
tell_unkillable(struct master *m, uint16_t row, const struct death *death)
{
	turn_tell_worker(m, EVENT_WORKER_UNKILLABLE, row, death->text, NULL);
}

/* The end is counted and the row DOWN: it is recorded and told in the same
 * flip. */
static void
settle(struct master *m, struct process *process, const struct slot_end *end,
    void (*tell)(struct master *, uint16_t, const struct death *))
{
	const struct memo_worker *before = &end->before;
	uint16_t row = process->row;
	unsigned recent = 0;
	struct death death;

	if (policy_is_death(&end->gone))
		recent = recent_note_death(
		    &turn_change(m)->slot[before->slot], clock_now_ns(),
		    clock_scaled_ms(60000) * NS_PER_MS);
	death_make(m, process, before, end->next, end->wait_ms, recent,
	    &death);
	sample_fold(m, row);
	tell(m, row, &death);
	if (!before->asked || death.signal > 0 || before->ladder > 0)
		death_store(m, &death);
	if (policy_is_death(&end->gone))
		quarantine_note_death(process, before->generation, &death);
	quarantine_worker_gone(process);
	part(m, row);
	follow(m, row, end, death.text);
	/* It may have been the last one of its generation. */
	if (before->generation != turn_look(m)->globals.generation)
		turn_later(m, generations_tidy_later, 0);
}

void
life_detach(void *master, uint16_t row)
{
	struct master *m = master;
	struct supervisor s = life_now(m);
	bool unknown = m->process[row] == NULL;
	struct process *process = unknown ? life_own_none(m, row) :
	    m->process[row];
	struct slot_end end;

	process->unkillable = true;
	/* Its SPAWN was not answered: nothing there to be waited for. */
	process->exited = unknown;
	slots_end(&s, row, WE_UNKILLABLE, &end);
	settle(m, process, &end, tell_unkillable);
}

static void
row_exited(struct master *m, struct process *process)
{
	uint16_t row = process->row;
	struct supervisor s = life_now(m);
	struct memo_worker *worker = &s.copy->worker[row];
	struct slot_end end;
	enum death_cause cause;

	if (slots_is_killed(&s, row) && worker->cause == CAUSE_NONE) {
		worker->asked = 1;
		worker->cause = CAUSE_OPERATOR;
	}
	cause = cause_of(m, worker, process->end.status, worker->state);
	slots_end(&s, row, WE_EXITED, &end);
	end.before.cause = (uint8_t)cause;
	settle(m, process, &end, tell_exit);
}

void
life_exited(struct master *m, uint64_t id, const struct process_end *end)
{
	struct process *process = process_find(m, id);

	if (process == NULL) {		/* it had left its row before */
		for (process = m->graves; process != NULL &&
		    process->id != id; process = process->next)
			;
		if (process != NULL)
			process->exited = true;
		else
			release(m, id);
		dispatch_take_back_later(m, 0);
		return;
	}
	process->end = *end;
	process->on = false;
	process->words_until_ns = clock_now_ns() +
	    clock_scaled_ms(LAST_WORDS_MS) * NS_PER_MS;
	life_hear_last(process);
}

void
life_hear_last(struct process *process)
{
	if (process->words_until_ns == 0 || (!process_drain(process) &&
	    clock_now_ns() < process->words_until_ns))
		return;
	process->exited = true;
	row_exited(process->master, process);
}

/* -- answers to SPAWN ---------------------------------------------------------------- */

static void
spawn_failed(struct master *m, uint16_t row, const char *step, int code)
{
	struct supervisor s = life_now(m);
	struct slot_end end;
	char text[160];

	snprintf(text, sizeof(text), "cannot be started: %.60s: %.60s", step,
	    strerror(code));
	s.copy->slot[s.copy->worker[row].slot].spawn_errno = (uint16_t)code;
	slots_end(&s, row, WE_SPAWN_FAILED, &end);
	follow(m, row, &end, text);
}

static void
kill_stray(struct master *m, uint64_t id)
{
	struct keeper_packet packet;

	log_warn("master: process %llu belongs to no row: ended",
	    (unsigned long long)id);
	keeper_begin(&packet, KEEPER_SIGNAL, 0);
	packet.body.signal.id = id;
	packet.body.signal.signal = 9;
	link_request(m->link, &packet, NULL, 0, NULL, 0);
}

void
life_spawned(struct master *m, uint64_t id, const struct link_packet *answer)
{
	const struct keeper_packet *packet = answer->packet;
	uint16_t row = state_find_worker(turn_look(m), id);
	struct process *process;

	if (packet->header.type != KEEPER_SPAWNED) {
		bool refused = packet->header.type == KEEPER_ERROR;

		if (row != MEMO_NONE)
			spawn_failed(m, row, refused ?
			    packet->body.error.text :
			    packet->body.spawn_failed.step_name,
			    (int)packet->header.code);
		return;
	}
	/* Given up meanwhile, or asked for by a master that is gone. */
	if (row == MEMO_NONE ||
	    !slots_has_process(&turn_look(m)->worker[row])) {
		kill_stray(m, id);
		return;
	}
	if (m->process[row] != NULL)	/* "exists": we hold it already */
		return;
	process = process_new(m, id, (int)packet->body.spawned.pid,
	    packet->body.spawned.name, answer);
	if (process == NULL) {
		kill_stray(m, id);
		return;
	}
	process->generation = packet->body.spawned.snapshot >> 8;
	life_own(m, row, process);
	listeners_tell_missed(process);
	life_note_spawned(m, row);
	life_feed(m, row, WE_SPAWNED, NULL);
	quarantine_tell_worker(process);
	turn_tell_worker(m, EVENT_WORKER_FORKED, row, NULL, NULL);
}

void
life_note_spawned(struct master *m, uint16_t row)
{
	struct supervisor s = life_now(m);

	slots_note_spawned(&s, row, m->process[row]->pid);
}

void
life_own(struct master *m, uint16_t row, struct process *process)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[copy->worker[row].slot];

	m->process[row] = process;
	process->row = row;
	process->pool = slot->pool;
	process->slot = slot->number;
	process_watch(process);
	files_tell_worker(process);
}

struct process *
life_own_none(struct master *m, uint16_t row)
{
	const struct memo_worker *worker = &turn_look(m)->worker[row];
	struct link_packet none = { 0 };
	struct process *process = process_new(m, worker->id, worker->pid, "",
	    &none);

	if (process == NULL)
		master_give_up("inventory");
	state_slot_name(turn_look(m), worker->slot, process->name,
	    sizeof(process->name));
	life_own(m, row, process);
	return process;
}
