/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* view.c: fills the plain-data state that control/ shows; see view.h. */
#include "daemon/master/view.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/table/worker.h"
#include "daemon/control/view.h"
#include "daemon/master/change.h"
#include "daemon/master/children.h"
#include "daemon/master/listeners.h"
#include "daemon/master/master.h"
#include "daemon/master/owners.h"
#include "daemon/master/process.h"
#include "daemon/master/sample.h"
#include "daemon/master/sources.h"
#include "daemon/master/totals.h"
#include "daemon/master/turn.h"
#include "daemon/master/verdict.h"
#include "daemon/supervisor/autoscale.h"
#include "daemon/supervisor/state.h"

/* Everything a view points to is in blocks that are freed by the next. */
struct block {
	struct block *next;
	_Alignas(16) char data[];
};

static struct block *blocks;
static struct view view;
static enum view_children of;		/* that are wanted */
static jmp_buf no_memory;		/* view_make(), which gives it up */

static void *
take(size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (block == NULL)
		longjmp(no_memory, 1);
	block->next = blocks;
	blocks = block;
	return block->data;
}

static void
drop_blocks(void)
{
	struct block *next;

	for (; blocks != NULL; blocks = next) {
		next = blocks->next;
		free(blocks);
	}
}

static const char *
text(const char *from)
{
	size_t size = strlen(from) + 1;

	return memcpy(take(size), from, size);
}

static int64_t
wall_of(uint64_t mono_ns)
{
	return clock_wall_ms() - ((int64_t)clock_now_ns() - (int64_t)mono_ns) /
	    (int64_t)NS_PER_MS;
}

/* -- workers ----------------------------------------------------------------------- */

static void
fill_one_doing(const struct sample_doing *from, struct view_doing *to)
{
	to->plugin = from->plugin[0] != '\0' ? text(from->plugin) : NULL;
	to->route = from->route[0] != '\0' ? text(from->route) : NULL;
	to->method = from->method[0] != '\0' ? text(from->method) : NULL;
	to->path = from->path[0] != '\0' ? text(from->path) : NULL;
	to->since_ms = wall_of(from->since_ns);
}

static void
fill_doing(const struct process *process, struct view_worker *row)
{
	struct sample_doing doing;
	struct view_doing *open = take(PAGE_DOING * sizeof(*open));

	row->has_doing = sample_doing(process, 0, false, &doing);
	if (row->has_doing)
		fill_one_doing(&doing, &row->doing);
	row->requests_open = open;
	for (unsigned i = 0; i < PAGE_DOING; i++)
		if (sample_doing(process, i, false, &doing))
			fill_one_doing(&doing,
			    &open[row->requests_open_count++]);
}

/* That it is there for, while it is open. */
static bool
fill_request(const struct process *process, uint64_t request,
    struct view_doing *row)
{
	struct sample_doing doing;

	for (unsigned i = 0; request != 0 && i < PAGE_DOING; i++)
		if (sample_doing(process, i, false, &doing) &&
		    doing.is_request && doing.request == request) {
			fill_one_doing(&doing, row);
			return true;
		}
	return false;
}

static bool
fill_child(const struct process *process, int pid, struct view_child *row)
{
	struct children_row child;

	if (!children_look(process, pid, &child))
		return false;
	row->pid = pid;
	row->since_ms = clock_wall_ms() - (int64_t)child.age_ms;
	row->cpu_ms = (int64_t)child.cpu_ms;
	row->rss_kb = (int64_t)child.rss_kb;
	row->holds = child.holds;
	row->detached = child.detached;
	row->command = text(child.command);
	row->has_request = fill_request(process, child.request, &row->request);
	return true;
}

static void
fill_children(const struct process *process, struct view_worker *row)
{
	int pids[CHILDREN_MAX];
	size_t count = children_list(process, pids);
	struct view_child *children = take((count + 1) * sizeof(*children));

	for (size_t i = 0; i < count; i++)
		if (fill_child(process, pids[i], &children[row->child_count]))
			row->child_count++;
	row->child = children;
}

static bool
is_reuseport(const struct process *process)
{
	const struct conf_pool *conf = process->pool == MEMO_NONE ? NULL :
	    master_pool_now(process->master, process->pool);

	return conf != NULL && conf->schedule == SCHEDULE_REUSEPORT;
}

static void
fill_process(struct process *process, struct view_worker *row)
{
	uint64_t now = clock_now_ns(), beat;

	sample_page(process);
	sample_proc(process);
	row->pid = process->pid;
	row->stalled = process->stalled;
	if (is_reuseport(process))
		row->sockets = owners_count(process->master, process->id);
	row->rss_kb = (int64_t)process->rss_kb;
	row->cpu_ms = (int64_t)process->cpu_ms;
	if (process->has_report) {
		row->connections = process->report.connections;
		row->requests =
		    (int64_t)process->report.counters[METRIC_REQUESTS];
		row->children = process->report.children;
		row->holds = process->report.holds;
	}
	if (process->page != NULL) {
		beat = page_read_beat(process->page);
		if (beat != 0 && beat <= now)
			row->beat_age_ms = (int64_t)((now - beat) /
			    NS_PER_MS);
	}
	fill_doing(process, row);
	if (of == CHILDREN_OF_ALL || (of == CHILDREN_OF_DRAINING &&
	    strcmp(row->state, "draining") == 0))
		fill_children(process, row);
}

static void
fill_worker(struct master *m, uint16_t slot_index, uint16_t index,
    struct view_worker *row)
{
	const struct memo_copy *copy = turn_look(m);
	const struct memo_slot *slot = &copy->slot[slot_index];
	const struct memo_worker *worker = index == MEMO_NONE ? NULL :
	    &copy->worker[index];
	char name[64];

	row->worker = text(state_slot_name(copy, slot_index, name,
	    sizeof(name)));
	row->pool = text(copy->pool[slot->pool].name);
	row->slot = slot->number;
	row->current = index == slot->current;
	row->wanted = slot->wanted && !slot->drained;
	row->restarts = (int64_t)slot->restarts;
	row->replacements = (int64_t)slot->replacements;
	row->id = row->pid = row->uptime_ms = row->connections =
	    row->requests = row->rss_kb = row->cpu_ms = row->children =
	    row->holds = row->beat_age_ms = row->sockets = row->next =
	    VIEW_UNKNOWN;
	row->generation = (int64_t)slot->generation;
	row->state = worker_state_name(worker == NULL ? WS_DOWN :
	    worker->state);
	if (worker == NULL)
		return;
	if (worker->since_ns != 0)
		row->id = (int64_t)worker->id;
	row->generation = (int64_t)worker->generation;
	row->paused = worker->paused != 0;
	if (worker->forked_ns != 0 && worker->pid != 0)
		row->uptime_ms = (int64_t)((clock_now_ns() -
		    worker->forked_ns) / NS_PER_MS);
	if (worker->state == WS_WAITING || worker->state == WS_HELD) {
		row->next = slot->next_try_boot_ms == 0 ? VIEW_UNKNOWN :
		    clock_wall_ms() + (int64_t)(slot->next_try_boot_ms -
		    clock_boot_ms());
		if (slot->fatal_text[0] != '\0')
			row->text = text(slot->fatal_text);
	}
	if (m->process[index] != NULL)
		fill_process(m->process[index], row);
}

static int
by_place(const void *a, const void *b)
{
	const struct view_worker *x = a, *y = b;
	int order = strcmp(x->pool, y->pool);

	if (order != 0)
		return order;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	return (int)y->current - (int)x->current;
}

static void
fill_workers(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	struct view_worker *rows = take((size_t)2 * (copy->slots + 1u) *
	    sizeof(*rows));
	size_t count = 0;

	for (uint16_t i = 0; i < copy->slots; i++) {
		const struct memo_slot *slot = &copy->slot[i];

		if (slot->pool == MEMO_NONE)
			continue;
		fill_worker(m, i, slot->current, &rows[count++]);
		if (slot->other != MEMO_NONE)
			fill_worker(m, i, slot->other, &rows[count++]);
	}
	qsort(rows, count, sizeof(*rows), by_place);
	view.workers = rows;
	view.worker_count = count;
}

/* -- pools ------------------------------------------------------------------------------ */

static void
sum_pool(struct master *m, uint16_t index, struct view_pool *row)
{
	struct totals_pool sum;

	totals_sum_pool(m, index, &sum);
	row->restarts = (int64_t)sum.restarts;
	row->replacements = (int64_t)sum.replacements;
	row->requests = (int64_t)sum.requests;
	row->connections = (int64_t)sum.connections;
	row->children = sum.children;
}

static void
fill_size(struct master *m, uint16_t index, struct view_pool *row)
{
	const struct memo_pool *pool = &turn_look(m)->pool[index];
	const struct busy_mean *busy = &m->pool[index].busy;
	uint64_t now = clock_now_ns();
	struct autoscale_rules rules;

	autoscale_rules(m, index, &rules);
	row->desired = state_count_wanted(turn_look(m), index);
	row->ready = state_count_ready(turn_look(m), index);
	row->min = rules.min;
	row->max = rules.max;
	row->busy_percent = busy->measured_ns == 0 ? VIEW_UNKNOWN :
	    (busy->share + BUSY_ALL / 200) / (BUSY_ALL / 100);
	row->next_step = !autoscale_is_on(pool, &rules) ? VIEW_UNKNOWN :
	    wall_of(autoscale_next_ns(pool, &rules, busy, now));
	row->automatic = !pool->desired_by_operator;
}

static void
fill_pool(struct master *m, uint16_t index, struct view_pool *row)
{
	static const char *const protocols[] = { "http", "tcp", "udp" };
	static const char *const schedules[] = { "round-robin",
		"least-connections", "shared", "reuseport" };
	const struct memo_copy *copy = turn_look(m);
	const struct memo_pool *pool = &copy->pool[index];
	const struct conf_pool *conf = master_pool_now(m, index);
	const char **addresses = take(CONF_LISTENS_MAX * sizeof(*addresses));

	row->pool = text(pool->name);
	row->state = (enum view_state)m->pool[index].verdict;
	row->protocol = protocols[conf != NULL ? conf->protocol : 0];
	row->schedule = schedules[conf != NULL ? conf->schedule : 0];
	row->listen_count = conf == NULL ? 0 : listeners_addresses(m, conf,
	    addresses, CONF_LISTENS_MAX);
	for (size_t i = 0; i < row->listen_count; i++)
		addresses[i] = text(addresses[i]);
	row->listen = addresses;
	fill_size(m, index, row);
	row->generation = (int64_t)pool->generation;
	row->drained_by = !pool->drained ? NULL :
	    pool->drained_by[0] != '\0' ? text(pool->drained_by) :
	    "an operator";
	sum_pool(m, index, row);
}

static void
fill_pools(struct master *m)
{
	const struct memo_copy *copy = turn_look(m);
	struct view_pool *rows = take((copy->pools + 1u) * sizeof(*rows));
	size_t count = 0;

	for (uint16_t i = 0; i < copy->pools; i++)
		if (copy->pool[i].name[0] != '\0')
			fill_pool(m, i, &rows[count++]);
	view.pools = rows;
	view.pool_count = count;
}

/* -- listeners and plugins ------------------------------------------------------------ */

static void
fill_listener(const struct listener *l, struct view_listener *row)
{
	const char *owner = owners_name(l);

	row->address = text(l->address);
	row->configured = text(l->configured);
	row->pool = text(l->pool);
	row->socket = l->reuseport ? KEEPER_LISTENER_SOCKET(l->id) :
	    VIEW_UNKNOWN;
	row->owner = owner != NULL ? text(owner) : NULL;
	row->backlog = l->backlog;
	row->queued = listeners_queued(l, NULL);
	row->accepted = (int64_t)l->accepted;
	row->healed = (int64_t)l->healed;
	for (size_t i = 0; i < view.pool_count; i++)
		if (strcmp(view.pools[i].pool, l->pool) == 0)
			row->schedule = view.pools[i].schedule;
}

static int
by_address(const void *a, const void *b)
{
	const struct view_listener *x = a, *y = b;
	int order = strcmp(x->pool, y->pool);

	if (order == 0)
		order = strcmp(x->configured, y->configured);
	return order != 0 ? order : (x->socket > y->socket) -
	    (x->socket < y->socket);
}

static void
fill_listeners(struct master *m)
{
	struct view_listener *rows;
	size_t count = 0;

	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		count++;
	rows = take((count + 1) * sizeof(*rows));
	count = 0;
	for (struct listener *l = m->listeners; l != NULL; l = l->next)
		fill_listener(l, &rows[count++]);
	qsort(rows, count, sizeof(*rows), by_address);
	view.listeners = rows;
	view.listener_count = count;
}

static void
fill_plugin(struct master *m, size_t index, struct view_plugin *row)
{
	const struct conf_plugin *plugin = &m->conf->plugins[index];
	const char **pools = take((m->conf->pool_count + 1) * sizeof(*pools));
	const char *slash = strrchr(plugin->module, '/');

	row->plugin = text(plugin->name);
	row->path = text(plugin->module);
	row->module = slash != NULL ? text(slash + 1) : row->path;
	row->sha256 = text(plugin->sha256);
	row->source_changed = sources_is_changed(m->sources, m->conf, index);
	for (size_t i = 0; i < m->conf->pool_count; i++)
		if (conf_pool_names(&m->conf->pools[i], index))
			pools[row->pool_count++] = m->conf->pools[i].name;
	row->pools = pools;
}

static void
fill_plugins(struct master *m)
{
	struct view_plugin *rows = take((m->conf->plugin_count + 1) *
	    sizeof(*rows));

	for (size_t i = 0; i < m->conf->plugin_count; i++)
		fill_plugin(m, i, &rows[i]);
	view.plugins = rows;
	view.plugin_count = m->conf->plugin_count;
}

const struct view *
view_make(struct master *m, enum view_children children)
{
	const struct memo_globals *globals = &turn_look(m)->globals;

	drop_blocks();
	memset(&view, 0, sizeof(view));
	of = children;
	if (setjmp(no_memory) != 0)
		return NULL;		/* its blocks go with the next one */
	verdict_find(m);
	view.state = verdict_state();
	view.reason_count = verdict_reasons(&view.reasons);
	view.version = PACKAGE_VERSION;
	view.keeper_pid = m->keeper_pid;
	view.started = m->keeper_started_ms;
	view.master.pid = getpid();
	view.master.uptime_ms = (int64_t)((clock_now_ns() - m->began_ns) /
	    NS_PER_MS);
	view.master.restarts = m->number > 0 ? m->number - 1 : 0;
	view.generation = (int64_t)globals->generation;
	view.previous_generation = (int64_t)globals->previous;
	view.config_file = m->config_file;
	fill_workers(m);
	fill_pools(m);
	fill_listeners(m);
	if (m->conf != NULL)
		fill_plugins(m);
	return &view;
}
