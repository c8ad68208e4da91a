/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* children.c: child processes of plugins; see children.h. */
#include "daemon/plugin/children.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "daemon/child/child.h"
#include "daemon/child/order.h"
#include "daemon/child/run.h"
#include "daemon/child/stream.h"
#include "daemon/http/request.h"
#include "daemon/plugin/child_messages.h"
#include "daemon/plugin/host.h"
#include "daemon/proto/keeper.h"

struct cluster_child *
host_child_handle(const struct child *child)
{
	return (struct cluster_child *)(uintptr_t)children_handle(child);
}

struct child *
host_child_find(const struct host *host, struct cluster_child *child)
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
	events->on_output(host_child_handle(child), fd, data, len, child->order.arg);
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
	events->on_room(host_child_handle(child), fd, child->order.arg);
	host_leave(host, frame);
}

static void
tell_ended(struct child *child, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	board_child_clear(host->board, child->row);
	if (events == NULL || events->on_exit == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_exit(host_child_handle(child), &child->ended, child->order.arg);
	host_leave(host, frame);
}

static void
tell_result(struct host *host, struct child *child)
{
	struct cluster_result result;
	struct host_frame frame;

	run_show_result(child, &result);
	frame = host_enter(host, DOING_CHILD, child->plugin);
	child->done(&result, child->done_arg);
	host_leave(host, frame);
}

static void
tell_closed(struct child *child, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (child->done != NULL)
		tell_result(host, child);
	if (events != NULL && events->on_close != NULL) {
		frame = host_enter(host, DOING_CHILD, child->plugin);
		events->on_close(host_child_handle(child), &child->ended,
		    child->order.arg);
		host_leave(host, frame);
	}
	/* a drain may have waited for it; looked at from the loop */
	host->ops->closed(-1);
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
	.message = host_tell_child_message,
	.pass_on = host_pass_on_of_child,
	.disconnected = host_tell_child_disconnected,
	.sent = host_tell_child_sent,
};

void
host_init_children(struct host *host)
{
	children_init(&host->children, host->base, &children_ops, host);
}

bool
host_awaits_children(const struct host *host)
{
	return host->children.awaited > 0;
}

/* ---- what ends a child early -------------------------------------------------------- */

/* 0, or why nothing can be bound to those two any more. */
static int
check_bonds(const struct host *host, const struct cluster_spawn *order)
{
	const struct cancel *cancel;
	const struct conn *conn = order->with == NULL ? NULL :
	    request_by_handle(&host->http, (uint64_t)(uintptr_t)order->with);

	if (order->with != NULL && (conn == NULL || conn->left))
		return -ESTALE;
	if (order->cancel == NULL)
		return 0;
	cancel = cancels_find(&host->cancels,
	    (uint64_t)(uintptr_t)order->cancel);
	if (cancel == NULL)
		return -ESTALE;
	return cancel->used ? -ECANCELED : 0;
}

static void
bind_child(struct host *host, const struct cluster_spawn *order,
    struct child *child)
{
	child->cancel = (uint64_t)(uintptr_t)order->cancel;
	child->request = (uint64_t)(uintptr_t)order->with;
	if (order->with != NULL)
		request_by_handle(&host->http, child->request)->bound = true;
}

void
host_end_children_of(struct host *host, struct conn *conn)
{
	if (!conn->bound)
		return;
	conn->bound = false;
	children_end_request(&host->children, request_handle(conn));
}

struct cluster_cancel *
host_cancel_new(struct host *host)
{
	return (struct cluster_cancel *)(uintptr_t)cancels_new(&host->cancels);
}

int
host_cancel(struct host *host, struct cluster_cancel *token)
{
	uint64_t handle = (uint64_t)(uintptr_t)token;
	struct cancel *cancel = cancels_find(&host->cancels, handle);

	if (cancel == NULL)
		return -ESTALE;
	cancel->used = true;
	children_cancel(&host->children, handle);
	return 0;
}

int
host_cancel_free(struct host *host, struct cluster_cancel *token)
{
	uint64_t handle = (uint64_t)(uintptr_t)token;
	struct cancel *cancel = cancels_find(&host->cancels, handle);

	if (cancel == NULL)
		return -ESTALE;
	children_forget_cancel(&host->children, handle);
	cancels_free(&host->cancels, cancel);
	return 0;
}

/* ---- the page ------------------------------------------------------------------------- */

static void
write_command(const struct child *child, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; child->argv[i] != NULL && used < size - 1; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%s",
		    i > 0 ? " " : "", child->argv[i]);
}

/* On the page, as it is now. */
static void
show(struct host *host, const struct child *child)
{
	const struct conn *conn = child->request == 0 ? NULL :
	    request_by_handle(&host->http, child->request);
	char command[PAGE_COMMAND];

	write_command(child, command, sizeof(command));
	board_child_set(host->board, child->row, &(struct board_child){
	    .pid = child->pid, .since_ns = child->since_ns,
	    .flags = (child_is_awaited(child) ? CHILD_HOLDS : 0) |
	    (child->detached ? CHILD_DETACHED : 0),
	    .request = conn == NULL ? 0 : conn->request,
	    .command = command });
}

/* ---- for plugins: start -------------------------------------------------------------- */

/* Descriptors below `first' are the host's, and must stay where they are. */
static bool
moves_ours(const struct cluster_spawn *order, int first)
{
	for (int i = 0; i < CLUSTER_STDIO_COUNT; i++)
		if (order->stdio[i].kind == CLUSTER_STDIO_FD &&
		    order->stdio[i].mode == CLUSTER_FD_MOVE &&
		    order->stdio[i].fd < first)
			return true;
	return false;
}

/* done: of a result, or NULL. */
static int
start(struct host *host, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, enum cluster_stage *stage,
    struct cluster_child **out)
{
	struct cluster_spawn order;
	struct child *child;
	int rc = order_take(how, done != NULL, &order);

	if (rc == 0 && moves_ours(&order, WORKER_FD_LISTENERS))
		rc = -EBADF;
	if (rc == 0)
		rc = check_bonds(host, &order);
	if (rc == 0)
		rc = child_start(&host->children, &order, host->current,
		    &child, stage);
	if (rc != 0)
		return rc;
	bind_child(host, &order, child);
	show(host, child);
	child->done = done;
	child->done_arg = arg;
	if (out != NULL)
		*out = host_child_handle(child);
	return 0;
}

int
host_spawn(struct host *host, const struct cluster_spawn *how,
    enum cluster_stage *stage, struct cluster_child **out)
{
	return start(host, how, NULL, NULL, stage, out);
}

/* What is run is told by arguments of its own. */
static int
copy_order(const struct cluster_spawn *how, struct cluster_spawn *copy)
{
	*copy = (struct cluster_spawn){ .size = sizeof(*copy) };
	if (how == NULL)
		return 0;
	if (order_copy(how, copy) != 0)
		return -EINVAL;
	return copy->file == NULL && copy->argv == NULL ? 0 : -EINVAL;
}

int
host_exec(struct host *host, const char *line, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, struct cluster_child **out)
{
	enum cluster_stage stage;
	struct cluster_spawn order;
	int rc = copy_order(how, &order);

	if (rc != 0 || done == NULL)
		return -EINVAL;
	order.file = line;
	if (order.shell == NULL)
		order.shell = "";
	return start(host, &order, done, arg, &stage, out);
}

int
host_exec_file(struct host *host, const char *file, const char *const *argv,
    const struct cluster_spawn *how, cluster_result_fn *done, void *arg,
    struct cluster_child **out)
{
	enum cluster_stage stage;
	struct cluster_spawn order;
	int rc = copy_order(how, &order);

	if (rc != 0 || done == NULL)
		return -EINVAL;
	order.file = file;
	order.argv = argv;
	return start(host, &order, done, arg, &stage, out);
}

/* Nobody is there to write, to hear or to cancel. */
static int
check_run(const struct cluster_spawn *order)
{
	if (order->events != NULL || order->with != NULL ||
	    order->cancel != NULL || order->channel != CLUSTER_CHANNEL_NONE ||
	    (order->flags & CLUSTER_SPAWN_DETACHED) != 0)
		return -EINVAL;
	for (int fd = 0; fd < CLUSTER_STDIO_COUNT; fd++)
		if (order->stdio[fd].kind == CLUSTER_STDIO_PIPE ||
		    order->stdio[fd].kind == CLUSTER_STDIO_SOCKET)
			return -EINVAL;
	return 0;
}

int
host_run(struct host *host, const struct cluster_spawn *how,
    struct cluster_result *out)
{
	struct run run = { .plugin = host->current, .line = tell_line,
	    .ctx = host };
	struct cluster_spawn order;
	int rc;

	if (!host->may_block)
		return -EDEADLK;
	rc = out == NULL ? -EINVAL : order_take(how, true, &order);
	if (rc == 0 && moves_ours(&order, STDERR_FILENO + 1))
		rc = -EBADF;
	if (rc == 0)
		rc = check_run(&order);
	if (rc == 0 && host->children.limit == 0)
		rc = -EPERM;
	return rc != 0 ? rc : run_child(&run, &order, out);
}

/* ---- for plugins: what runs ------------------------------------------------------------ */

/* That descriptor of a child, or NULL and *rc. */
static struct stream *
find_stream(const struct host *host, struct cluster_child *handle, int fd,
    int *rc)
{
	struct child *child = host_child_find(host, handle);

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
	struct child *child = host_child_find(host, handle);
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
	struct child *child = host_child_find(host, handle);

	if (child == NULL)
		return -ESTALE;
	children_set_referenced(child, ref);
	if (child->running)
		show(host, child);
	return 0;
}

int
host_child_info(struct host *host, struct cluster_child *handle,
    struct cluster_child_info *out)
{
	const struct child *child = host_child_find(host, handle);

	if (child == NULL)
		return -ESTALE;
	if (out == NULL || out->size < sizeof(*out))
		return -EINVAL;
	*out = (struct cluster_child_info){
		.size = sizeof(*out), .pid = child->pid,
		.running = child->running, .referenced = child->referenced,
		.connected = peer_is_connected(child->peer),
		.code = child->ended.code, .signal = child->ended.signal,
		.signal_sent = child->signal_sent,
		.channel = child->order.channel, .file = child->file,
		.argv = (const char *const *)child->argv,
	};
	return 0;
}
