/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * message.c: what a worker says of itself, fed to the table of states.  Its
 * bytes are checked already; whether it may say that now is the table's to
 * tell.
 */
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/log.h"
#include "daemon/journal/journal.h"
#include "daemon/master/cells.h"
#include "daemon/master/change.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/recycle.h"
#include "daemon/master/turn.h"
#include "daemon/proto/connection.h"
#include "daemon/supervisor/state.h"
#include "daemon/supervisor/worker_fsm.h"

void
life_violation(struct process *process, const char *why)
{
	char text[300];

	/* its last page is looked at once more after its end: no news then */
	if (process->row == MEMO_NONE || turn_look(process->master)->
	    worker[process->row].state == WS_DOWN)
		return;
	escape_string(text, sizeof(text), why, strlen(why));
	log_warn("worker %s[%d]: breaks the protocol: %s", process->name,
	    process->pid, text);
	life_feed(process->master, process->row, WE_VIOLATION, NULL);
}

bool
life_may_request(struct process *process)
{
	unsigned state = turn_look(process->master)->worker[process->row].state;

	cells_note(state, WE_REQUEST);
	return worker_edge(state, WE_REQUEST)->kind == EDGE_GO;
}

/* Has it come further, and is that to be told? */
static bool
makes_progress(struct process *process)
{
	struct step_result result = life_feed(process->master, process->row,
	    WE_PROGRESS, NULL);

	return (result.actions & ACT_PUBLISH) != 0;
}

static void
on_online(struct process *process, const struct channel_msg_online *online)
{
	if (online->channel != CHANNEL_PROTOCOL ||
	    online->page != PAGE_VERSION ||
	    online->connection != CONNECTION_VERSION) {
		life_violation(process, "it is of another release");
		return;
	}
	if (!makes_progress(process) || process->told_online)
		return;
	process->told_online = true;
	turn_tell_worker(process->master, EVENT_WORKER_ONLINE, process->row,
	    NULL, NULL);
}

/* A commit came while it was on its way.  Its row does not tell: that is of the
 * new generation where the pool is as a new one, and else stays. */
static bool
has_old_snapshot(const struct process *process)
{
	const struct memo_globals *globals =
	    &turn_look(process->master)->globals;

	return process->generation != globals->generation &&
	    process->generation != globals->trans_generation;
}

static void
on_ready(struct process *process)
{
	struct master *m = process->master;
	uint16_t row = process->row;
	struct step_result result = life_feed(m, row, WE_READY, NULL);

	if (result.to != WS_READY || result.from != WS_STARTING)
		return;
	listeners_tell_worker(process, true);
	if (has_old_snapshot(process))
		reload_tell_keys(process);
	if (m->conf != NULL && (int64_t)log_get_level() !=
	    m->conf->daemon.log_level)	/* by command, after its snapshot */
		process_say_log_level(process);
	turn_tell_worker(m, EVENT_WORKER_READY, row, NULL, NULL);
}

static bool
is_starting(const struct process *process)
{
	return process->row != MEMO_NONE && turn_look(process->master)->
	    worker[process->row].state == WS_STARTING;
}

void
life_find_ready(struct process *process)
{
	/* the page first: from there on the word is in the channel, or gone */
	bool said = process->page != NULL && page_read_ready(process->page);

	if (said && is_starting(process) && process_drain(process) &&
	    is_starting(process))
		on_ready(process);
	process->in_doubt = is_starting(process);
}

static void
on_fatal(struct process *process, const struct channel_msg_fatal *fatal)
{
	struct supervisor s = life_now(process->master);
	uint16_t index = s.copy->worker[process->row].slot;
	struct memo_slot *slot = &s.copy->slot[index];

	if (!slots_fatal(&s, process->row, fatal->class_id))
		return;
	escape_string(slot->fatal_text, sizeof(slot->fatal_text), fatal->text,
	    strnlen(fatal->text, sizeof(fatal->text)));
	snprintf(process->fatal_text, sizeof(process->fatal_text), "%.255s",
	    fatal->text);
}

static void
on_recycle(struct process *process, const struct channel_msg_recycle *recycle)
{
	struct step_result result = life_feed(process->master, process->row,
	    WE_REQUEST, NULL);

	if (result.to == WS_READY)
		recycle_hear(process, recycle->reason,
		    strnlen(recycle->reason, sizeof(recycle->reason)));
}

static void
on_leaving(struct process *process, const struct channel_msg_leaving *leaving)
{
	uint64_t ms = leaving->ms < 3600000 ? leaving->ms : 3600000;
	struct supervisor s = life_now(process->master);
	struct step_input input = {
		.asked = leaving->why == LEAVING_PERSON,
		/* of a `kill' it is noted who gave it */
		.reason = slots_is_killed(&s, process->row) ? NULL : "SIGTERM",
		.drain_ns = s.now_ns + ms * NS_PER_MS,
	};

	slots_feed(&s, process->row, WE_LEAVING, &input);
}

static void
on_drained(struct process *process)
{
	struct step_result result = life_feed(process->master, process->row,
	    WE_DRAINED, NULL);

	if (result.to == WS_STOPPING && result.from == WS_DRAINING)
		turn_tell_worker(process->master, EVENT_WORKER_DISCONNECTED,
		    process->row, NULL, NULL);
}

void
life_message(struct process *process, struct channel_packet *packet, int *fds,
    size_t count)
{
	if (process->row == MEMO_NONE)
		return;
	switch ((enum channel_type)packet->header.type) {
	case CHANNEL_ONLINE:
		on_online(process, &packet->body.online);
		break;
	case CHANNEL_LISTENING:
		if (makes_progress(process) && !process->told_listening) {
			process->told_listening = true;
			listeners_publish(process);
		}
		break;
	case CHANNEL_READY:
		on_ready(process);
		break;
	case CHANNEL_FATAL:
		on_fatal(process, &packet->body.fatal);
		break;
	case CHANNEL_LEAVING:
		on_leaving(process, &packet->body.leaving);
		break;
	case CHANNEL_DRAINED:
		on_drained(process);
		break;
	case CHANNEL_RECYCLE:
		on_recycle(process, &packet->body.recycle);
		break;
	case CHANNEL_PROBE:
		life_feed(process->master, process->row, WE_REQUEST, NULL);
		quarantine_on_probe(process, &packet->body.probe);
		break;
	case CHANNEL_MESSAGE:
	case CHANNEL_ANSWER:
	case CHANNEL_TAKEN:
	case CHANNEL_SYNC:
		relay_message(process, packet, fds, count);
		break;
	case CHANNEL_COMMAND:
		command_message(process, packet);
		break;
	case CHANNEL_FOLLOW:
	case CHANNEL_UNFOLLOW:
		observe_message(process, packet);
		break;
	case CHANNEL_NONE:
	case CHANNEL_STOP:
	case CHANNEL_DRAIN:
	case CHANNEL_LISTENER:
	case CHANNEL_SET:
	case CHANNEL_REOPEN:
	case CHANNEL_DELIVER:
	case CHANNEL_REPLY:
	case CHANNEL_RESULT:
	case CHANNEL_MASTER_LOST:
	case CHANNEL_GATE:
	case CHANNEL_REPORT:
	case CHANNEL_SYNCED:
	case CHANNEL_EVENT:
	case CHANNEL__COUNT:
		life_violation(process, "a message of the master's");
		break;
	}
}
