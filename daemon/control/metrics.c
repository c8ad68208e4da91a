/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* metrics.c: the view in the Prometheus text format, 0.0.4; see metrics.h. */
#include "daemon/control/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/heap.h"
#include "common/table/worker.h"

/* What is measured of each pool. */
static const struct {
	const char *name, *type, *help;
	size_t offset;
} of_pool[] = {
	{ "clusterd_pool_workers_desired", "gauge",
	    "Workers wanted now", offsetof(struct view_pool, desired) },
	{ "clusterd_pool_workers_ready", "gauge",
	    "Workers that serve", offsetof(struct view_pool, ready) },
	{ "clusterd_pool_workers_min", "gauge",
	    "Least workers by the configuration",
	    offsetof(struct view_pool, min) },
	{ "clusterd_pool_workers_max", "gauge",
	    "Most workers by the configuration",
	    offsetof(struct view_pool, max) },
	{ "clusterd_pool_busy_percent", "gauge",
	    "Time in which the loops of its workers did not wait, mean of 10 s",
	    offsetof(struct view_pool, busy_percent) },
	{ "clusterd_pool_children", "gauge",
	    "Child processes that plugins have started",
	    offsetof(struct view_pool, children) },
	{ "clusterd_pool_restarts_total", "counter",
	    "Exits of workers that nobody asked for",
	    offsetof(struct view_pool, restarts) },
	{ "clusterd_pool_replacements_total", "counter",
	    "Exits of workers that were asked for",
	    offsetof(struct view_pool, replacements) },
	{ "clusterd_pool_requests_total", "counter",
	    "Requests taken", offsetof(struct view_pool, requests) },
	{ "clusterd_pool_connections_total", "counter",
	    "Connections taken", offsetof(struct view_pool, connections) },
};

static void
add_head(struct buf *buf, const char *name, const char *type, const char *help)
{
	buf_printf(buf, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One gauge without labels; unknown is left out. */
static void
add_single(struct buf *buf, const char *name, const char *type,
    const char *help, int64_t value)
{
	if (value < 0)
		return;
	add_head(buf, name, type, help);
	buf_printf(buf, "%s %" PRId64 "\n", name, value);
}

static void
add_pools(struct buf *buf, const struct view *view)
{
	for (size_t i = 0; i < COUNT(of_pool); i++) {
		add_head(buf, of_pool[i].name, of_pool[i].type,
		    of_pool[i].help);
		for (size_t j = 0; j < view->pool_count; j++) {
			const struct view_pool *pool = &view->pools[j];
			int64_t value;

			memcpy(&value, (const char *)pool + of_pool[i].offset,
			    sizeof(value));
			if (value >= 0)
				buf_printf(buf, "%s{pool=\"%s\"} %" PRId64 "\n",
				    of_pool[i].name, pool->pool, value);
		}
	}
}

static void
add_states(struct buf *buf, const struct view *view)
{
	const char *name = "clusterd_pool_workers";

	add_head(buf, name, "gauge", "Workers by state");
	for (size_t i = 0; i < view->pool_count; i++) {
		for (unsigned state = 0; state < WS__COUNT; state++) {
			const char *word = worker_state_name(state);
			unsigned count = 0;

			for (size_t j = 0; j < view->worker_count; j++)
				count += strcmp(view->workers[j].pool,
				    view->pools[i].pool) == 0 &&
				    strcmp(view->workers[j].state, word) == 0;
			buf_printf(buf, "%s{pool=\"%s\",state=\"%s\"} %u\n",
			    name, view->pools[i].pool, word, count);
		}
	}
}

void
metrics_add_view(struct buf *buf, const struct view *view)
{
	add_head(buf, "clusterd_info", "gauge", "Version of the daemon");
	buf_printf(buf, "clusterd_info{version=\"%s\"} 1\n", view->version);
	add_single(buf, "clusterd_state", "gauge",
	    "0 ok, 1 degraded, 2 failed", (int64_t)view->state);
	add_single(buf, "clusterd_generation", "gauge",
	    "Number of the configuration in force", view->generation);
	add_single(buf, "clusterd_master_restarts_total", "counter",
	    "Times the master was started again", view->master.restarts);
	add_single(buf, "clusterd_master_uptime_seconds", "gauge",
	    "Age of the master", view->master.uptime_ms < 0 ? -1 :
	    view->master.uptime_ms / 1000);
	add_pools(buf, view);
	add_states(buf, view);
}

void
metrics_add_memory(struct buf *buf, size_t events, size_t verdicts)
{
	add_single(buf, "clusterd_master_heap_bytes", "gauge",
	    "Memory in use on the master's heap", heap_in_use());
	add_single(buf, "clusterd_events_memory_bytes", "gauge",
	    "Part of the master's heap that the last events have",
	    (int64_t)events);
	add_single(buf, "clusterd_verdicts_memory_bytes", "gauge",
	    "Part of the master's heap that the verdicts of commands have",
	    (int64_t)verdicts);
}
