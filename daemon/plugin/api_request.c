/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_request.c: what a plugin asks about a request; see api.h. */
#include <errno.h>

#include "daemon/http/request.h"
#include "daemon/http/said.h"
#include "daemon/plugin/api_parts.h"

const char *
api_method(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : request_method(conn);
}

const char *
api_path(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : request_path(conn);
}

const char *
api_query(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : request_query(conn);
}

const char *
api_header(struct cluster_request *req, const char *name)
{
	struct conn *conn = api_find(req);

	if (name == NULL) {
		api_answered(-EINVAL);
		return NULL;
	}
	return conn == NULL ? NULL : request_header(conn, name);
}

int
api_header_at(struct cluster_request *req, unsigned index, const char **name,
    const char **value)
{
	struct conn *conn = api_find(req);

	if (conn == NULL)
		return api_answered(-ESTALE);
	if (name == NULL || value == NULL)
		return api_answered(-EINVAL);
	return request_header_at(conn, index, name, value);
}

const void *
api_body(struct cluster_request *req, size_t *len)
{
	struct conn *conn = api_find(req);
	size_t unasked;

	if (len == NULL)
		len = &unasked;
	*len = 0;
	return conn == NULL ? NULL : request_body(conn, len);
}

const char *
api_peer(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : said_peer(conn);
}

void *
api_alloc(struct cluster_request *req, size_t size)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : exchange_alloc(conn->exchange, size);
}
