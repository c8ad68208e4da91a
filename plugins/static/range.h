/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* range.h: what a Range field asks for (RFC 9110 14).  Pure. */
#ifndef PLUGINS_STATIC_RANGE_H
#define PLUGINS_STATIC_RANGE_H

#include <stdint.h>

enum { RANGES_MAX = 32 };

struct range {
	uint64_t start, end;		/* the byte behind the last */
};

enum range_verdict {
	RANGE_WHOLE,			/* the field is not heeded: 200 */
	RANGE_PARTS,			/* 206 */
	RANGE_REFUSED,			/* 416 */
};

/*
 * The parts of size bytes that value asks for, 1 to RANGES_MAX, in its order.
 * WHOLE: another unit; more than RANGES_MAX parts, or parts that together are
 * more than the whole, which only cost; anything from the first byte of
 * nothing.  REFUSED: bad syntax, or no part lies within.
 */
enum range_verdict range_parse(const char *value, uint64_t size,
    struct range ranges[RANGES_MAX], unsigned *count);

#endif
