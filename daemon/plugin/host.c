/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* host.c: plugins at work: how they are called, and their life; see host.h. */
#include "daemon/plugin/host.h"

#include <errno.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/forked.h"
#include "daemon/http/exchange.h"
#include "daemon/plugin/api.h"
#include "daemon/plugin/children.h"
#include "daemon/plugin/serve.h"

enum { CHILDREN_GRACE_MS = 1000 };	/* to end by themselves, at the end */

/* ---- callbacks: the page says which one runs, and since when ----------------- */

struct host_frame
host_enter_quietly(struct host *host, unsigned plugin)
{
	struct host_frame frame = { host->current, host->in_callback };

	host->current = plugin;
	host->in_callback = true;
	if (!frame.outer)
		board_set_callback(host->board, clock_now_ns());
	return frame;
}

/* A plugin that forks and comes back would have two processes serve the same
 * clients from one poll set: the child goes no step further. */
void
host_leave_quietly(struct host *host, struct host_frame frame)
{
	if (forked_is_copy())
		host->ops->copied();
	host->current = frame.plugin;
	host->in_callback = frame.outer;
	if (!frame.outer) {
		if (host->outbox.filled > 0 && !host->outbox.held)
			outbox_flush(&host->outbox);
		board_set_callback(host->board, 0);
		if (WORD_GET(host->board->page->beat.busy_until_ns) != 0)
			WORD_SET(host->board->page->beat.busy_until_ns, 0);
	}
}

const char *
host_name_of(const struct host *host, unsigned plugin)
{
	return plugin < host->plugin_count ?
	    host->plugins[plugin].instance : "";
}

static void
show_callback(struct host *host, enum page_doing_kind kind, unsigned plugin)
{
	board_do(host->board, 0, &(struct board_work){ .kind = kind,
	    .plugin = plugin, .since_ns = clock_now_ns() });
}

struct host_frame
host_enter(struct host *host, enum page_doing_kind kind, unsigned plugin)
{
	struct host_frame frame = host_enter_quietly(host, plugin);

	show_callback(host, kind, plugin);
	return frame;
}

struct host_frame
host_enter_for(struct host *host, enum page_doing_kind kind, unsigned plugin,
    const char *whom)
{
	struct host_frame frame = host_enter_quietly(host, plugin);

	board_do(host->board, 0, &(struct board_work){ .kind = kind,
	    .plugin = plugin, .since_ns = clock_now_ns(), .path = whom,
	    .path_len = strlen(whom) });
	return frame;
}

void
host_leave(struct host *host, struct host_frame frame)
{
	board_do_nothing(host->board, 0);
	host_leave_quietly(host, frame);
}

/* Whether it leads is asked inside of the callback: see self_leads(). */
static bool
run_timer(unsigned plugin, bool leader, cluster_timer_fn *fn, void *arg,
    void *ctx)
{
	struct host *host = ctx;
	struct host_frame frame = host_enter(host, DOING_TIMER, plugin);
	bool may = !leader || self_leads(host);

	if (may)
		fn(arg);
	host_leave(host, frame);
	return may;
}

static void
run_ready(unsigned plugin, cluster_ready_fn *fn, int fd, unsigned flags,
    void *arg, void *ctx)
{
	struct host *host = ctx;
	struct host_frame frame = host_enter(host, DOING_WATCH, plugin);

	fn(fd, flags, arg);
	host_leave(host, frame);
}

/* ---- messages -------------------------------------------------------------------- */

void
host_want_room(struct host *host)
{
	if (host->current < host->plugin_count)
		host->plugins[host->current].wants_room = true;
}

void
host_tell_room(struct host *host)
{
	for (unsigned i = 0; i < host->plugin_count; i++) {
		struct plugin *plugin = &host->plugins[i];
		struct host_frame frame;

		if (!plugin->wants_room || !plugin->started)
			continue;
		plugin->wants_room = false;
		if (plugin->desc.on_room == NULL)
			continue;
		frame = host_enter(host, DOING_MESSAGE, i);
		plugin->desc.on_room(NULL, plugin->self);
		host_leave(host, frame);
	}
}

/* ---- life ------------------------------------------------------------------------ */

void
host_init(struct host *host, struct event_base *base, struct board *board,
    const struct host_ops *ops)
{
	memset(host, 0, sizeof(*host));
	host->base = base;
	host->board = board;
	host->ops = ops;
	host->worker_name = "";
	host->timers.base = base;
	host->timers.run = run_timer;
	host->timers.ctx = host;
	host->watches.base = base;
	host->watches.run = run_ready;
	host->watches.ctx = host;
	routes_init(&host->routes);
	buf_init(&host->sse, EXCHANGE_OUT_MAX);
	routes_init(&host->filters);
	outbox_init(&host->outbox, host);
	host_init_children(host);
	api_set_host(host);
}

int
host_init_http(struct host *host, const struct http_config *config)
{
	return http_init(&host->http, host->base, host->board, config,
	    &serve_ops, host);
}

/* One that was made for an older host means a failure. */
static bool
is_late(const struct plugin *plugin, int rc)
{
	return rc == (int)CLUSTER_LATER && plugin->note.abi_minor >= 2;
}

int
host_start(struct host *host, size_t *failed)
{
	for (size_t i = 0; i < host->plugin_count; i++) {
		struct plugin *plugin = &host->plugins[i];
		struct host_frame frame = host_enter(host, DOING_START,
		    (unsigned)i);
		int rc = 0;

		host->may_block = true;
		if (plugin->desc.start != NULL)
			rc = plugin->desc.start(plugin->self);
		host->may_block = false;
		/* what it sent leaves now, and it may hear of room */
		plugin->started = rc == 0 || is_late(plugin, rc);
		host_leave(host, frame);
		if (!plugin->started) {
			*failed = i;
			return ERR_FAILED;
		}
		if (plugin->desc.on_head != NULL)
			host->http.wants_heads = true;
		plugin->late = rc != 0 && !plugin->said_ready;
		host->late += plugin->late;
	}
	return 0;
}

void
host_say_ready(struct host *host)
{
	struct plugin *plugin;

	if (host->current >= host->plugin_count)
		return;
	plugin = &host->plugins[host->current];
	plugin->said_ready = true;
	if (!plugin->late)
		return;
	plugin->late = false;
	if (--host->late == 0)
		host->ops->ready();
}

void
host_tick(struct host *host, uint64_t now_ns)
{
	unsigned route;

	while ((route = gates_take_back(&host->gates, now_ns)) != 0)
		host->ops->probe(route, PROBE_UNUSED);
	WORD_SET(host->board->page->gauges.holds, host_count_holds(host));
	api_tick(now_ns);
	watches_look(&host->watches);
	if (host->timers.waiting > 0 && self_leads(host))
		timers_try_waiting(&host->timers);
	children_tick(&host->children, now_ns);
}

unsigned
host_count_holds(const struct host *host)
{
	return host->timers.holding + (unsigned)WORD_GET(host->holds);
}

int
host_hold(struct host *host, int delta)
{
	int before = WORD_GET(host->holds), after;

	do {
		if (__builtin_add_overflow(before, delta, &after) || after < 0)
			return -ERANGE;
	} while (!__atomic_compare_exchange_n(&host->holds, &before, after,
	    false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return 0;
}

void
host_drain(struct host *host)
{
	for (size_t i = 0; i < host->plugin_count; i++) {
		struct plugin *plugin = &host->plugins[i];
		struct host_frame frame = host_enter(host, DOING_DRAIN,
		    (unsigned)i);

		if (plugin->started && plugin->desc.on_drain != NULL)
			plugin->desc.on_drain(plugin->self);
		host_leave(host, frame);
	}
	children_drain(&host->children);
}

void
host_stop(struct host *host)
{
	children_stop(&host->children, clock_scaled_ms(CHILDREN_GRACE_MS));
	outbox_stop(&host->outbox);
	control_stop(host);
	for (size_t i = host->plugin_count; i-- > 0;) {
		struct plugin *plugin = &host->plugins[i];
		struct host_frame frame = host_enter(host, DOING_STOP,
		    (unsigned)i);

		if (plugin->started && plugin->desc.stop != NULL)
			plugin->desc.stop(plugin->self);
		plugin->started = 0;
		host_leave(host, frame);
	}
}
