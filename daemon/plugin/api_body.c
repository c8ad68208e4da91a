/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_body.c: the body of a request before all of it is there; see body.h. */
#include <errno.h>

#include "daemon/http/delivery.h"
#include "daemon/plugin/api_parts.h"

int
api_body_stream(struct cluster_request *req,
    const struct cluster_body_sink *sink, void *arg)
{
	struct conn *conn = api_find(req);

	return api_answered(conn == NULL ? -ESTALE :
	    delivery_stream(conn, sink, arg));
}

int
api_body_pause(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return api_answered(conn == NULL ? -ESTALE : delivery_pause(conn));
}

int
api_body_resume(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return api_answered(conn == NULL ? -ESTALE : delivery_resume(conn));
}

int
api_body_limit(struct cluster_request *req, uint64_t bytes)
{
	struct conn *conn = api_find(req);

	return api_answered(conn == NULL ? -ESTALE :
	    delivery_limit(conn, bytes));
}

/* That there is no file is no misuse. */
int
api_body_fd(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? api_answered(-ESTALE) :
	    body_show_fd(conn->exchange);
}
