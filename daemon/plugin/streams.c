/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* streams.c: see streams.h. */
#include "daemon/plugin/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/errmsg.h"
#include "daemon/plugin/host.h"
#include "daemon/stream/flow.h"

static struct cluster_stream *
handle_of(const struct flow *flow)
{
	return (struct cluster_stream *)(uintptr_t)flow_handle(flow);
}

static struct host_frame
enter(struct host *host, const struct flow *flow)
{
	return host_enter_for(host, DOING_STREAM, host->streams.plugin,
	    flow->peer);
}

/* ---- from the connections -------------------------------------------------------- */

static void
on_open(struct flow *flow, void *ctx)
{
	struct host *host = ctx;
	struct plugin *plugin = &host->plugins[host->streams.plugin];
	struct host_frame frame = enter(host, flow);

	memset(&host->streams.users[flow->row], 0,
	    sizeof(host->streams.users[0]));
	plugin->desc.on_stream(handle_of(flow), plugin->self);
	host_leave(host, frame);
}

static void
on_data(struct flow *flow, const void *data, size_t len, void *ctx)
{
	struct host *host = ctx;
	struct stream_user *user = &host->streams.users[flow->row];
	struct host_frame frame = enter(host, flow);

	user->ops.data(handle_of(flow), data, len, user->arg);
	host_leave(host, frame);
}

static void
on_drained(struct flow *flow, void *ctx)
{
	struct host *host = ctx;
	struct stream_user *user = &host->streams.users[flow->row];
	struct host_frame frame;

	if (user->ops.drained == NULL)
		return;
	frame = enter(host, flow);
	user->ops.drained(handle_of(flow), user->arg);
	host_leave(host, frame);
}

static void
on_eof(struct flow *flow, void *ctx)
{
	struct host *host = ctx;
	struct stream_user *user = &host->streams.users[flow->row];
	struct host_frame frame;

	if (user->ops.eof == NULL) {
		(void)flow_close(flow);
		return;
	}
	frame = enter(host, flow);
	user->ops.eof(handle_of(flow), user->arg);
	host_leave(host, frame);
}

static void
on_closed(struct flow *flow, int error, void *ctx)
{
	struct host *host = ctx;
	struct stream_user *user = &host->streams.users[flow->row];
	struct host_frame frame;

	if (user->ops.closed == NULL)
		return;
	frame = enter(host, flow);
	user->ops.closed(handle_of(flow), error, user->arg);
	host_leave(host, frame);
}

static void
on_gone(int fd, void *ctx)
{
	struct host *host = ctx;

	host->ops->closed(fd);
}

static const struct tcp_ops tcp_ops = {
	.on_open = on_open, .on_data = on_data, .on_drained = on_drained,
	.on_eof = on_eof, .on_closed = on_closed, .on_gone = on_gone,
};

int
streams_init(struct host *host, unsigned plugin,
    const struct tcp_config *config)
{
	struct streams *streams = &host->streams;
	int rc = tcp_init(&streams->tcp, host->base, host->board, config,
	    &tcp_ops, host);

	if (rc != 0)
		return rc;
	streams->plugin = plugin;
	streams->users = calloc(streams->tcp.table_size,
	    sizeof(streams->users[0]));
	return streams->users != NULL ? 0 : ERR_MEMORY;
}

void
streams_keep(struct host *host, struct flow *flow, int error)
{
	struct stream_user *user = &host->streams.users[flow->row];
	struct host_frame frame;

	flow_set_away(flow, false);
	if (user->ops.kept == NULL)
		return;
	frame = enter(host, flow);
	user->ops.kept(handle_of(flow), error, user->arg);
	host_leave(host, frame);
}

/* ---- from the plugin ------------------------------------------------------------------ */

/* One that was compiled for less than this host knows ends earlier: what it lacks
 * is NULL. */
int
streams_set_ops(struct host *host, struct flow *flow,
    const struct cluster_stream_ops *ops, void *arg)
{
	struct stream_user *user = &host->streams.users[flow->row];
	struct cluster_stream_ops taken = { 0 };

	if (ops == NULL || ops->size < offsetof(struct cluster_stream_ops,
	    kept) || ops->size > 4096)
		return -EINVAL;
	memcpy(&taken, ops, ops->size < sizeof(taken) ? ops->size :
	    sizeof(taken));
	if (taken.data == NULL)
		return -EINVAL;
	user->ops = taken;
	user->arg = arg;
	flow_want(flow);
	return 0;
}
