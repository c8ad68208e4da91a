/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* recycle.c: replacing a worker that is over a limit of its own, or deaf; see
 * recycle.h. */
#include "daemon/master/recycle.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/table/worker.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"

static bool
pool_is_free(struct master *m, uint16_t pool)
{
	const struct memo_copy *copy = turn_look(m);

	if (copy->globals.trans_kind != 0 || copy->globals.stopping != 0 ||
	    clock_now_ns() < m->pool[pool].recycle_after_ns)
		return false;
	for (uint16_t i = 0; i < copy->slots; i++)
		if (copy->slot[i].pool == pool &&
		    copy->slot[i].other != MEMO_NONE)
			return false;
	return true;
}

void
recycle_ask(struct master *m, uint16_t row, const char *why)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_worker *worker = &copy->worker[row];
	uint16_t slot = worker->slot;

	if (worker->state != WS_READY || worker->is_other ||
	    !copy->slot[slot].wanted)
		return;
	if (!pool_is_free(m, copy->slot[slot].pool)) {
		m->process[row]->recycle = true;	/* at a later tick */
		return;
	}
	m->process[row]->recycle = false;
	turn_tell_worker(m, EVENT_WORKER_RECYCLED, row, why, NULL);
	life_start_successor(m, slot, copy->slot[slot].generation,
	    SUCCESSOR_RECYCLE);
}

/* A limit with its jitter of +-10 %, drawn once; 0: none. */
static uint64_t
draw(int64_t limit)
{
	if (limit <= 0)
		return 0;
	return (uint64_t)((double)limit *
	    (0.9 + 0.2 * ((double)random() / (double)RAND_MAX))) + 1;
}

static void
draw_limits(struct master *m, uint16_t row)
{
	struct memo_copy *copy = turn_change(m);
	struct memo_worker *worker = &copy->worker[row];
	const struct conf_pool *conf = master_pool_conf(m, worker->generation,
	    copy->pool[copy->slot[worker->slot].pool].name);

	if (conf == NULL)
		return;
	worker->max_requests = draw(conf->max_requests);
	worker->max_age_ms = draw(conf->max_age_ms);
	worker->max_rss = draw(conf->max_rss);
	worker->max_fds = draw(conf_max_fds(conf));
	worker->limits_drawn = 1;
}

static const char *
over(const struct memo_worker *worker, const struct process *process)
{
	uint64_t age_ms = (clock_now_ns() - worker->ready_ns) / NS_PER_MS;
	const struct page_report *report = &process->report;

	if (process->deaf)
		return "takes no connections";
	if (worker->max_age_ms != 0 && age_ms > worker->max_age_ms)
		return "over max_age";
	if (worker->max_rss != 0 && process->rss_kb * 1024 > worker->max_rss)
		return "over max_rss";
	if (!process->has_report)
		return NULL;
	if (worker->max_requests != 0 &&
	    report->counters[METRIC_REQUESTS] > worker->max_requests)
		return "over max_requests";
	if (worker->max_fds != 0 && report->fds > worker->max_fds)
		return "over max_fds";
	return process->recycle ? "asked for" : NULL;
}

void
recycle_look(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->workers; i++) {
		const struct memo_worker *worker = &turn_look(m)->worker[i];
		const char *why;

		if (worker->id == 0 || worker->state != WS_READY ||
		    m->process[i] == NULL || worker->is_other)
			continue;
		if (!worker->limits_drawn)
			draw_limits(m, i);
		why = over(&turn_look(m)->worker[i], m->process[i]);
		if (why != NULL)
			recycle_ask(m, i, why);
	}
}

void
recycle_follow(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);

	for (uint16_t i = 0; i < copy->slots; i++) {
		uint16_t other = copy->slot[i].pool == MEMO_NONE ? MEMO_NONE :
		    copy->slot[i].other;

		if (other == MEMO_NONE || copy->worker[other].transaction !=
		    SUCCESSOR_RECYCLE || copy->worker[other].state != WS_READY)
			continue;
		life_promote(m, i);
		copy = turn_look(m);
	}
}
