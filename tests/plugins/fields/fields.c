/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fields.c: a plugin that answers with all that a request says, as JSON.  The
 * header X-Ask names what to ask for by name; /misuse/WHAT asks wrongly.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <clusterd/plugin.h>

/* The answer as it grows. */
struct json {
	char text[65536];
	size_t len;
	int count;			/* in the list that is open */
};

static int early_rc;			/* of a form, at the head of its body */

static void
put(struct json *json, const char *text)
{
	size_t len = strlen(text);

	if (len >= sizeof(json->text) - json->len)
		len = sizeof(json->text) - json->len - 1;
	memcpy(json->text + json->len, text, len);
	json->len += len;
	json->text[json->len] = '\0';
}

/* last: the highest byte that is written as it is. */
static void
put_bytes(struct json *json, const char *data, size_t len, unsigned last)
{
	char text[8];

	put(json, "\"");
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f ||
		    c > last)
			snprintf(text, sizeof(text), "\\u%04x", c);
		else
			snprintf(text, sizeof(text), "%c", c);
		put(json, text);
	}
	put(json, "\"");
}

static void
put_string(struct json *json, const char *text)
{
	if (text == NULL)
		put(json, "null");
	else
		put_bytes(json, text, strlen(text), 0xff);
}

static void
put_member(struct json *json, const char *name)
{
	put(json, json->len > 1 ? ",\"" : "\"");
	put(json, name);
	put(json, "\":");
	json->count = 0;
}

static void
put_number(struct json *json, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	put(json, text);
}

static int
put_pair(const char *name, const char *value, void *arg)
{
	struct json *json = arg;

	put(json, json->count++ == 0 ? "[" : ",[");
	put_string(json, name);
	put(json, ",");
	put_string(json, value);
	put(json, "]");
	return 0;
}

static void
put_list(struct json *json, const char *name, struct cluster_request *req,
    int (*each)(struct cluster_request *req, cluster_pair_fn *fn, void *arg))
{
	int rc;

	put_member(json, name);
	put(json, "[");
	rc = each(req, put_pair, json);
	put(json, "]");
	put(json, ",\"");
	put(json, name);
	put(json, "_rc\":");
	put_number(json, rc);
}

static void
put_headers(struct json *json, struct cluster_request *req)
{
	const char *value;
	unsigned index = 0;

	put_member(json, "x_many");
	put(json, "[");
	while ((value = cluster_header_next(req, "x-many", &index)) != NULL) {
		if (json->count++ > 0)
			put(json, ",");
		put_string(json, value);
	}
	put(json, "]");
}

static int
put_field(const struct cluster_field *field, void *arg)
{
	struct json *json = arg;

	if (field->size < sizeof(*field))
		return -1;
	put(json, json->count++ == 0 ? "[" : ",[");
	put_string(json, field->name);
	put(json, ",");
	put_string(json, field->filename);
	put(json, ",");
	put_string(json, field->type);
	put(json, ",");
	put_bytes(json, field->data, field->len < 1000 ? field->len : 1000,
	    0x7e);
	put(json, ",");
	put_number(json, (int)field->len);
	put(json, "]");
	return 0;
}

static void
put_form(struct json *json, struct cluster_request *req)
{
	int rc;

	put_member(json, "form");
	put(json, "[");
	rc = cluster_form_each(req, put_field, json);
	put(json, "]");
	put_member(json, "form_rc");
	put_number(json, rc);
	put_member(json, "early_rc");
	put_number(json, early_rc);
}

static void
put_client(struct json *json, struct cluster_request *req)
{
	put_member(json, "peer");
	put_string(json, cluster_peer(req));
	put_member(json, "direct");
	put_string(json, cluster_peer_direct(req));
	put_member(json, "scheme");
	put_string(json, cluster_scheme(req));
	put_member(json, "secure");
	put(json, cluster_is_secure(req) ? "true" : "false");
	put_member(json, "authority");
	put_string(json, cluster_authority(req));
}

static void
put_ids(struct json *json, struct cluster_request *req)
{
	struct cluster_trace trace = { .size = sizeof(trace) };

	put_member(json, "request_id");
	put_string(json, cluster_request_id(req));
	put_member(json, "trace_rc");
	put_number(json, cluster_trace(req, &trace));
	put_member(json, "trace_id");
	put_string(json, trace.trace_id);
	put_member(json, "parent_id");
	put_string(json, trace.parent_id);
	put_member(json, "span_id");
	put_string(json, trace.span_id);
	put_member(json, "flags");
	put_number(json, (int)trace.flags);
	put_member(json, "traceparent");
	put_string(json, cluster_traceparent(req));
}

static void
put_named(struct json *json, struct cluster_request *req)
{
	const char *name = cluster_header(req, "x-ask");
	struct cluster_field field = { .size = sizeof(field) };

	if (name == NULL)
		return;
	put_member(json, "query_get");
	put_string(json, cluster_query_get(req, name));
	put_member(json, "cookie");
	put_string(json, cluster_cookie(req, name));
	put_member(json, "form_get");
	put_string(json, cluster_form_get(req, name));
	put_member(json, "form_field_rc");
	put_number(json, cluster_form_field(req, name, &field));
	put_member(json, "form_field");
	put(json, "[");
	if (field.name != NULL)
		put_field(&field, json);
	put(json, "]");
}

/* ---- misuse ---------------------------------------------------------------------- */

static struct cluster_request *old;	/* answered by now */

static int
stop_at_once(const char *name, const char *value, void *arg)
{
	(void)name;
	(void)value;
	return *(int *)arg;
}

/* The request ends while its pairs are told. */
static int
answer_at_once(const char *name, const char *value, void *arg)
{
	(void)name;
	(void)value;
	cluster_reply_text(arg, 200, "early");
	return 0;
}

static void
put_misuse(struct json *json, struct cluster_request *req)
{
	struct cluster_trace trace = { .size = sizeof(trace) };
	struct cluster_field field = { .size = sizeof(field) };
	int seven = 7;
	char out[8];
	unsigned index = 0;

	put_member(json, "stale");
	put(json, "[");
	put_number(json, cluster_query_each(old, put_pair, json));
	put(json, ",");
	put_number(json, cluster_cookie_each(old, put_pair, json));
	put(json, ",");
	put_number(json, cluster_trace(old, &trace));
	put(json, ",");
	put_number(json, cluster_form_field(old, "a", &field));
	put(json, ",");
	put_number(json, cluster_form_each(old, put_field, json));
	put(json, "]");
	put_member(json, "small");
	put(json, "[");
	put_number(json, cluster_trace(req, NULL));
	put(json, ",");
	trace.size--;
	put_number(json, cluster_trace(req, &trace));
	put(json, ",");
	put_number(json, cluster_form_field(req, "a", NULL));
	put(json, ",");
	put_number(json, cluster_form_field(req, NULL, &field));
	put(json, ",");
	field.size--;
	put_number(json, cluster_form_field(req, "a", &field));
	put(json, "]");
	put_member(json, "stale_null");
	put(json, cluster_query_get(old, "a") == NULL &&
	    cluster_form_get(old, "a") == NULL &&
	    cluster_cookie(old, "a") == NULL &&
	    cluster_path_decoded(old) == NULL &&
	    cluster_peer_direct(old) == NULL && cluster_scheme(old) == NULL &&
	    cluster_request_id(old) == NULL &&
	    cluster_traceparent(old) == NULL && !cluster_is_secure(old) && cluster_authority(old) == NULL &&
	    cluster_header_next(old, "a", &index) == NULL ? "true" : "false");
	put_member(json, "null");
	put(json, cluster_query_get(req, NULL) == NULL &&
	    cluster_form_get(req, NULL) == NULL &&
	    cluster_cookie(req, NULL) == NULL &&
	    cluster_header_next(req, NULL, &index) == NULL &&
	    cluster_header_next(req, "a", NULL) == NULL ? "true" : "false");
	put_member(json, "decode");
	put(json, "[");
	put_number(json, cluster_percent_decode(out, sizeof(out), "a", 1, 64));
	put(json, ",");
	put_number(json, cluster_percent_decode(NULL, 8, "a", 1, 0));
	put(json, ",");
	put_number(json, cluster_percent_decode(out, sizeof(out), NULL, 1, 0));
	put(json, ",");
	put_number(json, cluster_percent_decode(out, 2, "ab", 2, 0));
	put(json, ",");
	put_number(json, cluster_percent_decode(out, 0, "", 0, 0));
	put(json, "]");
	put_member(json, "stopped");
	put_number(json, cluster_query_each(req, stop_at_once, &seven));
}

static enum cluster_verdict
on_head(struct cluster_request *req, void *self)
{
	(void)self;
	early_rc = cluster_form_each(req, NULL, NULL);
	return CLUSTER_PASS;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	static struct json json;

	(void)self;
	json.len = 0;
	put(&json, "{");
	if (strcmp(cluster_path(req), "/early") == 0) {
		cluster_query_each(req, answer_at_once, req);
		return CLUSTER_DONE;
	}
	if (strcmp(cluster_path(req), "/misuse") == 0) {
		put_misuse(&json, req);
	} else {
		put_member(&json, "path");
		put_string(&json, cluster_path_decoded(req));
		put_list(&json, "query", req, cluster_query_each);
		put_list(&json, "cookies", req, cluster_cookie_each);
		put_headers(&json, req);
		put_form(&json, req);
		put_client(&json, req);
		put_ids(&json, req);
		put_named(&json, req);
	}
	put(&json, "}\n");
	old = req;
	return cluster_reply_copy(req, 200, "application/json", json.text,
	    json.len) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

CLUSTER_PLUGIN(fields, .summary = "Answers with what a request says",
    .handle = handle, .on_head = on_head);
