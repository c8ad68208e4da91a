/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* httpdate.h: dates of HTTP (RFC 9110 5.6.7).  Pure. */
#ifndef PLUGINS_STATIC_HTTPDATE_H
#define PLUGINS_STATIC_HTTPDATE_H

#include <stdint.h>

enum { HTTPDATE_MAX = 30 };		/* with its NUL */

/* "Sun, 06 Nov 1994 08:49:37 GMT"; seconds from the year 0 to 9999. */
void httpdate_format(int64_t seconds, char out[HTTPDATE_MAX]);

/* Any of the three formats; -1: it is no date of HTTP, or before 1970. */
int64_t httpdate_parse(const char *text);

#endif
