/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* adopt.c: continuing the work of another master; see adopt.h. */
#include "daemon/master/adopt.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "daemon/control/control.h"
#include "daemon/journal/journal.h"
#include "daemon/master/actions.h"
#include "daemon/master/change.h"
#include "daemon/master/dispatch.h"
#include "daemon/master/generations.h"
#include "daemon/master/host.h"
#include "daemon/master/life.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/quarantine.h"
#include "daemon/master/rebuild.h"
#include "daemon/master/report.h"
#include "daemon/master/start.h"
#include "daemon/master/tick.h"
#include "daemon/master/turn.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/state.h"

/* Processes of the inventory wait here until it is complete. */
static struct process *found;

void
adopt_end_process(struct master *m, uint64_t id)
{
	actions_signal(m, id, SIGKILL);
}

void
adopt_have_worker(struct master *m, const struct link_packet *packet)
{
	const struct keeper_msg_have_worker *have =
	    &packet->packet->body.have_worker;
	struct process *process = process_new(m, have->id, (int)have->pid,
	    have->name, packet);

	if (process == NULL)
		master_give_up("inventory");
	process->generation = have->snapshot >> 8;
	process->exited = have->exited != 0;
	process->end = (struct process_end){ .status = (int)have->status,
		.core = (int)have->core, .utime_us = have->utime_us,
		.stime_us = have->stime_us, .maxrss_kb = have->maxrss_kb,
		.ended_ns = have->ended_ns };
	process->next = found;
	found = process;
}

/* -- bringing both together ------------------------------------------------------------------ */

static void
take_found(struct master *m)
{
	struct process *next;

	for (struct process *p = found; p != NULL; p = next) {
		uint16_t row = state_find_worker(turn_look(m), p->id);

		next = p->next;
		p->next = NULL;
		if (row != MEMO_NONE &&
		    slots_has_process(&turn_look(m)->worker[row])) {
			life_own(m, row, p);
			/* The answer to its SPAWN went to a master that did not
			 * live to write it down. */
			if (turn_look(m)->worker[row].forked_ns == 0) {
				listeners_tell_missed(p);
				life_note_spawned(m, row);
				turn_tell_worker(m, EVENT_WORKER_FORKED, row,
				    NULL, NULL);
			}
			listeners_note_adopted(p);
			continue;
		}
		/* Its end was counted already; its queue may be full. */
		if (!p->exited)
			adopt_end_process(m, p->id);
		unsigned number = 0;

		p->pool = rebuild_pool_of(turn_look(m), p->name, &number);
		process_bury(p);
		p->next = m->graves;
		m->graves = p;
	}
	found = NULL;
}

/* What each has said, and nobody has heard, is heard now that all are here: some
 * of it may be for others. */
static void
hear_found(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++) {
		struct process *p = m->process[i];

		if (p == NULL)
			continue;
		if (p->exited)
			life_exited(m, p->id, &p->end);
		else if (m->memo_recovered)
			life_find_ready(p);
		else
			rebuild_settle(m, i);
	}
}

/* Rows that say they have a process, and the keeper knows of none. */
static void
miss_processes(struct master *m)
{
	static const struct process_end none;

	for (uint16_t i = 0; i < turn_look(m)->workers; i++) {
		const struct memo_worker *row = &turn_look(m)->worker[i];

		if (m->process[i] != NULL || !slots_is_lost(row))
			continue;
		life_own_none(m, i);
		life_exited(m, row->id, &none);
	}
}

static void
tell_adopted(struct master *m)
{
	char text[400];
	struct event_fields fields = { .text = text,
		.generation = turn_look(m)->globals.generation };

	snprintf(text, sizeof(text), "the one before ended: %s%s%s",
	    m->last_end[0] != '\0' ? m->last_end : "unknown",
	    m->rebuilt[0] != '\0' ? "; state rebuilt: " : "", m->rebuilt);
	turn_tell(m, EVENT_MASTER_ADOPTED, &fields);
}

static void
on_bound(struct master *m, int code, const char *text)
{
	(void)m;
	if (code != 0)
		log_error("master: %s", text);
}

void
adopt_begin(struct master *m)
{
	struct memo_copy *copy = turn_change(m);
	struct generation *generation;
	struct errmsg err;

	(void)FP("master.adopt");
	m->adopted = true;
	generations_end_inventory(m);
	if (!m->memo_recovered)
		copy->globals.generation = rebuild_generation(m);
	generation = master_generation(m, copy->globals.generation);
	if (generation == NULL) {
		master_end(m, 1, "no snapshot of generation %llu",
		    (unsigned long long)copy->globals.generation);
		return;
	}
	m->conf = generation->conf;
	if (start_open_store(m, m->conf->daemon.state_dir, &err) != 0) {
		/* Serving goes on without it. */
		log_error("master: %s", err.text);
		snprintf(m->store_fault, sizeof(m->store_fault), "%.100s",
		    err.text);
		m->flags |= WELCOME_SAFE_MODE;
		if (start_open_store(m, m->conf->daemon.state_dir, &err) != 0)
			_exit(1);
	}
	if (!m->memo_recovered) {
		found = rebuild_memo(m, found);
		turn_later(m, reload_record, 0);
	}
	life_skip_known_ids(m);
	free(m->salvage);
	m->salvage = NULL;
	copy->globals.master_deaths++;
	listeners_adopt(m, m->conf);
	listeners_bind(m, m->conf, false, on_bound);
	listeners_settle(m, m->conf);
	start_apply_conf(m);
	m->attached = true;
	take_found(m);
	hear_found(m);
	miss_processes(m);
	tick_wake(m);
	life_spare(m);
	listeners_tell_untold(m);
	actions_repeat(m);
	quarantine_adopt(m);
	if (m->control_fd >= 0)
		host_start_control(m);
	else
		start_bind_control(m);
	change_adopt(m);
	tell_adopted(m);
	rebuild_stop(m);
	report_rows(m, NULL, turn_look(m));
	tick_start(m);
}
