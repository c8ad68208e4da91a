/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* buf.c: a growable byte buffer with a limit; see buf.h. */
#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/digits.h"
#include "common/base/errmsg.h"
#include "common/base/escape.h"

void
buf_init(struct buf *buf, size_t limit)
{
	memset(buf, 0, sizeof(*buf));
	buf->limit = limit;
}

void
buf_done(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->limit);
}

void
buf_clear(struct buf *buf)
{
	buf->start = buf->end = 0;
	buf->failed = 0;
}

char *
buf_reserve(struct buf *buf, size_t len)
{
	size_t have = buf_len(buf), want, size;
	char *data;

	/* half of all is more than there is, and may be doubled below */
	if (__builtin_add_overflow(have, len, &want) || want > SIZE_MAX / 2 ||
	    (buf->limit != 0 && want > buf->limit)) {
		buf->failed = 1;
		return NULL;
	}
	if (buf->size - buf->end >= len && buf->data != NULL)
		return buf->data + buf->end;
	if (buf->start > 0) {
		memmove(buf->data, buf_at(buf), have);
		buf->start = 0;
		buf->end = have;
		if (buf->size - buf->end >= len)
			return buf->data + buf->end;
	}
	for (size = buf->size > 0 ? buf->size : 256; size < want; size *= 2)
		continue;
	data = realloc(buf->data, size);
	if (data == NULL) {
		buf->failed = 1;
		return NULL;
	}
	buf->data = data;
	buf->size = size;
	return buf->data + buf->end;
}

void
buf_extend(struct buf *buf, size_t len)
{
	CHECK(len <= buf->size - buf->end);
	buf->end += len;
}

void
buf_consume(struct buf *buf, size_t len)
{
	CHECK(len <= buf_len(buf));
	buf->start += len;
	if (buf->start == buf->end)
		buf->start = buf->end = 0;
}

void
buf_cut(struct buf *buf, size_t len)
{
	CHECK(len <= buf_len(buf));
	buf->end = buf->start + len;
}

int
buf_add(struct buf *buf, const void *data, size_t len)
{
	char *room = buf_reserve(buf, len);

	if (room == NULL)
		return ERR_FULL;
	if (len > 0)
		memcpy(room, data, len);
	buf->end += len;
	return 0;
}

int
buf_add_text(struct buf *buf, const char *text)
{
	return buf_add(buf, text, strlen(text));
}

int
buf_add_number(struct buf *buf, uint64_t number)
{
	struct digits digits;
	size_t from = digits_put(&digits, number);

	return buf_add(buf, digits.text + from, DIGITS_MAX - from);
}

int
buf_add_json(struct buf *buf, const char *text, size_t len)
{
	size_t most, n;
	char *room;

	if (__builtin_mul_overflow(len, 6, &most) || most + 2 < most)
		return ERR_FULL;
	room = buf_reserve(buf, most + 2);
	if (room == NULL)
		return ERR_FULL;
	room[0] = '"';
	n = escape_json(room + 1, most, text, len);
	room[1 + n] = '"';
	buf->end += n + 2;
	return 0;
}

int
buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list args, again;
	char *room;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	room = n < 0 ? NULL : buf_reserve(buf, (size_t)n + 1);
	if (room != NULL) {
		vsnprintf(room, (size_t)n + 1, fmt, again);
		buf->end += (size_t)n;
	} else {
		buf->failed = 1;
	}
	va_end(again);
	return room != NULL ? 0 : ERR_FULL;
}
