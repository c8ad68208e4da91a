/* SPDX-License-Identifier: MIT
 * Copyright (c) 2025 The clusterd authors */

/*
 * scan.h: classes of bytes, and the search for the next byte outside a class,
 * the one hot loop of the HTTP parsers.  Pure.
 */

#ifndef DAEMON_HTTP_SCAN_H
#define DAEMON_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SCAN_TOKEN = 1,			/* methods and field names */
	SCAN_TARGET = 2,		/* visible ASCII */
	SCAN_VALUE = 4,			/* field values: HTAB, SP to 0xff, no DEL */
	SCAN_HOST = 8,			/* a registered name, without % and , */
	SCAN_HEX = 16,
};

/* The classes that each byte is in. */
extern const uint8_t scan_classes[256];

static inline bool
scan_is(char c, unsigned int class)
{
	return (scan_classes[(unsigned char)c] & class) != 0;
}

static inline bool
scan_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* ASCII only: no locale decides what a field is called. */
static inline char
scan_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The first byte from p on that is not of the class; end if there is none. */
static inline const char *
scan_skip(const char *p, const char *end, unsigned int class)
{
	while (p < end && scan_is(*p, class))
		p++;
	return p;
}

/* True if len bytes at a and b are the same but for the case of letters. */
static inline bool
scan_equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (scan_lower(a[i]) != scan_lower(b[i]))
			return false;
	return true;
}

#endif
