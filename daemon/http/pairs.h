/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * pairs.h: lists of names with values, as a client writes them: queries and
 * forms (application/x-www-form-urlencoded), cookies (RFC 6265).  Pure.
 */
#ifndef DAEMON_HTTP_PAIRS_H
#define DAEMON_HTTP_PAIRS_H

#include <stdbool.h>
#include <stddef.h>

enum { PAIRS_MAX = 1000 };

/* Both terminated; len is the value's, which has a byte 0 only where the caller
 * allowed it. */
struct pair {
	const char *name, *value;
	size_t len;
};

/* An upper bound of the pairs in len bytes that are divided by separator. */
size_t pairs_count(const char *in, size_t len, char separator);

/*
 * Decode "a=b&c=d" into pairs, at most max, texts into out, of len + 2 bytes,
 * in the order of the list.  '+' is a space; a name without '=' has the value
 * ""; nothing between two '&' is nothing.  Returns how many, or -EILSEQ as
 * percent_decode(), -E2BIG: more than max.
 */
int pairs_decode(struct pair *pairs, size_t max, char *out, const char *in,
    size_t len);

/*
 * The cookies of one header field "a=b; c=d", as pairs_decode(), out of len + 2
 * bytes.  Nothing is decoded; quotes around a value are taken off.  What is no
 * cookie is passed over: no '=', a name that is no token, a value with a control
 * byte or that is no UTF-8.  Blanks, ',', '\\' and '"' in a value are what
 * clients send.  Returns how many, or -E2BIG.
 */
int pairs_take_cookies(struct pair *pairs, size_t max, char *out,
    const char *in, size_t len);

/* The first of that name; NULL: there is none. */
const struct pair *pairs_find(const struct pair *pairs, size_t count,
    const char *name);

#endif
