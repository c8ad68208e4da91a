/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * fuzz_static.c: any text as the path of a request, and as each of the fields
 * that plugin static reads.  The first byte of an input chooses sizes.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plugins/accept/accept.h"
#include "plugins/static/conditional.h"
#include "plugins/static/httpdate.h"
#include "plugins/static/path.h"
#include "plugins/static/range.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
expect(bool truth)
{
	if (!truth)
		abort();
}

/* No segment of it leads upwards, is empty, or hidden where none may be. */
static void
try_path(const char *text, bool hidden)
{
	char name[STATIC_NAME_MAX];
	size_t len;

	if (path_decode(text, hidden, name, &len) != 0)
		return;
	expect(len < STATIC_NAME_MAX && strlen(name) == len);
	for (const char *at = name; *at != '\0'; ) {
		size_t segment = strcspn(at, "/");

		expect(segment > 0);
		expect(!(segment == 1 && at[0] == '.'));
		expect(!(segment == 2 && at[0] == '.' && at[1] == '.'));
		expect(hidden || at[0] != '.' || (at == name &&
		    strncmp(at, ".well-known", segment) == 0));
		at += segment + (at[segment] == '/');
	}
}

static void
try_range(const char *text, uint64_t size)
{
	struct range ranges[RANGES_MAX];
	uint64_t sum = 0;
	unsigned count;

	if (range_parse(text, size, ranges, &count) != RANGE_PARTS)
		return;
	expect(count > 0 && count <= RANGES_MAX);
	for (unsigned i = 0; i < count; i++) {
		expect(ranges[i].start < ranges[i].end);
		expect(ranges[i].end <= size);
		sum += ranges[i].end - ranges[i].start;
	}
	expect(sum <= size);
}

static void
try_date(const char *text)
{
	int64_t seconds = httpdate_parse(text);
	char written[HTTPDATE_MAX];

	if (seconds < 0)
		return;
	httpdate_format(seconds, written);
	/* the last second of 9999 may be a leap second, which is not */
	expect(httpdate_parse(written) == seconds ||
	    seconds == INT64_C(253402300800));
}

static void
try_conditions(const char *text)
{
	const struct validators validators = { "\"1f-a\"", 784111777 };
	struct conditions conditions = { .if_match = text };

	expect(conditional_test(&conditions, &validators) !=
	    CONDITION_NOT_MODIFIED);
	conditions = (struct conditions){ .if_none_match = text };
	expect(conditional_test(&conditions, &validators) != CONDITION_FAILED);
	conditions = (struct conditions){ .if_range = text };
	if (conditional_allows_range(&conditions, &validators)) {
		conditions = (struct conditions){ .if_match = text };
		expect(text[0] != '"' || conditional_test(&conditions,
		    &validators) == CONDITION_HOLDS);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	try_path(text, data[0] & 1);
	try_range(text, (uint64_t)data[0] * data[0]);
	try_date(text);
	try_conditions(text);
	expect(accept_weight(text, "gzip") <= 1000);
	free(text);
	return 0;
}
