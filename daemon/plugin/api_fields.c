/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_fields.c: what a request says; see fields.h.  What a client sent wrong is
 * no misuse of the plugin's. */
#include <errno.h>

#include "daemon/http/client.h"
#include "daemon/http/form.h"
#include "daemon/http/percent.h"
#include "daemon/http/said.h"
#include "daemon/plugin/api_parts.h"

_Static_assert((int)CLUSTER_DECODE_PLUS == (int)PERCENT_PLUS &&
    (int)CLUSTER_DECODE_NUL == (int)PERCENT_NUL &&
    (int)CLUSTER_DECODE_BYTES == (int)PERCENT_BYTES &&
    (int)CLUSTER_DECODE_NO_SLASH == (int)PERCENT_NO_SLASH &&
    (int)CLUSTER_PAIRS_MAX == (int)PAIRS_MAX &&
    (int)CLUSTER_TRACE_SAMPLED == (int)TRACE_SAMPLED, "the SDK's are ours");

/* The pairs of a request: said_query() ... */
typedef int pairs_fn(struct conn *conn, const struct pair **pairs);

int
api_percent_decode(char *out, size_t size, const char *in, size_t len,
    unsigned flags)
{
	if (out == NULL || (in == NULL && len > 0) || len > INT32_MAX ||
	    (flags & ~(unsigned)PERCENT_FLAGS) != 0)
		return api_answered(-EINVAL);
	return (int)percent_decode(out, size, in, len, flags);
}

const char *
api_path_decoded(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : said_path(conn);
}

const char *
api_header_next(struct cluster_request *req, const char *name,
    unsigned *index)
{
	struct conn *conn = api_find(req);

	return conn == NULL || name == NULL || index == NULL ? NULL :
	    said_header(conn, name, index);
}

static const char *
get(struct cluster_request *req, const char *name, pairs_fn *of)
{
	struct conn *conn = api_find(req);
	const struct pair *pairs, *pair;
	int count;

	if (conn == NULL || name == NULL)
		return NULL;
	count = of(conn, &pairs);
	pair = count <= 0 ? NULL : pairs_find(pairs, (size_t)count, name);
	return pair == NULL ? NULL : pair->value;
}

/* each() may answer the request: the pairs are gone then. */
static int
walk(struct cluster_request *req, pairs_fn *of, cluster_pair_fn *each,
    void *arg)
{
	struct conn *conn = api_find(req);
	const struct pair *pairs;
	int count;

	if (conn == NULL)
		return api_answered(-ESTALE);
	count = of(conn, &pairs);
	if (count < 0 || each == NULL)
		return count < 0 ? count : 0;
	for (int i = 0; i < count; i++) {
		int rc = each(pairs[i].name, pairs[i].value, arg);

		if (rc != 0)
			return rc;
		if (i + 1 < count && api_find(req) != conn)
			return api_answered(-ESTALE);
	}
	return 0;
}

const char *
api_query_get(struct cluster_request *req, const char *name)
{
	return get(req, name, said_query);
}

int
api_query_each(struct cluster_request *req, cluster_pair_fn *each, void *arg)
{
	return walk(req, said_query, each, arg);
}

const char *
api_cookie(struct cluster_request *req, const char *name)
{
	return get(req, name, said_cookies);
}

int
api_cookie_each(struct cluster_request *req, cluster_pair_fn *each, void *arg)
{
	return walk(req, said_cookies, each, arg);
}

/* ---- forms --------------------------------------------------------------------- */

static void
fill_field(struct cluster_field *out, const struct form_field *field)
{
	out->name = field->name;
	out->filename = field->filename;
	out->type = field->type;
	out->data = field->data;
	out->len = field->len;
}

const char *
api_form_get(struct cluster_request *req, const char *name)
{
	struct conn *conn = api_find(req);
	struct form_field *fields, *field;
	int count;

	if (conn == NULL || name == NULL)
		return NULL;
	count = form_fields(conn, &fields);
	field = form_find(fields, count, name);
	return field == NULL ? NULL : form_text(conn, field);
}

int
api_form_field(struct cluster_request *req, const char *name,
    struct cluster_field *out)
{
	struct conn *conn = api_find(req);
	struct form_field *fields, *field;
	int count;

	if (name == NULL || out == NULL || out->size < sizeof(*out))
		return api_answered(-EINVAL);
	if (conn == NULL)
		return api_answered(-ESTALE);
	count = form_fields(conn, &fields);
	if (count < 0)
		return count;
	field = form_find(fields, count, name);
	if (field == NULL)
		return -ENOENT;
	fill_field(out, field);
	return 0;
}

int
api_form_each(struct cluster_request *req, cluster_field_fn *each, void *arg)
{
	struct conn *conn = api_find(req);
	struct form_field *fields;
	int count;

	if (conn == NULL)
		return api_answered(-ESTALE);
	count = form_fields(conn, &fields);
	if (count < 0 || each == NULL)
		return count < 0 ? count : 0;
	for (int i = 0; i < count; i++) {
		struct cluster_field field = { .size = sizeof(field) };
		int rc;

		fill_field(&field, &fields[i]);
		rc = each(&field, arg);
		if (rc != 0)
			return rc;
		if (i + 1 < count && api_find(req) != conn)
			return api_answered(-ESTALE);
	}
	return 0;
}

/* ---- the client ---------------------------------------------------------------- */

const char *
api_peer_direct(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : said_direct_peer(conn);
}

const char *
api_scheme(struct cluster_request *req)
{
	struct conn *conn = api_find(req);
	struct client client;

	if (conn == NULL)
		return NULL;
	client_of(conn, &client);
	return client.secure ? "https" : "http";
}

const char *
api_authority(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : said_authority(conn);
}

/* ---- ids ----------------------------------------------------------------------- */

const char *
api_request_id(struct cluster_request *req)
{
	struct conn *conn = api_find(req);

	return conn == NULL ? NULL : said_request_id(conn);
}

int
api_trace(struct cluster_request *req, struct cluster_trace *out)
{
	struct conn *conn = api_find(req);
	const struct said_trace *trace;

	if (out == NULL || out->size < sizeof(*out))
		return api_answered(-EINVAL);
	if (conn == NULL)
		return api_answered(-ESTALE);
	trace = said_trace(conn);
	if (trace == NULL)
		return -ENOMEM;
	out->trace_id = trace->trace.trace_id;
	out->parent_id = trace->trace.parent_id;
	out->span_id = trace->span_id;
	out->flags = trace->trace.flags;
	return 0;
}

const char *
api_traceparent(struct cluster_request *req)
{
	struct conn *conn = api_find(req);
	const struct said_trace *trace;

	trace = conn == NULL ? NULL : said_trace(conn);
	return trace == NULL ? NULL : trace->text;
}
