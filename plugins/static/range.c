/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* range.c: what a Range field asks for; see range.h. */
#include "range.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A number; one that is too large is the largest. */
static const char *
range_read_number(const char *at, uint64_t *number)
{
	for (*number = 0; is_digit(*at); at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (*number > (UINT64_MAX - 1 - digit) / 10)
			*number = UINT64_MAX - 1;
		else
			*number = *number * 10 + digit;
	}
	return at;
}

/* One of "5-9", "5-" and "-5" at *at, which is moved behind it; false: it is
 * none.  A part that lies outside is empty. */
static bool
range_read_part(const char **at, uint64_t size, struct range *part)
{
	const char *p = *at;
	uint64_t first, last;

	if (*p == '-') {
		if (!is_digit(*++p))
			return false;
		*at = range_read_number(p, &last);
		part->start = last < size ? size - last : 0;
		part->end = last == 0 ? part->start : size;
		return true;
	}
	if (!is_digit(*p))
		return false;
	p = range_read_number(p, &first);
	if (*p++ != '-')
		return false;
	last = UINT64_MAX - 1;
	if (is_digit(*p))
		p = range_read_number(p, &last);
	*at = p;
	part->start = first;
	part->end = last < size ? last + 1 : size;
	return true;
}

static const char *
skip_blanks(const char *at)
{
	while (*at == ' ' || *at == '\t')
		at++;
	return at;
}

enum range_verdict
range_parse(const char *value, uint64_t size, struct range ranges[RANGES_MAX],
    unsigned *count)
{
	uint64_t left = size;
	struct range part;
	bool end;

	*count = 0;
	if (strncasecmp(value, "bytes=", 6) != 0)
		return RANGE_WHOLE;
	for (value += 6, end = false; !end; value++) {
		value = skip_blanks(value);
		if (*value != ',' && *value != '\0') {
			if (!range_read_part(&value, size, &part))
				return RANGE_REFUSED;
			value = skip_blanks(value);
			if (*value != ',' && *value != '\0')
				return RANGE_REFUSED;
			if (part.start < part.end) {
				if (*count == RANGES_MAX ||
				    part.end - part.start > left)
					return RANGE_WHOLE;
				left -= part.end - part.start;
				ranges[(*count)++] = part;
			} else if (part.start == 0) {
				return RANGE_WHOLE;
			}
		}
		end = *value == '\0';
	}
	return *count > 0 ? RANGE_PARTS : RANGE_REFUSED;
}
