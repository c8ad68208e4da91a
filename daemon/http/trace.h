/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * trace.h: the header traceparent (W3C Trace Context, level 1): which trace a
 * request belongs to.  Pure.
 */
#ifndef DAEMON_HTTP_TRACE_H
#define DAEMON_HTTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>

enum {
	TRACE_TEXT = 55,		/* of version 00 */
	TRACE_ID = 32, TRACE_SPAN = 16,	/* digits */
	TRACE_SAMPLED = 1,		/* the only flag of level 1 */
};

/* Terminated. */
struct trace {
	char trace_id[TRACE_ID + 1], parent_id[TRACE_SPAN + 1];
	unsigned flags;
};

/*
 * Read a header.  False: none of version 00, and none that begins as one (a
 * later version may say more behind it); version ff, a number of zeros alone
 * and digits in upper case are none.  Flags that are not ours are dropped.
 */
bool trace_parse(const char *text, size_t len, struct trace *trace);

/* "00-TRACE-SPAN-FLAGS", terminated. */
void trace_print(char out[TRACE_TEXT + 1], const char *trace_id,
    const char *span_id, unsigned flags);

#endif
