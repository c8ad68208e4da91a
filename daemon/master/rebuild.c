/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* rebuild.c: a memo of what others know; see rebuild.h. */
#include "daemon/master/rebuild.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "daemon/conf/diff.h"
#include "daemon/master/change.h"
#include "daemon/master/generations.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/pools.h"
#include "daemon/master/process.h"
#include "daemon/master/start.h"
#include "daemon/master/turn.h"
#include "daemon/scoreboard/read.h"
#include "daemon/store/store.h"
#include "daemon/supervisor/slots.h"
#include "daemon/supervisor/state.h"

static uint64_t
highest_generation(struct master *m)
{
	uint64_t highest = 0;

	for (size_t i = 0; i < MASTER_GENERATIONS; i++)
		if (m->generations[i].number > highest)
			highest = m->generations[i].number;
	return highest;
}

uint64_t
rebuild_generation(struct master *m)
{
	if (m->salvage != NULL && master_generation(m,
	    m->salvage->globals.generation) != NULL)
		return m->salvage->globals.generation;
	if (master_generation(m, m->page->beat.in_force) != NULL)
		return m->page->beat.in_force;
	return highest_generation(m);
}

/* What was in force in a pool as the memo before this one said; 0: unknown, or
 * nobody has it any more. */
static uint64_t
salvaged_generation(struct master *m, const char *name)
{
	uint16_t pool = m->salvage == NULL ? MEMO_NONE :
	    state_find_pool(m->salvage, name);
	uint64_t number = pool == MEMO_NONE ? 0 :
	    m->salvage->pool[pool].generation;

	return master_generation(m, number) != NULL ? number : 0;
}

/* In the order of the file. */
static void
add_pools(struct master *m)
{
	struct memo_copy *copy = turn_change(m);

	for (size_t i = 0; i < m->conf->pool_count; i++) {
		const char *name = m->conf->pools[i].name;
		uint16_t pool = state_add_pool(copy, name);
		uint64_t salvaged = salvaged_generation(m, name);

		if (pool != MEMO_NONE)
			copy->pool[pool].generation = salvaged != 0 ?
			    salvaged : copy->globals.generation;
	}
}

uint16_t
rebuild_pool_of(const struct memo_copy *copy, const char *name,
    unsigned *number)
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

/* -- who is who in a slot ---------------------------------------------------- */

/* A worker of the one is as if it were of the other, so a commit has moved it. */
static bool
is_alike(const struct conf *from, const struct conf *to, const char *name)
{
	const struct conf_pool *pool = conf_pool_by_name(to, name);
	struct diff diff;
	bool alike;

	if (pool == NULL)
		return false;
	alike = diff_make(from, to, &diff) == 0 && diff.alike[pool->index];
	diff_done(&diff);
	return alike;
}

/* The keeper knows a process by the snapshot that it was started with: there may
 * be none of that generation any more. */
static void
find_generation(struct master *m, struct process *process)
{
	const struct memo_copy *copy = turn_look(m);
	const struct generation *own, *good;
	unsigned number = 0;
	uint16_t pool = rebuild_pool_of(copy, process->name, &number);

	if (pool == MEMO_NONE ||
	    process->generation >= copy->pool[pool].generation)
		return;
	own = master_generation(m, process->generation);
	good = master_generation(m, copy->pool[pool].generation);
	if (own == NULL || (good != NULL && is_alike(own->conf, good->conf,
	    copy->pool[pool].name)))
		process->generation = copy->pool[pool].generation;
}

/* Of a configuration that was never in force there: what a change, which ended
 * with its master, had begun.  A pool that no change concerned has workers of an
 * older one; only an earlier memo tells them from those of a way back. */
static bool
was_on_trial(struct master *m, const struct process *process)
{
	const struct memo_copy *copy = turn_look(m);
	unsigned number = 0;
	uint16_t pool = rebuild_pool_of(copy, process->name, &number);
	uint64_t good;

	if (pool == MEMO_NONE)
		return false;
	good = copy->pool[pool].generation;
	return process->generation > good || (process->generation < good &&
	    salvaged_generation(m, copy->pool[pool].name) == good);
}

/* Who serves comes before who does not, then who is not on trial, then the newer
 * one: the first of a slot is its current, the second its other. */
static bool
comes_before(struct master *m, const struct process *a,
    const struct process *b)
{
	bool a_serves = !a->exited && a->page != NULL &&
	    page_read_ready(a->page);
	bool b_serves = !b->exited && b->page != NULL &&
	    page_read_ready(b->page);

	if (a_serves != b_serves)
		return a_serves;
	if (a->exited != b->exited)
		return !a->exited;
	if (was_on_trial(m, a) != was_on_trial(m, b))
		return was_on_trial(m, b);
	return a->id > b->id;
}

static struct process *
sort(struct master *m, struct process *found)
{
	struct process *sorted = NULL;

	while (found != NULL) {
		struct process *one = found, **at = &sorted;

		found = one->next;
		while (*at != NULL && comes_before(m, *at, one))
			at = &(*at)->next;
		one->next = *at;
		*at = one;
	}
	return sorted;
}

/* Its end is on record; what is left of it is its queue. */
static bool
is_recorded(const struct store_loaded *loaded, uint64_t id)
{
	for (size_t i = 0; i < loaded->dead_count; i++)
		if (loaded->dead[i] == id)
			return true;
	return false;
}

static uint64_t
start_time_ns(const struct master *m, const char *pool)
{
	const struct conf_pool *conf = conf_pool_by_name(m->conf, pool);

	return (conf != NULL ? (uint64_t)conf->start_timeout_ms : 0) *
	    NS_PER_MS;
}

/* A slot that is there because of its process; whether it is wanted, the size of
 * its pool says later. */
static uint16_t
slot_for(struct memo_copy *copy, uint16_t pool, uint16_t number)
{
	uint16_t slot = state_find_slot(copy, pool, number);

	if (slot != MEMO_NONE)
		return slot;
	slot = state_add_slot(copy, pool, number);
	if (slot != MEMO_NONE)
		copy->slot[slot].wanted = 0;
	return slot;
}

/* A slot's next worker is of its current one's configuration, unless that was
 * only tried: then it is replaced. */
static void
set_generation(struct master *m, uint16_t row, const struct process *process)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_worker *worker = &copy->worker[row];
	struct memo_slot *slot = &copy->slot[worker->slot];

	worker->generation = process->generation;
	if (worker->is_other)
		return;
	worker->taken_back = was_on_trial(m, process);
	slot->generation = worker->taken_back ?
	    copy->pool[slot->pool].generation : process->generation;
}

/* A process gets a row, STARTING: whether it serves, its page tells when the row
 * has it.  One that has ended gets a row too, so that its end is counted. */
static void
rebuild_row(struct master *m, const struct process *process)
{
	struct memo_copy *copy = turn_change(m);
	unsigned number = 0;
	uint16_t pool = rebuild_pool_of(copy, process->name, &number), slot, row;
	bool as_other;

	if (pool == MEMO_NONE ||
	    (process->exited && is_recorded(store_load(m->store), process->id)))
		return;
	slot = slot_for(copy, pool, (uint16_t)number);
	if (slot == MEMO_NONE || copy->slot[slot].other != MEMO_NONE)
		return;
	as_other = copy->slot[slot].current != MEMO_NONE;
	row = state_add_worker(copy, slot, process->id, as_other);
	if (row == MEMO_NONE)
		return;
	set_generation(m, row, process);
	copy->worker[row].pid = process->pid;
	copy->worker[row].since_ns = copy->worker[row].forked_ns =
	    clock_now_ns();
	if (process->exited) {
		copy->worker[row].state = WS_READY;
		copy->worker[row].ready_ns = copy->worker[row].since_ns;
	} else {
		copy->worker[row].state = WS_STARTING;
		copy->worker[row].deadline_ns = clock_now_ns() +
		    start_time_ns(m, copy->pool[pool].name);
	}
	/* Whoever had a successor, or left in order, was told to. */
	copy->worker[row].asked = process->exited &&
	    (as_other || process->end.status == 0);
}

struct process *
rebuild_memo(struct master *m, struct process *found)
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
	add_pools(m);
	for (struct process *p = found; p != NULL; p = p->next)
		find_generation(m, p);
	found = sort(m, found);
	for (struct process *p = found; p != NULL; p = p->next)
		rebuild_row(m, p);
	for (size_t i = 0; i < m->conf->pool_count; i++) {
		const struct conf_pool *conf = &m->conf->pools[i];
		uint16_t pool = state_find_pool(copy, conf->name);

		pools_add(m, conf, pool != MEMO_NONE ?
		    copy->pool[pool].generation : copy->globals.generation);
	}
	return found;
}

/* What it had said and nobody had heard is in its channel.  One that serves and
 * has been heard is in service again, without a word. */
static void
find_state(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];
	bool serves = process->page != NULL && page_read_ready(process->page);

	if (process_drain(process) && serves &&
	    turn_look(m)->worker[row].state == WS_STARTING)
		life_feed(m, row, WE_READY, NULL);
	process->in_doubt = turn_look(m)->worker[row].state == WS_STARTING;
}

/* Why one of it has to go that the slot does not want. */
static void
reason_of(const struct memo_copy *copy, const struct memo_slot *slot,
    char *out, size_t size)
{
	const struct memo_pool *pool = &copy->pool[slot->pool];

	if (!slot->drained)
		snprintf(out, size, "scale");
	else if (pool->drained_by[0] == '\0')
		snprintf(out, size, "drain");
	else
		snprintf(out, size, "drain by %s", pool->drained_by);
}

void
rebuild_settle(struct master *m, uint16_t row)
{
	struct supervisor s;
	const struct memo_worker *worker = &turn_look(m)->worker[row];
	const struct memo_slot *slot = &turn_look(m)->slot[worker->slot];
	char reason[MEMO_REASON];

	find_state(m, row);
	if (!slots_has_process(worker))
		return;
	s = life_now(m);
	if (worker->is_other) {
		slots_send_off(&s, row, slots_change_word(s.copy));
	} else if (!slot->wanted || slot->drained) {
		reason_of(s.copy, slot, reason, sizeof(reason));
		slots_send_off(&s, row, reason);
	}
}

void
rebuild_stop(struct master *m)
{
	uint32_t kind = m->page->beat.stopping;

	if (!m->memo_recovered && kind != 0 && kind <= STOP_QUIT)
		change_stop(m, (enum stop_kind)kind, NULL);
}
