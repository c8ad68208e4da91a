/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* serve.c: a request from its head to its end: which plugin is asked, and what
 * becomes of what it says; see serve.h. */
#include "daemon/plugin/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/plugin/children.h"
#include "daemon/plugin/filter.h"
enum { LOST_EVERY_MS = 10000 };		/* a line of log */

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

static struct host_frame
enter_request(struct host *host, struct conn *conn)
{
	struct host_frame frame = host_enter_quietly(host, conn->handler);

	show_request(host, conn, 0);
	return frame;
}

static struct cluster_request *
handle_of(const struct conn *conn)
{
	return (struct cluster_request *)(uintptr_t)request_handle(conn);
}

/* ask: handle or on_head of that plugin. */
static enum cluster_verdict
call_plugin(struct host *host, unsigned index, struct conn *conn,
    enum cluster_verdict (*ask)(struct cluster_request *req, void *self))
{
	enum cluster_verdict verdict;
	struct host_frame frame;

	if (ask == NULL)
		return CLUSTER_PASS;
	conn->handler = (uint16_t)index;
	frame = enter_request(host, conn);
	verdict = ask(handle_of(conn), host->plugins[index].self);
	host_leave(host, frame);
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
	host->ops->log(LL_ERROR, host_name_of(host, conn->handler), text);
	if (conn->exchange->answer == ANSWER_NONE)
		response_error(conn, 500, false);
	else if (conn->exchange->answer == ANSWER_STREAM)
		conn_abort(conn, true);
}

bool
host_take_verdict(struct host *host, struct conn *conn,
    enum cluster_verdict verdict)
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
	board_add(host->board, METRIC_QUARANTINED, 1);
	response_error_with(conn, 503, "Retry-After", "30");
}

/* One request is the probe of one route. */
static bool
take_probe(struct host *host, struct conn *conn)
{
	if (conn->watched) {
		gates_end_probe(&host->gates, conn->route);
		host->ops->probe(conn->route, PROBE_UNUSED);
		return false;
	}
	conn->watched = true;
	conn->probed = conn->route;
	return true;
}

bool
host_pass_gate(struct host *host, struct conn *conn)
{
	switch (gates_look(&host->gates, conn->route, clock_now_ns())) {
	case GATE_PASS:
		return true;
	case GATE_PASS_AS_PROBE:
		if (take_probe(host, conn))
			return true;
		break;
	case GATE_REFUSE_AND_ASK:
		host->ops->probe(conn->route, PROBE_ASK);
		break;
	case GATE_REFUSE:
		break;
	}
	refuse_route(host, conn);
	return false;
}

/* It is the probe of the route that has it. */
static bool
is_probe(const struct conn *conn)
{
	return conn->watched && conn->probed == conn->route;
}

static void
end_probe(struct host *host, struct conn *conn, enum probe_word word)
{
	conn->watched = false;
	gates_end_probe(&host->gates, conn->probed);
	host->ops->probe(conn->probed, word);
}

static void
on_answered(struct conn *conn, void *ctx)
{
	if (conn->watched)
		end_probe(ctx, conn, PROBE_LIVED);
	host_end_children_of(ctx, conn);
}

/* It shows nothing of its handler, which was not asked. */
static void
on_unserved(struct conn *conn, void *ctx)
{
	end_probe(ctx, conn, PROBE_UNUSED);
}

/* ---- the next request -------------------------------------------------------------- */

/* The route after that one, -1 for the first, that takes this method: its index,
 * or -1.  The methods of those that do not are added to others. */
static int
next_route(struct host *host, struct conn *conn, int at, unsigned *others)
{
	unsigned method = 1u << conn->exchange->head.method_id;
	size_t path_len, host_len;
	const char *path = request_raw_path(conn, &path_len);
	const char *name = request_raw_host(conn, &host_len);

	for (;;) {
		const struct route *route;

		at = routes_next(&host->routes, (size_t)(at + 1), name,
		    host_len, path, path_len);
		if (at < 0)
			return -1;
		route = &host->routes.rows[at];
		if ((route->methods & method) != 0) {
			conn->route = (uint16_t)(route->order + 1);
			return at;
		}
		*others |= route->methods;
	}
}

static enum cluster_verdict
call_on_head(struct host *host, unsigned plugin, struct conn *conn)
{
	struct body *body = &conn->exchange->body;
	enum cluster_verdict verdict;

	body->asks = true;
	verdict = call_plugin(host, plugin, conn,
	    host->plugins[plugin].desc.on_head);
	body->asks = false;
	return verdict;
}

/* Filters come first: who may not be served is not streamed either. */
static bool
on_offer(struct conn *conn, void *ctx)
{
	struct host *host = ctx;
	unsigned others = 0;
	int at = next_route(host, conn, -1, &others);
	unsigned plugin = at < 0 ? 0 : host->routes.rows[at].plugin;
	enum cluster_verdict verdict;

	if (at < 0 || host->plugins[plugin].desc.on_head == NULL)
		return false;
	if (host->filters.count > 0) {
		conn->exchange->body.filtered = true;
		if (!filter_request(host, conn))
			return true;
		(void)next_route(host, conn, -1, &others);
	}
	if (host->gates.count > 0 && !host_pass_gate(host, conn))
		return true;
	verdict = call_on_head(host, plugin, conn);
	if (verdict == CLUSTER_PASS && !conn->dead &&
	    conn->exchange->body.kind == BODY_STREAM) {
		fail_request(host, conn, "passed on, and its body streamed");
		return true;
	}
	return host_take_verdict(host, conn, verdict);
}

/* There are routes to this path, and none of them for its method. */
static void
refuse_method(struct conn *conn, unsigned methods)
{
	char allow[96];

	conn->route = 0;
	routes_write_methods(methods | 1u << METHOD_OPTIONS, ", ", allow,
	    sizeof(allow));
	if (conn->exchange->head.method_id != METHOD_OPTIONS)
		response_error_with(conn, 405, "Allow", allow);
	else
		response_allow(conn, allow);
}

/* It names a host, which is none of those that this pool is told to have. */
static bool
is_misdirected(const struct host *host, struct conn *conn)
{
	size_t len;
	const char *name = request_raw_host(conn, &len);

	return len > 0 && !routes_know_host(&host->routes, name, len);
}

static void
on_request(struct conn *conn, void *ctx)
{
	struct host *host = ctx;
	unsigned others = 0;
	bool asked = false;
	int at = -1;

	if (host->filters.count > 0 && !conn->exchange->body.filtered &&
	    !filter_request(host, conn))
		return;
	while ((at = next_route(host, conn, at, &others)) >= 0) {
		unsigned plugin = host->routes.rows[at].plugin;

		asked = true;
		/* a probe that was let pass at its head is let pass */
		if (host->gates.count > 0 && !is_probe(conn) &&
		    !host_pass_gate(host, conn))
			return;
		if (host_take_verdict(host, conn, call_plugin(host, plugin, conn,
		    host->plugins[plugin].desc.handle)))
			return;
		/* it lives, and wants none of it */
		if (is_probe(conn))
			end_probe(host, conn, PROBE_LIVED);
	}
	if (others != 0 && !asked) {
		refuse_method(conn, others);
		return;
	}
	conn->route = 0;
	response_error(conn, is_misdirected(host, conn) ? 421 : 404, false);
}

static void
on_room(struct conn *conn, void *ctx)
{
	struct host *host = ctx;
	struct plugin *plugin = &host->plugins[conn->handler];
	struct host_frame frame;

	if (plugin->desc.on_room == NULL)
		return;
	frame = host_enter_quietly(host, conn->handler);
	show_request(host, conn, 0);
	plugin->desc.on_room(
	    (struct cluster_request *)(uintptr_t)request_handle(conn),
	    plugin->self);
	host_leave(host, frame);
}

/* Once: whoever wants to hear more says so again. */
static void
tell_gone(struct host *host, struct conn *conn, enum cluster_gone why)
{
	struct gone gone = conn->exchange->gone;
	struct host_frame frame;

	if (gone.call == NULL)
		return;
	conn->exchange->gone.call = NULL;
	frame = host_enter_quietly(host, gone.owner);
	show_request(host, conn, 0);
	gone.call((struct cluster_request *)(uintptr_t)request_handle(conn),
	    (int)why, gone.arg);
	host_leave(host, frame);
}

/* ---- bodies -------------------------------------------------------------------------- */

static void
on_body(struct conn *conn, const void *data, size_t len, void *ctx)
{
	struct host *host = ctx;
	const struct body *body = &conn->exchange->body;
	struct host_frame frame = enter_request(host, conn);

	body->sink->data(handle_of(conn), data, len, body->sink_arg);
	host_leave(host, frame);
}

static void
on_body_end(struct conn *conn, int error, void *ctx)
{
	struct host *host = ctx;
	const struct body *body = &conn->exchange->body;
	struct host_frame frame = enter_request(host, conn);

	body->sink->end(handle_of(conn), error, body->sink_arg);
	host_leave(host, frame);
}

/* A full disk has many clients. */
static void
on_body_lost(struct conn *conn, int error, void *ctx)
{
	struct host *host = ctx;
	uint64_t now_ns = clock_now_ns();
	char text[160];

	(void)conn;
	if (host->lost_ns != 0 &&
	    now_ns - host->lost_ns < clock_scaled_ms(LOST_EVERY_MS) * NS_PER_MS)
		return;
	host->lost_ns = now_ns;
	snprintf(text, sizeof(text), "a body cannot be kept in a file: %s",
	    strerror(-error));
	host->ops->log(LL_WARNING, "", text);
}

static void
on_stale(struct conn *conn, bool lost, void *ctx)
{
	struct host *host = ctx;
	char text[256];

	snprintf(text, sizeof(text), "request %llu: its %s before its answer",
	    (unsigned long long)conn->request,
	    lost ? "connection ended" : "time was over");
	host->ops->log(LL_DEBUG, host_name_of(host, conn->handler), text);
	if (conn->watched)		/* its client left, or its time is over */
		end_probe(host, conn, PROBE_UNUSED);
	tell_gone(host, conn, lost ? CLUSTER_GONE_LOST : CLUSTER_GONE_TIMEOUT);
	host_end_children_of(host, conn);
}

static void
on_left(struct conn *conn, void *ctx)
{
	tell_gone(ctx, conn, CLUSTER_GONE_LEFT);
	host_end_children_of(ctx, conn);
}

/* ---- what the connections call ---------------------------------------------------- */

static void
on_ended(struct conn *conn, uint64_t now_ns, bool cut, void *ctx)
{
	struct host *host = ctx;

	host->ops->ended(conn, now_ns, cut);
}

static void
on_due(const struct due *due, void *ctx)
{
	struct host *host = ctx;
	struct host_frame frame = host_enter(host, DOING_WATCH, due->owner);

	due_call(due);
	host_leave(host, frame);
}

static void
on_closed(int fd, void *ctx)
{
	struct host *host = ctx;

	host->ops->closed(fd);
}

const struct http_ops serve_ops = {
	.on_offer = on_offer, .on_body = on_body, .on_body_end = on_body_end,
	.on_body_lost = on_body_lost,
	.on_request = on_request, .on_room = on_room, .on_stale = on_stale,
	.on_left = on_left, .on_answered = on_answered,
	.on_unserved = on_unserved, .on_ended = on_ended,
	.on_due = on_due, .on_closed = on_closed,
	.on_head = filter_on_head, .on_stage = filter_on_stage,
};
