/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* child_messages.h: messages between plugins and their children. */
#ifndef DAEMON_PLUGIN_CHILD_MESSAGES_H
#define DAEMON_PLUGIN_CHILD_MESSAGES_H

#include <clusterd/process.h>

struct child;
struct host;

/* As cluster_child_...(). */
int host_child_send(struct host *host, struct cluster_child *child,
    const void *data, size_t len, const struct cluster_send *how);
int host_child_disconnect(struct host *host, struct cluster_child *child);

/* Of struct children_ops; ctx is the host. */
void host_tell_child_message(struct child *child,
    const struct cluster_message *m, int *fds, void *ctx);
void host_pass_on_of_child(struct child *child, const char *to,
    const struct cluster_message *m, int *fds, void *ctx);
void host_tell_child_disconnected(struct child *child, void *ctx);
void host_tell_child_sent(struct child *child,
    void (*done)(void *arg, int error, unsigned taken), void *arg, int error,
    void *ctx);

#endif
