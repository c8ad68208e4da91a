/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* filter.c: see filter.h. */
#include "daemon/plugin/filter.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "daemon/http/request.h"
#include "daemon/http/response.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/plain.h"

/* A stage is a plugin's. */
struct filter_stage {
	struct stage stage;
	struct cluster_transform ops;	/* as far as the plugin has it */
	void *arg;
};

/* ---- callbacks, often inside of a handler's ------------------------------------ */

struct filter_frame {
	struct host_frame frame;
	struct board_kept kept;		/* what the page said, if it did */
};

static unsigned
plugin_of(const struct host *host, int filter)
{
	return host->filters.rows[filter].plugin;
}

/* As the master knows it: behind the routes. */
static unsigned
number_of(const struct host *host, int filter)
{
	return (unsigned)host->routes.count + 1 + (unsigned)filter;
}

static void
enter(struct host *host, struct conn *conn, int filter,
    struct filter_frame *frame)
{
	size_t len;
	const char *path = request_raw_path(conn, &len);

	if (host->in_callback)
		board_keep(host->board, &frame->kept);
	frame->frame = host_enter_quietly(host, plugin_of(host, filter));
	board_do(host->board, 0, &(struct board_work){
	    .kind = DOING_REQUEST, .plugin = plugin_of(host, filter),
	    .route = number_of(host, filter),
	    .method = conn->exchange->head.method_id,
	    .since_ns = clock_now_ns(), .request = conn->request,
	    .path = path, .path_len = len });
}

static void
leave(struct host *host, const struct filter_frame *frame)
{
	if (frame->frame.outer)
		board_put_back(host->board, &frame->kept);
	else
		board_do_nothing(host->board, 0);
	host_leave_quietly(host, frame->frame);
}

static struct cluster_request *
handle_of(const struct conn *conn)
{
	return (struct cluster_request *)(uintptr_t)request_handle(conn);
}

/* ---- requests ------------------------------------------------------------------ */

static enum cluster_verdict
call_request(struct host *host, struct conn *conn, int filter)
{
	struct plugin *plugin = &host->plugins[plugin_of(host, filter)];
	struct filter_frame frame;
	enum cluster_verdict verdict;

	if (plugin->desc.on_request == NULL)
		return CLUSTER_PASS;
	conn->handler = (uint16_t)plugin_of(host, filter);
	enter(host, conn, filter, &frame);
	verdict = plugin->desc.on_request(handle_of(conn), plugin->self);
	leave(host, &frame);
	return verdict;
}

/* The path as it may be meant, where that is not as it was sent (NULL).  False: no
 * memory, and that was answered. */
static bool
make_plain(struct conn *conn, char **plain, size_t *plain_len)
{
	size_t len;
	const char *path = request_raw_path(conn, &len);

	*plain = NULL;
	if (plain_is(path, len))
		return true;
	*plain = exchange_alloc(conn->exchange, len);
	if (*plain == NULL) {
		response_error(conn, 500, false);
		return false;
	}
	memcpy(*plain, path, len);
	*plain_len = plain_make(*plain, len);
	return true;
}

/* Whoever keeps guard must not be passed by another spelling: either will do. */
static bool
is_for(const struct route *row, struct conn *conn, const char *plain,
    size_t plain_len)
{
	size_t path_len, host_len;
	const char *path = request_raw_path(conn, &path_len);
	const char *name = request_raw_host(conn, &host_len);

	if ((row->methods & 1u << conn->exchange->head.method_id) == 0)
		return false;
	return route_matches(row, name, host_len, path, path_len) ||
	    (plain != NULL &&
	    route_matches(row, name, host_len, plain, plain_len));
}

/* The answer of one of them is seen by those that have seen the request. */
bool
filter_request(struct host *host, struct conn *conn)
{
	size_t plain_len = 0;
	char *plain;

	conn->route = 0;
	if (!make_plain(conn, &plain, &plain_len))
		return false;
	for (size_t i = 0; i < host->filters.count; i++) {
		if (!is_for(&host->filters.rows[i], conn, plain, plain_len))
			continue;
		conn->route = (uint16_t)number_of(host, (int)i);
		if (host->gates.count > 0 && !host_pass_gate(host, conn))
			return false;
		conn->exchange->filters |= UINT64_C(1) << i;
		if (host_take_verdict(host, conn,
		    call_request(host, conn, (int)i)))
			return false;
	}
	conn->route = 0;
	return true;
}

/* ---- answers ------------------------------------------------------------------- */

void
filter_on_head(struct conn *conn, struct answer_head *head, void *ctx)
{
	struct host *host = ctx;
	uint64_t left = conn->exchange->filters;

	while (left != 0 && !conn->dead) {
		int filter = 63 - __builtin_clzll(left);
		struct plugin *plugin =
		    &host->plugins[plugin_of(host, filter)];
		struct filter_frame frame;

		left &= ~(UINT64_C(1) << filter);
		if (plugin->desc.on_response == NULL)
			continue;
		head->filter = filter;
		enter(host, conn, filter, &frame);
		plugin->desc.on_response(handle_of(conn), plugin->self);
		leave(host, &frame);
	}
}

int
filter_add_transform(struct conn *conn, const struct cluster_transform *ops,
    void *arg)
{
	struct exchange *exchange = conn->exchange;
	struct answer_head *head = exchange->draft;
	struct filter_stage *stage;
	size_t size;

	if (head == NULL || ops == NULL ||
	    ops->size < offsetof(struct cluster_transform, free) +
	    sizeof(ops->free))
		return -EINVAL;
	if (head->status == 204 || head->status == 304)
		return -ENODATA;
	for (struct stage *at = exchange->stages; at != NULL; at = at->next)
		if (at->filter == head->filter)
			return -EALREADY;
	stage = exchange_alloc(exchange, sizeof(*stage));
	if (stage == NULL)
		return -ENOMEM;
	size = ops->size < sizeof(stage->ops) ? ops->size :
	    sizeof(stage->ops);
	memset(stage, 0, sizeof(*stage));
	memcpy(&stage->ops, ops, size);
	stage->stage.filter = head->filter;
	stage->arg = arg;
	filtering_add_stage(conn, &stage->stage);
	return 0;
}

static int
run(struct conn *conn, struct filter_stage *stage, enum stage_call what,
    const void *data, size_t len)
{
	struct cluster_request *req = handle_of(conn);

	switch (what) {
	case STAGE_PIECE:
		if (stage->ops.piece == NULL)
			return filtering_write(conn, data, len);
		return stage->ops.piece(req, data, len, stage->arg);
	case STAGE_FLUSH:
		return stage->ops.flush == NULL ? 0 :
		    stage->ops.flush(req, stage->arg);
	case STAGE_END:
		return stage->ops.end == NULL ? 0 :
		    stage->ops.end(req, stage->arg);
	case STAGE_FREE:
		if (stage->ops.free != NULL)
			stage->ops.free(stage->arg);
		return 0;
	}
	return -EINVAL;
}

static void
report_failure(struct host *host, const struct conn *conn, int filter, int rc)
{
	char text[160];

	board_add(host->board, METRIC_FAILED, 1);
	snprintf(text, sizeof(text), "filter %.64s: request %llu: its "
	    "transform failed (%d)", host->filters.rows[filter].pattern,
	    (unsigned long long)conn->request, rc);
	host->ops->log(LL_ERROR, host->plugins[plugin_of(host, filter)].instance,
	    text);
}

int
filter_on_stage(struct conn *conn, struct stage *at, enum stage_call what,
    const void *data, size_t len, void *ctx)
{
	struct filter_stage *stage = (struct filter_stage *)(void *)at;
	struct host *host = ctx;
	struct filter_frame frame;
	int rc;

	enter(host, conn, at->filter, &frame);
	rc = run(conn, stage, what, data, len);
	leave(host, &frame);
	if (rc != 0 && !conn->dead && what != STAGE_FREE)
		report_failure(host, conn, at->filter, rc);
	return rc;
}
