/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* recycle.c: replacing a worker that is over a limit of its own, or deaf; see
 * recycle.h. */
#include "daemon/master/recycle.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/table/worker.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/supervisor/policy.h"

void
recycle_ask(struct master *m, uint16_t row, const char *why)
{
	const struct memo_copy *copy = turn_look(m);
	uint16_t slot = copy->worker[row].slot;
	struct supervisor s;

	if (!slots_may_recycle(copy, row) || clock_now_ns() <
	    m->pool[copy->slot[slot].pool].recycle_after_ns)
		return;			/* at a later tick */
	turn_change(m)->worker[row].recycle = 0;
	turn_tell_worker(m, EVENT_WORKER_RECYCLED, row, why, NULL);
	s = life_now(m);
	slots_note_recycle(&s, row, why);
	slots_start_successor(&s, slot, copy->slot[slot].generation,
	    SUCCESSOR_RECYCLE);
}

void
recycle_hear(struct process *process, const char *reason, size_t len)
{
	char words[200];

	escape_string(words, sizeof(words), reason, len);
	snprintf(process->recycle_text, sizeof(process->recycle_text),
	    "its plugin asks for it%s%s", len == 0 ? "" : ": ", words);
	turn_change(process->master)->worker[process->row].recycle = 1;
	recycle_ask(process->master, process->row, process->recycle_text);
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

/* Why a worker should go, and how much so; excess 0: it should not. */
struct case_of {
	const char *why;
	uint64_t excess;
};

static void
weigh(struct case_of *worst, const char *why, uint64_t value, uint64_t limit)
{
	uint64_t excess = policy_excess(value, limit);

	if (excess > worst->excess)
		*worst = (struct case_of){ why, excess };
}

static struct case_of
over(const struct memo_worker *worker, const struct process *process)
{
	const struct page_report *report = &process->report;
	struct case_of worst = { NULL, 0 };

	/* Those first that serve nobody, or say that they should not. */
	if (process->deaf)
		return (struct case_of){ "takes no connections", UINT64_MAX };
	if (worker->taken_back)
		return (struct case_of){ "its generation was taken back",
		    UINT64_MAX - 1 };
	if (worker->recycle)		/* its words are gone with the master */
		return (struct case_of){ process->recycle_text[0] != '\0' ?
		    process->recycle_text : "its plugin asks for it",
		    UINT64_MAX - 2 };
	weigh(&worst, "over max_age", (clock_now_ns() - worker->ready_ns) /
	    NS_PER_MS, worker->max_age_ms);
	weigh(&worst, "over max_rss", process->rss_kb * 1024, worker->max_rss);
	if (process->has_report) {
		weigh(&worst, "over max_requests",
		    report->counters[METRIC_REQUESTS], worker->max_requests);
		weigh(&worst, "over max_fds", report->fds, worker->max_fds);
	}
	return worst;
}

/* The one of the pool that is most over; the others have their turn when it has
 * been replaced. */
static void
look_at_pool(struct master *m, uint16_t pool)
{
	struct case_of worst = { NULL, 0 };
	uint16_t which = MEMO_NONE;

	for (uint16_t i = 0; i < turn_look(m)->workers; i++) {
		const struct memo_copy *copy = turn_look(m);
		const struct memo_worker *worker = &copy->worker[i];
		struct case_of one;

		if (worker->id == 0 || worker->state != WS_READY ||
		    m->process[i] == NULL || worker->is_other ||
		    copy->slot[worker->slot].pool != pool)
			continue;
		if (!worker->limits_drawn)
			draw_limits(m, i);
		one = over(&turn_look(m)->worker[i], m->process[i]);
		if (one.excess > worst.excess) {
			worst = one;
			which = i;
		}
	}
	if (which != MEMO_NONE)
		recycle_ask(m, which, worst.why);
}

void
recycle_look(struct master *m)
{
	for (uint16_t i = 0; i < turn_look(m)->pools; i++)
		if (turn_look(m)->pool[i].name[0] != '\0')
			look_at_pool(m, i);
}
