/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* value.h: quotes of a value, off and on.  Pure; only the checker. */
#ifndef CLUSTERD_CHECKER_VALUE_H
#define CLUSTERD_CHECKER_VALUE_H

struct buf;

/*
 * Take the quotes off a value, in place: it may be "quoted" as a whole, with
 * the escapes \" \\ \n \t.  NULL, or what is wrong (the value is spoilt then).
 */
const char *value_unquote(char *value);

/* Append a value so that value_unquote() gives it back: quoted if it must be. */
void value_quote(struct buf *out, const char *value);

#endif
