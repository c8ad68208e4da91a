/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* log_frame.c: the reader of a worker's log pipe; see log_frame.h. */
#include "daemon/proto/log_frame.h"

#include <string.h>

static int
is_header(const struct log_frame *frame)
{
	return frame->magic == LOG_FRAME_MAGIC &&
	    frame->len <= LOG_FRAME_TEXT_MAX;
}

const struct log_frame *
log_frame_next(struct log_frame_reader *reader, const char *data, size_t len,
    size_t *used)
{
	const struct log_frame *frame = &reader->held.frame;

	if (reader->whole)
		reader->len = 0;
	reader->whole = 0;
	while (*used < len) {
		reader->held.bytes[reader->len++] = data[(*used)++];
		if (reader->len < sizeof(*frame))
			continue;
		if (!is_header(frame)) {
			/* The next one is found by its magic. */
			memmove(reader->held.bytes, reader->held.bytes + 1,
			    --reader->len);
			continue;
		}
		if (reader->len == sizeof(*frame) + frame->len) {
			reader->whole = 1;
			return frame;
		}
	}
	return NULL;
}
