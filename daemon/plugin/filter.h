/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * filter.h: the filters of a pool at work: which of them see a request, and how
 * they are called.  Each is a bit of exchange->filters, by its place in the
 * file.  The loop's thread of a worker.
 */
#ifndef DAEMON_PLUGIN_FILTER_H
#define DAEMON_PLUGIN_FILTER_H

#include <clusterd/filter.h>

#include "daemon/http/filtering.h"

struct host;

/* Those that match see the request.  False: one of them has taken it. */
bool filter_request(struct host *host, struct conn *conn);

/* http_ops; ctx is the host. */
void filter_on_head(struct conn *conn, struct answer_head *head, void *ctx);
int filter_on_stage(struct conn *conn, struct stage *stage,
    enum stage_call what, const void *data, size_t len, void *ctx);

/* For the filter that looks at the head: 0, -EINVAL, -ENODATA, -EALREADY,
 * -ENOMEM. */
int filter_add_transform(struct conn *conn,
    const struct cluster_transform *ops, void *arg);

#endif
