/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * percent.h: percent-decoding (RFC 3986, 2.1).  What is not plainly text is
 * refused, never guessed.  Pure.
 */
#ifndef DAEMON_HTTP_PERCENT_H
#define DAEMON_HTTP_PERCENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
	PERCENT_PLUS = 1,		/* '+' is a space, as in forms */
	PERCENT_NUL = 2,		/* a byte 0 may come of it */
	PERCENT_BYTES = 4,		/* so may bytes that are no UTF-8 */
	PERCENT_NO_SLASH = 8,		/* "%2F" is refused */
};
enum { PERCENT_FLAGS = PERCENT_PLUS | PERCENT_NUL | PERCENT_BYTES |
    PERCENT_NO_SLASH };

/*
 * Decode len bytes into out, of size bytes, and terminate them.  out may be in.
 * The length of the text without its NUL; or -EILSEQ: a '%' without two
 * hexadecimal digits, a byte 0, or no UTF-8 (RFC 3629: shortest form, no
 * surrogates), unless a flag allows it; -ENOSPC: size is too small, len + 1
 * never is.  On failure what out holds is of no use.
 */
ssize_t percent_decode(char *out, size_t size, const char *in, size_t len,
    unsigned flags);

bool percent_is_utf8(const char *text, size_t len);

#endif
