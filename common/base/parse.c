/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* parse.c: numbers, sizes, durations as people write them; see parse.h. */
#include "common/base/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/check.h"
#include "common/base/errmsg.h"

struct unit { const char *name; uint64_t factor; };

static const struct unit sizes[] = {
	{ "T", 1ULL << 40 }, { "G", 1ULL << 30 }, { "M", 1ULL << 20 },
	{ "k", 1ULL << 10 }, { "", 1 },
};

static const struct unit durations[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 },
	{ "ms", 1 },
};

/* Leading digits into *value; returns how many bytes they are, 0 if there are
 * none, or ERR_RANGE. */
static int
scan_digits(const char *text, size_t len, uint64_t *value)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		if (__builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(text[i] - '0'), &sum))
			return ERR_RANGE;
		if (i > 30)
			return ERR_RANGE;
	}
	*value = sum;
	return (int)i;
}

int
parse_number(const char *text, size_t len, uint64_t *value)
{
	uint64_t got;
	int n = scan_digits(text, len, &got);

	if (n < 0)
		return n;
	if (n == 0 || (size_t)n != len)
		return ERR_FORMAT;
	*value = got;
	return 0;
}

int
parse_signed(const char *text, size_t len, int64_t *value)
{
	int minus = len > 0 && text[0] == '-';
	int sign = minus || (len > 0 && text[0] == '+');
	uint64_t got;
	int rc = parse_number(text + sign, len - (size_t)sign, &got);

	if (rc != 0)
		return rc;
	if (got > INT64_MAX)
		return ERR_RANGE;
	*value = minus ? -(int64_t)got : (int64_t)got;
	return 0;
}

static int
parse_with_unit(const char *text, size_t len, const struct unit *units,
    size_t count, uint64_t *value)
{
	uint64_t got;
	int n = scan_digits(text, len, &got);

	if (n < 0)
		return n;
	if (n == 0)
		return ERR_FORMAT;
	text += n;
	len -= (size_t)n;
	for (size_t i = 0; i < count; i++) {
		if (strlen(units[i].name) != len ||
		    memcmp(units[i].name, text, len) != 0)
			continue;
		if (__builtin_mul_overflow(got, units[i].factor, value))
			return ERR_RANGE;
		return 0;
	}
	return ERR_UNIT;
}

int
parse_size(const char *text, size_t len, uint64_t *bytes)
{
	uint64_t got;
	int rc = parse_with_unit(text, len, sizes, COUNT(sizes), &got);

	if (rc == 0)
		*bytes = got;
	return rc;
}

int
parse_duration(const char *text, size_t len, uint64_t *ms)
{
	uint64_t got;
	int rc;

	if (len == 1 && text[0] == '0') {
		*ms = 0;
		return 0;
	}
	rc = parse_with_unit(text, len, durations, COUNT(durations), &got);
	if (rc == 0)
		*ms = got;
	return rc;
}

int
parse_percent(const char *text, size_t len, unsigned *percent)
{
	uint64_t got;
	int rc;

	if (len > 0 && text[len - 1] == '%')
		len--;
	rc = parse_number(text, len, &got);
	if (rc != 0)
		return rc;
	if (got > 100)
		return ERR_RANGE;
	*percent = (unsigned)got;
	return 0;
}

int
parse_octal(const char *text, size_t len, unsigned *mode)
{
	unsigned sum = 0;

	if (len == 0 || len > 5)
		return ERR_FORMAT;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '7')
			return ERR_FORMAT;
		sum = sum * 8 + (unsigned)(text[i] - '0');
	}
	if (sum > 07777)
		return ERR_RANGE;
	*mode = sum;
	return 0;
}

static char *
format_unit(char *out, size_t size, uint64_t value, const struct unit *units,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (value == 0 && i + 1 < count)
			continue;
		if (value % units[i].factor != 0)
			continue;
		snprintf(out, size, "%" PRIu64 "%s", value / units[i].factor,
		    units[i].name);
		return out;
	}
	return out;
}

char *
format_size(char *out, size_t size, uint64_t bytes)
{
	return format_unit(out, size, bytes, sizes, COUNT(sizes));
}

char *
format_duration(char *out, size_t size, uint64_t ms)
{
	if (ms == 0)
		return snprintf(out, size, "0"), out;
	return format_unit(out, size, ms, durations, COUNT(durations));
}
