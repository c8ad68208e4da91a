/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * buf.h: a growable byte buffer with a limit: append at the end, consume at
 * the front.  Heap; not for the keeper.  Pure apart from that.
 */
#ifndef CLUSTERD_BASE_BUF_H
#define CLUSTERD_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data;
	size_t start, end;	/* the content is data[start..end) */
	size_t size;		/* allocated */
	size_t limit;		/* of the content, bytes; 0: none */
	int failed;		/* an append did not fit or memory ran out */
};

void buf_init(struct buf *buf, size_t limit);
void buf_done(struct buf *buf);		/* empty again, memory given back */
void buf_clear(struct buf *buf);	/* empty, failed = 0, memory kept */

static inline size_t
buf_len(const struct buf *buf)
{
	return buf->end - buf->start;
}

static inline char *
buf_at(const struct buf *buf)
{
	return buf->data + buf->start;
}

/* Room for len more bytes at the end: a pointer to it, or NULL (ERR_FULL or
 * out of memory; failed is set).  buf_extend() then takes them in. */
char *buf_reserve(struct buf *buf, size_t len);
void buf_extend(struct buf *buf, size_t len);
void buf_consume(struct buf *buf, size_t len);
void buf_cut(struct buf *buf, size_t len);	/* keep the first len bytes */

/* Appends.  0, or ERR_FULL or ERR_MEMORY, with failed set and nothing added,
 * so that a writer may append on and look at failed once at the end. */
int buf_add(struct buf *buf, const void *data, size_t len);
int buf_add_text(struct buf *buf, const char *text);
int buf_add_number(struct buf *buf, uint64_t number);
int buf_add_json(struct buf *buf, const char *text, size_t len); /* quoted */
int buf_printf(struct buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
