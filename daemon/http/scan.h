/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * scan.h: classes of bytes, and the search for the next byte outside a class,
 * the one hot loop of the HTTP parsers.  Pure.
 */

#ifndef DAEMON_HTTP_SCAN_H
#define DAEMON_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SSE2__) && !defined(SCAN_PORTABLE)
#include <emmintrin.h>
#endif

enum {
	SCAN_TOKEN = 1,			/* methods and field names */
	SCAN_TARGET = 2,		/* visible ASCII */
	SCAN_VALUE = 4,			/* field values: HTAB, SP to 0xff, no DEL */
	SCAN_HOST = 8,			/* a registered name, without % and , */
	SCAN_HEX = 16,
	SCAN_PLAIN = 32,		/* SCAN_TARGET without # and % */
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

/*
 * The first byte from p on that is not of the class; end if there is none.
 * Byte by byte: the meaning of the wide form, and faster than it for the few
 * bytes of a name (bench/README.md).
 */
static inline const char *
scan_skip_bytes(const char *p, const char *end, unsigned int class)
{
	while (p < end && scan_is(*p, class))
		p++;
	return p;
}

#if defined(__SSE2__) && !defined(SCAN_PORTABLE)
/* The same in steps of sixteen, for targets and values, which may be long.
 * Every x86-64 has what it needs, so nothing is chosen at start. */
static inline unsigned int
scan_outside(__m128i bytes, unsigned int class)
{
	__m128i bad = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)), low;

	if (class == SCAN_PLAIN)
		bad = _mm_or_si128(bad, _mm_or_si128(
		    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('#')),
		    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('%'))));
	/* 0x80 and more are negative: outside a target, inside a value */
	if (class == SCAN_VALUE)
		low = _mm_andnot_si128(
		    _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')),
		    _mm_cmpeq_epi8(bytes,
		    _mm_min_epu8(bytes, _mm_set1_epi8(0x1f))));
	else
		low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x21));
	return (unsigned int)_mm_movemask_epi8(_mm_or_si128(low, bad));
}

static inline const char *
scan_skip(const char *p, const char *end, unsigned int class)
{
	for (; end - p >= 16; p += 16) {
		unsigned int outside = scan_outside(
		    _mm_loadu_si128((const __m128i *)(const void *)p), class);

		if (outside != 0)
			return p + __builtin_ctz(outside);
	}
	return scan_skip_bytes(p, end, class);
}
#else
static inline const char *
scan_skip(const char *p, const char *end, unsigned int class)
{
	return scan_skip_bytes(p, end, class);
}
#endif

/* True if len bytes at a and b are the same but for the case of letters. */
static inline bool
scan_equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (scan_lower(a[i]) != scan_lower(b[i]))
			return false;
	return true;
}

/* The same where lower has no letter in upper case and text no control byte, so
 * that one bit is all that can differ. */
static inline bool
scan_equal_lower(const char *text, const char *lower, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] | 0x20) != lower[i])
			return false;
	return true;
}

#endif
