/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* host.c: plugins at work: who answers, and how it is called; see host.h. */
#include "daemon/plugin/host.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/clock.h"
#include "common/base/forked.h"
#include "common/base/log.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/plugin/api.h"
#include "daemon/plugin/children.h"

enum { CHILDREN_GRACE_MS = 1000 };	/* to end by themselves, at the end */

/* ---- callbacks: the page says which one runs, and since when ----------------- */

static struct host_frame
enter(struct host *host, unsigned plugin)
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
static void
leave(struct host *host, struct host_frame frame)
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

static const char *
name_of(const struct host *host, unsigned plugin)
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
	struct host_frame frame = enter(host, plugin);

	show_callback(host, kind, plugin);
	return frame;
}

void
host_leave(struct host *host, struct host_frame frame)
{
	board_do_nothing(host->board, 0);
	leave(host, frame);
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

/* ---- requests ------------------------------------------------------------------- */

static void
show_request(struct host *host, struct conn *conn, unsigned entry)
{
	size_t len;
	const char *path = request_raw_path(conn, &len);

	if (host->http.config.record_query && conn->exchange->path == NULL) {
		struct slice target = head_path(&conn->exchange->head);

		if (target.len > len)
			len = target.len;
	}
	board_do(host->board, entry, &(struct board_work){
	    .kind = DOING_REQUEST, .plugin = conn->handler,
	    .route = conn->route, .method = conn->exchange->head.method_id,
	    .since_ns = conn->since_ns, .request = conn->request,
	    .path = path, .path_len = len });
}

static enum cluster_verdict
call_handle(struct host *host, unsigned index, struct conn *conn)
{
	struct plugin *plugin = &host->plugins[index];
	enum cluster_verdict verdict;
	struct host_frame frame;

	if (plugin->desc.handle == NULL)
		return CLUSTER_PASS;
	conn->handler = (uint16_t)index;
	frame = enter(host, index);
	show_request(host, conn, 0);
	verdict = plugin->desc.handle(
	    (struct cluster_request *)(uintptr_t)request_handle(conn),
	    plugin->self);
	board_do_nothing(host->board, 0);
	leave(host, frame);
	return verdict;
}

/* The handler broke its word: nobody gets a guess for an answer. */
static void
fail_request(struct host *host, struct conn *conn, const char *why)
{
	char text[256], path[128];
	size_t len;
	const char *raw;

	board_add(host->board, METRIC_FAILED, 1);
	raw = request_raw_path(conn, &len);
	snprintf(path, sizeof(path), "%.*s", (int)(len < 100 ? len : 100), raw);
	snprintf(text, sizeof(text), "%s %s: %s", request_method(conn), path,
	    why);
	host->ops->log(LL_ERROR, name_of(host, conn->handler), text);
	if (conn->exchange->answer == ANSWER_NONE)
		response_error(conn, 500, false);
	else if (conn->exchange->answer == ANSWER_STREAM)
		conn_abort(conn, true);
}

/* True: the request needs no other route. */
static bool
take_verdict(struct host *host, struct conn *conn, enum cluster_verdict verdict)
{
	enum answer_state answer = (enum answer_state)conn->exchange->answer;

	if (conn->dead)
		return true;		/* aborted on the way */
	switch (verdict) {
	case CLUSTER_DONE:
		if (answer == ANSWER_COMPLETE)
			return true;
		if (answer == ANSWER_NONE)
			fail_request(host, conn, "done, and nothing answered");
		else
			fail_request(host, conn, "done, and not ended");
		return true;
	case CLUSTER_PASS:
		if (answer == ANSWER_NONE)
			return false;
		fail_request(host, conn, "passed on, and answered");
		return true;
	case CLUSTER_LATER:
		if (answer == ANSWER_COMPLETE)
			return true;
		conn->doing = (uint8_t)http_begin_doing(&host->http);
		if (conn->doing != 0)
			show_request(host, conn, conn->doing);
		return true;
	case CLUSTER_FAIL:
		fail_request(host, conn, "failed");
		return true;
	}
	fail_request(host, conn, "a verdict that is none");
	return true;
}

/* ---- routes that are shut -------------------------------------------------------- */

static void
refuse_route(struct host *host, struct conn *conn)
{
	static const char text[] = "503 Service Unavailable\n";

	board_add(host->board, METRIC_QUARANTINED, 1);
	response_set_header(conn, "Retry-After", "30");
	if (response_reply(conn, 503, "text/plain; charset=utf-8", text,
	    sizeof(text) - 1) != 0)
		conn_abort(conn, true);
}

/* False: it was answered here. */
static bool
pass_gate(struct host *host, struct conn *conn)
{
	switch (gates_look(&host->gates, conn->route, clock_now_ns())) {
	case GATE_PASS:
		return true;
	case GATE_PASS_AS_PROBE:
		conn->watched = true;
		return true;
	case GATE_REFUSE_AND_ASK:
		host->ops->probe(conn->route, PROBE_ASK);
		break;
	case GATE_REFUSE:
		break;
	}
	refuse_route(host, conn);
	return false;
}

static void
end_probe(struct host *host, struct conn *conn, enum probe_word word)
{
	conn->watched = false;
	gates_end_probe(&host->gates, conn->route);
	host->ops->probe(conn->route, word);
}

static void
on_answered(struct conn *conn, void *ctx)
{
	if (conn->watched)
		end_probe(ctx, conn, PROBE_LIVED);
	host_end_children_of(ctx, conn);
}

void
host_tick(struct host *host, uint64_t now_ns)
{
	unsigned route;

	while ((route = gates_take_back(&host->gates, now_ns)) != 0)
		host->ops->probe(route, PROBE_UNUSED);
	WORD_SET(host->board->page->gauges.holds, host_count_holds(host));
	watches_look(&host->watches);
	if (host->timers.waiting > 0 && self_leads(host))
		timers_try_waiting(&host->timers);
	children_tick(&host->children, now_ns);
}

/* ---- the next request -------------------------------------------------------------- */

static void
on_request(struct conn *conn, void *ctx)
{
	struct host *host = ctx;
	size_t path_len, host_len;
	int at = -1;

	for (;;) {
		const char *path = request_raw_path(conn, &path_len);
		const char *name = request_raw_host(conn, &host_len);
		unsigned plugin;

		at = routes_next(&host->routes, (size_t)(at + 1), name,
		    host_len, path, path_len);
		if (at < 0)
			break;
		plugin = host->routes.rows[at].plugin;
		conn->route = (uint16_t)(host->routes.rows[at].order + 1);
		if (host->gates.count > 0 && !pass_gate(host, conn))
			return;
		if (take_verdict(host, conn, call_handle(host, plugin, conn)))
			return;
		if (conn->watched)	/* it lives, and wants none of it */
			end_probe(host, conn, PROBE_LIVED);
	}
	conn->route = 0;
	response_error(conn, 404, false);
}

static void
on_room(struct conn *conn, void *ctx)
{
	struct host *host = ctx;
	struct plugin *plugin = &host->plugins[conn->handler];
	struct host_frame frame;

	if (plugin->desc.on_room == NULL)
		return;
	frame = enter(host, conn->handler);
	plugin->desc.on_room(
	    (struct cluster_request *)(uintptr_t)request_handle(conn),
	    plugin->self);
	leave(host, frame);
}

static void
on_stale(struct conn *conn, const char *why, void *ctx)
{
	struct host *host = ctx;
	char text[256];

	snprintf(text, sizeof(text), "request %llu: %s before its answer",
	    (unsigned long long)conn->request, why);
	host->ops->log(LL_DEBUG, name_of(host, conn->handler), text);
	if (conn->watched)		/* its client left, or its time is over */
		end_probe(host, conn, PROBE_UNUSED);
	host_end_children_of(host, conn);
}

static void
on_left(struct conn *conn, void *ctx)
{
	host_end_children_of(ctx, conn);
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

static void
on_ended(struct conn *conn, uint64_t now_ns, bool cut, void *ctx)
{
	struct host *host = ctx;

	host->ops->ended(conn, now_ns, cut);
}

static void
on_closed(void *ctx)
{
	struct host *host = ctx;

	host->ops->closed();
}

static const struct http_ops http_ops = {
	.on_request = on_request, .on_room = on_room, .on_stale = on_stale,
	.on_left = on_left, .on_answered = on_answered, .on_ended = on_ended,
	.on_closed = on_closed,
};

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
	outbox_init(&host->outbox, host);
	host_init_children(host);
	api_set_host(host);
}

int
host_init_http(struct host *host, const struct http_config *config)
{
	return http_init(&host->http, host->base, host->board, config,
	    &http_ops, host);
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
