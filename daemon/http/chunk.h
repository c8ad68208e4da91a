/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * chunk.h: the chunked coding of a body, up to the last chunk; the trailers
 * behind it are read by head_parse_trailers().  Pure, incremental, without
 * memory of its own; never blocks.  Used by the connection of the worker.
 */

#ifndef DAEMON_HTTP_CHUNK_H
#define DAEMON_HTTP_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "daemon/http/head.h"

/* So many bytes of sizes, extensions and line ends between two of the body. */
enum { CHUNK_FRAMING_MAX = 256 };

struct chunk {
	uint64_t left;			/* of the present chunk */
	uint64_t body;			/* bytes of data given so far */
	uint64_t max_body;		/* UINT64_MAX: no limit */
	uint32_t framing;		/* bytes since the last one of data */
	uint16_t status;		/* when refused: the answer ... */
	uint8_t step;			/* private */
	const char *reason;		/* ... and a static text for the log */
};

enum chunk_result {
	CHUNK_MORE,
	CHUNK_DATA,
	CHUNK_LAST,
	CHUNK_REFUSED,
};

/* Begin a body of at most max_body bytes. */
void chunk_init(struct chunk *chunk, uint64_t max_body);

/*
 * Take what buf holds up to the end of the next piece of the body.  *used
 * bytes are done with: the next call begins behind them.
 * CHUNK_MORE: all of buf was framing.  CHUNK_DATA: *data, at an offset from
 * buf, is body and not copied, at least one byte of it; *used is its end.
 * CHUNK_LAST: *used is the first byte of the trailers.  CHUNK_REFUSED: status
 * and reason are set, *used is the byte that caused it; answer and close.
 * After the last two, further calls give the same result and use nothing.
 * data is set for CHUNK_DATA only; a piece is cut at 1 GiB.
 */
enum chunk_result chunk_parse(struct chunk *chunk, const char *buf, size_t len,
    size_t *used, struct slice *data);

#endif
