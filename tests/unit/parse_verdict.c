/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * parse_verdict.c: what our parsers say about byte streams, for comparison with
 * another parser (tests/system/test_parser_differential.py).  One stream a line
 * in hexadecimal on stdin, one JSON object a line on stdout:
 *
 *	{"messages": [{"method", "target", "minor", "fields", "body"}],
 *	 "status": 0 or that of the refusal, "reason": "..."}
 *
 * with the messages that are whole, all bytes in hexadecimal.  Nothing is said
 * about what follows a message that closes the connection or asks for another
 * protocol.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/chunk.h"
#include "daemon/http/head.h"
#include "daemon/http/scan.h"

enum { FIELDS = 40, TRAILERS = 16, BODY = 16384 };

static const struct head_limits limits = { 4096, 1024, FIELDS };
static const struct head_limits trailer_limits = { 4096, 1024, TRAILERS };

/* One stream, and how far it has been read. */
struct stream {
	const char *at;
	size_t len;
	uint16_t status;
	const char *reason;
};

static void
put_hex(const char *at, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned char)at[i]);
	putchar('"');
}

static void
put_slice(const char *name, const char *buf, struct slice slice)
{
	printf("\"%s\":", name);
	put_hex(buf + slice.at, slice.len);
	putchar(',');
}

static void
put_message(const struct head *head, const char *buf, const char *body,
    size_t len)
{
	putchar('{');
	put_slice("method", buf, head->method);
	put_slice("target", buf, head->target);
	printf("\"minor\":%u,\"fields\":[", head->minor);
	for (uint32_t i = 0; i < head->field_count; i++) {
		const struct head_field *field = &head->fields[i];

		printf(i > 0 ? ",[" : "[");
		put_hex(buf + field->name.at, field->name.len);
		putchar(',');
		put_hex(buf + field->value.at, field->value.len);
		putchar(']');
	}
	printf("],\"body\":");
	put_hex(body, len);
	putchar('}');
}

static bool
stream_refuse(struct stream *stream, uint16_t status, const char *reason)
{
	stream->status = status;
	stream->reason = reason;
	return false;
}

static void
stream_advance(struct stream *stream, size_t used)
{
	stream->at += used;
	stream->len -= used;
}

/* Chunks and trailers; false if they are not whole. */
static bool
read_chunks(struct stream *stream, char *body, size_t *len)
{
	struct head_field fields[FIELDS];
	struct chunk chunk;
	struct head trailers;
	enum chunk_result result;
	enum head_result end;

	chunk_init(&chunk, BODY);
	do {
		struct slice data;
		size_t used;

		result = chunk_parse(&chunk, stream->at, stream->len, &used,
		    &data);
		if (result == CHUNK_DATA) {
			memcpy(body + *len, stream->at + data.at, data.len);
			*len += data.len;
		}
		stream_advance(stream, used);
	} while (result == CHUNK_DATA);
	if (result == CHUNK_REFUSED)
		return stream_refuse(stream, chunk.status, chunk.reason);
	if (result == CHUNK_MORE)
		return false;

	head_init(&trailers, &trailer_limits, fields);
	end = head_parse_trailers(&trailers, stream->at, stream->len);
	if (end == HEAD_REFUSED)
		return stream_refuse(stream, trailers.status, trailers.reason);
	stream_advance(stream, trailers.offset);
	return end == HEAD_DONE;
}

static bool
read_body(struct stream *stream, const struct head *head, char *body,
    size_t *len)
{
	*len = 0;
	if (head->content_length == HEAD_NO_BODY)
		return true;
	if (head->content_length == HEAD_CHUNKED)
		return read_chunks(stream, body, len);
	if (head->content_length > stream->len)
		return false;
	*len = (size_t)head->content_length;
	memcpy(body, stream->at, *len);
	stream_advance(stream, *len);
	return true;
}

/* One message, printed if it is whole; false if there is no other behind. */
static bool
read_message(struct stream *stream, bool first)
{
	static char body[BODY];
	struct head_field fields[FIELDS];
	const char *buf = stream->at;
	struct head head;
	enum head_result result;
	size_t len;

	head_init(&head, &limits, fields);
	result = head_parse(&head, buf, stream->len);
	if (result == HEAD_DONE)
		result = head_limit_body(&head, BODY);
	if (result == HEAD_REFUSED)
		return stream_refuse(stream, head.status, head.reason);
	if (result == HEAD_MORE)
		return false;
	stream_advance(stream, head.offset);
	if (!read_body(stream, &head, body, &len))
		return false;
	if (!first)
		putchar(',');
	put_message(&head, buf, body, len);
	return (head.flags & HEAD_KEEP_ALIVE) != 0 &&
	    (head.flags & HEAD_UPGRADE) == 0;
}

static unsigned int
from_hex(char c)
{
	return c <= '9' ? (unsigned int)(c - '0') :
	    (unsigned int)(scan_lower(c) - 'a' + 10);
}

int
main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t got;

	while ((got = getline(&line, &size, stdin)) > 0) {
		struct stream stream = { .at = line, .len = (size_t)got / 2 };
		bool first = true;

		for (size_t i = 0; i < stream.len; i++)
			line[i] = (char)(from_hex(line[2 * i]) << 4 |
			    from_hex(line[2 * i + 1]));
		printf("{\"messages\":[");
		while (stream.len > 0 && read_message(&stream, first))
			first = false;
		printf("],\"status\":%u,\"reason\":\"%s\"}\n", stream.status,
		    stream.reason != NULL ? stream.reason : "");
	}
	free(line);
	return 0;
}
