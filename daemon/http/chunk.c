/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * chunk.c: reads the chunked coding (RFC 9112 7.1).  Must never copy, keep or
 * skip a byte of the body, nor look at or past buf + len.
 */

#include "daemon/http/chunk.h"

#include <stdbool.h>
#include <string.h>

#include "daemon/http/scan.h"

/* chunk.step: what the next byte is. */
enum chunk_step {
	CHUNK_SIZE_FIRST,
	CHUNK_SIZE,
	CHUNK_NAME_FIRST,		/* of an extension: ;name="value" */
	CHUNK_NAME,
	CHUNK_VALUE_FIRST,
	CHUNK_VALUE,
	CHUNK_QUOTED,
	CHUNK_ESCAPED,
	CHUNK_QUOTE_END,
	CHUNK_SIZE_LF,
	CHUNK_BODY,
	CHUNK_BODY_CR,
	CHUNK_BODY_LF,
	CHUNK_AT_LAST,
	CHUNK_AT_REFUSAL,
};

enum { CHUNK_PIECE_MAX = 1 << 30 };	/* an offset has 32 bits */

void
chunk_init(struct chunk *chunk, uint64_t max_body)
{
	memset(chunk, 0, sizeof(*chunk));
	chunk->max_body = max_body;
}

static enum chunk_step
chunk_refuse(struct chunk *chunk, uint16_t status, const char *reason)
{
	chunk->status = status;
	chunk->reason = reason;
	return CHUNK_AT_REFUSAL;
}

static enum chunk_step
chunk_read_digit(struct chunk *chunk, char c)
{
	unsigned int digit;

	if (!scan_is(c, SCAN_HEX))
		return chunk_refuse(chunk, 400, "bad chunk size");
	if (chunk->left > UINT64_MAX >> 4)
		return chunk_refuse(chunk, 400, "chunk size over 64 bits");
	digit = c <= '9' ? (unsigned int)(c - '0') :
	    (unsigned int)(scan_lower(c) - 'a' + 10);
	chunk->left = chunk->left << 4 | digit;
	return CHUNK_SIZE;
}

/* What may follow a size or a whole extension. */
static enum chunk_step
chunk_end_element(struct chunk *chunk, char c)
{
	if (c == ';')
		return CHUNK_NAME_FIRST;
	if (c == '\r')
		return CHUNK_SIZE_LF;
	return chunk_refuse(chunk, 400, "bad chunk extension");
}

static enum chunk_step
chunk_end_size(struct chunk *chunk, char c)
{
	if (c != ';' && c != '\r')
		return chunk_read_digit(chunk, c);
	if (chunk->left > chunk->max_body - chunk->body)
		return chunk_refuse(chunk, 413, "body too long");
	return chunk_end_element(chunk, c);
}

/* Inside quotes, or behind a backslash in them. */
static enum chunk_step
chunk_read_quoted(struct chunk *chunk, enum chunk_step step, char c)
{
	if (!scan_is(c, SCAN_VALUE))
		return chunk_refuse(chunk, 400, "bad chunk extension");
	if (step == CHUNK_ESCAPED)
		return CHUNK_QUOTED;
	return c == '"' ? CHUNK_QUOTE_END :
	    c == '\\' ? CHUNK_ESCAPED : CHUNK_QUOTED;
}

/* One byte that is not of the body; the step that follows. */
static enum chunk_step
chunk_read_framing(struct chunk *chunk, enum chunk_step step, char c)
{
	bool token = scan_is(c, SCAN_TOKEN);

	switch (step) {
	case CHUNK_SIZE_FIRST:
		return chunk_read_digit(chunk, c);
	case CHUNK_SIZE:
		return chunk_end_size(chunk, c);
	case CHUNK_NAME_FIRST:
		return token ? CHUNK_NAME :
		    chunk_refuse(chunk, 400, "bad chunk extension");
	case CHUNK_NAME:
		return token ? CHUNK_NAME : c == '=' ? CHUNK_VALUE_FIRST :
		    chunk_end_element(chunk, c);
	case CHUNK_VALUE_FIRST:
		return token ? CHUNK_VALUE : c == '"' ? CHUNK_QUOTED :
		    chunk_refuse(chunk, 400, "bad chunk extension");
	case CHUNK_VALUE:
		return token ? CHUNK_VALUE : chunk_end_element(chunk, c);
	case CHUNK_QUOTED:
	case CHUNK_ESCAPED:
		return chunk_read_quoted(chunk, step, c);
	case CHUNK_QUOTE_END:
		return chunk_end_element(chunk, c);
	case CHUNK_SIZE_LF:
		if (c != '\n')
			return chunk_refuse(chunk, 400, "CR without LF");
		return chunk->left == 0 ? CHUNK_AT_LAST : CHUNK_BODY;
	case CHUNK_BODY_CR:
		return c == '\r' ? CHUNK_BODY_LF :
		    chunk_refuse(chunk, 400, "no CRLF behind a chunk");
	case CHUNK_BODY_LF:
		return c == '\n' ? CHUNK_SIZE_FIRST :
		    chunk_refuse(chunk, 400, "no CRLF behind a chunk");
	case CHUNK_BODY:
	case CHUNK_AT_LAST:
	case CHUNK_AT_REFUSAL:
		break;
	}
	return step;
}

/* Up to len bytes from offset at on are body. */
static void
chunk_take_body(struct chunk *chunk, size_t at, size_t len, struct slice *data)
{
	if (len > chunk->left)
		len = (size_t)chunk->left;
	if (len > CHUNK_PIECE_MAX)
		len = CHUNK_PIECE_MAX;
	data->at = (uint32_t)at;
	data->len = (uint32_t)len;
	chunk->left -= len;
	chunk->body += len;
	chunk->framing = 0;
}

enum chunk_result
chunk_parse(struct chunk *chunk, const char *buf, size_t len, size_t *used,
    struct slice *data)
{
	enum chunk_step step = chunk->step;
	enum chunk_result result = CHUNK_MORE;
	size_t at = 0;

	while (at < len && step != CHUNK_BODY && step < CHUNK_AT_LAST) {
		if (chunk->framing++ == CHUNK_FRAMING_MAX)
			step = chunk_refuse(chunk, 400, "too much framing");
		else
			step = chunk_read_framing(chunk, step, buf[at]);
		at += step != CHUNK_AT_REFUSAL;
	}
	if (step == CHUNK_BODY && at < len) {
		chunk_take_body(chunk, at, len - at, data);
		at += data->len;
		if (chunk->left == 0)
			step = CHUNK_BODY_CR;
		result = CHUNK_DATA;
	} else if (step == CHUNK_AT_LAST)
		result = CHUNK_LAST;
	else if (step == CHUNK_AT_REFUSAL)
		result = CHUNK_REFUSED;
	chunk->step = (uint8_t)step;
	*used = at;
	return result;
}
