/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* api_stream.c: what a plugin does with its connections; see stream.h. */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "daemon/plugin/api_parts.h"
#include "daemon/plugin/pass.h"
#include "daemon/stream/flow.h"
#include "daemon/stream/origin.h"

static struct flow *
find(struct cluster_stream *stream)
{
	return tcp_find(&api_here()->streams.tcp, (uint64_t)(uintptr_t)stream);
}

/* One that may be changed: 0, -ESTALE, or -EBUSY, as it is on its way. */
static int
take(struct cluster_stream *stream, struct flow **flow)
{
	*flow = find(stream);
	return *flow == NULL ? -ESTALE : (*flow)->away ? -EBUSY : 0;
}

int
api_stream_on(struct cluster_stream *stream,
    const struct cluster_stream_ops *ops, void *arg)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	return api_answered(rc != 0 ? rc :
	    streams_set_ops(api_here(), flow, ops, arg));
}

int
api_stream_send(struct cluster_stream *stream, const void *data, size_t len)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	if (rc == 0 && data == NULL && len > 0)
		rc = -EINVAL;
	return api_answered(rc != 0 ? rc : flow_send(flow, data, len));
}

int
api_stream_finish(struct cluster_stream *stream)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	return api_answered(rc != 0 ? rc : flow_finish(flow));
}

int
api_stream_close(struct cluster_stream *stream)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	return api_answered(rc != 0 ? rc : flow_close(flow));
}

int
api_stream_abort(struct cluster_stream *stream)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	if (rc == 0)
		flow_fail(flow, -ECONNABORTED, true);
	return api_answered(rc);
}

int
api_stream_pause(struct cluster_stream *stream, bool paused)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	if (rc == 0)
		flow_pause(flow, paused);
	return api_answered(rc);
}

int
api_stream_deadline(struct cluster_stream *stream, unsigned ms)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	if (rc == 0)
		flow_set_idle(flow, ms);
	return api_answered(rc);
}

int
api_stream_give(struct cluster_stream *stream, const char *to,
    const void *note, size_t len)
{
	struct flow *flow;
	int rc = take(stream, &flow);

	return api_answered(rc != 0 ? rc :
	    pass_stream(api_here(), flow, to, note, len));
}

/* There is one while its stream is opened. */
const void *
api_stream_note(size_t *len)
{
	const struct streams *streams = &api_here()->streams;

	if (len != NULL)
		*len = streams->note_len;
	return streams->note;
}

const char *
api_stream_peer(struct cluster_stream *stream)
{
	struct flow *flow = find(stream);

	return flow == NULL ? NULL : flow->peer;
}

const char *
api_stream_local(struct cluster_stream *stream)
{
	static char text[ORIGIN_TEXT];
	struct flow *flow = find(stream);
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage room;
	} at = { .any.sa_family = AF_UNSPEC };
	socklen_t len = sizeof(at);

	if (flow == NULL || getsockname(flow->fd, &at.any, &len) != 0)
		return NULL;
	if (at.any.sa_family == AF_INET6)
		origin_put_text(text, AF_INET6, &at.in6.sin6_addr,
		    ntohs(at.in6.sin6_port));
	else
		origin_put_text(text, at.any.sa_family, &at.in.sin_addr,
		    ntohs(at.in.sin_port));
	return text;
}
