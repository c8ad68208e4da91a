/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * echo.c: answers with what it was sent: a body comes back byte for byte; a
 * request without one gets its own request line and headers as text.  In a pool
 * of protocol tcp the bytes of a connection come back, of protocol udp the
 * datagrams.
 */
#include <stdio.h>

#include <clusterd/plugin.h>

enum { TEXT_MAX = 65536 };

/* Method, target and headers, as they came.  Returns the length. */
static size_t
describe(struct cluster_request *req, char *text)
{
	const char *query = cluster_query(req), *name, *value;
	size_t at;

	at = (size_t)snprintf(text, TEXT_MAX, "%s %s%s%s\n",
	    cluster_method(req), cluster_path(req),
	    query[0] == '\0' ? "" : "?", query);
	for (unsigned i = 0; at < TEXT_MAX &&
	    cluster_header_at(req, i, &name, &value) == 0; i++)
		at += (size_t)snprintf(text + at, TEXT_MAX - at, "%s: %s\n",
		    name, value);
	return at < TEXT_MAX ? at : TEXT_MAX - 1;
}

static enum cluster_verdict
handle(struct cluster_request *req, void *self)
{
	const char *type = cluster_header(req, "Content-Type");
	const void *body;
	size_t len;
	char *text;

	(void)self;
	cluster_set_header(req, "X-Worker", cluster_worker_name());
	body = cluster_body(req, &len);
	if (len > 0)
		return cluster_reply_copy(req, 200, type == NULL ?
		    "application/octet-stream" : type, body, len) == 0 ?
		    CLUSTER_DONE : CLUSTER_FAIL;
	text = cluster_alloc(req, TEXT_MAX);
	if (text == NULL)
		return CLUSTER_FAIL;
	len = describe(req, text);
	return cluster_reply_copy(req, 200, "text/plain; charset=utf-8", text,
	    len) == 0 ? CLUSTER_DONE : CLUSTER_FAIL;
}

/* ---- protocol = tcp ---------------------------------------------------------- */

/* A client that reads more slowly than it writes is held back. */
static void
on_data(struct cluster_stream *stream, const void *data, size_t len, void *arg)
{
	(void)arg;
	if (cluster_stream_send(stream, data, len) == CLUSTER_STREAM_FULL)
		cluster_stream_pause(stream);
}

static void
on_drained(struct cluster_stream *stream, void *arg)
{
	(void)arg;
	cluster_stream_resume(stream);
}

static void
on_stream(struct cluster_stream *stream, void *self)
{
	static const struct cluster_stream_ops ops = {
		.size = sizeof(ops), .data = on_data, .drained = on_drained,
	};

	cluster_stream_on(stream, &ops, self);
}

/* ---- protocol = udp ---------------------------------------------------------- */

/* What the kernel does not take is lost, as any datagram may be. */
static void
on_datagram(struct cluster_datagram *datagram, void *self)
{
	(void)self;
	(void)cluster_datagram_reply(datagram, datagram->data, datagram->len);
}

CLUSTER_PLUGIN(echo,
	.summary = "Answers with what it was sent",
	.handle = handle, .on_stream = on_stream, .on_datagram = on_datagram);
