/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_status.c: status, and the tables made of the same view: pools, workers,
 * plugins, listeners.
 */
#include <string.h>

#include "daemon/control/dispatch.h"
#include "daemon/control/present.h"
#include "daemon/control/server.h"

void
command_status(struct control_call *call, const struct arguments *arguments)
{
	struct buf buf;
	struct writer w = { .buf = &buf };

	(void)arguments;
	buf_init(&buf, 0);
	present_add_status(&w, server_view(call->control));
	call_done_with(call, &buf);
}

void
command_pools(struct control_call *call, const struct arguments *arguments)
{
	const struct view *view = server_view(call->control);
	struct buf buf;
	bool more = true;

	(void)arguments;
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->pool_count && more; i++) {
		struct writer w = { .buf = &buf };

		present_add_pool(&w, &view->pools[i]);
		more = call_row_with(call, &buf);
	}
	buf_done(&buf);
	call_done(call, NULL);
}

void
command_workers(struct control_call *call, const struct arguments *arguments)
{
	const struct value *pool = arguments_get(arguments, "pool");
	const struct view *view;
	struct errmsg err;
	struct buf buf;
	bool more = true;

	if (dispatch_find_target(call, &pool->target, &err) != 0) {
		call_fail(call, &err, NULL);
		return;
	}
	view = server_view(call->control);
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->worker_count && more; i++) {
		struct writer w = { .buf = &buf };

		if (pool->given &&
		    strcmp(view->workers[i].pool, pool->target.pool) != 0)
			continue;
		present_add_worker(&w, &view->workers[i]);
		more = call_row_with(call, &buf);
	}
	buf_done(&buf);
	call_done(call, NULL);
}

void
command_plugins(struct control_call *call, const struct arguments *arguments)
{
	const struct view *view = server_view(call->control);
	struct buf buf;
	bool more = true;

	(void)arguments;
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->plugin_count && more; i++) {
		struct writer w = { .buf = &buf };

		present_add_plugin(&w, &view->plugins[i]);
		more = call_row_with(call, &buf);
	}
	buf_done(&buf);
	call_done(call, NULL);
}

void
command_listeners(struct control_call *call, const struct arguments *arguments)
{
	const struct view *view = server_view(call->control);
	struct buf buf;
	bool more = true;

	(void)arguments;
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->listener_count && more; i++) {
		struct writer w = { .buf = &buf };

		present_add_listener(&w, &view->listeners[i]);
		more = call_row_with(call, &buf);
	}
	buf_done(&buf);
	call_done(call, NULL);
}
