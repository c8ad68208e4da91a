/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_filter.c: what a filter asks about an answer, and does to it; see
 * clusterd/filter.h. */
#include <errno.h>
#include <string.h>

#include "daemon/plugin/api_parts.h"
#include "daemon/plugin/filter.h"

/* The head that this request's filters look at at present; *rc says why there
 * is none. */
static struct answer_head *
find_head(struct cluster_request *req, struct conn **conn, int *rc)
{
	*conn = api_find(req);
	if (*conn == NULL) {
		*rc = api_answered(-ESTALE);
		return NULL;
	}
	if ((*conn)->exchange == NULL || (*conn)->exchange->draft == NULL) {
		*rc = api_answered(-EINVAL);
		return NULL;
	}
	return (*conn)->exchange->draft;
}

int
api_response_status(struct cluster_request *req)
{
	struct conn *conn;
	int rc;
	struct answer_head *head = find_head(req, &conn, &rc);

	return head == NULL ? rc : head->status;
}

const char *
api_response_type(struct cluster_request *req)
{
	struct conn *conn;
	int rc;

	return find_head(req, &conn, &rc) == NULL ? NULL :
	    filtering_header(conn, "Content-Type");
}

int64_t
api_response_length(struct cluster_request *req)
{
	struct conn *conn;
	int rc;
	struct answer_head *head = find_head(req, &conn, &rc);

	return head == NULL ? rc : head->length;
}

const char *
api_response_header(struct cluster_request *req, const char *name)
{
	struct conn *conn;
	int rc;

	if (name == NULL || name[0] == '\0') {
		api_answered(-EINVAL);
		return NULL;
	}
	return find_head(req, &conn, &rc) == NULL ? NULL :
	    filtering_header(conn, name);
}

int
api_response_set_header(struct cluster_request *req, const char *name,
    const char *value)
{
	struct conn *conn;
	int rc;

	if (find_head(req, &conn, &rc) == NULL)
		return rc;
	return api_answered(name == NULL || value == NULL ? -EINVAL :
	    filtering_set_header(conn, name, value));
}

/* That there was none is no misuse. */
int
api_response_remove_header(struct cluster_request *req, const char *name)
{
	struct conn *conn;
	int rc;

	if (find_head(req, &conn, &rc) == NULL)
		return rc;
	rc = name == NULL ? -EINVAL : filtering_remove_header(conn, name);
	return rc == -ENOENT ? rc : api_answered(rc);
}

int
api_response_set_status(struct cluster_request *req, int status)
{
	struct conn *conn;
	int rc;
	struct answer_head *head = find_head(req, &conn, &rc);

	if (head == NULL)
		return rc;
	if (status < 200 || status > 599)
		return api_answered(-EINVAL);
	head->status = status;
	return 0;
}

/* That a status has no body is no misuse. */
int
api_response_transform(struct cluster_request *req,
    const struct cluster_transform *ops, void *arg)
{
	struct conn *conn;
	int rc;

	if (find_head(req, &conn, &rc) == NULL)
		return rc;
	rc = filter_add_transform(conn, ops, arg);
	return rc == -ENODATA ? rc : api_answered(rc);
}

int
api_filter_write(struct cluster_request *req, const void *data, size_t len)
{
	struct conn *conn = api_find(req);

	if (conn == NULL)
		return api_answered(-ESTALE);
	return api_answered(conn->exchange == NULL ||
	    !api_is_data(data, len) ? -EINVAL :
	    filtering_write(conn, data, len));
}
