/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* child_messages.c: messages to and from children; see child_messages.h. */
#include "daemon/plugin/child_messages.h"

#include <errno.h>

#include "common/base/log.h"
#include "daemon/child/child.h"
#include "daemon/plugin/children.h"
#include "daemon/plugin/host.h"
#include "daemon/plugin/parcel.h"

/* ---- what a child says --------------------------------------------------- */

void
host_tell_child_message(struct child *child, const struct cluster_message *m,
    int *fds, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_message == NULL)
		return;
	inbox_show(&host->inbox, m, fds);
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_message(host_child_handle(child), m, child->order.arg);
	host_leave(host, frame);
	inbox_hide(&host->inbox);
}

/* In the name of this worker; nobody waits for what becomes of it. */
void
host_pass_on_of_child(struct child *child, const char *to,
    const struct cluster_message *m, int *fds, void *ctx)
{
	struct host *host = ctx;
	struct host_frame frame = host_enter(host, DOING_CHILD, child->plugin);
	int rc = outbox_send(&host->outbox, to, m->data, m->len,
	    &(struct cluster_send){ .size = sizeof(struct cluster_send),
	    .topic = m->topic, .flags = m->flags,
	    .fds = { fds, m->fd_count, CLUSTER_FD_DUP } });

	host_leave(host, frame);
	if (rc != 0)
		host->ops->log(LL_WARNING,
		    host->plugins[child->plugin].instance,
		    "a message of a task could not be sent");
}

void
host_tell_child_disconnected(struct child *child, void *ctx)
{
	const struct cluster_child_events *events = child->order.events;
	struct host *host = ctx;
	struct host_frame frame;

	if (events == NULL || events->on_disconnect == NULL)
		return;
	frame = host_enter(host, DOING_CHILD, child->plugin);
	events->on_disconnect(host_child_handle(child), child->order.arg);
	host_leave(host, frame);
}

void
host_tell_child_sent(struct child *child,
    void (*done)(void *arg, int error, unsigned taken), void *arg, int error,
    void *ctx)
{
	struct host *host = ctx;
	struct host_frame frame = host_enter(host, DOING_CHILD, child->plugin);

	done(arg, error, error == 0 ? 1 : 0);
	host_leave(host, frame);
}

/* ---- for plugins --------------------------------------------------------- */

int
host_child_send(struct host *host, struct cluster_child *handle,
    const void *data, size_t len, const struct cluster_send *given)
{
	struct child *child = host_child_find(host, handle);
	struct cluster_send how;
	struct parcel parcel;
	int rc;

	if (child == NULL)
		return -ESTALE;
	rc = parcel_fill_child(&parcel, data, len, given, &how);
	if (rc != 0)
		return rc;
	return peer_send(child->peer, &(struct peer_message){
	    .topic = parcel.letter.topic, .data = data, .len = len,
	    .flags = how.flags, .fds = parcel.fds + 1,
	    .fd_count = parcel.count, .moves = parcel.moves,
	    .timeout_ms = how.timeout_ms, .done = how.done, .arg = how.arg });
}

int
host_child_disconnect(struct host *host, struct cluster_child *handle)
{
	struct child *child = host_child_find(host, handle);

	return child == NULL ? -ESTALE : peer_disconnect(child->peer);
}
