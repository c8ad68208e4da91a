/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_body.c: any bytes as a chunked body with its trailers, as a connection reads
 * them: chunks, and behind the last one a head of their own.  Body, verdict and
 * where the next message begins must not depend on the cut.  The first byte of an
 * input chooses limits and cut.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/check.h"
#include "daemon/http/chunk.h"
#include "daemon/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 8192, FIELDS = 16 };
enum verdict { BODY_MORE, BODY_WHOLE, BODY_REFUSED };

struct reading {
	struct chunk chunk;
	struct head trailers;
	struct head_field fields[FIELDS];
	enum verdict verdict;
	uint16_t status;
	bool in_trailers;
	size_t at;			/* first byte that is not done with */
	size_t len;
	char body[LONGEST];
};

static void
refuse(struct reading *reading, uint16_t status)
{
	CHECK(status >= 400);
	reading->verdict = BODY_REFUSED;
	reading->status = status;
}

static void
read_trailers(struct reading *reading, const char *buf, size_t end)
{
	switch (head_parse_trailers(&reading->trailers, buf + reading->at,
	    end - reading->at)) {
	case HEAD_MORE:
		return;
	case HEAD_REFUSED:
		refuse(reading, reading->trailers.status);
		return;
	case HEAD_DONE:
		reading->at += reading->trailers.offset;
		CHECK(memcmp(buf + reading->at - 2, "\r\n", 2) == 0);
		reading->verdict = BODY_WHOLE;
	}
}

/* Bytes up to end are there. */
static void
read_on(struct reading *reading, const char *buf, size_t end)
{
	while (!reading->in_trailers) {
		struct slice data;
		size_t used;
		enum chunk_result result = chunk_parse(&reading->chunk,
		    buf + reading->at, end - reading->at, &used, &data);

		CHECK(used <= end - reading->at);
		if (result == CHUNK_DATA) {
			memcpy(reading->body + reading->len,
			    buf + reading->at + data.at, data.len);
			reading->len += data.len;
		}
		reading->at += used;
		if (result == CHUNK_REFUSED)
			refuse(reading, reading->chunk.status);
		if (result == CHUNK_REFUSED || result == CHUNK_MORE)
			return;
		reading->in_trailers = result == CHUNK_LAST;
	}
	read_trailers(reading, buf, end);
}

static void
read_in_steps(struct reading *reading, const char *buf, size_t len,
    size_t step, const struct head_limits *limits, uint64_t max_body)
{
	memset(reading, 0, offsetof(struct reading, body));
	chunk_init(&reading->chunk, max_body);
	head_init(&reading->trailers, limits, reading->fields);
	for (size_t end = 0; end < len && reading->verdict == BODY_MORE; ) {
		end = len - end > step ? end + step : len;
		read_on(reading, buf, end);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading whole, cut;
	struct head_limits limits = { 4096, 1024, FIELDS };
	const char *buf = (const char *)data + 1;
	uint64_t max_body = UINT64_MAX;

	if (size < 2 || size > LONGEST)
		return 0;
	if ((data[0] & 0x80) != 0) {
		limits = (struct head_limits){ 64, 32, 3 };
		max_body = 32;
	}
	read_in_steps(&whole, buf, size - 1, size, &limits, max_body);
	read_in_steps(&cut, buf, size - 1, data[0] % 32 + 1, &limits, max_body);
	CHECK(whole.verdict == cut.verdict && whole.status == cut.status);
	CHECK(whole.len == cut.len && whole.at == cut.at);
	CHECK(memcmp(whole.body, cut.body, whole.len) == 0);
	CHECK(whole.len <= max_body);
	return 0;
}
