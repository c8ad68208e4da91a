/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* sse.c: see sse.h. */
#include "daemon/http/sse.h"

#include <errno.h>
#include <string.h>

static int
is_line(const char *text)
{
	return text == NULL || text[strcspn(text, "\r\n")] == '\0';
}

static void
add_line(struct buf *buf, const char *name, const char *value, size_t len)
{
	buf_add_text(buf, name);
	buf_add(buf, value, len);
	buf_add(buf, "\n", 1);
}

/* A line for each of the text's: CR, LF and CR LF end one, as for the reader. */
static void
add_lines(struct buf *buf, const char *name, const char *text, size_t len)
{
	size_t from = 0;

	for (size_t at = 0; at < len; at++) {
		if (text[at] != '\r' && text[at] != '\n')
			continue;
		add_line(buf, name, text + from, at - from);
		if (text[at] == '\r' && at + 1 < len && text[at + 1] == '\n')
			at++;
		from = at + 1;
	}
	add_line(buf, name, text + from, len - from);
}

int
sse_compose(struct buf *buf, const struct sse_event *event)
{
	size_t before = buf_len(buf);

	if (!is_line(event->event) || !is_line(event->id))
		return -EINVAL;
	if (event->comment != NULL)
		add_lines(buf, ": ", event->comment, strlen(event->comment));
	if (event->event != NULL)
		add_line(buf, "event: ", event->event, strlen(event->event));
	if (event->id != NULL)
		add_line(buf, "id: ", event->id, strlen(event->id));
	if (event->retry_ms > 0) {
		buf_add_text(buf, "retry: ");
		buf_add_number(buf, event->retry_ms);
		buf_add(buf, "\n", 1);
	}
	if (event->data != NULL)
		add_lines(buf, "data: ", event->data, event->data_len);
	buf_add(buf, "\n", 1);
	if (buf->failed) {
		buf->failed = 0;
		buf_cut(buf, before);
		return -EMSGSIZE;
	}
	return 0;
}
