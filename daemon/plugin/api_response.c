/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_response.c: how a plugin answers a request; see api.h. */
#include <errno.h>

#include "daemon/http/deadline.h"
#include "daemon/http/response.h"
#include "daemon/plugin/api_parts.h"

int
api_set_header(struct cluster_request *req, const char *name, const char *value)
{
	struct conn *conn = api_find(req);

	if (name == NULL || value == NULL)
		return api_answered(-EINVAL);
	return api_answered(conn == NULL ? -ESTALE :
	    response_set_header(conn, name, value));
}

int
api_reply(struct cluster_request *req, int status, const char *type,
    const void *data, size_t len, int mode, cluster_release_fn *release,
    void *arg)
{
	struct conn *conn;

	if (mode != CLUSTER_COPY)
		return api_reply_pieces(req, status, type,
		    &(struct cluster_piece){ .data = data, .len = len,
		    .take = (uint32_t)mode, .release = release, .arg = arg },
		    1);
	if (api_is_elsewhere("reply"))
		return -EPERM;
	conn = api_find(req);
	if (!api_is_data(data, len))
		return api_answered(-EINVAL);
	return api_answered(conn == NULL ? -ESTALE :
	    response_reply(conn, status, type, data, len));
}

int
api_stream_begin(struct cluster_request *req, int status, const char *type,
    int64_t length)
{
	struct conn *conn = api_find(req);

	if (length < -1)
		return api_answered(-EINVAL);
	return api_answered(conn == NULL ? -ESTALE :
	    response_begin(conn, status, type, length));
}

int
api_stream_write(struct cluster_request *req, const void *data, size_t len)
{
	struct conn *conn = api_find(req);

	if (!api_is_data(data, len))
		return api_answered(-EINVAL);
	return api_answered(conn == NULL ? -ESTALE :
	    response_write(conn, data, len));
}

int
api_stream_end(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return api_answered(conn == NULL ? -ESTALE : response_end(conn));
}

int
api_deadline(struct cluster_request *req, unsigned ms)
{
	struct conn *conn = api_find(req);

	if (conn == NULL || conn->state != CONN_HANDLE)
		return api_answered(-ESTALE);
	deadline_set_own(conn, (int64_t)ms);
	return 0;
}
