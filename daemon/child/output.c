/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* output.c: where the output of a child goes: to the plugin, the log, a result. */
#include <string.h>

#include "daemon/child/children.h"
#include "daemon/child/stream.h"

enum { LINE_MAX_LEN = 1000 };

/* ---- lines of the log --------------------------------------------------------------- */

static void
say_line(struct stream *stream)
{
	struct children *table = stream->child->table;

	if (buf_add(&stream->line, "", 1) == 0)
		table->ops->line(stream->child, stream->number,
		    buf_at(&stream->line), table->ctx);
	buf_clear(&stream->line);
}

static void
take_lines(struct stream *stream, const char *data, size_t len)
{
	struct buf *line = &stream->line;

	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t part = end == NULL ? len : (size_t)(end - data);
		size_t room = LINE_MAX_LEN - buf_len(line);
		bool whole = end != NULL && part <= room;

		if (part > room)
			part = room;
		if (buf_add(line, data, part) != 0)
			buf_clear(line);
		data += part + whole;
		len -= part + whole;
		if (whole || buf_len(line) == LINE_MAX_LEN)
			say_line(stream);
	}
}

/* ---- within the limit ----------------------------------------------------------------- */

static void
tell(struct stream *stream, const char *data, size_t len)
{
	struct children *table = stream->child->table;

	table->ops->output(stream->child, stream->number, data, len,
	    table->ctx);
}

/* How much of it is below max_output; what is above ends the child, or is
 * thrown away. */
static size_t
limit(struct stream *stream, size_t len)
{
	const struct cluster_spawn *order = &stream->child->order;
	size_t before = stream->passed, room;

	stream->passed += len;
	if (order->max_output == 0)
		return len;
	room = before < order->max_output ? order->max_output - before : 0;
	if (len <= room)
		return len;
	if (order->overflow == CLUSTER_OVERFLOW_KILL)
		child_stop(stream->child, CLUSTER_CAUSE_OVERFLOW);
	return room;
}

void
output_take(struct stream *stream, const char *data, size_t len)
{
	struct child *child = stream->child;

	switch (child->order.stdio[stream->number].kind) {
	case CLUSTER_STDIO_CAPTURE:
		if (!capture_add(&child->captures[stream->number - 1], data,
		    len))
			child_stop(child, CLUSTER_CAUSE_OVERFLOW);
		return;
	case CLUSTER_STDIO_LOG:
		len = limit(stream, len);
		take_lines(stream, data, len);
		return;
	case CLUSTER_STDIO_PIPE:
	case CLUSTER_STDIO_SOCKET:
		len = limit(stream, len);
		if (len > 0)
			tell(stream, data, len);
		return;
	case CLUSTER_STDIO_DEFAULT:
	case CLUSTER_STDIO_NULL:
	case CLUSTER_STDIO_INHERIT:
	case CLUSTER_STDIO_FD:
	case CLUSTER_STDIO_FILE:
	case CLUSTER_STDIO_DATA:
		return;
	}
}

void
output_end(struct stream *stream)
{
	enum cluster_stdio_kind kind =
	    stream->child->order.stdio[stream->number].kind;

	if (kind == CLUSTER_STDIO_LOG && buf_len(&stream->line) > 0)
		say_line(stream);
	if (kind == CLUSTER_STDIO_PIPE || kind == CLUSTER_STDIO_SOCKET)
		tell(stream, NULL, 0);
}
