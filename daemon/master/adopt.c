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
		return;
	process->generation = have->snapshot >> 8;
	process->exited = have->exited != 0;
	process->status = (int)have->status;
	process->utime_us = have->utime_us;
	process->stime_us = have->stime_us;
	process->maxrss_kb = have->maxrss_kb;
	process->core = (int)have->core;
	process->next = found;
	found = process;
}

/* -- a memo that cannot be used ---------------------------------------------------------- */

static uint64_t
highest_generation(struct master *m)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number > highest)
			highest = m->generations[i].number;
	return highest;
}

/* "web/0" into pool row and number. */
static uint16_t
pool_of_name(const struct memo_copy *copy, const char *name, unsigned *number)
{
	char pool[MEMO_NAME];
	const char *slash = strrchr(name, '/');

	if (slash == NULL || (size_t)(slash - name) >= sizeof(pool))
		return MEMO_NONE;
	memcpy(pool, name, (size_t)(slash - name));
	pool[slash - name] = '\0';
	*number = (unsigned)strtoul(slash + 1, NULL, 10);
	return state_find_pool(copy, pool);
}

/* A process that lives gets a row, READY: what it is not, it will tell by
 * dying or by its silence. */
static void
rebuild_row(struct master *m, const struct process *process)
{
	struct memo_copy *copy = turn_change(m);
	unsigned number = 0;
	uint16_t pool = pool_of_name(copy, process->name, &number), slot, row;

	if (pool == MEMO_NONE || process->exited)
		return;
	slot = state_find_slot(copy, pool, (uint16_t)number);
	if (slot == MEMO_NONE)
		slot = state_add_slot(copy, pool, (uint16_t)number);
	if (slot == MEMO_NONE || copy->slot[slot].current != MEMO_NONE)
		return;
	row = state_add_worker(copy, slot, process->id, 0);
	if (row == MEMO_NONE)
		return;
	copy->slot[slot].generation = process->generation;
	copy->worker[row].generation = process->generation;
	copy->worker[row].state = WS_READY;
	copy->worker[row].pid = process->pid;
	copy->worker[row].since_ns = copy->worker[row].ready_ns =
	    copy->worker[row].forked_ns = clock_now_ns();
}

static void
rebuild(struct master *m)
{
	struct memo_copy *copy = turn_change(m);
	const struct store_loaded *loaded = store_load(m->store);

	copy->globals.next_id = start_unused(loaded->id_mark,
	    m->salvage != NULL ? m->salvage->globals.next_id : 0);
	copy->globals.previous = loaded->previous;
	if (m->salvage != NULL) {
		copy->globals.last_generation =
		    m->salvage->globals.last_generation;
		copy->globals.previous = m->salvage->globals.previous;
	}
	for (size_t i = 0; i < m->conf->pool_count; i++) {
		uint16_t pool = state_add_pool(copy, m->conf->pools[i].name);

		if (pool != MEMO_NONE)
			copy->pool[pool].generation =
			    copy->globals.generation;
	}
	for (struct process *p = found; p != NULL; p = p->next)
		rebuild_row(m, p);
	for (size_t i = 0; i < m->conf->pool_count; i++)
		start_add_pool(m, &m->conf->pools[i],
		    copy->globals.generation);
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
				life_note_spawned(m, row);
				turn_tell_worker(m, EVENT_WORKER_FORKED, row,
				    NULL, NULL);
			}
			if (p->exited)
				life_exited(m, p->id, p->status, p->utime_us,
				    p->stime_us, p->maxrss_kb, p->core);
			else
				life_find_ready(p);
			continue;
		}
		/* Its end was counted already; its queue may be full. */
		if (!p->exited)
			adopt_end_process(m, p->id);
		unsigned number = 0;

		p->pool = pool_of_name(turn_look(m), p->name, &number);
		process_bury(p);
		p->next = m->graves;
		m->graves = p;
	}
	found = NULL;
}

/* Rows that say they have a process, and the keeper knows of none. */
static void
miss_processes(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->workers; i++) {
		const struct memo_worker *row = &turn_look(m)->worker[i];

		if (m->process[i] != NULL || !slots_has_process(row) ||
		    row->state == WS_STARTING)
			continue;
		life_own_none(m, i);
		life_exited(m, row->id, 0, 0, 0, 0, 0);
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
		copy->globals.generation = m->salvage != NULL &&
		    master_generation(m, m->salvage->globals.generation) !=
		    NULL ? m->salvage->globals.generation :
		    highest_generation(m);
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
		m->flags |= WELCOME_SAFE_MODE;
		if (start_open_store(m, m->conf->daemon.state_dir, &err) != 0)
			_exit(1);
	}
	if (!m->memo_recovered)
		rebuild(m);
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
	miss_processes(m);
	actions_repeat(m);
	if (m->control_fd >= 0)
		host_start_control(m);
	else
		start_bind_control(m);
	change_adopt(m);
	tell_adopted(m);
	report_rows(m, NULL, turn_look(m));
	tick_start(m);
}
