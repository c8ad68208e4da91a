/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* deflater.c: states of zlib, and a pool of them; see deflater.h. */
#include "deflater.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

/* A window of 32 KiB, the largest, with a gzip header; what zlib takes for it
 * is 256 KiB. */
enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

static struct deflater *
deflater_new(struct deflater_pool *pool)
{
	struct deflater *deflater = malloc(sizeof(*deflater));

	if (deflater == NULL)
		return NULL;
	deflater->pool = pool;
	deflater->z = (z_stream){ .next_in = Z_NULL };
	if (deflateInit2(&deflater->z, pool->level, Z_DEFLATED, WINDOW_BITS,
	    MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
		free(deflater);
		return NULL;
	}
	return deflater;
}

static void
deflater_free(struct deflater *deflater)
{
	deflateEnd(&deflater->z);
	free(deflater);
}

struct deflater *
deflater_get(struct deflater_pool *pool)
{
	struct deflater *deflater = pool->spare;

	if (pool->active >= pool->max)
		return NULL;
	if (deflater != NULL) {
		pool->spare = deflater->next;
		pool->spare_count--;
	} else if ((deflater = deflater_new(pool)) == NULL) {
		return NULL;
	}
	deflater->z.next_out = deflater->out;
	deflater->z.avail_out = DEFLATER_OUT;
	pool->active++;
	return deflater;
}

void
deflater_put(struct deflater *deflater)
{
	struct deflater_pool *pool = deflater->pool;

	pool->active--;
	if (pool->spare_count >= DEFLATER_SPARE ||
	    deflateReset(&deflater->z) != Z_OK) {
		deflater_free(deflater);
		return;
	}
	deflater->next = pool->spare;
	pool->spare = deflater;
	pool->spare_count++;
}

void
deflater_pool_done(struct deflater_pool *pool)
{
	while (pool->spare != NULL) {
		struct deflater *deflater = pool->spare;

		pool->spare = deflater->next;
		deflater_free(deflater);
	}
	pool->spare_count = 0;
}

/* ---- at work ----------------------------------------------------------------------- */

static int
deflater_drain(struct deflater *deflater, deflater_sink *sink, void *arg)
{
	size_t len = DEFLATER_OUT - deflater->z.avail_out;

	deflater->z.next_out = deflater->out;
	deflater->z.avail_out = DEFLATER_OUT;
	return len == 0 ? 0 : sink(deflater->out, len, arg);
}

/* Until zlib has taken all and, with a flush, given all.  What it gives without
 * one waits for a full buffer: fewer, larger pieces. */
static int
deflater_run(struct deflater *deflater, int flush, deflater_sink *sink,
    void *arg)
{
	z_stream *z = &deflater->z;
	int rc, status;

	do {
		status = deflate(z, flush);
		/* BUF_ERROR: there was nothing to do */
		if (status != Z_OK && status != Z_STREAM_END &&
		    status != Z_BUF_ERROR)
			return -EIO;
		if (z->avail_out != 0)
			break;
		if ((rc = deflater_drain(deflater, sink, arg)) != 0)
			return rc;
	} while (status != Z_STREAM_END);
	if (flush == Z_FINISH && status != Z_STREAM_END)
		return -EIO;
	return flush == Z_NO_FLUSH ? 0 : deflater_drain(deflater, sink, arg);
}

int
deflater_write(struct deflater *deflater, const void *data, size_t len,
    deflater_sink *sink, void *arg)
{
	const unsigned char *at = data;
	int rc = 0;

	while (len > 0 && rc == 0) {
		unsigned part = len < UINT_MAX ? (unsigned)len : UINT_MAX;

		deflater->z.next_in = (z_const Bytef *)(uintptr_t)at;
		deflater->z.avail_in = part;
		rc = deflater_run(deflater, Z_NO_FLUSH, sink, arg);
		at += part;
		len -= part;
	}
	return rc;
}

int
deflater_flush(struct deflater *deflater, deflater_sink *sink, void *arg)
{
	return deflater_run(deflater, Z_SYNC_FLUSH, sink, arg);
}

int
deflater_end(struct deflater *deflater, deflater_sink *sink, void *arg)
{
	return deflater_run(deflater, Z_FINISH, sink, arg);
}
