/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* children.c: child processes of plugins; see children.h. */
#include "daemon/plugin/children.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "daemon/child/child.h"
#include "daemon/child/order.h"
#include "daemon/child/stream.h"
#include "daemon/http/request.h"
#include "daemon/plugin/host.h"

static struct cluster_child *
handle_of(const struct child *child)
{
	return (struct cluster_child *)(uintptr_t)children_handle(child);
}

static struct child *
find(const struct host *host, struct cluster_child *child)
{
	return children_find(&host->children, (uint64_t)(uintptr_t)child);
}

/* ---- what a child says, in a callback of its plugin ------------------------------- */

static void
tell_output(struct child *child, int fd, const void *data, size_t len,
    void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_output == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_output(handle_of(child), fd, data, len, child->order.arg);
	host_leave(host, frame);
}

static void
tell_room(struct child *child, int fd, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_room == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_room(handle_of(child), fd, child->order.arg);
	host_leave(host, frame);
}

static void
tell_ended(struct child *child, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_exit == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_exit(handle_of(child), &child->ended, child->order.arg);
	host_leave(host, frame);
}

static void
tell_closed(struct child *child, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_close == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_close(handle_of(child), &child->ended, child->order.arg);
	host_leave(host, frame);
}

static void
tell_line(struct child *child, int fd, const char *line, void *ctx)
{
	const char *name = strrchr(child->file, '/');
	struct host *host = ctx;
	char text[1200];

	(void)fd;
	snprintf(text, sizeof(text), "%s[%d]: %s",
	    name != NULL ? name + 1 : child->file, (int)child->pid, line);
	host->ops->log(LL_NOTICE, host->plugins[child->plugin].instance, text);
}

static const struct children_ops children_ops = {
	.output = tell_output, .room = tell_room, .ended = tell_ended,
	.closed = tell_closed, .line = tell_line,
};

void
host_init_children(struct host *host)
{
	children_init(&host->children, host->base, &children_ops, host);
}

/* ---- requests ---------------------------------------------------------------------- */

/* 0, or -ESTALE. */
static int
bind_request(struct host *host, struct cluster_request *req,
    struct child *child)
{
	struct conn *conn = request_by_handle(&host->http,
	    (uint64_t)(uintptr_t)req);

	if (conn == NULL)
		return -ESTALE;
	if (child != NULL) {
		conn->bound = true;
		child->request = request_handle(conn);
	}
	return 0;
}

void
host_end_children_of(struct host *host, struct conn *conn)
{
	if (!conn->bound)
		return;
	conn->bound = false;
	children_end_request(&host->children, request_handle(conn));
}

/* ---- for plugins -------------------------------------------------------------------- */

int
host_spawn(struct host *host, const struct cluster_spawn *how,
    enum cluster_stage *stage, struct cluster_child **out)
{
	enum cluster_stage unused;
	struct cluster_spawn order;
	struct child *child;
	int rc = order_take(how, false, &order);

	if (rc == 0 && order.with != NULL)
		rc = bind_request(host, order.with, NULL);
	if (rc == 0)
		rc = child_start(&host->children, &order, host->current,
		    &child, stage != NULL ? stage : &unused);
	if (rc != 0)
		return rc;
	if (order.with != NULL)
		(void)bind_request(host, order.with, child);
	if (out != NULL)
		*out = handle_of(child);
	return 0;
}

/* That descriptor of a child, or NULL and *rc. */
static struct stream *
find_stream(const struct host *host, struct cluster_child *handle, int fd,
    int *rc)
{
	struct child *child = find(host, handle);

	*rc = child == NULL ? -ESTALE : -EBADF;
	if (child == NULL || fd < 0 || fd >= CLUSTER_STDIO_COUNT)
		return NULL;
	return &child->streams[fd];
}

int
host_child_write(struct host *host, struct cluster_child *handle, int fd,
    const void *data, size_t len)
{
	int rc;
	struct stream *stream = find_stream(host, handle, fd, &rc);

	return stream == NULL ? rc : stream_write(stream, data, len);
}

int
host_child_close(struct host *host, struct cluster_child *handle, int fd)
{
	int rc;
	struct stream *stream = find_stream(host, handle, fd, &rc);

	return stream == NULL ? rc : stream_end(stream);
}

int
host_child_pause(struct host *host, struct cluster_child *handle, int fd,
    bool paused)
{
	int rc;
	struct stream *stream = find_stream(host, handle, fd, &rc);

	return stream == NULL ? rc : stream_pause(stream, paused);
}

int
host_child_kill(struct host *host, struct cluster_child *handle, int sig,
    enum cluster_kill_scope scope)
{
	struct child *child = find(host, handle);
	int rc;

	if (child == NULL)
		return -ESTALE;
	if (sig < 0 || sig >= NSIG)
		return -EINVAL;
	if (!child->running)
		return -ESRCH;
	rc = scope_signal_as(&child->scope, scope, sig);
	if (rc == 0 && sig != 0)
		child->signal_sent = sig;
	return rc;
}

int
host_child_ref(struct host *host, struct cluster_child *handle, bool ref)
{
	struct child *child = find(host, handle);

	if (child == NULL)
		return -ESTALE;
	children_set_referenced(child, ref);
	return 0;
}

int
host_child_info(struct host *host, struct cluster_child *handle,
    struct cluster_child_info *out)
{
	const struct child *child = find(host, handle);

	if (child == NULL)
		return -ESTALE;
	if (out == NULL || out->size < sizeof(*out))
		return -EINVAL;
	*out = (struct cluster_child_info){
		.size = sizeof(*out), .pid = child->pid,
		.running = child->running, .referenced = child->referenced,
		.code = child->ended.code, .signal = child->ended.signal,
		.signal_sent = child->signal_sent,
		.channel = child->order.channel, .file = child->file,
		.argv = (const char *const *)child->argv,
	};
	return 0;
}
