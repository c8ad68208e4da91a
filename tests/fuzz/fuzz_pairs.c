/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_pairs.c: any bytes as percent-encoding, as a query and as cookies.  What
 * is accepted keeps its promises: UTF-8, no byte 0, inside its bounds, and
 * decoding in place is the same.  The first byte of an input is the flags.
 */

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http/pairs.h"
#include "daemon/http/percent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LONGEST = 4096 };

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

static void
run_percent(const char *in, size_t len, unsigned flags)
{
	char *out = malloc(len + 1), *same = malloc(len + 1);
	ssize_t used = percent_decode(out, len + 1, in, len, flags);

	memcpy(same, in, len);
	expect(percent_decode(same, len + 1, same, len, flags) == used);
	expect(used == -EILSEQ || (used >= 0 && (size_t)used <= len));
	if (used >= 0) {
		expect(memcmp(out, same, (size_t)used + 1) == 0);
		expect(out[used] == '\0');
		expect((flags & PERCENT_BYTES) != 0 ||
		    percent_is_utf8(out, (size_t)used));
		expect((flags & PERCENT_NUL) != 0 ||
		    strlen(out) == (size_t)used);
		expect(used == 0 || percent_decode(same, (size_t)used, in,
		    len, flags) == -ENOSPC);
	}
	free(same);
	free(out);
}

static void
run_list(int (*take)(struct pair *, size_t, char *, const char *, size_t),
    const char *in, size_t len, char separator)
{
	size_t most = pairs_count(in, len, separator);
	struct pair *pairs = malloc(most * sizeof(pairs[0]));
	char *out = malloc(len + 2);
	int count = take(pairs, most, out, in, len);

	expect(count != -E2BIG && (count < 0 || (size_t)count <= most));
	for (int i = 0; i < count; i++) {
		const struct pair *pair = &pairs[i];

		expect(pair->name >= out && pair->name < out + len + 2);
		expect(pair->value > pair->name || *pair->value == '\0');
		expect(strlen(pair->value) == pair->len);
		expect(pair->value + pair->len < out + len + 2);
		expect(percent_is_utf8(pair->value, pair->len));
		expect(pairs_find(pairs, (size_t)count, pair->name) <= pair);
	}
	if (count > 0)
		expect(take(pairs, (size_t)count - 1, out, in, len) == -E2BIG);
	free(out);
	free(pairs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *in = (const char *)data + 1;

	if (size < 1 || size > LONGEST)
		return 0;
	run_percent(in, size - 1, data[0] & PERCENT_FLAGS);
	run_list(pairs_decode, in, size - 1, '&');
	run_list(pairs_take_cookies, in, size - 1, ';');
	return 0;
}
