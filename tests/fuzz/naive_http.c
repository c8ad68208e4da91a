/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* naive_http.c: see naive_http.h. */
#include "tests/fuzz/naive_http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/chunk.h"

/* ---- requests ------------------------------------------------------------------ */

static void
refuse(struct naive_request *request, uint16_t status)
{
	request->result = NAIVE_REFUSED;
	request->status = status;
}

static void
read_trailers(struct naive_request *request, const char *buf, size_t len,
    const struct head_limits *limits)
{
	struct head_field fields[NAIVE_TRAILERS];
	struct head_limits own = *limits;
	struct head trailers;

	if (own.fields > NAIVE_TRAILERS)
		own.fields = NAIVE_TRAILERS;
	head_init(&trailers, &own, fields);
	switch (head_parse_trailers(&trailers, buf + request->end,
	    len - request->end)) {
	case HEAD_MORE:
		return;
	case HEAD_REFUSED:
		refuse(request, trailers.status);
		return;
	case HEAD_DONE:
		request->end += trailers.offset;
		request->result = NAIVE_WHOLE;
	}
}

static void
read_chunks(struct naive_request *request, const char *buf, size_t len,
    const struct head_limits *limits)
{
	struct chunk chunk;

	chunk_init(&chunk, NAIVE_BODY);
	for (;;) {
		struct slice data;
		size_t used;

		switch (chunk_parse(&chunk, buf + request->end,
		    len - request->end, &used, &data)) {
		case CHUNK_MORE:
			return;
		case CHUNK_DATA:
			CHECK(request->body_len + data.len <= NAIVE_BODY);
			memcpy(request->body + request->body_len,
			    buf + request->end + data.at, data.len);
			request->body_len += data.len;
			break;
		case CHUNK_LAST:
			request->end += used;
			read_trailers(request, buf, len, limits);
			return;
		case CHUNK_REFUSED:
			refuse(request, chunk.status);
			return;
		}
		request->end += used;
	}
}

static void
read_body(struct naive_request *request, const char *buf, size_t len,
    const struct head_limits *limits)
{
	uint64_t length = request->head.content_length;

	if (length == HEAD_CHUNKED) {
		read_chunks(request, buf, len, limits);
		return;
	}
	if (length == HEAD_NO_BODY)
		length = 0;
	if (length <= len - request->end)
		request->result = NAIVE_WHOLE;
	else
		length = len - request->end;
	memcpy(request->body, buf + request->end, (size_t)length);
	request->body_len = (size_t)length;
	request->end += (size_t)length;
}

void
naive_read_request(struct naive_request *request, const char *buf, size_t len,
    const struct head_limits *limits)
{
	struct head *head = &request->head;

	request->result = NAIVE_MORE;
	request->status = 0;
	request->body_len = 0;
	CHECK(limits->fields <= NAIVE_FIELDS);
	head_init(head, limits, request->fields);
	switch (head_parse(head, buf, len)) {
	case HEAD_MORE:
		return;
	case HEAD_REFUSED:
		refuse(request, head->status);
		return;
	case HEAD_DONE:
		break;
	}
	request->end = head->offset;
	if ((head->flags & HEAD_HTTPS) != 0)
		refuse(request, 421);
	else if (head_limit_body(head, NAIVE_BODY) == HEAD_REFUSED)
		refuse(request, 413);
	else
		read_body(request, buf, len, limits);
}

/* ---- answers -------------------------------------------------------------------- */

/* The bytes behind text in the head, which has a NUL at its end; NULL. */
static const char *
find_field(const char *head, const char *text)
{
	const char *at = strstr(head, text);

	return at == NULL ? NULL : at + strlen(text);
}

/* The length of a chunked body; 0: it is not whole. */
static size_t
chunks_length(const char *buf, size_t len)
{
	struct chunk chunk;
	size_t at = 0;

	chunk_init(&chunk, UINT64_MAX);
	for (;;) {
		struct slice data;
		size_t used;
		enum chunk_result result = chunk_parse(&chunk, buf + at,
		    len - at, &used, &data);

		CHECK(result != CHUNK_REFUSED);
		at += used;
		if (result == CHUNK_MORE)
			return 0;
		if (result == CHUNK_LAST) {
			if (len - at < 2)
				return 0;
			CHECK(memcmp(buf + at, "\r\n", 2) == 0);
			return at + 2;
		}
	}
}

/* Where the body behind the head ends; 0: it is not there yet. */
static size_t
answer_end(const char *buf, size_t len, size_t head_len, const char *head,
    const struct naive_answer *answer)
{
	const char *length = find_field(head, "\r\nContent-Length: ");
	size_t body;

	if (length != NULL) {
		body = strtoul(length, NULL, 10);
		return body > len - head_len ? 0 : head_len + body;
	}
	if (find_field(head, "\r\nTransfer-Encoding: chunked\r\n") != NULL) {
		body = chunks_length(buf + head_len, len - head_len);
		return body == 0 ? 0 : head_len + body;
	}
	CHECK(answer->closes);
	return len;
}

size_t
naive_read_answer(const char *buf, size_t len, bool to_head,
    struct naive_answer *answer)
{
	const char *end = memmem(buf, len, "\r\n\r\n", 4);
	size_t head_len, rest;
	char head[4096];

	if (end == NULL)
		return 0;
	head_len = (size_t)(end - buf) + 4;
	CHECK(head_len < sizeof(head) && memcmp(buf, "HTTP/1.1 ", 9) == 0);
	memcpy(head, buf, head_len);
	head[head_len] = '\0';
	answer->status = atoi(head + 9);
	if (answer->status < 200) {
		CHECK(answer->status == 100);
		rest = naive_read_answer(buf + head_len, len - head_len,
		    to_head, answer);
		return rest == 0 ? 0 : head_len + rest;
	}
	CHECK(find_field(head, "\r\nDate: ") != NULL);
	answer->closes = find_field(head, "\r\nConnection: close\r\n") != NULL;
	if (to_head || answer->status == 204 || answer->status == 304)
		return head_len;
	return answer_end(buf, len, head_len, head, answer);
}
