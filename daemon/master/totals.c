/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* totals.c: sums of the pages, for `metrics'; see totals.h. */
#include "daemon/master/totals.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/table/metrics.h"
#include "daemon/journal/logthread.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/turn.h"
#include "daemon/scoreboard/read.h"
#include "daemon/scoreboard/write.h"
#include "daemon/store/store.h"

_Static_assert((int)METRIC__COUNT <= (int)MEMO_COUNTERS, "counters of the memo");
_Static_assert((int)PAGE_BUCKETS == (int)MEMO_BUCKETS, "buckets of the memo");

struct totals {
	uint64_t counters[METRIC__COUNT];
	uint64_t histogram[PAGE_BUCKETS];
};

void
totals_fold(struct memo_pool *pool, const struct page_report *report)
{
	uint64_t due = report->counters[METRIC_ACCESS_LINES];
	uint64_t known = report->counters[METRIC_ACCESS_WRITTEN] +
	    report->counters[METRIC_ACCESS_DROPPED];

	for (size_t i = 0; i < METRIC__COUNT; i++)
		page_add(&pool->counters[i], report->counters[i]);
	for (size_t i = 0; i < PAGE_BUCKETS; i++)
		page_add(&pool->histogram[i], report->histogram[i]);
	/* lines that waited to be written went with it */
	if (due > known)
		page_add(&pool->counters[METRIC_ACCESS_DROPPED], due - known);
}

static void
sum_pool(struct master *m, uint16_t index, struct totals *totals)
{
	const struct memo_pool *pool = &turn_look(m)->pool[index];

	memcpy(totals->counters, pool->counters, sizeof(totals->counters));
	memcpy(totals->histogram, pool->histogram, sizeof(totals->histogram));
	for (size_t w = 0; w < MEMO_WORKERS; w++) {
		const struct process *process = m->process[w];

		if (process == NULL || process->pool != index ||
		    !process->has_report)
			continue;
		for (size_t i = 0; i < METRIC__COUNT; i++)
			page_add(&totals->counters[i],
			    process->report.counters[i]);
		for (size_t i = 0; i < PAGE_BUCKETS; i++)
			page_add(&totals->histogram[i],
			    process->report.histogram[i]);
	}
}

void
totals_sum_pool(struct master *m, uint16_t index, struct totals_pool *sum)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_pool *pool = &copy->pool[index];

	*sum = (struct totals_pool){ .restarts = pool->retired_restarts,
	    .replacements = pool->retired_replacements,
	    .requests = pool->retired_requests,
	    .connections = pool->retired_connections };
	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool != index)
			continue;
		sum->restarts += slot->restarts;
		sum->replacements += slot->replacements;
		sum->requests += slot->requests;
		sum->connections += slot->connections;
	}
	for (size_t i = 0; i < MEMO_WORKERS; i++) {
		const struct process *p = m->process[i];

		if (p == NULL || p->pool != index || !p->has_report)
			continue;
		sum->requests += p->report.counters[METRIC_REQUESTS];
		sum->connections += p->report.counters[METRIC_ACCEPTED] +
		    p->report.counters[METRIC_TAKEN];
		sum->open += p->report.connections;
		sum->children += p->report.children;
	}
}

/* -- text ---------------------------------------------------------------------- */

static void
add_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP clusterd_%s %s\n# TYPE clusterd_%s %s\n", name,
	    help, name, type);
}

static void
add_counters(struct buf *out, const struct memo_copy *copy,
    const struct totals *totals)
{
	char name[64];

	for (size_t i = 0; i < METRIC__COUNT; i++) {
		snprintf(name, sizeof(name), "%s_total", metrics[i].name);
		add_head(out, name, "counter", metrics[i].help);
		for (size_t p = 0; p < copy->pools; p++)
			if (copy->pool[p].name[0] != '\0')
				buf_printf(out, "clusterd_%s{pool=\"%s\"} %"
				    PRIu64 "\n", name, copy->pool[p].name,
				    totals[p].counters[i]);
	}
}

/* Cumulative, and the last is without an end. */
static void
add_buckets(struct buf *out, const char *pool, const struct totals *totals)
{
	const char *name = "clusterd_answer_seconds";
	uint64_t count = 0, us = totals->counters[METRIC_ANSWER_US];

	for (unsigned i = 0; i < PAGE_BUCKETS; i++) {
		uint64_t end_us = board_bucket_end_ns(i) / 1000;

		count += totals->histogram[i];
		if (i < PAGE_BUCKETS - 1)
			buf_printf(out, "%s_bucket{pool=\"%s\",le=\"%" PRIu64
			    ".%06" PRIu64 "\"} %" PRIu64 "\n", name, pool,
			    end_us / 1000000, end_us % 1000000, count);
	}
	buf_printf(out, "%s_bucket{pool=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
	    "%s_sum{pool=\"%s\"} %" PRIu64 ".%06" PRIu64 "\n"
	    "%s_count{pool=\"%s\"} %" PRIu64 "\n", name, pool, count, name,
	    pool, us / 1000000, us % 1000000, name, pool, count);
}

static void
add_histograms(struct buf *out, const struct memo_copy *copy,
    const struct totals *totals)
{
	add_head(out, "answer_seconds", "histogram",
	    "Time from the call of a handler to its answer");
	for (size_t p = 0; p < copy->pools; p++)
		if (copy->pool[p].name[0] != '\0')
			add_buckets(out, copy->pool[p].name, &totals[p]);
}

/* What the master counts of a pool. */
static const struct {
	const char *name, *help;
	size_t offset;
} of_pool[] = {
	{ "connections_passed_total", "Connections passed to workers",
	    offsetof(struct pool_run, passed) },
	{ "connections_recovered_total",
	    "Connections taken back from workers and given to others",
	    offsetof(struct pool_run, taken_back) },
	{ "connections_lost_total", "Connections that ended with their worker",
	    offsetof(struct pool_run, lost) },
	{ "output_lines_dropped_total",
	    "Lines of workers over 64 KiB a second",
	    offsetof(struct pool_run, lines_dropped) },
};

static void
add_of_pools(struct master *m, struct buf *out, const struct memo_copy *copy)
{
	for (size_t i = 0; i < COUNT(of_pool); i++) {
		add_head(out, of_pool[i].name, "counter", of_pool[i].help);
		for (size_t p = 0; p < copy->pools; p++) {
			uint64_t value;

			memcpy(&value, (const char *)&m->pool[p] +
			    of_pool[i].offset, sizeof(value));
			if (copy->pool[p].name[0] != '\0')
				buf_printf(out, "clusterd_%s{pool=\"%s\"} %"
				    PRIu64 "\n", of_pool[i].name,
				    copy->pool[p].name, value);
		}
	}
}

/* A value of a label: a path may hold anything. */
static void
add_label(struct buf *out, const char *text)
{
	for (; *text != '\0'; text++)
		if (*text == '\n')
			buf_add_text(out, "\\n");
		else
			buf_printf(out, "%s%c", *text == '"' ||
			    *text == '\\' ? "\\" : "", *text);
}

static void
add_of_listener(struct buf *out, const char *name, const struct listener *l)
{
	buf_printf(out, "clusterd_%s{pool=\"%s\",address=\"", name, l->pool);
	add_label(out, l->address);
	if (l->reuseport)
		buf_printf(out, "\",socket=\"%u",
		    KEEPER_LISTENER_SOCKET(l->id));
	buf_add_text(out, "\"} ");
}

static void
add_queues(struct master *m, struct buf *out)
{
	add_head(out, "listener_queued", "gauge",
	    "Connections in the kernel's queue of a listener");
	for (const struct listener *l = m->listeners; l != NULL; l = l->next) {
		int64_t queued = listeners_queued(l, NULL);

		if (queued < 0)
			continue;	/* not TCP: nobody knows */
		add_of_listener(out, "listener_queued", l);
		buf_printf(out, "%" PRId64 "\n", queued);
	}
}

static void
add_listeners(struct master *m, struct buf *out, const char *name,
    const char *help, size_t offset)
{
	add_head(out, name, "counter", help);
	for (const struct listener *l = m->listeners; l != NULL; l = l->next) {
		uint64_t value;

		memcpy(&value, (const char *)l + offset, sizeof(value));
		add_of_listener(out, name, l);
		buf_printf(out, "%" PRIu64 "\n", value);
	}
}

static void
add_single(struct buf *out, const char *name, const char *type,
    const char *help, uint64_t value)
{
	add_head(out, name, type, help);
	buf_printf(out, "clusterd_%s %" PRIu64 "\n", name, value);
}

static void
add_store(struct master *m, struct buf *out)
{
	struct store_status status;

	if (m->store == NULL)
		return;
	store_status(m->store, &status);
	add_single(out, "store_behind", "gauge",
	    "1: the database does not take what it is given",
	    status.state == STORE_BEHIND);
	add_single(out, "store_waiting", "gauge",
	    "Records that are not in the database yet", status.waiting);
	add_single(out, "store_written_total", "counter",
	    "Records written to the database", status.stored);
	add_single(out, "store_lost_total", "counter",
	    "Records that did not fit into memory", status.lost);
	add_single(out, "store_memory_bytes", "gauge",
	    "Part of the master's heap that the database has", status.memory);
}

void
totals_add_text(struct master *m, struct buf *out)
{
	static struct totals totals[MEMO_POOLS];
	const struct memo_copy *copy = turn_look(m);
	struct logthread_status log;

	for (uint16_t p = 0; p < copy->pools; p++)
		sum_pool(m, p, &totals[p]);
	add_counters(out, copy, totals);
	add_histograms(out, copy, totals);
	add_of_pools(m, out, copy);
	add_listeners(m, out, "listener_accepted_total",
	    "Connections accepted by the master",
	    offsetof(struct listener, accepted));
	add_listeners(m, out, "listener_healed_total",
	    "Times a listener was repaired", offsetof(struct listener, healed));
	add_listeners(m, out, "listener_overflows_total",
	    "Times the queue of a listener became full",
	    offsetof(struct listener, overflows));
	add_queues(m, out);
	add_single(out, "stalls_total", "counter",
	    "Times a worker stalled", m->stalls);
	logthread_status(&log);
	add_single(out, "log_lines_total", "counter", "Lines written to the log",
	    log.written);
	add_single(out, "log_lines_dropped_total", "counter",
	    "Lines that the log did not take", log.dropped);
	add_store(m, out);
}
