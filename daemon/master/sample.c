/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sample.c: looking at a worker from outside; see sample.h. */
#include "daemon/master/sample.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/escape.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/table/method.h"
#include "daemon/master/life.h"
#include "daemon/master/master.h"
#include "daemon/master/process.h"
#include "daemon/master/totals.h"
#include "daemon/master/turn.h"
#include "daemon/scoreboard/read.h"

/* -- page -------------------------------------------------------------------- */

void
sample_page(struct process *process)
{
	struct page_limits limits = { 1000000, 1000000, 4096 };
	struct page_report report;
	struct errmsg err;
	int rc;

	if (process->page == NULL)
		return;
	rc = page_read(process->page, &limits,
	    process->has_report ? &process->report : NULL, clock_now_ns(),
	    &report, &err);
	if (rc != 0) {
		life_violation(process, err.text);
		return;
	}
	process->report = report;
	process->has_report = true;
}

/* What it counted, with no trust in a page that lies at its end. */
static void
last_report(struct process *process)
{
	struct page_limits limits = { 1000000, 1000000, 4096 };
	struct page_report report;
	struct errmsg err;

	if (process->page != NULL && page_read(process->page, &limits,
	    process->has_report ? &process->report : NULL, clock_now_ns(),
	    &report, &err) == 0) {
		process->report = report;
		process->has_report = true;
	}
}

void
sample_fold(struct master *m, uint16_t row)
{
	struct process *process = m->process[row];
	struct memo_copy *copy = turn_change(m);
	struct memo_slot *slot = &copy->slot[copy->worker[row].slot];

	if (process == NULL)
		return;
	last_report(process);
	if (!process->has_report)
		return;
	page_add(&slot->requests, process->report.counters[METRIC_REQUESTS]);
	page_add(&slot->connections,
	    process->report.counters[METRIC_ACCEPTED]);
	page_add(&slot->connections, process->report.counters[METRIC_TAKEN]);
	totals_fold(&copy->pool[slot->pool], &process->report);
}

/* -- what it does ---------------------------------------------------------------- */

/* Plugins of a worker's snapshot are those that its pool names, in order. */
static const char *
plugin_of(const struct conf *conf, const struct conf_pool *pool, unsigned index)
{
	unsigned seen = 0;

	for (size_t i = 0; i < conf->plugin_count; i++)
		if (conf_pool_names(pool, i) && seen++ == index)
			return conf->plugins[i].name;
	return NULL;
}

static const char *
route_of(const struct conf *conf, const struct conf_pool *pool,
    const char *plugin, const char *path)
{
	const char *best = NULL;
	size_t best_len = 0;

	for (size_t r = 0; r < pool->route_count; r++) {
		const char *pattern = pool->routes[r].pattern;
		const char *blank = strchr(pattern, ' ');
		size_t len;

		if (blank != NULL)	/* behind its methods */
			pattern = blank + 1;
		len = strlen(pattern);

		if (strcmp(conf->plugins[pool->routes[r].plugin].name,
		    plugin) != 0)
			continue;
		if (best == NULL || (strncmp(path, pattern, len) == 0 &&
		    len > best_len)) {
			best = pattern;
			best_len = strncmp(path, pattern, len) == 0 ? len : 0;
		}
	}
	return best;
}

/* Its number may be anything; of an older release it is 0.  Filters follow the
 * routes. */
static const struct conf_route *
numbered_route(const struct conf *conf, const struct conf_pool *pool,
    const char *plugin, unsigned number)
{
	const struct conf_route *route = conf_pool_route(pool, number);

	return route != NULL && strcmp(conf->plugins[route->plugin].name,
	    plugin) == 0 ? route : NULL;
}

static void
name_route(const struct conf *conf, const struct conf_pool *pool,
    unsigned number, struct sample_doing *doing)
{
	const struct conf_route *route = numbered_route(conf, pool,
	    doing->plugin, number);
	const char *pattern;

	if (route != NULL)
		doing->route_number = number;
	pattern = route != NULL ? route->pattern :
	    route_of(conf, pool, doing->plugin, doing->path);
	if (pattern != NULL)
		snprintf(doing->route, sizeof(doing->route), "%s", pattern);
}

static void
name_plugin(const struct process *process, unsigned index, unsigned route,
    struct sample_doing *doing)
{
	struct master *m = process->master;
	const struct memo_copy *copy = turn_look(m);
	struct generation *generation;
	const struct conf_pool *pool;
	const char *plugin;

	if (process->row == MEMO_NONE)
		return;
	generation = master_generation(m,
	    copy->worker[process->row].generation);
	if (generation == NULL)
		return;
	pool = conf_pool_by_name(generation->conf,
	    copy->pool[process->pool].name);
	if (pool == NULL)
		return;
	plugin = plugin_of(generation->conf, pool, index);
	if (plugin == NULL)
		return;
	snprintf(doing->plugin, sizeof(doing->plugin), "%s", plugin);
	if (doing->is_request)
		name_route(generation->conf, pool, route, doing);
}

/* What it is for: a request, or whose bytes. */
static void
name_what(const struct page_doing *raw, struct sample_doing *doing)
{
	const char *method = doing->is_request ? method_name(raw->method) :
	    raw->kind == DOING_STREAM ? "TCP" :
	    raw->kind == DOING_DATAGRAM ? "UDP" : NULL;

	if (method == NULL)
		return;
	snprintf(doing->method, sizeof(doing->method), "%s", method);
	snprintf(doing->path, sizeof(doing->path), "%s", raw->path);
}

bool
sample_doing(const struct process *process, unsigned entry, bool dead,
    struct sample_doing *doing)
{
	struct page_doing raw;
	enum doing_result result;
	unsigned route;

	memset(doing, 0, sizeof(*doing));
	if (process->page == NULL)
		return false;
	result = page_read_doing(process->page, entry, dead, &raw,
	    &route);
	if (result == DOING_IDLE || raw.kind == DOING_NOTHING)
		return false;
	doing->known = result == DOING_KNOWN;
	doing->since_ns = raw.since_ns;
	doing->request = raw.request;
	doing->is_request = raw.kind == DOING_REQUEST;
	name_what(&raw, doing);
	name_plugin(process, raw.plugin, route, doing);
	return true;
}

char *
sample_words(const struct process *process, char *out, size_t size)
{
	const char *words = process->page != NULL ? process->page->words : "";

	return escape_string(out, size, words, strnlen(words, PAGE_WORDS));
}

/* -- /proc ------------------------------------------------------------------------- */

static ssize_t
read_proc(const struct process *process, const char *name, char *buf,
    size_t size)
{
	int fd = openat(process->fd[PFD_PROC], name, O_RDONLY | O_CLOEXEC);
	ssize_t len;

	if (fd < 0)
		return -1;
	len = read(fd, buf, size - 1);
	close(fd);
	buf[len > 0 ? len : 0] = '\0';
	return len;
}

/* State and CPU time of all its threads. */
static bool
read_stat(const struct process *process, char *state, uint64_t *cpu_ms)
{
	unsigned long utime, stime;
	char buf[1024], *end;

	if (process->fd[PFD_PROC] < 0 ||
	    read_proc(process, "stat", buf, sizeof(buf)) <= 0)
		return false;
	end = strrchr(buf, ')');	/* the name may hold anything */
	if (end == NULL || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %*u %*u "
	    "%*u %*u %*u %lu %lu", state, &utime, &stime) != 3)
		return false;
	*cpu_ms = (uint64_t)(utime + stime) * 1000 /
	    (uint64_t)sysconf(_SC_CLK_TCK);
	return true;
}

bool
sample_take_time(const struct process *process, struct sample_time *time)
{
	unsigned long long run, delay;
	uint64_t cpu_ms;
	char buf[128];

	if (!read_stat(process, &time->state, &cpu_ms))
		return false;
	time->at_ns = clock_now_ns();
	time->run_ns = cpu_ms * NS_PER_MS;
	time->delay_ns = 0;
	/* of the first thread alone, which is the loop's */
	if (read_proc(process, "schedstat", buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "%llu %llu", &run, &delay) == 2) {
		time->run_ns = run;
		time->delay_ns = delay;
	}
	return true;
}

bool
sample_is_dumping(const struct process *process)
{
	char buf[4096];

	return process->fd[PFD_PROC] >= 0 &&
	    read_proc(process, "status", buf, sizeof(buf)) > 0 &&
	    strstr(buf, "\nCoreDumping:\t1") != NULL;
}

void
sample_proc(struct process *process)
{
	unsigned long long pages;
	char buf[256], state;

	if (process->fd[PFD_PROC] < 0)
		return;
	if (read_proc(process, "statm", buf, sizeof(buf)) > 0 &&
	    sscanf(buf, "%*u %llu", &pages) == 1)
		process->rss_kb = pages * (uint64_t)sysconf(_SC_PAGESIZE) /
		    1024;
	(void)read_stat(process, &state, &process->cpu_ms);
}
