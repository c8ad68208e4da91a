/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * lines.c: cuts a stream into lines.  Each byte is looked at once, however
 * small the pieces are in which it comes.
 */
#include "common/wire/lines.h"

#include <string.h>

void
lines_init(struct lines *lines, size_t limit)
{
	buf_init(&lines->buf, 0);
	lines->scanned = 0;
	lines->limit = limit;
}

void
lines_done(struct lines *lines)
{
	buf_done(&lines->buf);
	lines->scanned = 0;
}

int
lines_add(struct lines *lines, const void *data, size_t len)
{
	return buf_add(&lines->buf, data, len);
}

char *
lines_next(struct lines *lines, size_t *len)
{
	size_t held = buf_len(&lines->buf), line_len;
	char *line, *newline;

	if (lines->scanned == held)
		return NULL;
	line = buf_at(&lines->buf);
	newline = memchr(line + lines->scanned, '\n', held - lines->scanned);
	if (newline == NULL) {
		lines->scanned = held;
		return NULL;
	}
	line_len = (size_t)(newline - line);
	if (line_len > lines->limit) {
		lines->scanned = held;	/* stays overlong */
		return NULL;
	}
	buf_consume(&lines->buf, line_len + 1);
	lines->scanned = 0;
	if (line_len > 0 && line[line_len - 1] == '\r')
		line_len--;
	/* Consuming moves the start only: the bytes are still there. */
	line[line_len] = '\0';
	*len = line_len;
	return line;
}

bool
lines_overlong(const struct lines *lines)
{
	return lines->scanned > lines->limit;
}

size_t
lines_rest(const struct lines *lines)
{
	return buf_len(&lines->buf);
}
