/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * lines.h: a stream of bytes as lines, bounded.  Server and clusterctl.  Pure:
 * the caller reads and writes.
 */
#ifndef CLUSTERD_WIRE_LINES_H
#define CLUSTERD_WIRE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

enum { LINES_REQUEST_MAX = 64 * 1024 };	/* of a request; POLICIES of the socket */

struct lines {
	struct buf buf;
	size_t scanned;		/* bytes of buf known to hold no newline */
	size_t limit;		/* of one line, its newline not counted */
};

void lines_init(struct lines *lines, size_t limit);
void lines_done(struct lines *lines);

/* Take in bytes as they were read.  0, or ERR_MEMORY. */
int lines_add(struct lines *lines, const void *data, size_t len);

/*
 * The next whole line, without its "\n" or "\r\n", or NULL when there is none.
 * It is borrowed until the next call of lines_add() or lines_next(), and
 * terminated; it may hold NUL itself, so *len counts.
 */
char *lines_next(struct lines *lines, size_t *len);

/* The line that has begun is longer than the limit: framing is lost. */
bool lines_overlong(const struct lines *lines);

/* Bytes of a line that has begun and is not whole. */
size_t lines_rest(const struct lines *lines);

#endif
