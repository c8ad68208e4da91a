/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * cmd_requests.c: requests and children: what workers are doing at this moment,
 * and by whom they let it be done.
 */
#include <string.h>

#include "daemon/control/dispatch.h"
#include "daemon/control/present.h"
#include "daemon/control/server.h"

/* child: that it is about; NULL: about the worker's loop. */
static bool
send_request(struct control_call *call, const struct view_worker *worker,
    const struct view_doing *doing, const struct view_child *child,
    struct buf *buf)
{
	struct writer w = { .buf = buf };

	writer_open(&w, NULL, '{');
	writer_add_text(&w, "worker", worker->worker);
	writer_add_known(&w, "id", worker->id);
	writer_add_known(&w, "pid", worker->pid);
	present_add_doing(&w, doing);
	writer_add_known(&w, "child", child != NULL ? child->pid :
	    VIEW_UNKNOWN);
	writer_add_text(&w, "command", child != NULL ? child->command : NULL);
	writer_close(&w, '}');
	return call_row_with(call, buf);
}

static bool
send_held_by(struct control_call *call, const struct view_worker *worker,
    const struct view_child *child, struct buf *buf)
{
	struct view_doing doing = child->request;	/* none: all NULL */

	doing.since_ms = child->since_ms;
	return send_request(call, worker, &doing, child, buf);
}

static bool
send_requests(struct control_call *call, const struct view_worker *worker,
    struct buf *buf)
{
	bool more = true;

	if (worker->requests_open_count == 0 && worker->has_doing)
		more = send_request(call, worker, &worker->doing, NULL, buf);
	for (size_t i = 0; i < worker->requests_open_count && more; i++)
		more = send_request(call, worker, &worker->requests_open[i],
		    NULL, buf);
	/* What a drain waits for without a request is said, too. */
	for (size_t i = 0; i < worker->child_count && more; i++)
		if (worker->child[i].holds)
			more = send_held_by(call, worker, &worker->child[i],
			    buf);
	return more;
}

void
command_requests(struct control_call *call, const struct arguments *arguments)
{
	const struct view *view = server_view_children(call->control,
	    CHILDREN_OF_DRAINING);
	struct buf buf;
	bool more = true;

	(void)arguments;
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->worker_count && more; i++)
		more = send_requests(call, &view->workers[i], &buf);
	buf_done(&buf);
	call_done(call, NULL);
}

static bool
send_child(struct control_call *call, const struct view_worker *worker,
    const struct view_child *child, struct buf *buf)
{
	struct writer w = { .buf = buf };

	writer_open(&w, NULL, '{');
	writer_add_text(&w, "worker", worker->worker);
	writer_add_known(&w, "id", worker->id);
	writer_add_number(&w, "pid", child->pid);
	writer_add_number(&w, "since_ms", child->since_ms);
	writer_add_number(&w, "cpu_ms", child->cpu_ms);
	writer_add_number(&w, "rss_kb", child->rss_kb);
	writer_add_bool(&w, "holds", child->holds);
	writer_add_bool(&w, "detached", child->detached);
	if (child->has_request) {
		writer_open(&w, "request", '{');
		present_add_doing(&w, &child->request);
		writer_close(&w, '}');
	} else {
		writer_add_json(&w, "request", NULL);
	}
	writer_add_text(&w, "command", child->command);
	writer_close(&w, '}');
	return call_row_with(call, buf);
}

void
command_children(struct control_call *call, const struct arguments *arguments)
{
	const struct target *target =
	    &arguments_get(arguments, "worker")->target;
	const struct view *view;
	struct errmsg err;
	struct buf buf;
	bool more = true;

	if (dispatch_find_target(call, target, &err) != 0) {
		call_fail(call, &err, NULL);
		return;
	}
	view = server_view_children(call->control, CHILDREN_OF_ALL);
	buf_init(&buf, 0);
	for (size_t i = 0; i < view->worker_count; i++) {
		const struct view_worker *worker = &view->workers[i];

		if (!dispatch_is_meant(target, worker))
			continue;
		for (size_t j = 0; j < worker->child_count && more; j++)
			more = send_child(call, worker, &worker->child[j],
			    &buf);
	}
	buf_done(&buf);
	call_done(call, NULL);
}
