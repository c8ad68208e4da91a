/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * wire.c: answers with what it saw of the request, as JSON in which a byte is a
 * character of Latin-1; for tests only.  How it answers is told by the path:
 * /204, /304, /stream (length unknown), /later (by a timer), else at once.
 * Compiled with ON_HEAD it is asked at the head: STREAMED takes the body in
 * pieces, PASSED leaves it to handle().
 */
#include <stdio.h>
#include <string.h>

#include <clusterd/plugin.h>

/* All that a request may be: the fields as they came and its body, of which
 * each byte takes six at most. */
enum { TEXT_MAX = 400000, LATER_MS = 20 };

static struct {
	char *at, *end;
} text;

static void
put(char c)
{
	if (text.at < text.end)
		*text.at++ = c;
}

static void
put_text(const char *from)
{
	while (*from != '\0')
		put(*from++);
}

static void
put_bytes(const char *from, size_t len)
{
	char escape[8];

	put('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)from[i];

		if (byte >= 0x20 && byte < 0x7f && byte != '"' &&
		    byte != '\\') {
			put((char)byte);
			continue;
		}
		snprintf(escape, sizeof(escape), "\\u%04x", byte);
		put_text(escape);
	}
	put('"');
}

static void
put_member(const char *name, const char *value)
{
	put_bytes(name, strlen(name));
	put(':');
	put_bytes(value, strlen(value));
	put(',');
}

#define PASSED 1
#define STREAMED 2

/* Of the request that is answered: one that came in pieces, or NULL. */
static struct taken *streamed;

struct taken {
	void *self;
	size_t len;
	char bytes[65536];
};

static size_t
describe(struct cluster_request *req, char *start)
{
	const char *name, *value, *host = cluster_header(req, "Host");
	const void *body;
	size_t len;

	text.at = start;
	text.end = start + TEXT_MAX;
	put('{');
	put_member("method", cluster_method(req));
	put_member("path", cluster_path(req));
	put_member("query", cluster_query(req));
	put_member("host", host == NULL ? "" : host);
	put_text("\"fields\":[");
	for (unsigned i = 0;
	    cluster_header_at(req, i, &name, &value) == 0; i++) {
		put_text(i > 0 ? ",[" : "[");
		put_bytes(name, strlen(name));
		put(',');
		put_bytes(value, strlen(value));
		put(']');
	}
	put_text("],\"body\":");
	body = cluster_body(req, &len);
	if (streamed != NULL)
		put_bytes(streamed->bytes, streamed->len);
	else
		put_bytes(body, len);
	put('}');
	return (size_t)(text.at - start);
}

static void
answer_later(void *arg)
{
	cluster_reply_text(arg, 200, "{\"later\":true}");
}

static enum cluster_verdict
stream(struct cluster_request *req, const char *from, size_t len)
{
	size_t half = len / 2;

	if (cluster_stream_begin(req, 200, "application/json", -1) != 0 ||
	    cluster_stream_write(req, from, half) != 0 ||
	    cluster_stream_write(req, from + half, len - half) != 0)
		return CLUSTER_FAIL;
	return cluster_stream_end(req) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *path = cluster_path(req);
	char *start = cluster_alloc(req, TEXT_MAX);
	size_t len;

	(void)self;
	if (start == NULL)
		return CLUSTER_FAIL;
	cluster_set_header(req, "X-Method", cluster_method(req));
	if (strcmp(path, "/later") == 0)
		return cluster_timer(LATER_MS, answer_later, req) != NULL ?
		    CLUSTER_LATER : CLUSTER_FAIL;
	len = describe(req, start);
	if (strcmp(path, "/stream") == 0)
		return stream(req, start, len);
	return cluster_reply_copy(req, strcmp(path, "/204") == 0 ? 204 :
	    strcmp(path, "/304") == 0 ? 304 : 200, "application/json", start,
	    len) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

#if defined(ON_HEAD) && ON_HEAD == STREAMED
static void
data(struct cluster_request *req, const void *data, size_t len, void *arg)
{
	struct taken *taken = arg;

	(void)req;
	if (len > sizeof(taken->bytes) - taken->len)
		len = sizeof(taken->bytes) - taken->len;
	memcpy(taken->bytes + taken->len, data, len);
	taken->len += len;
}

static void
end(struct cluster_request *req, int error, void *arg)
{
	struct taken *taken = arg;

	if (error != 0)
		return;
	streamed = taken;
	handle(req, taken->self);
	streamed = NULL;
}

static const struct cluster_body_sink sink = { sizeof(sink), data, end };

static enum cluster_verdict
on_head(struct cluster_request *req, void *self)
{
	struct taken *taken = cluster_alloc(req, sizeof(*taken));

	if (taken == NULL)
		return CLUSTER_FAIL;
	taken->self = self;
	taken->len = 0;
	return cluster_body_stream(req, &sink, taken) == 0 ?
	    CLUSTER_LATER : CLUSTER_FAIL;
}
#elif defined(ON_HEAD)
static enum cluster_verdict
on_head(struct cluster_request *req, void *self)
{
	(void)self;
	return cluster_path(req) != NULL ? CLUSTER_PASS : CLUSTER_FAIL;
}
#endif

CLUSTER_PLUGIN(wire,
	.summary = "Answers with what it saw",
#ifdef ON_HEAD
	.on_head = on_head,
#endif
	.handle = handle);
