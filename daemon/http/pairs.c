/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* pairs.c: see pairs.h. */
#include "daemon/http/pairs.h"

#include <errno.h>
#include <string.h>

#include "daemon/http/percent.h"
#include "daemon/http/scan.h"

static const char *
find(const char *at, const char *end, char c)
{
	const char *found = at < end ? memchr(at, c, (size_t)(end - at)) : NULL;

	return found == NULL ? end : found;
}

size_t
pairs_count(const char *in, size_t len, char separator)
{
	const char *end = in + len;
	size_t count = 1;

	while ((in = find(in, end, separator)) < end) {
		in++;
		count++;
	}
	return count;
}

/* ---- queries and forms --------------------------------------------------------- */

/* The text from at to end, decoded to *out, which moves behind it. */
static ssize_t
decode(char **out, const char *at, const char *end)
{
	size_t len = (size_t)(end - at);
	ssize_t used = percent_decode(*out, len + 1, at, len, PERCENT_PLUS);

	if (used >= 0)
		*out += used + 1;
	return used;
}

int
pairs_decode(struct pair *pairs, size_t max, char *out, const char *in,
    size_t len)
{
	const char *end = in + len, *next;
	size_t count = 0;

	for (const char *at = in; at < end; at = next + 1) {
		const char *value;
		ssize_t used;

		next = find(at, end, '&');
		if (next == at)
			continue;
		if (count == max)
			return -E2BIG;
		value = find(at, next, '=');
		pairs[count].name = out;
		used = decode(&out, at, value);
		if (used < 0)
			return (int)used;
		/* without '=': the end of the name is all there is */
		pairs[count].value = value == next ? out - 1 : out;
		if (value < next)
			used = decode(&out, value + 1, next);
		else
			used = 0;
		if (used < 0)
			return (int)used;
		pairs[count++].len = (size_t)used;
	}
	return (int)count;
}

/* ---- cookies ------------------------------------------------------------------- */

static void
trim(const char **at, const char **end)
{
	while (*at < *end && scan_is_blank(**at))
		(*at)++;
	while (*at < *end && scan_is_blank((*end)[-1]))
		(*end)--;
}

static char *
copy(char *out, const char *at, const char *end)
{
	size_t len = (size_t)(end - at);

	memcpy(out, at, len);
	out[len] = '\0';
	return out + len + 1;
}

/* One piece between two ';' to out, which is returned if it is no cookie. */
static char *
take_cookie(struct pair *pair, char *out, const char *at, const char *end)
{
	const char *name_end = find(at, end, '='), *value = name_end + 1;

	if (name_end == end)
		return out;
	trim(&at, &name_end);
	trim(&value, &end);
	if (at == name_end ||
	    scan_skip_bytes(at, name_end, SCAN_TOKEN) < name_end ||
	    scan_skip_bytes(value, end, SCAN_VALUE) < end)
		return out;
	if (end - value >= 2 && value[0] == '"' && end[-1] == '"') {
		value++;
		end--;
	}
	pair->name = out;
	pair->value = out + (name_end - at) + 1;
	pair->len = (size_t)(end - value);
	if (!percent_is_utf8(value, pair->len))
		return out;
	return copy(copy(out, at, name_end), value, end);
}

int
pairs_take_cookies(struct pair *pairs, size_t max, char *out, const char *in,
    size_t len)
{
	const char *end = in + len, *next;
	size_t count = 0;

	for (const char *at = in; at < end; at = next + 1) {
		struct pair pair;
		char *after;

		next = find(at, end, ';');
		after = take_cookie(&pair, out, at, next);
		if (after == out)
			continue;
		if (count == max)
			return -E2BIG;
		pairs[count++] = pair;
		out = after;
	}
	return (int)count;
}

const struct pair *
pairs_find(const struct pair *pairs, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(pairs[i].name, name) == 0)
			return &pairs[i];
	return NULL;
}
