/* SPDX-License-Identifier: MIT
 * Copyright (c) 2026 the clusterd authors */

/*
 * path.c: from the path of a request to a name below the root; see path.h.
 * What two programs could read in two ways is no file here: the route was
 * chosen by the path as it was sent, and must hold for what is served.
 */
#include "path.h"

#include <errno.h>
#include <string.h>

#define WELL_KNOWN ".well-known"

const char *
path_strip(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (strncmp(path, prefix, len) != 0)
		return NULL;
	path += len;
	return *path == '/' || *path == '\0' ? path : NULL;
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte at *path, which is moved behind it. */
static int
path_next_byte(const char **path, char *out)
{
	const char *at = *path;
	int high, low;

	*path = at + 1;
	*out = *at;
	if (*at != '%')
		return 0;
	if ((high = hex(at[1])) < 0 || (low = hex(at[2])) < 0)
		return -EINVAL;
	*path = at + 3;
	*out = (char)(high << 4 | low);
	if (*out == '\0')
		return -EINVAL;
	return *out == '/' ? -ENOENT : 0;
}

static bool
path_is_allowed(const char *segment, size_t len, bool first, bool hidden)
{
	if (len == 0)
		return false;
	if (segment[0] != '.')
		return true;
	if (len == 1 || (len == 2 && segment[1] == '.'))
		return false;
	return hidden || (first && len == sizeof(WELL_KNOWN) - 1 &&
	    memcmp(segment, WELL_KNOWN, len) == 0);
}

int
path_decode(const char *path, bool hidden, char out[STATIC_NAME_MAX],
    size_t *len)
{
	size_t at = 0, segment = 0;
	int rc;

	if (*path++ != '/')
		return -EINVAL;
	while (*path != '\0') {
		if (at == STATIC_NAME_MAX - 1)
			return -ENAMETOOLONG;
		if (*path != '/') {
			if ((rc = path_next_byte(&path, &out[at])) != 0)
				return rc;
			at++;
			continue;
		}
		if (!path_is_allowed(out + segment, at - segment, segment == 0,
		    hidden))
			return -ENOENT;
		out[at++] = *path++;
		segment = at;
	}
	if (at > segment && !path_is_allowed(out + segment, at - segment,
	    segment == 0, hidden))
		return -ENOENT;
	out[at] = '\0';
	*len = at;
	return 0;
}
