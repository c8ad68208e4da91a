/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* trace.c: see trace.h. */
#include "daemon/http/trace.h"

#include <string.h>

enum { TRACE_AT = 3, SPAN_AT = 36, FLAGS_AT = 53 };	/* in the header */

static bool
is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static unsigned
value(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static bool
is_number(const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!is_digit(at[i]))
			return false;
	return true;
}

/* A number, and not 0. */
static bool
is_id(const char *at, size_t len)
{
	size_t zeros = 0;

	while (zeros < len && at[zeros] == '0')
		zeros++;
	return zeros < len && is_number(at, len);
}

bool
trace_parse(const char *text, size_t len, struct trace *trace)
{
	if (len < TRACE_TEXT || text[TRACE_AT - 1] != '-' ||
	    text[SPAN_AT - 1] != '-' || text[FLAGS_AT - 1] != '-')
		return false;
	if (!is_number(text, 2) || memcmp(text, "ff", 2) == 0 ||
	    !is_id(text + TRACE_AT, TRACE_ID) ||
	    !is_id(text + SPAN_AT, TRACE_SPAN) || !is_number(text + FLAGS_AT,
	    2))
		return false;
	if (len > TRACE_TEXT &&
	    (memcmp(text, "00", 2) == 0 || text[TRACE_TEXT] != '-'))
		return false;
	memcpy(trace->trace_id, text + TRACE_AT, TRACE_ID);
	trace->trace_id[TRACE_ID] = '\0';
	memcpy(trace->parent_id, text + SPAN_AT, TRACE_SPAN);
	trace->parent_id[TRACE_SPAN] = '\0';
	trace->flags = value(text[FLAGS_AT + 1]) & TRACE_SAMPLED;
	return true;
}

void
trace_print(char out[TRACE_TEXT + 1], const char *trace_id,
    const char *span_id, unsigned flags)
{
	memcpy(out, "00-", 3);
	memcpy(out + TRACE_AT, trace_id, TRACE_ID);
	out[SPAN_AT - 1] = '-';
	memcpy(out + SPAN_AT, span_id, TRACE_SPAN);
	out[FLAGS_AT - 1] = '-';
	out[FLAGS_AT] = '0';
	out[FLAGS_AT + 1] = (flags & TRACE_SAMPLED) != 0 ? '1' : '0';
	out[TRACE_TEXT] = '\0';
}
