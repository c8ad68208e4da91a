/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* percent.c: see percent.h. */
#include "daemon/http/percent.h"

#include <errno.h>

#include "common/base/escape.h"
#include "daemon/http/scan.h"

static unsigned
digit(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a') + 10;
}

bool
percent_is_utf8(const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n) {
		if ((unsigned char)text[i] < 0x80) {
			n = 1;
			continue;
		}
		if ((n = utf8_length(text + i, len - i)) == 0)
			return false;
	}
	return true;
}

/* One byte of the text, from *in on; -1: none. */
static int
next_byte(const char **in, const char *end, unsigned flags)
{
	const char *at = *in;
	unsigned byte;

	*in = at + 1;
	if (*at == '+' && (flags & PERCENT_PLUS) != 0)
		return ' ';
	if (*at != '%')
		return (unsigned char)*at;
	if (end - at < 3 || !scan_is(at[1], SCAN_HEX) ||
	    !scan_is(at[2], SCAN_HEX))
		return -1;
	*in = at + 3;
	byte = digit(at[1]) << 4 | digit(at[2]);
	if (byte == '/' && (flags & PERCENT_NO_SLASH) != 0)
		return -1;
	return (int)byte;
}

ssize_t
percent_decode(char *out, size_t size, const char *in, size_t len,
    unsigned flags)
{
	const char *end = in + len;
	bool ascii = true;
	size_t used = 0;

	if (size == 0)
		return -ENOSPC;
	while (in < end) {
		int byte = next_byte(&in, end, flags);

		if (byte < 0 || (byte == 0 && (flags & PERCENT_NUL) == 0))
			return -EILSEQ;
		if (used == size - 1)
			return -ENOSPC;
		ascii = ascii && byte < 0x80;
		out[used++] = (char)byte;
	}
	out[used] = '\0';
	if (!ascii && (flags & PERCENT_BYTES) == 0 && !percent_is_utf8(out, used))
		return -EILSEQ;
	return (ssize_t)used;
}
