/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/* plain.c: see plain.h. */
#include "daemon/plugin/plain.h"

#include <string.h>

bool
plain_is(const char *path, size_t len)
{
	if (len == 0 || path[0] != '/')
		return true;
	for (size_t i = 0; i < len; i++)
		if (path[i] == '%' || (path[i] == '/' && i + 1 < len &&
		    (path[i + 1] == '/' || path[i + 1] == '.')))
			return false;
	return true;
}

static int
hex(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	digit |= 0x20;
	return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static size_t
decode(char *path, size_t len)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		int high = path[i] == '%' && i + 2 < len ?
		    hex(path[i + 1]) : -1;
		int low = high < 0 ? -1 : hex(path[i + 2]);

		if (low < 0) {
			path[out++] = path[i];
			continue;
		}
		path[out++] = (char)(high << 4 | low);
		i += 2;
	}
	return out;
}

static bool
is_dots(const char *segment, size_t len, size_t dots)
{
	return len == dots && memcmp(segment, "..", dots) == 0;
}

size_t
plain_make(char *path, size_t len)
{
	size_t out = 0, at = 0;
	bool below = false;		/* ends in a directory */

	if (len == 0 || path[0] != '/')
		return len;
	len = decode(path, len);
	while (at < len) {
		const char *segment = path + at;
		const char *end = memchr(segment, '/', len - at);
		size_t size = (size_t)((end != NULL ? end : path + len) -
		    segment);

		at += size + (end != NULL);
		below = end != NULL || is_dots(segment, size, 1) ||
		    is_dots(segment, size, 2);
		if (is_dots(segment, size, 2)) {
			while (out > 0 && path[--out] != '/')
				continue;
		} else if (size > 0 && !is_dots(segment, size, 1)) {
			path[out++] = '/';
			memmove(path + out, segment, size);
			out += size;
		}
	}
	if (out == 0 || below)
		path[out++] = '/';
	return out;
}
