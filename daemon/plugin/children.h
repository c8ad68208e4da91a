/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * children.h: child processes, between the table that plugins call and
 * daemon/child: whose callback runs, which request a child is bound to.  One a
 * process, the loop's thread only.
 */
#ifndef DAEMON_PLUGIN_CHILDREN_H
#define DAEMON_PLUGIN_CHILDREN_H

#include <clusterd/process.h>

struct child;
struct conn;
struct host;

/* A child as plugins know it; and back: NULL if it has ended. */
struct cluster_child *host_child_handle(const struct child *child);
struct child *host_child_find(const struct host *host,
    struct cluster_child *child);

void host_init_children(struct host *host);

/* As cluster_...(); for the plugin whose callback runs. */
int host_spawn(struct host *host, const struct cluster_spawn *how,
    enum cluster_stage *stage, struct cluster_child **out);
int host_exec(struct host *host, const char *line,
    const struct cluster_spawn *how, cluster_result_fn *done, void *arg,
    struct cluster_child **out);
int host_exec_file(struct host *host, const char *file,
    const char *const *argv, const struct cluster_spawn *how,
    cluster_result_fn *done, void *arg, struct cluster_child **out);
int host_run(struct host *host, const struct cluster_spawn *how,
    struct cluster_result *out);
struct cluster_cancel *host_cancel_new(struct host *host);
int host_cancel(struct host *host, struct cluster_cancel *token);
int host_cancel_free(struct host *host, struct cluster_cancel *token);
int host_child_write(struct host *host, struct cluster_child *child, int fd,
    const void *data, size_t len);
int host_child_close(struct host *host, struct cluster_child *child, int fd);
int host_child_pause(struct host *host, struct cluster_child *child, int fd,
    bool paused);
int host_child_kill(struct host *host, struct cluster_child *child, int sig,
    enum cluster_kill_scope scope);
int host_child_ref(struct host *host, struct cluster_child *child, bool ref);
int host_child_info(struct host *host, struct cluster_child *child,
    struct cluster_child_info *out);

/* Is there a child that a drain awaits? */
bool host_awaits_children(const struct host *host);

/* The open request of this connection ends: so do those that are bound to it. */
void host_end_children_of(struct host *host, struct conn *conn);

#endif
