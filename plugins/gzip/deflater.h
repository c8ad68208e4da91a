/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * deflater.h: states of zlib that write gzip (RFC 1952), and a pool of them: one
 * takes a quarter of a megabyte, and to make it costs more than to compress a
 * small answer.  Used by the loop alone.
 */
#ifndef PLUGINS_GZIP_DEFLATER_H
#define PLUGINS_GZIP_DEFLATER_H

#include <stddef.h>

#include <zlib.h>

enum {
	DEFLATER_SPARE = 4,		/* unused ones that are kept */
	DEFLATER_OUT = 16384,
};

struct deflater {
	struct deflater *next;		/* of the spare ones */
	struct deflater_pool *pool;
	z_stream z;
	unsigned char out[DEFLATER_OUT];
};

struct deflater_pool {
	int level;			/* 1 to 9 */
	unsigned max;			/* at work at once */
	unsigned active, spare_count;
	struct deflater *spare;
};

/* What is written goes there; a value other than 0 ends it, and is returned. */
typedef int deflater_sink(const void *data, size_t len, void *arg);

/* NULL: as many are at work as may, or no memory. */
struct deflater *deflater_get(struct deflater_pool *pool);
void deflater_put(struct deflater *deflater);
void deflater_pool_done(struct deflater_pool *pool);

/*
 * More data; all that was written so far can be read by the client (flush); the
 * end.  0, what sink returned, or -EIO: zlib has failed.
 */
int deflater_write(struct deflater *deflater, const void *data, size_t len,
    deflater_sink *sink, void *arg);
int deflater_flush(struct deflater *deflater, deflater_sink *sink, void *arg);
int deflater_end(struct deflater *deflater, deflater_sink *sink, void *arg);

#endif
