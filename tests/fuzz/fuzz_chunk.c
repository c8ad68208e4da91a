/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_chunk.c: any bytes as a chunked body.  Body, verdict and its place must
 * not depend on the cut.  The first byte of an input chooses limit and cut.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096 };

struct reading {
	struct chunk chunk;
	enum chunk_result result;
	size_t used, len;
	char body[LONGEST];
};

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

/* Read buf, len bytes, of which step more are there at each turn. */
static void
read_in_steps(struct reading *reading, const char *buf, size_t len,
    size_t step)
{
	size_t end = 0;

	while (reading->result < CHUNK_LAST) {
		struct slice data;
		size_t used;

		reading->result = chunk_parse(&reading->chunk,
		    buf + reading->used, end - reading->used, &used, &data);
		expect(used <= end - reading->used);
		if (reading->result == CHUNK_DATA) {
			expect(data.len > 0 && data.at + data.len == used);
			memcpy(reading->body + reading->len,
			    buf + reading->used + data.at, data.len);
			reading->len += data.len;
		}
		reading->used += used;
		if (reading->result == CHUNK_MORE) {
			expect(reading->used == end);
			if (end == len)
				break;
			end = len - end > step ? end + step : len;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct reading whole, cut;
	const char *buf = (const char *)data + 1;
	uint64_t max_body;

	if (size < 2 || size > LONGEST)
		return 0;
	max_body = data[0] & 0x80 ? 32 : UINT64_MAX;
	whole = cut = (struct reading){ .result = CHUNK_MORE };
	chunk_init(&whole.chunk, max_body);
	chunk_init(&cut.chunk, max_body);
	read_in_steps(&whole, buf, size - 1, size);
	read_in_steps(&cut, buf, size - 1, data[0] % 32 + 1);

	expect(whole.result == cut.result && whole.used == cut.used);
	expect(whole.len == cut.len && whole.chunk.body == whole.len);
	expect(memcmp(whole.body, cut.body, whole.len) == 0);
	expect(whole.len <= max_body);
	expect(whole.chunk.status == cut.chunk.status);
	expect((whole.result == CHUNK_REFUSED) == (whole.chunk.status != 0));
	return 0;
}
