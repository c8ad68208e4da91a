/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* roster.c: fills the roster from memo and pages; see roster.h. */
#include "daemon/master/roster.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/table/worker.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/totals.h"
#include "daemon/master/turn.h"
#include "daemon/scoreboard/roster.h"
#include "daemon/supervisor/state.h"

_Static_assert((int)ROSTER_LISTENS == (int)CONF_LISTENS_MAX, "addresses");
_Static_assert(ROSTER_ADDRESS == sizeof(((struct listener *)0)->address),
    "length of an address");

/* ---- workers ------------------------------------------------------------------ */

static void
fill_process(const struct process *process, struct roster_worker *row)
{
	row->connected = !process->exited && process->fd[PFD_CHANNEL] >= 0;
	if (!process->has_report)
		return;
	row->connections = process->report.connections;
	row->requests = process->report.counters[METRIC_REQUESTS];
}

static void
add_worker(struct master *m, struct roster_copy *out, uint16_t pool,
    uint16_t slot_index, uint16_t index)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[slot_index];
	const struct memo_worker *worker = index == MEMO_NONE ? NULL :
	    &copy->worker[index];
	struct roster_worker *row = &out->worker[out->workers++];

	*row = (struct roster_worker){ .generation = slot->generation,
	    .restarts = slot->restarts, .pool = pool, .slot = slot->number,
	    .state = WS_DOWN };
	if (worker == NULL)
		return;
	row->state = worker->state;
	row->generation = worker->generation;
	row->id = worker->since_ns != 0 ? worker->id : 0;
	row->pid = worker->pid;
	row->forked_ns = worker->pid != 0 ? worker->forked_ns : 0;
	if (m->process[index] != NULL)
		fill_process(m->process[index], row);
}

static const struct memo_copy *sorted;	/* while qsort() works */

static int
by_place(const void *a, const void *b)
{
	const struct memo_slot *x = &sorted->slot[*(const uint16_t *)a];
	const struct memo_slot *y = &sorted->slot[*(const uint16_t *)b];

	if (x->pool != y->pool)
		return strcmp(sorted->pool[x->pool].name,
		    sorted->pool[y->pool].name);
	return (int)x->number - (int)y->number;
}

/* place: of each pool of the memo, in `out'. */
static void
fill_workers(struct master *m, struct roster_copy *out, const uint16_t *place)
{
	static uint16_t order[MEMO_SLOTS];	/* one loop thread */
	const struct memo_copy *copy = turn_look(m);
	size_t count = 0;

	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool != MEMO_NONE)
			order[count++] = i;
	sorted = copy;
	qsort(order, count, sizeof(order[0]), by_place);
	for (size_t i = 0; i < count; i++) {
		const struct memo_slot *slot = &copy->slot[order[i]];
		uint16_t pool = place[slot->pool];

		add_worker(m, out, pool, order[i], slot->current);
		if (slot->other != MEMO_NONE)
			add_worker(m, out, pool, order[i], slot->other);
	}
}

/* ---- pools -------------------------------------------------------------------- */

static void
fill_pool(struct master *m, uint16_t index, struct roster_pool *row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct conf_pool *conf = master_pool_now(m, index);
	const char *addresses[ROSTER_LISTENS];
	struct totals_pool sum;

	totals_sum_pool(m, index, &sum);
	memcpy(row->name, copy->pool[index].name, sizeof(row->name));
	row->generation = copy->pool[index].generation;
	row->restarts = sum.restarts;
	row->requests = sum.requests;
	row->connections = sum.open;
	row->desired = state_count_wanted(copy, index);
	row->ready = state_count_ready(copy, index);
	row->listens = 0;
	if (conf == NULL)
		return;
	row->protocol = (uint8_t)conf->protocol;
	row->schedule = (uint8_t)conf->schedule;
	row->listens = (uint32_t)listeners_addresses(m, conf, addresses,
	    ROSTER_LISTENS);
	for (uint32_t i = 0; i < row->listens; i++)
		snprintf(row->listen[i], sizeof(row->listen[i]), "%s",
		    addresses[i]);
}

void
roster_publish(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	uint16_t place[MEMO_POOLS] = { 0 };
	struct roster_copy *out;

	if (m->roster == NULL || !m->attached)
		return;
	out = roster_begin(m->roster);
	out->at_ns = m->roster_ns = clock_now_ns();
	out->pools = out->workers = 0;
	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0') {
			place[i] = (uint16_t)out->pools;
			fill_pool(m, i, &out->pool[out->pools++]);
		}
	fill_workers(m, out, place);
	(void)FP("master.roster");
	roster_end(m->roster);
}

void
roster_follow(struct master *m)
{
	if (clock_now_ns() - m->roster_ns >=
	    clock_scaled_ms(TICK_MS / 2) * NS_PER_MS)
		roster_publish(m);
}
